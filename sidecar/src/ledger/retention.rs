//! What is forgotten. In: how long and how much is kept. Out: the oldest records are gone, a few at a time,
//! so that what comes in isn't held up.

use super::database::{PAGE, journal_bytes, journal_limit};
use gatewaystack_core::config::policy::Policy;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

/// Records that go at once.
const STEP: i64 = 4_000;
/// Pages that are given back to the system at once.
const PAGES: u64 = 256;
/// Left empty, where there is so much.
const ROOM: u64 = 64 * 1024 * 1024;
/// What a VM sent is known for at least so long: one that says nothing for a while has lost nothing.
const VM_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// How long records are kept, and how much there may be of database and journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub keep_ms: u64,
    pub max_bytes: u64,
}

impl Limits {
    /// Those of a policy whose ledger is on.
    pub fn of(policy: &Policy) -> Option<Self> {
        policy.own.ledger.map(|ledger| Self { keep_ms: ledger.keep_ms, max_bytes: ledger.max_bytes })
    }

    /// Records older than this go, Unix milliseconds.
    fn oldest_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(self.keep_ms).unwrap_or(i64::MAX))
    }
}

/// One step; answers whether there is more to do at once.
///
/// # Errors
/// The disk's.
pub fn step(db: &mut Connection, folder: &Path, limits: Limits, now_ms: i64) -> rusqlite::Result<bool> {
    let oldest_us = limits.oldest_ms(now_ms).saturating_mul(1_000);
    let aged = db
        .prepare_cached(
            "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE ts < ?1 ORDER BY ts LIMIT ?2)",
        )?
        .execute([oldest_us, STEP])?;
    let pragma = |db: &Connection, name: &str| -> rusqlite::Result<u64> {
        db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let (pages, free) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?);
    // What is longer waits for somebody who reads: deleting makes it longer still.
    let journal = journal_bytes(folder).min(journal_limit(limits.max_bytes));
    // Some room for what comes until the next step, and for the journal.
    let room = (limits.max_bytes / 4).min(ROOM);
    let mut more = aged > 0;
    if pages.saturating_sub(free) * PAGE + journal > limits.max_bytes - room {
        let first_kept: Option<i64> = db
            .prepare_cached("SELECT id FROM record ORDER BY id LIMIT 1 OFFSET ?1")?
            .query_row([STEP.min(rows_in(limits.max_bytes / 8))], |row| row.get(0))
            .optional()?;
        let gone = match first_kept {
            Some(id) => db.prepare_cached("DELETE FROM record WHERE id < ?1")?.execute([id])?,
            None => 0,
        };
        more |= gone > 0;
    }
    // Pages that are free are filled again first; only where there is too much in all they are given back.
    if pages * PAGE + journal > limits.max_bytes - room / 2 && free > 0 {
        // A row for each page that is given back.
        let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({})", free.min(PAGES)))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        drop(vacuum);
        more |= pragma(db, "page_count")? < pages;
    }
    Ok(more)
}

/// What a VM sent isn't known any more once it is silent for as long as records are kept, nor is a gap.
///
/// # Errors
/// The disk's.
pub fn forget_vms(db: &mut Connection, limits: Limits, now_ms: i64) -> rusqlite::Result<()> {
    let oldest = limits.oldest_ms(now_ms).min(now_ms.saturating_sub(VM_MS));
    let tx = db.transaction()?;
    tx.execute("DELETE FROM missing WHERE vm IN (SELECT vm FROM vm WHERE seen_ms < ?1)", [oldest])?;
    tx.execute("DELETE FROM vm WHERE seen_ms < ?1", [oldest])?;
    tx.execute("DELETE FROM gap WHERE at < ?1", [oldest])?;
    tx.commit()
}

/// About so many records are in so many bytes, at least one.
fn rows_in(bytes: u64) -> i64 {
    i64::try_from(bytes / 512).unwrap_or(i64::MAX).max(1)
}
