//! What takes records in. In: lines of a file, and how far the file has been read with them. Out: rows, each
//! record once, and in the same transaction where to read on; so that an end at any moment neither loses nor
//! doubles a line.

use super::aggregate::{Aggregates, Gathered};
use super::follow::Place;
use super::leaves::{Bundle, Event, append, covered, go_on, policy};
use super::member::{self, COUNT};
use super::names::Names;
use super::numbers::Numbers;
use super::retention::{self, Limits};
use super::sql::{self, AsCell as _, Cell, Db, Row, Tx, cells};
use super::stored::Stored;
use crate::audit::leaf::{Kind, Salt};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How often it is looked whether a name is free, and the pause in between.
const PATIENCE: u32 = 40;
const LOOK: Duration = Duration::from_millis(50);

/// A record that has come.
#[derive(Debug)]
pub struct Taken<'a> {
    pub record: Stored<'a>,
    /// Its number in its VM, where it has one.
    pub place: Option<(i64, u64)>,
    /// Where there is an audit log: its leaf, and the salt of what that commits to.
    pub sealed: Option<(Salt, String)>,
}

/// Records that are taken together.
#[derive(Debug)]
pub struct Batch<'a> {
    pub records: &'a [Taken<'a>],
    /// Lines that are none.
    pub ignored: u64,
    /// Where to read on in the file; `None`: they don't come from it.
    pub place: Option<&'a Place>,
    /// Of the policy: the labels under which records are counted.
    pub names: &'a Names,
    /// Series that a metric may have.
    pub most_series: usize,
}

/// Sums over all times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub records: u64,
    pub ignored: u64,
    pub gaps: u64,
}

/// What an audit log begins with.
#[derive(Debug)]
pub struct Begins<'a> {
    /// The process has just begun, too.
    pub is_start: bool,
    /// The policy's revision, and the hash of all of it.
    pub policy: &'a str,
    pub digest: &'a str,
}

/// A leaf that is a record's.
#[derive(Deserialize)]
struct Numbered {
    vm: Option<String>,
    seq: Option<u64>,
}

/// The one that writes records.
pub struct Writer {
    db: Db,
    /// What the file of records is called.
    source: String,
    /// By which it knows that nobody else has written since.
    id: i64,
    held: Held,
    has_log: bool,
}

/// What is in memory of what is in the database, or about to be.
#[derive(Default)]
struct Held {
    numbers: Numbers,
    aggregates: Aggregates,
}

impl Held {
    /// Reads all from the database again.
    fn forget(&mut self) {
        self.numbers.forget();
        self.aggregates.forget();
    }
}

impl Writer {
    /// Writes to this database.
    pub fn new(db: Db, source: String) -> Self {
        let mut id = [0; 8];
        // Without random numbers two may have one: then each reads what it knew again.
        let id = getrandom::fill(&mut id).map_or(0, |()| i64::from_be_bytes(id));
        Self { db, source, id, held: Held::default(), has_log: false }
    }

