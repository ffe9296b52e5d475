//! The ledger as the sidecar holds it: one for as long as it serves, whatever becomes of the policy. In: a
//! data folder. Out: what is asked of it: sums, how far it is behind, and whether it can write.

use super::counted;
use super::database::{self, Use};
use super::feed::{self, Page};
use super::leaves;
use super::names::Names;
use super::retention::Limits;
use super::signal::{self, Signal, Taken};
use super::writer::{Begins, Totals, Writer};
use crate::audit::hash::Hash;
use crate::audit::leaf;
use crate::audit::log::Log;
use crate::audit::store::Store;
use crate::audit::tile::{Tile, WIDTH};
use crate::clock::now_ms;
use crate::metrics::definition::Family;
use gatewaystack_core::config::policy::{self, Policy};
use rusqlite::Connection;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ledger. Clones share it, each with the limits, the names and the audit log of its policy.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
    limits: Limits,
    names: Arc<Names>,
    audited: Option<Arc<Audited>>,
}

/// The audit log of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    pub settings: policy::Audit,
    /// The name of a new log.
    pub origin: String,
    /// The policy's revision, and the hash of all of it; empty: nothing begins, and no policy is served.
    pub policy: String,
    pub digest: String,
}

impl Audited {
    /// That of a policy, where it has one.
    pub fn of(policy: &Policy, digest: &str) -> Option<Self> {
        policy.own.audit.clone().map(|settings| Self {
            settings,
            origin: origin(&policy.public_url),
            policy: policy.revision.to_string(),
            digest: digest.to_owned(),
        })
    }
}

/// The name of the log of a gateway that clients see under this URL.
pub fn origin(public_url: &str) -> String {
    let host = public_url.split_once("://").map_or(public_url, |(_, host)| host);
    format!("{}/audit", host.trim_end_matches('/'))
}

/// The audit log, as the last checkpoint has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

struct Inner {
    folder: PathBuf,
    writer: Mutex<Writer>,
    /// For small questions, which wait for no record.
    desk: Arc<tokio::sync::Mutex<Connection>>,
    standing: Mutex<Standing>,
    /// Whether the audit log has been told that this process has begun.
    has_begun: AtomicBool,
    /// Since when there is something that hasn't been read, Unix milliseconds; 0: there is nothing.
    behind_since_ms: AtomicI64,
    /// When the filter last got an answer from the feed, Unix milliseconds; 0: never.
    fed_ms: AtomicI64,
    /// Held while this process serves.
    _lock: File,
}

/// How it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub totals: Totals,
    /// Why nothing can be read or written at the moment.
    pub trouble: Option<String>,
    /// The audit log, once there is a checkpoint.
    pub audit: Option<Published>,
    /// Why nothing can be added to it at the moment.
    pub audit_trouble: Option<String>,
}

