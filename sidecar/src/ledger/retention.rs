//! What is forgotten. In: how long and how much is kept. Out: the oldest records are gone, a few at a time,
//! so that what comes in isn't held up.

use super::database::{PAGE, journal_bytes, journal_limit};
use super::sql::{self, Db, Tx, cells};
use gatewaystack_core::config::policy::Policy;
use std::path::Path;

/// Records that go at once.
const STEP: i64 = 4_000;
/// Pages that are given back to the system at once.
const PAGES: u64 = 256;
/// What a row of PostgreSQL's takes besides its values: its head, and what two indexes have of it.
const ROW_BYTES: u64 = 90;
/// Of so many bytes of the table it is taken what a record takes.
const SAMPLED: i64 = 4 * 1024 * 1024;
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
        policy.own.ledger.as_ref().map(|ledger| Self { keep_ms: ledger.keep_ms, max_bytes: ledger.max_bytes })
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
pub fn step(db: &mut Db, folder: &Path, limits: Limits, now_ms: i64) -> sql::Result<bool> {
    let oldest_us = limits.oldest_ms(now_ms).saturating_mul(1_000);
    let is_aged: bool = db.one("SELECT EXISTS (SELECT 1 FROM record WHERE ts < ?1)", cells![oldest_us])?;
    if is_aged {
        let aged =
            "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE ts < ?1 ORDER BY ts LIMIT ?2)";
        let tx = db.write()?;
        tx.execute(aged, cells![oldest_us, STEP])?;
        tx.commit()?;
    }
    let more = match db {
        Db::Sqlite(_) => bounded_file(db, folder, limits)?,
        Db::Postgres(_) => bounded_table(db, limits)?,
    };
    Ok(is_aged || more)
}

/// Deletes some of the oldest where database and journal are too large; answers whether there is more to do.
fn bounded_file(db: &mut Db, folder: &Path, limits: Limits) -> sql::Result<bool> {
    let pragma = |db: &Db, name: &str| db.one::<u64>(&format!("PRAGMA {name}"), &[]);
    let (pages, free) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?);
    // What is longer waits for somebody who reads: deleting makes it longer still.
    let journal = journal_bytes(folder).min(journal_limit(limits.max_bytes));
    // Some room for what comes until the next step, and for the journal.
    let room = (limits.max_bytes / 4).min(ROOM);
    let mut more = false;
    if pages.saturating_sub(free) * PAGE + journal > limits.max_bytes - room {
        more |= delete_oldest(db, limits)?;
    }
    // Pages that are free are filled again first; only where there is too much in all they are given back.
    if pages * PAGE + journal > limits.max_bytes - room / 2 && free > 0 {
        // A row for each page that is given back.
        db.execute(&format!("PRAGMA incremental_vacuum({})", free.min(PAGES)), &[])?;
        more |= pragma(db, "page_count")? < pages;
    }
    Ok(more)
}

/// The same where the records' table with its indexes is too large, by what its records take: what was
/// deleted leaves its room to others, and none to the disk.
fn bounded_table(db: &mut Db, limits: Limits) -> sql::Result<bool> {
    let room = (limits.max_bytes / 4).min(ROOM);
    if db.one::<u64>("SELECT pg_total_relation_size('record')", &[])? <= limits.max_bytes - room {
        return Ok(false);
    }
    let count: u64 = db.one(
        "SELECT greatest(0, (SELECT value FROM note WHERE name = 'records') - (SELECT value FROM note WHERE name = 'deleted'))",
        &[],
    )?;
    // Of pages from all over it: whoever fills the newest ones with long records doesn't say what the old
    // ones are.
    let each: u64 = db.one(
        "SELECT coalesce(ceil(avg(pg_column_size(r.*))), 0)::bigint FROM record r
         TABLESAMPLE SYSTEM (least(100, ?1::bigint * 100.0 / greatest(pg_relation_size('record'), 1)))",
        cells![SAMPLED],
    )?;
    if count.saturating_mul(each + ROW_BYTES) <= limits.max_bytes - room {
        return Ok(false);
    }
    delete_oldest(db, limits)
}

fn delete_oldest(db: &mut Db, limits: Limits) -> sql::Result<bool> {
    let most = STEP.min(rows_in(limits.max_bytes / 8));
    let first_kept: Option<i64> =
        db.first("SELECT id FROM record ORDER BY id LIMIT 1 OFFSET ?1", cells![most], |row| row.get(0))?;
    let Some(id) = first_kept else { return Ok(false) };
    let tx = db.write()?;
    let gone = tx.execute("DELETE FROM record WHERE id < ?1", cells![id])?;
    tx.commit()?;
    Ok(gone > 0)
}

/// What a VM sent isn't known any more once it is silent for as long as records are kept, nor is a gap.
///
/// # Errors
/// The disk's.
pub fn forget_vms(tx: &Tx<'_>, limits: Limits, now_ms: i64) -> sql::Result<()> {
    let oldest = limits.oldest_ms(now_ms).min(now_ms.saturating_sub(VM_MS));
    tx.execute("DELETE FROM missing WHERE vm IN (SELECT vm FROM vm WHERE seen_ms < ?1)", cells![oldest])?;
    tx.execute("DELETE FROM vm WHERE seen_ms < ?1", cells![oldest])?;
    tx.execute("DELETE FROM gap WHERE at < ?1", cells![oldest]).map(drop)
}

/// About so many records are in so many bytes, at least one.
fn rows_in(bytes: u64) -> i64 {
    i64::try_from(bytes / 512).unwrap_or(i64::MAX).max(1)
}
