//! Who is refused, whatever his token says. In: what an operator says, and the clock; `signal.rs` has what
//! issuers say. Out: rows, each with the version that its last change got, so that a reader can ask for what
//! came after one.
//!
//! What is lifted stays as a tombstone for a day at least. When tombstones go, the blocks that are older than
//! them get new versions: then every block is above what is forgotten, and whoever reads from the beginning,
//! a page at a time, is never told to begin again for it.

use super::leaves::{Event, append};
use super::sql::{self, Db, Tx, cells};
use crate::audit::leaf::Kind;
use crate::clock::rfc3339;
use serde_json::json;

/// Blocks and revocations that hold at one time.
pub const MOST: u64 = 100_000;
/// How long a tombstone stays, and how often they are looked through.
const TOMBSTONE_MS: i64 = 24 * 3_600 * 1_000;

/// A block that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub kind: String,
    pub value: String,
    pub why: Option<String>,
    pub since_ms: i64,
    /// `None`: for ever.
    pub until_ms: Option<i64>,
    pub by: Option<String>,
}

/// Blocks, or changes a block; with `has_log` it has a leaf. `false`: there are too many.
///
/// # Errors
/// The disk's.
pub fn block(db: &mut Db, new: &Block, has_log: bool) -> sql::Result<bool> {
    let tx = db.write()?;
    expire(&tx, new.since_ms)?;
    let holding: u64 = tx.one(
        "SELECT count(*) FROM block WHERE lifted IS NULL AND NOT (kind = ?1 AND value = ?2)",
        cells![new.kind, new.value],
    )?;
    if holding >= MOST {
        return Ok(false);
    }
    let version = next(&tx)?;
    tx.execute(
        "INSERT INTO block (kind, value, why, since_ms, until_ms, \"by\", version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (kind, value) DO UPDATE SET why = ?3, until_ms = ?5, \"by\" = ?6, version = ?7, lifted = NULL,
         since_ms = CASE WHEN block.lifted IS NULL THEN block.since_ms ELSE ?4 END",
        cells![new.kind, new.value, new.why, new.since_ms, new.until_ms, new.by, version],
    )?;
    if has_log {
        let Block { kind, value, why, since_ms, until_ms, by } = new;
        let sealed =
            json!({ "kind": kind, "value": value, "why": why, "until": until_ms.map(rfc3339), "by": by });
        append(
            &tx,
            Event { kind: Kind::Block, offset: version, shown: json!({}), sealed: Some(&sealed) },
            *since_ms,
        )?;
    }
    tx.commit()?;
    Ok(true)
}

/// Lifts a block, and of a user what the issuer has said, too; `false`: there is none. Where there is an
/// audit log, `by` is who it was, and it has a leaf.
///
/// # Errors
/// The disk's.
pub fn unblock(
    db: &mut Db,
    kind: &str,
    value: &str,
    now_ms: i64,
    by: Option<Option<String>>,
) -> sql::Result<bool> {
    let tx = db.write()?;
    expire(&tx, now_ms)?;
    let sql = "SELECT version FROM block WHERE kind = ?1 AND value = ?2 AND lifted IS NULL";
    let mut is_lifted = false;
    for stored in [kind].into_iter().chain((kind == "user").then_some("disabled")) {
        let version: Option<i64> = tx.first(sql, cells![stored, value], |row| row.get(0))?;
        let Some(version) = version else { continue };
        is_lifted = true;
        let offset = lift(&tx, version, now_ms)?;
        if let Some(by) = &by {
            let sealed = json!({ "kind": kind, "value": value, "by": by });
            append(
                &tx,
                Event { kind: Kind::Unblock, offset, shown: json!({}), sealed: Some(&sealed) },
                now_ms,
            )?;
        }
    }
    tx.commit()?;
    Ok(is_lifted)
}

/// Those that hold, the oldest first.
///
/// # Errors
/// The disk's.
pub fn list(db: &Db, now_ms: i64) -> sql::Result<Vec<Block>> {
    read(
        db,
        "SELECT CASE kind WHEN 'disabled' THEN 'user' ELSE kind END, value, why, since_ms, until_ms, \"by\" FROM block
         WHERE lifted IS NULL AND (until_ms IS NULL OR until_ms > ?1) AND kind NOT IN ('revoked', 'issuer')
         ORDER BY since_ms, kind, value",
        now_ms,
    )
}

