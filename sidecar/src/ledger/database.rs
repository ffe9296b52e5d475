//! The ledger's file in a data folder. In: the folder. Out: a connection to a database of the newest form,
//! which only its owner can read; and the lock that says who serves.

use super::schema;
use crate::private;
use rusqlite::Connection;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "ledger.db";
const LOCK: &str = "ledger.lock";

/// Of the database: large enough that a search reads it in few pieces.
pub const PAGE: u64 = 8_192;
/// The journal is worked into the database when it is so long, where there is room for it.
const JOURNAL: u64 = 8 * 1024 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Takes records in. What the system hadn't written when the machine stopped is read from their file
    /// again, so nothing waits for the disk.
    Ingest,
    /// Reads records: with a cache.
    Search,
    /// Small things: blocks, which are on the disk before anybody hears that they are there.
    Desk,
}

/// Where the ledger of a data folder is.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// How long the journal is at the moment, in bytes.
pub fn journal_bytes(folder: &Path) -> u64 {
    std::fs::metadata(folder.join(format!("{FILE}-wal"))).map_or(0, |file| file.len())
}

/// How long it may become, where database and journal have `max_bytes`.
pub fn journal_limit(max_bytes: u64) -> u64 {
    (max_bytes / 16).clamp(4 * PAGE, JOURNAL)
}

/// Opens the ledger in `folder`, and makes both where absent.
///
/// # Errors
/// Why it can't, with the file's name.
pub fn open(folder: &Path, usage: Use) -> Result<Connection, String> {
    let file = file(folder);
    let failed = |e: &dyn std::fmt::Display| format!("can't use {}: {e}", file.display());
    private::folder(folder).map_err(|e| failed(&e))?;
    private::database(&file).map_err(|e| failed(&e))?;
    let mut db = Connection::open(&file).map_err(|e| failed(&e))?;
    prepare(&db, usage).map_err(|e| failed(&e))?;
    schema::upgrade(&mut db).map_err(|e| failed(&e))?;
    Ok(db)
}

/// Says that this process serves the ledger in `folder`, until the file is dropped.
///
/// # Errors
/// Another one does; or the file can't be made.
pub fn lock(folder: &Path) -> Result<File, String> {
    let another = "another gatewaystack serves this folder, and one ledger has one writer";
    try_lock(folder)?.ok_or_else(|| format!("can't use {}: {another}", folder.join(LOCK).display()))
}

/// The same; `None`: another process serves it.
///
/// # Errors
/// The file can't be made.
pub fn try_lock(folder: &Path) -> Result<Option<File>, String> {
    let path = folder.join(LOCK);
    let failed = |e: &dyn std::fmt::Display| format!("can't use {}: {e}", path.display());
    private::folder(folder).map_err(|e| failed(&e))?;
    let file = private::file(&path).map_err(|e| failed(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn prepare(db: &Connection, usage: Use) -> rusqlite::Result<()> {
    // Another process or thread may be writing.
    db.busy_timeout(Duration::from_secs(5))?;
    // These two hold for a database that is made now.
    db.pragma_update(None, "page_size", PAGE)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", if usage == Use::Ingest { "NORMAL" } else { "FULL" })?;
    db.pragma_update(None, "cache_size", if usage == Use::Desk { -512 } else { -4_096 })?;
    db.pragma_update(None, "journal_size_limit", JOURNAL)?;
    // What is deleted is gone from the disk.
    db.pragma_update(None, "secure_delete", "ON")?;
    // What must be sorted and doesn't fit goes to the disk.
    db.pragma_update(None, "temp_store", "FILE")
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
