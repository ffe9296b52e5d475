//! The durable queue of promotions: registrations in, due ones out, each until it is done or parked. SQLite,
//! written through to the disk before a sender hears that its event was taken. No event's body is kept, for
//! it may hold a secret: its id and its client's are enough.
//!
//! Bounded, and nothing that could be helped is thrown away: at most [`MAX_QUEUED`] wait (more are refused,
//! and the stream sends them again); of those parked that anybody can make, at most [`MAX_PARKED`] are kept;
//! of the others as many are parked, and more stay queued; an id that is done is known for [`KEPT`].

mod row;
mod table;

use super::event::Registration;
use crate::private;
pub use row::{Job, KEPT, MAX_PARKED, MAX_QUEUED, Parked, Received};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FILE: &str = "promotions.db";
const VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS registration (
        log_id      TEXT PRIMARY KEY,
        client_id   TEXT,
        state       TEXT NOT NULL CHECK (state IN ('queued', 'parked', 'done')),
        attempts    INTEGER NOT NULL DEFAULT 0,
        due_ms      INTEGER NOT NULL,
        reason      TEXT,
        received_ms INTEGER NOT NULL,
        changed_ms  INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS registration_state ON registration (state, due_ms);
    CREATE INDEX IF NOT EXISTS registration_age ON registration (state, changed_ms);
    CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// The queue. Clones share it.
#[derive(Clone)]
pub struct Queue {
    db: Arc<Mutex<Connection>>,
}

/// Why a body wasn't taken.
#[derive(Debug)]
pub enum Refused {
    /// [`MAX_QUEUED`] wait.
    Full,
    /// The disk.
    Storage(String),
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub queued: i64,
    pub parked: i64,
}

/// Where the queue of a data folder is.
pub fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

impl Queue {
    /// Opens the queue in `folder`, and makes both where absent.
    ///
    /// # Errors
    /// Why it can't.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let file = file(folder);
        let failed = |e: &dyn std::fmt::Display| format!("can't use {}: {e}", file.display());
        private::folder(folder).map_err(|e| failed(&e))?;
        private::database(&file).map_err(|e| failed(&e))?;
        let db = Connection::open(&file).map_err(|e| failed(&e))?;
        prepare(&db).map_err(|e| failed(&e))?;
        let version: i64 =
            db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| failed(&e))?;
        if version != VERSION {
            return Err(failed(&format!(
                "its form is {version}, and this version of gatewaystack knows {VERSION}"
            )));
        }
        Ok(Self { db: Arc::new(Mutex::new(db)) })
    }

    /// Takes what a body told of. When this returns, it is on the disk.
    ///
    /// # Errors
    /// Nothing of the body was taken.
    pub async fn receive(&self, found: Vec<Registration>, now_ms: i64) -> Result<Received, Refused> {
        let taken = self.write(move |tx| table::receive(tx, &found, now_ms)).await;
        match taken {
            Ok(Some(received)) => Ok(received),
            Ok(None) => Err(Refused::Full),
            Err(message) => Err(Refused::Storage(message)),
        }
    }

    /// Registrations that are due, the longest due first, without those whose clients are in `busy`.
    ///
    /// # Errors
    /// The disk's.
    pub async fn due(&self, now_ms: i64, most: usize, busy: Vec<String>) -> Result<Vec<Job>, String> {
        self.write(move |tx| table::due(tx, now_ms, most, &busy)).await
    }

    /// When the next one is due, Unix milliseconds.
    ///
    /// # Errors
    /// The disk's.
    pub async fn next_due(&self) -> Result<Option<i64>, String> {
        self.write(|tx| {
            tx.query_row("SELECT min(due_ms) FROM registration WHERE state = 'queued'", [], |row| row.get(0))
        })
        .await
    }

    /// It is promoted.
    ///
    /// # Errors
    /// The disk's.
    pub async fn done(&self, log_id: String, now_ms: i64) -> Result<(), String> {
        self.write(move |tx| {
            table::change(tx, &log_id, "done", None, now_ms)?;
            table::prune(tx, now_ms)
        })
        .await
    }

    /// It can't be promoted as things are. `false`: it stays queued, for too many are parked already.
    ///
    /// # Errors
    /// The disk's.
    pub async fn park(&self, log_id: String, reason: String, now_ms: i64) -> Result<bool, String> {
        self.write(move |tx| table::park(tx, &log_id, &reason, now_ms)).await
    }

    /// It is tried again at `due_ms`.
    ///
    /// # Errors
    /// The disk's.
    pub async fn later(
        &self,
        log_id: String,
        reason: String,
        due_ms: i64,
        now_ms: i64,
    ) -> Result<(), String> {
        self.write(move |tx| table::later(tx, &log_id, &reason, due_ms, now_ms)).await
    }

    /// How many wait, and how many are parked.
    ///
    /// # Errors
    /// The disk's.
    pub async fn counts(&self) -> Result<Counts, String> {
        self.write(|tx| {
            Ok(Counts { queued: table::count(tx, "queued")?, parked: table::count(tx, "parked")? })
        })
        .await
    }

    /// Notes that the stream has called.
    ///
    /// # Errors
    /// The disk's.
    pub async fn seen(&self, now_ms: i64) -> Result<(), String> {
        self.write(move |tx| table::note_seen(tx, now_ms)).await
    }

    /// When the stream called last, Unix milliseconds.
    ///
    /// # Errors
    /// The disk's.
    pub async fn last_seen(&self) -> Result<Option<i64>, String> {
        self.write(|tx| {
            tx.query_row("SELECT value FROM note WHERE name = 'seen'", [], |row| row.get(0)).optional()
        })
        .await
    }

    /// The parked ones, the newest first.
    ///
    /// # Errors
    /// The disk's.
    pub async fn parked(&self) -> Result<Vec<Parked>, String> {
        self.write(table::parked).await
    }

    /// Queues parked ones again, one or all; answers how many.
    ///
    /// # Errors
    /// The disk's.
    pub async fn retry(&self, log_id: Option<String>, now_ms: i64) -> Result<usize, String> {
        self.write(move |tx| {
            // What names no client can't be tried.
            tx.execute(
                "UPDATE registration SET state = 'queued', attempts = 0, due_ms = ?1, received_ms = ?1, changed_ms = ?1
                 WHERE state = 'parked' AND client_id IS NOT NULL AND (?2 IS NULL OR log_id = ?2)",
                params![now_ms, log_id],
            )
        })
        .await
    }

    /// Whether the disk takes what is written: as much as a registration.
    ///
    /// # Errors
    /// The disk's.
    pub async fn check(&self) -> Result<(), String> {
        self.write(|tx| {
            tx.execute(
                "INSERT INTO registration (log_id, state, due_ms, received_ms, changed_ms) VALUES ('', 'done', 0, 0, 0)",
                [],
            )?;
            tx.execute("DELETE FROM registration WHERE log_id = ''", []).map(drop)
        })
        .await
    }

    /// Runs `change` as one transaction, off the threads that answer requests.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        // Who waits, waits here: a thread for each would cost megabytes.
        let mut db = Arc::clone(&self.db).lock_owned().await;
        let run = move || {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = change(&tx)?;
            tx.commit()?;
            Ok(result)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result.map_err(|e: rusqlite::Error| format!("the queue: {e}")),
            Err(e) => Err(format!("the queue: {e}")),
        }
    }
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    // Another process (`gatewaystack webhook`) may be writing.
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // The file stays small, and so does what we hold of it: 512 KiB.
    db.pragma_update(None, "cache_size", -512)?;
    db.pragma_update(None, "journal_size_limit", 1_048_576)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 { db.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