    /// Where to read on; `None`: nothing has been read yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn place(&self) -> sql::Result<Option<Place>> {
        let sql = "SELECT device, inode, \"offset\", head FROM source WHERE name = ?1";
        let place = |row: &Row<'_>| {
            Ok(Place { device: row.get(0)?, inode: row.get(1)?, offset: row.get(2)?, head: row.get(3)? })
        };
        self.db.first(sql, cells![self.source], place)
    }

    /// Whether nobody else writes under this name: for as long as the connection lives.
    ///
    /// # Errors
    /// The database's.
    pub fn is_alone(&self, name: &str) -> sql::Result<bool> {
        let Some(db) = self.db.postgres() else { return Ok(true) };
        // Of the process before, the server may not have heard yet that it has ended.
        for _ in 0..PATIENCE {
            if db.borrow_mut().hold(sql::postgres::named(name))? {
                return Ok(true);
            }
            std::thread::sleep(LOOK);
        }
        Ok(false)
    }

    /// The sums.
    ///
    /// # Errors
    /// The disk's.
    pub fn totals(&self) -> sql::Result<Totals> {
        totals(&self.db)
    }

    /// Takes a batch: all of it or nothing.
    ///
    /// # Errors
    /// The disk's.
    pub fn take(&mut self, batch: &Batch<'_>, now_ms: i64) -> sql::Result<Totals> {
        let (has_log, source) = (self.has_log, self.source.clone());
        self.write(|tx, Held { numbers, aggregates }| {
            let mut gathered = Gathered::default();
            let mut rows = Vec::with_capacity(batch.records.len());
            let mut bundle = Bundle::begin(tx)?;
            for Taken { record, place, sealed } in batch.records {
                if let Some((vm, seq)) = *place
                    && !numbers.take(tx, vm, seq, now_ms)?
                {
                    continue;
                }
                let leaf = sealed.as_ref().map(|(salt, leaf)| (salt, bundle.push(leaf)));
                rows.push(row(record, leaf));
                gathered.add(record);
            }
            tx.insert("record", &columns(), &rows)?;
            bundle.save(tx)?;
            aggregates.write(tx, &gathered, (batch.names, batch.most_series))?;
            let gaps = numbers.save(tx, now_ms, has_log)?;
            add(tx, "records", rows.len() as u64)?;
            add(tx, "ignored", batch.ignored)?;
            add(tx, "gaps", gaps)?;
            if let Some(Place { device, inode, offset, head }) = batch.place {
                tx.execute(
                    "INSERT INTO source VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (name) DO UPDATE SET device = ?2, inode = ?3, \"offset\" = ?4, head = ?5",
                    cells![source, *device, *inode, *offset, *head],
                )?;
            }
            totals(tx)
        })
    }

    /// Makes gaps of what has been missing for a minute. For when all that there is has been read: what is
    /// missing may come a little later in the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn tell_gaps(&mut self, now_ms: i64) -> sql::Result<Totals> {
        if !Numbers::are_overdue(&self.db, now_ms)? {
            return totals(&self.db);
        }
        let has_log = self.has_log;
        self.write(|tx, Held { numbers, .. }| {
            let gaps = numbers.tell(tx, now_ms, has_log)?;
            add(tx, "gaps", gaps)?;
            totals(tx)
        })
    }

    /// From now on there is an audit log with so many leaves; `None`: with as many as the ledger knows.
    /// `there` reads one of them. A process that has just begun says so.
    ///
    /// # Errors
    /// The disk's; what `there` says.
    pub fn begin_log(
        &mut self,
        size: Option<u64>,
        there: &mut dyn FnMut(u64) -> Result<Option<Vec<u8>>, String>,
        begins: &Begins<'_>,
        now_ms: i64,
    ) -> Result<(), String> {
        let text = |e: sql::Error| format!("the ledger: {e}");
        // They say what was about to be written, where it isn't.
        self.held.numbers.forget();
        let tx = self.db.write().map_err(text)?;
        tell_others(&tx, self.id, &mut self.held).map_err(text)?;
        let known = covered(&tx).map_err(text)?;
        let size = size.unwrap_or(known);
        let unknown = go_on(&tx, size, there)?;
        // Whatever the log has of a VM has come: the ledger was put back, and its file may be read again.
        for index in if unknown > 0 { known..size } else { 0..0 } {
            let leaf = there(index)?.unwrap_or_default();
            if let Ok(Numbered { vm: Some(vm), seq: Some(seq) }) = serde_json::from_slice(&leaf)
                && let Some(vm) = super::line::vm(&vm)
            {
                self.held.numbers.take(&tx, vm, seq, now_ms).map_err(text)?;
            }
        }
        self.held.numbers.save(&tx, now_ms, true).map_err(text)?;
        if begins.is_start || unknown > 0 {
            let offset = i64::try_from(size).unwrap_or(i64::MAX);
            let shown = json!({ "version": env!("CARGO_PKG_VERSION"), "unknown": unknown });
            append(&tx, Event { kind: Kind::Start, offset, shown, sealed: None }, now_ms).map_err(text)?;
        }
        if !begins.digest.is_empty() {
            policy(&tx, begins.policy, begins.digest, now_ms).map_err(text)?;
        }
        tx.commit().map_err(text)?;
        self.has_log = true;
        Ok(())
    }

    /// From now on there is none.
    pub fn end_log(&mut self) {
        self.has_log = false;
    }

    /// What else is done to the database by the one who writes.
    ///
    /// # Errors
    /// What `change` says.
    pub fn with<T>(&mut self, change: impl FnOnce(&mut Db) -> sql::Result<T>) -> sql::Result<T> {
        change(&mut self.db)
    }

    /// What was taken is on the disk afterwards, also when the machine stops.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle(&self) -> sql::Result<()> {
        // Where commits don't wait for the disk, one that does brings all before it there.
        let Some(db) = self.db.sqlite() else { return Ok(()) };
        db.pragma_update(None, "synchronous", "FULL")?;
        let settled = self.db.execute("UPDATE note SET value = 1 - value WHERE name = 'check'", &[]);
        db.pragma_update(None, "synchronous", "NORMAL")?;
        settled.map(drop)
    }

    /// Forgets VMs that are silent for long.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget_vms(&mut self, limits: Limits, now_ms: i64) -> sql::Result<()> {
        self.write(|tx, held| {
            held.numbers.forget();
            retention::forget_vms(tx, limits, now_ms)
        })
    }

    fn write<T>(&mut self, change: impl FnOnce(&Tx<'_>, &mut Held) -> sql::Result<T>) -> sql::Result<T> {
        let tx = self.db.write()?;
        let held = &mut self.held;
        tell_others(&tx, self.id, held)?;
        let done = change(&tx, held).and_then(|result| tx.commit().map(|()| result));
        if done.is_err() {
            // It says what was about to be written.
            self.held.forget();
        }
        done
    }
}