impl Ledger {
    /// Opens the ledger in `folder` for serving, and makes both where absent.
    ///
    /// # Errors
    /// Why it can't: another process serves it, for one.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, String> {
        Self::locked(folder, limits, database::lock(folder)?)
    }

    /// The same; `None`: another process serves it.
    ///
    /// # Errors
    /// Why it can't.
    pub fn open_unless_served(folder: &Path, limits: Limits) -> Result<Option<Self>, String> {
        let Some(lock) = database::try_lock(folder)? else { return Ok(None) };
        Self::locked(folder, limits, lock).map(Some)
    }

    fn locked(folder: &Path, limits: Limits, lock: File) -> Result<Self, String> {
        let db = database::open(folder, Use::Ingest)?;
        let desk = database::open(folder, Use::Desk)?;
        let failed = |e: rusqlite::Error| format!("can't use {}: {e}", database::file(folder).display());
        // A copy may have been put back since: whoever reads the feed begins again.
        feed::begin_epoch(&desk).map_err(failed)?;
        let writer = Writer::new(db);
        let totals = writer.totals().map_err(failed)?;
        let this = Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                writer: Mutex::new(writer),
                desk: Arc::new(tokio::sync::Mutex::new(desk)),
                standing: Mutex::new(Standing { totals, ..Standing::default() }),
                has_begun: AtomicBool::new(false),
                behind_since_ms: AtomicI64::new(0),
                fed_ms: AtomicI64::new(0),
                _lock: lock,
            }),
            limits,
            names: Arc::default(),
            audited: None,
        };
        this.limit().map_err(failed)?;
        Ok(this)
    }

    /// The same ledger under other limits.
    ///
    /// # Errors
    /// The disk's.
    pub fn limited(&self, limits: Limits) -> Result<Self, String> {
        let this =
            Self { inner: Arc::clone(&self.inner), limits, names: Arc::clone(&self.names), audited: None };
        this.limit().map_err(|e| format!("the ledger: {e}"))?;
        Ok(this)
    }

    /// With this audit log, or without one.
    pub fn audited(self, audited: Option<Audited>) -> Self {
        Self { audited: audited.map(Arc::new), ..self }
    }

    /// From now on there is no audit log: what begins again says so, for there is a time without leaves
    /// before it.
    pub(super) fn end_log(&self) {
        self.writer().end_log();
        self.inner.has_begun.store(false, Ordering::Relaxed);
        self.stands(|standing| (standing.audit, standing.audit_trouble) = (None, None));
    }

    /// Whether this process writes an audit log.
    pub(super) fn has_begun(&self) -> bool {
        self.inner.has_begun.load(Ordering::Relaxed)
    }

    /// Its audit log.
    pub fn audit(&self) -> Option<&Audited> {
        self.audited.as_deref()
    }

    /// What a new audit log is called.
    pub fn origin(&self) -> String {
        self.audited.as_ref().map_or(String::new(), |audited| audited.origin.clone())
    }

    /// Opens the audit log, and has the ledger go on behind it.
    ///
    /// # Errors
    /// Why it can't be gone on with.
    pub(super) fn begin_log(&self, audited: &Audited, now_ms: i64) -> Result<Log, String> {
        let text = |e: rusqlite::Error| format!("the ledger: {e}");
        let mut writer = self.writer();
        let known = writer.with(|db| leaves::covered(db)).map_err(text)?;
        let log = Log::open(self.folder(), &audited.origin, known)?;
        if log.verifier().name != audited.origin {
            tracing::warn!(
                name = log.verifier().name,
                public_url = audited.origin,
                "the audit log keeps the name under which it was begun"
            );
        }
        let is_start = !self.inner.has_begun.load(Ordering::Relaxed);
        let is_start = is_start && !audited.digest.is_empty();
        let begins = Begins { is_start, policy: &audited.policy, digest: &audited.digest };
        let mut reader = Reader { store: log.store(), size: log.size(), first: log.first(), bundle: None };
        writer.begin_log(log.size(), &mut |index| reader.leaf(index), &begins, now_ms)?;
        self.inner.has_begun.store(true, Ordering::Relaxed);
        Ok(log)
    }

    /// A connection of one's own: what it writes is on the disk when it is told so.
    ///
    /// # Errors
    /// The disk's.
    pub fn connection(&self) -> Result<Connection, String> {
        database::open(self.folder(), Use::Desk)
    }

    /// The same ledger, counting by the names of this policy.
    pub fn naming(self, policy: &Policy) -> Self {
        Self { names: Arc::new(Names::of(policy)), ..self }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    fn limit(&self) -> rusqlite::Result<()> {
        let journal = database::journal_limit(self.limits.max_bytes);
        self.writer().with(|db| {
            db.pragma_update(None, "wal_autocheckpoint", journal / database::PAGE)?;
            db.pragma_update(None, "journal_size_limit", journal)
        })
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seconds since all that there was had been read; 0 where all has.
    pub fn lag(&self, now_ms: i64) -> f64 {
        match self.inner.behind_since_ms.load(Ordering::Relaxed) {
            0 => 0.0,
            since => seconds(now_ms.saturating_sub(since)),
        }
    }

    /// Whether what comes now gets into the audit log, as far as is known; `None`: there is none.
    pub fn is_audited(&self) -> Option<bool> {
        self.audited.as_ref()?;
        let Standing { trouble, audit_trouble, .. } = self.standing();
        Some(trouble.is_none() && audit_trouble.is_none())
    }

    /// Whether records and blocks can be written: the last ones could be, and so can a note.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), String> {
        let Standing { trouble, audit_trouble, .. } = self.standing();
        let of_log = audit_trouble.filter(|_| self.audited.is_some());
        if let Some(trouble) = trouble.or(of_log) {
            return Err(trouble);
        }
        self.desk(|db| db.execute("UPDATE note SET value = 1 - value WHERE name = 'check'", []).map(drop))
            .await
    }

    /// The changes after a version of an epoch, for the filter.
    ///
    /// # Errors
    /// The disk's.
    pub async fn feed(&self, after: i64, epoch: String) -> Result<Page, String> {
        let page = self.desk(move |db| feed::page(db, after, &epoch)).await?;
        self.inner.fed_ms.store(now_ms(), Ordering::Relaxed);
        Ok(page)
    }

    /// Seconds since the filter last got an answer; `None`: it never did.
    pub fn feed_age(&self, now_ms: i64) -> Option<f64> {
        let fed_ms = self.inner.fed_ms.load(Ordering::Relaxed);
        (fed_ms > 0).then(|| seconds(now_ms.saturating_sub(fed_ms)))
    }

    /// What no other ledger is called.
    ///
    /// # Errors
    /// The disk's.
    pub async fn id(&self) -> Result<String, String> {
        let sql = "SELECT value FROM note WHERE name = 'ledger_id'";
        self.desk(move |db| db.query_row(sql, [], |row| row.get(0))).await
    }

    /// What was counted.
    ///
    /// # Errors
    /// The disk's.
    pub async fn families(&self) -> Result<Vec<Family>, String> {
        self.desk(|db| counted::families(db)).await
    }

    /// Takes what an issuer says of a user; it is on the disk when this has answered.
    ///
    /// # Errors
    /// The disk's.
    pub async fn signal(&self, signal: Signal, now_ms: i64) -> Result<Taken, String> {
        let has_log = self.audited.is_some();
        self.desk(move |db| signal::take(db, &signal, now_ms, has_log)).await
    }

    /// Asks a small question, off the threads that answer requests.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn desk<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        // Who waits, waits here: a thread for each would cost megabytes.
        let mut db = Arc::clone(&self.inner.desk).lock_owned().await;
        match tokio::task::spawn_blocking(move || question(&mut db)).await {
            Ok(answer) => answer.map_err(|e| format!("the ledger: {e}")),
            Err(e) => Err(format!("the ledger: {e}")),
        }
    }

    /// The one that writes records.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stands(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether there is something that hasn't been read.
    pub(super) fn is_behind(&self, is_behind: bool, now_ms: i64) {
        let since = &self.inner.behind_since_ms;
        if !is_behind {
            since.store(0, Ordering::Relaxed);
        } else if since.load(Ordering::Relaxed) == 0 {
            since.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    u32::try_from(ms.max(0)).map_or(f64::MAX, f64::from) / 1_000.0
}

/// Leaves of a log, one after the other: each bundle is read once.
struct Reader {
    store: Store,
    size: u64,
    /// Those before it aren't kept.
    first: u64,
    bundle: Option<(u64, Vec<Vec<u8>>)>,
}

impl Reader {
    fn leaf(&mut self, index: u64) -> Result<Option<Vec<u8>>, String> {
        if index < self.first {
            return Ok(None);
        }
        let number = index / WIDTH;
        if self.bundle.as_ref().is_none_or(|(there, _)| *there != number) {
            let tile = Tile::bundle(number, self.size).ok_or("no such leaf")?;
            let (bytes, _) = self.store.tile(tile)?;
            let all = leaf::entries(&bytes).flatten().map(|(_, entry)| entry.to_vec()).collect();
            self.bundle = Some((number, all));
        }
        let at = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        Ok(self.bundle.as_ref().and_then(|(_, all)| all.get(at).cloned()))
    }
}
