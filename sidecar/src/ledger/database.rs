//! Where a ledger is: a file in a data folder, or tables in PostgreSQL. Out: a connection to a database of
//! the newest form; a file only its owner can read; and the lock that says who serves a folder.

use super::schema;
use super::sql::postgres::{self, Postgres};
use super::sql::{self, Db};
use crate::private;
use gatewaystack_core::config::policy::{Policy, Store};
use rusqlite::Connection;
use std::cell::RefCell;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "ledger.db";
/// The key of its audit log.
const KEY: &str = "audit.key";
const LOCK: &str = "ledger.lock";
/// By which a sidecar is known among those that share a ledger.
const ID: &str = "sidecar.id";
/// A URL is no longer.
const LONGEST_URL: u64 = 4_096;

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

/// A ledger's place.
#[derive(Clone, PartialEq)]
pub struct Home {
    /// The data folder, in which the file of records is, too.
    pub folder: PathBuf,
    /// The URL of PostgreSQL, where it has the ledger. It may have a password.
    server: Option<String>,
    /// Where the audit log's key is, if not in the data folder.
    key_file: Option<PathBuf>,
}

/// A ledger in the folder's own file; in tests of PostgreSQL, in a database of its own.
impl From<&Path> for Home {
    fn from(folder: &Path) -> Self {
        #[cfg(test)]
        let server = testing::server(folder);
        #[cfg(not(test))]
        let server = None;
        Self { folder: folder.to_owned(), server, key_file: None }
    }
}

impl Home {
    /// That of a policy's ledger.
    ///
    /// # Errors
    /// The URL of PostgreSQL can't be read, or is none.
    pub fn of(policy: &Policy) -> Result<Self, String> {
        let folder = PathBuf::from(&policy.own.data_dir);
        #[cfg(test)]
        if testing::is_on() {
            return Ok(Self::from(folder.as_path()));
        }
        let key_file = policy.own.audit.as_ref().and_then(|audit| audit.key_file.as_ref().map(PathBuf::from));
        let Some(Store::Postgres { url_file }) = policy.own.ledger.as_ref().map(|ledger| &ledger.store)
        else {
            return Ok(Self { folder, server: None, key_file });
        };
        let failed = |e: &dyn std::fmt::Display| format!("ledger.url_file: {url_file}: {e}");
        let mut url = String::new();
        let read = File::open(url_file).and_then(|file| file.take(LONGEST_URL).read_to_string(&mut url));
        read.map_err(|e| failed(&e))?;
        let url = url.trim().to_owned();
        postgres::config(&url).map_err(|e| failed(&e))?;
        Ok(Self { folder, server: Some(url), key_file })
    }

    /// Where the key of its audit log is.
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.folder.join(KEY))
    }

    /// Whether several sidecars may write it.
    pub fn is_shared(&self) -> bool {
        self.server.is_some()
    }

    /// Whether there is a ledger.
    pub fn exists(&self) -> bool {
        self.server.is_some() || file(&self.folder).exists()
    }

    /// What it is called where something is the matter with it.
    pub fn name(&self) -> String {
        match self.server {
            Some(_) => "the ledger in PostgreSQL".to_owned(),
            None => file(&self.folder).display().to_string(),
        }
    }

    /// A connection. PostgreSQL is reached when it is first asked.
    ///
    /// # Errors
    /// Why there is none.
    pub fn open(&self, usage: Use) -> Result<Db, String> {
        match &self.server {
            Some(url) => {
                let server = Postgres::new(postgres::config(url)?, schema::postgres::upgrade);
                Ok(Db::Postgres(Box::new(RefCell::new(server))))
            }
            None => open(&self.folder, usage),
        }
    }

    /// What no other sidecar of a shared ledger is called; made where it has no name yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn id(&self) -> Result<String, String> {
        let path = self.folder.join(ID);
        let failed = |e: &dyn std::fmt::Display| format!("can't use {}: {e}", path.display());
        private::folder(&self.folder).map_err(|e| failed(&e))?;
        let mut file = private::file(&path).map_err(|e| failed(&e))?;
        let text = std::fs::read_to_string(&path).map_err(|e| failed(&e))?;
        let text = text.trim();
        if text.is_empty() {
            let mut id = [0; 8];
            getrandom::fill(&mut id).map_err(|e| failed(&e))?;
            let id = format!("{:016x}", u64::from_be_bytes(id));
            writeln!(file, "{id}").and_then(|()| file.sync_all()).map_err(|e| failed(&e))?;
            return Ok(id);
        }
        let is_id = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id { Ok(text.to_owned()) } else { Err(failed(&"expected 16 hex digits: delete it")) }
    }
}

/// Opens the ledger's file in `folder`, and makes both where absent.
///
/// # Errors
/// Why it can't, with the file's name.
pub fn open(folder: &Path, usage: Use) -> Result<Db, String> {
    let file = file(folder);
    let failed = |e: &dyn std::fmt::Display| format!("can't use {}: {e}", file.display());
    private::folder(folder).map_err(|e| failed(&e))?;
    private::database(&file).map_err(|e| failed(&e))?;
    let db = Connection::open(&file).map_err(|e| failed(&e))?;
    prepare(&db, usage).map_err(|e| failed(&e))?;
    let mut db = Db::Sqlite(db);
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

fn prepare(db: &Connection, usage: Use) -> sql::Result<()> {
    db.set_prepared_statement_cache_capacity(64);
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
    Ok(db.pragma_update(None, "temp_store", "FILE")?)
}

#[cfg(test)]
pub mod testing;
#[cfg(all(test, target_os = "linux"))]
mod tests;