/// What is in memory holds as long as nobody else writes, which in PostgreSQL other sidecars do.
fn tell_others(tx: &Tx<'_>, id: i64, held: &mut Held) -> sql::Result<()> {
    if tx.postgres().is_none() {
        return Ok(());
    }
    let last: i64 = tx.one("SELECT value FROM note WHERE name = 'writer'", &[])?;
    if last != id || id == 0 {
        held.forget();
        tx.execute("UPDATE note SET value = ?1 WHERE name = 'writer'", cells![id])?;
    }
    Ok(())
}

fn columns() -> String {
    format!("{}, nulls, more, salt, leaf", member::columns())
}

/// A record's row: the values of [`columns`].
fn row<'a>(record: &'a Stored<'_>, leaf: Option<(&'a Salt, u64)>) -> [Cell<'a>; COUNT + 4] {
    let mut row = [Cell::Null; COUNT + 4];
    let rest = [
        Cell::Integer(record.nulls),
        record.more.as_cell(),
        leaf.map_or(Cell::Null, |(salt, _)| Cell::Blob(salt)),
        leaf.map_or(Cell::Null, |(_, index)| Cell::Integer(i64::try_from(index).unwrap_or(i64::MAX))),
    ];
    row.iter_mut().zip(record.values.into_iter().chain(rest)).for_each(|(to, from)| *to = from);
    row
}

fn add(tx: &Tx<'_>, name: &str, count: u64) -> sql::Result<()> {
    if count > 0 {
        tx.execute("UPDATE note SET value = value + ?2 WHERE name = ?1", cells![name, count])?;
    }
    Ok(())
}

fn totals(db: &Db) -> sql::Result<Totals> {
    let one = |name: &str| db.one("SELECT value FROM note WHERE name = ?1", cells![name]);
    Ok(Totals { records: one("records")?, ignored: one("ignored")?, gaps: one("gaps")? })
}