/// What issuers have revoked, in the same form: `until_ms` is until when the tokens were issued.
///
/// # Errors
/// The disk's.
pub fn revoked(db: &Db, now_ms: i64) -> sql::Result<Vec<Block>> {
    read(
        db,
        "SELECT kind, value, why, since_ms, said_s * 1000, \"by\" FROM block
         WHERE lifted IS NULL AND (until_ms IS NULL OR until_ms > ?1) AND kind IN ('revoked', 'issuer')
         ORDER BY since_ms, kind, value",
        now_ms,
    )
}

fn read(db: &Db, sql: &str, now_ms: i64) -> sql::Result<Vec<Block>> {
    db.all(sql, cells![now_ms], |row| {
        Ok(Block {
            kind: row.get(0)?,
            value: row.get(1)?,
            why: row.get(2)?,
            since_ms: row.get(3)?,
            until_ms: row.get(4)?,
            by: row.get(5)?,
        })
    })
}

/// Lifts what has come to its end, and forgets what was lifted long ago.
///
/// # Errors
/// The disk's.
pub fn tidy(db: &mut Db, now_ms: i64) -> sql::Result<()> {
    let due: bool = db.one(
        "SELECT EXISTS (SELECT 1 FROM block WHERE lifted IS NULL AND until_ms <= ?1)
             OR EXISTS (SELECT 1 FROM block WHERE lifted <= ?2)
                AND (SELECT value NOT BETWEEN ?2 AND ?1 FROM note WHERE name = 'forgot_ms')",
        cells![now_ms, now_ms.saturating_sub(TOMBSTONE_MS)],
    )?;
    if !due {
        return Ok(());
    }
    let tx = db.write()?;
    expire(&tx, now_ms)?;
    forget(&tx, now_ms)?;
    tx.commit()
}

pub(super) fn expire(tx: &Tx<'_>, now_ms: i64) -> sql::Result<()> {
    let over = "SELECT version FROM block WHERE lifted IS NULL AND until_ms <= ?1 ORDER BY until_ms";
    let over: Vec<i64> = tx.all(over, cells![now_ms], |row| row.get(0))?;
    over.into_iter().try_for_each(|version| lift(tx, version, now_ms).map(drop))
}

/// Answers the version that it has then.
pub(super) fn lift(tx: &Tx<'_>, version: i64, now_ms: i64) -> sql::Result<i64> {
    let new = next(tx)?;
    tx.execute(
        "UPDATE block SET lifted = ?2, version = ?3 WHERE version = ?1",
        cells![version, now_ms, new],
    )?;
    Ok(new)
}

fn forget(tx: &Tx<'_>, now_ms: i64) -> sql::Result<()> {
    let before = now_ms.saturating_sub(TOMBSTONE_MS);
    let highest: Option<i64> = tx.one("SELECT max(version) FROM block WHERE lifted <= ?1", cells![before])?;
    let Some(highest) = highest else { return Ok(()) };
    tx.execute("DELETE FROM block WHERE lifted <= ?1", cells![before])?;
    let older = "SELECT version FROM block WHERE version <= ?1 ORDER BY version";
    let older: Vec<i64> = tx.all(older, cells![highest], |row| row.get(0))?;
    for version in older {
        let new = next(tx)?;
        tx.execute("UPDATE block SET version = ?2 WHERE version = ?1", cells![version, new])?;
    }
    tx.execute("UPDATE note SET value = ?1 WHERE name = 'forgotten'", cells![highest])?;
    tx.execute("UPDATE note SET value = ?1 WHERE name = 'forgot_ms'", cells![now_ms]).map(drop)
}

pub(super) fn next(tx: &Tx<'_>) -> sql::Result<i64> {
    tx.one("UPDATE note SET value = value + 1 WHERE name = 'block_version' RETURNING value", &[])
}

#[cfg(test)]
mod tests;
