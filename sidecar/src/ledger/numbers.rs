//! The numbers of all VMs, kept in the database. In: the (`vm`, `seq`) of each record. Out: whether it
//! counts, and rows for what is missing. Those that have come in last are in memory, too.

use super::leaves::{Event, append};
use super::sequence::{Missing, Sequence};
use super::sql::{self, Db, Tx, cells};
use crate::audit::leaf::Kind;
use serde_json::json;
use std::collections::HashMap;

/// What isn't there after this long is a gap.
const PATIENCE_MS: i64 = 60_000;
/// VMs in memory.
const MOST: usize = 1_000;

/// Those in memory.
#[derive(Default)]
pub struct Numbers {
    vms: HashMap<i64, Known>,
    /// Told of when it is saved.
    given_up: Vec<(i64, u64, u64)>,
}

#[derive(Default)]
struct Known {
    sequence: Sequence,
    /// It has taken a number since it was saved.
    is_new: bool,
    /// And what is missing has changed.
    moved: bool,
}

impl Numbers {
    /// Whether the record of this number counts.
    pub fn take(&mut self, tx: &Tx<'_>, vm: i64, seq: u64, now_ms: i64) -> sql::Result<bool> {
        let known = match self.vms.entry(vm) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Known { sequence: load(tx, vm)?, ..Known::default() })
            }
        };
        let taken = known.sequence.take(seq, now_ms);
        known.is_new |= taken.is_new;
        known.moved |= taken.moved;
        self.given_up.extend(taken.given_up.map(|(from, to)| (vm, from, to)));
        Ok(taken.is_new)
    }

    /// Writes what has changed; answers how many gaps it was given up for.
    pub fn save(&mut self, tx: &Tx<'_>, now_ms: i64, has_log: bool) -> sql::Result<u64> {
        for (vm, known) in self.vms.iter_mut().filter(|(_, known)| known.is_new) {
            tx.execute("INSERT INTO vm VALUES (?1, ?2, ?3) ON CONFLICT (vm) DO UPDATE SET highest = ?2, seen_ms = ?3", cells![
                vm,
                known.sequence.highest,
                now_ms
            ])?;
            if known.moved {
                tx.execute("DELETE FROM missing WHERE vm = ?1", cells![vm])?;
                let insert = "INSERT INTO missing VALUES (?1, ?2, ?3, ?4, ?5)";
                for (from, Missing { to, since_ms, told }) in &known.sequence.missing {
                    tx.execute(insert, cells![*vm, *from, *to, *since_ms, *told])?;
                }
            }
            (known.is_new, known.moved) = (false, false);
        }
        let given_up = std::mem::take(&mut self.given_up);
        for (vm, from, to) in &given_up {
            gap(tx, (*vm, *from, *to), now_ms, has_log)?;
        }
        if self.vms.len() > MOST {
            self.vms.clear();
        }
        Ok(given_up.len() as u64)
    }

    /// Whether anything has been missing for too long.
    pub fn are_overdue(db: &Db, now_ms: i64) -> sql::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM missing WHERE told = 0 AND since_ms <= ?1)";
        db.one(sql, cells![now_ms - PATIENCE_MS])
    }

    /// Tells of it; answers how many gaps there are more.
    pub fn tell(&mut self, tx: &Tx<'_>, now_ms: i64, has_log: bool) -> sql::Result<u64> {
        self.forget();
        let overdue: Vec<(i64, u64, u64)> = tx.all(
            "SELECT vm, from_seq, to_seq FROM missing WHERE told = 0 AND since_ms <= ?1 ORDER BY vm, from_seq",
            cells![now_ms - PATIENCE_MS],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for range in &overdue {
            gap(tx, *range, now_ms, has_log)?;
            tx.execute(
                "UPDATE missing SET told = 1 WHERE vm = ?1 AND from_seq = ?2",
                cells![range.0, range.1],
            )?;
        }
        Ok(overdue.len() as u64)
    }

    /// Reads all from the database again.
    pub fn forget(&mut self) {
        self.vms.clear();
        self.given_up.clear();
    }
}

fn gap(tx: &Tx<'_>, (vm, from, to): (i64, u64, u64), now_ms: i64, has_log: bool) -> sql::Result<()> {
    let insert = "INSERT INTO gap (vm, from_seq, to_seq, at) VALUES (?1, ?2, ?3, ?4) RETURNING id";
    let offset = tx.one(insert, cells![vm, from, to, now_ms])?;
    if !has_log {
        return Ok(());
    }
    let shown = json!({ "vm": format!("{:016x}", vm.cast_unsigned()), "from": from, "to": to });
    append(tx, Event { kind: Kind::Gap, offset, shown, sealed: None }, now_ms).map(drop)
}

fn load(tx: &Tx<'_>, vm: i64) -> sql::Result<Sequence> {
    let highest =
        tx.first("SELECT highest FROM vm WHERE vm = ?1", cells![vm], |row| row.get(0))?.unwrap_or(0);
    let missing = "SELECT from_seq, to_seq, since_ms, told FROM missing WHERE vm = ?1";
    let missing = tx.all(missing, cells![vm], |row| {
        Ok((row.get(0)?, Missing { to: row.get(1)?, since_ms: row.get(2)?, told: row.get(3)? }))
    })?;
    Ok(Sequence { highest, missing: missing.into_iter().collect() })
}
