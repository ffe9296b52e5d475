//! The ledger as the sidecar holds it: one for as long as it serves, whatever becomes of the policy. In: a
//! data folder. Out: what is asked of it: sums, how far it is behind, and whether it can write.

use super::counted;
use super::database::{self, Home, Use};
use super::feed::{self, Page};
use super::follow::FILE;
use super::leaves;
use super::names::Names;
use super::retention::Limits;
use super::signal::{self, Signal, Taken};
use super::sql::{self, Db};
use super::writer::{Begins, Totals, Writer};
use crate::audit::hash::Hash;
use crate::audit::leaf;
use crate::audit::log::Log;
use crate::audit::shelf;
use crate::audit::store::Store;
use crate::audit::tile::{Tile, WIDTH};
use crate::clock::now_ms;
use crate::metrics::definition::Family;
use gatewaystack_core::config::policy::{self, Policy};
use std::fs::File;
use std::path::Path;
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
    home: Home,
    /// By which this sidecar is known, among those that share the ledger and where it pushes metrics to.
    id: String,
    /// What its file of records is called in the ledger.
    source: String,
    writer: Mutex<Writer>,
    /// For small questions, which wait for no record.
    desk: Arc<tokio::sync::Mutex<Db>>,
    standing: Mutex<Standing>,
    /// Whether readers of the feed have been told to begin again.
    has_epoch: AtomicBool,
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
    pub fn open(home: impl Into<Home>, limits: Limits) -> Result<Self, String> {
        let home = home.into();
        let lock = database::lock(&home.folder)?;
        Self::locked(home, limits, lock)
    }

    /// The same; `None`: another process serves it.
    ///
    /// # Errors
    /// Why it can't.
    pub fn open_unless_served(home: Home, limits: Limits) -> Result<Option<Self>, String> {
        let Some(lock) = database::try_lock(&home.folder)? else { return Ok(None) };
        Self::locked(home, limits, lock).map(Some)
    }

    fn locked(home: Home, limits: Limits, lock: File) -> Result<Self, String> {
        let db = home.open(Use::Ingest)?;
        let desk = home.open(Use::Desk)?;
        let failed = |e: sql::Error| format!("can't use {}: {e}", home.name());
        let id = home.id()?;
        let source = if home.is_shared() { format!("{id}/{FILE}") } else { FILE.to_owned() };
        let writer = Writer::new(db, source.clone());
        let mut standing = Standing::default();
        if home.is_shared() {
            // It is reached by the threads that may wait for it.
            standing.trouble = Some(format!("{} hasn't been reached yet", home.name()));
        } else {
            standing.totals = writer.totals().map_err(failed)?;
        }
        let this = Self {
            inner: Arc::new(Inner {
                home,
                id,
                source,
                has_epoch: AtomicBool::new(false),
                writer: Mutex::new(writer),
                desk: Arc::new(tokio::sync::Mutex::new(desk)),
                standing: Mutex::new(standing),
                has_begun: AtomicBool::new(false),
                behind_since_ms: AtomicI64::new(0),
                fed_ms: AtomicI64::new(0),
                _lock: lock,
            }),
            limits,
            names: Arc::default(),
            audited: None,
        };
        if this.inner.home.is_shared() {
            return Ok(this);
        }
        this.prepare().and_then(|()| this.limit().map_err(|e| format!("the ledger: {e}")))?;
        Ok(this)
    }

    /// What is done once before anything is written, and until it was done.
    ///
    /// # Errors
    /// The database's; or another sidecar has this one's name.
    pub(super) fn prepare(&self) -> Result<(), String> {
        let text = |e: sql::Error| format!("can't use {}: {e}", self.inner.home.name());
        if self.is_shared() && !self.writer().is_alone(&self.inner.id).map_err(text)? {
            return Err(format!(
                "another sidecar is {}: two data folders have the same sidecar.id, and one has to be deleted",
                self.inner.id
            ));
        }
        if !self.inner.has_epoch.load(Ordering::Relaxed) {
            // A copy may have been put back since: whoever reads the feed begins again.
            let mut writer = self.writer();
            writer.with(|db| feed::begin_epoch(db)).map_err(text)?;
            let totals = writer.totals().map_err(text)?;
            self.stands(|standing| standing.totals = totals);
            self.inner.has_epoch.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether other sidecars may write it, too.
    pub fn is_shared(&self) -> bool {
        self.inner.home.is_shared()
    }

    /// Where it is.
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// By which this sidecar is known, from one start to the next.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// What its file of records is called in the ledger.
    pub(super) fn source(&self) -> &str {
        &self.inner.source
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

    /// Opens the audit log, and has the ledger go on behind it. Where it is shared, whoever publishes it
    /// opens it, and it is never behind.
    ///
    /// # Errors
    /// Why it can't be gone on with.
    pub(super) fn begin_log(&self, audited: &Audited, now_ms: i64) -> Result<Option<Log>, String> {
        let text = |e: sql::Error| format!("the ledger: {e}");
        let mut writer = self.writer();
        let known = writer.with(|db| leaves::covered(db)).map_err(text)?;
        let is_start = !self.inner.has_begun.load(Ordering::Relaxed) && !audited.digest.is_empty();
        let begins = Begins { is_start, policy: &audited.policy, digest: &audited.digest };
        let opened = match self.is_shared() {
            true => None,
            false => Log::open(self.home(), &audited.origin, known)?,
        };
        let Some(log) = opened else {
            writer.begin_log(None, &mut |_| Ok(None), &begins, now_ms)?;
            self.inner.has_begun.store(true, Ordering::Relaxed);
            return Ok(None);
        };
        if log.verifier().name != audited.origin {
            tracing::warn!(
                name = log.verifier().name,
                public_url = audited.origin,
                "the audit log keeps the name under which it was begun"
            );
        }
        let store = log.store().clone_for_reading()?;
        let mut reader = Reader { store, size: log.size(), first: log.first(), bundle: None };
        writer.begin_log(Some(log.size()), &mut |index| reader.leaf(index), &begins, now_ms)?;
        self.inner.has_begun.store(true, Ordering::Relaxed);
        Ok(Some(log))
    }

    /// A connection of one's own: what it writes is on the disk when it is told so.
    ///
    /// # Errors
    /// The disk's.
    pub fn connection(&self) -> Result<Db, String> {
        self.inner.home.open(Use::Desk)
    }

    /// The same ledger, counting by the names of this policy.
    pub fn naming(self, policy: &Policy) -> Self {
        Self { names: Arc::new(Names::of(policy)), ..self }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    fn limit(&self) -> sql::Result<()> {
        let journal = database::journal_limit(self.limits.max_bytes);
        self.writer().with(|db| {
            let Some(db) = db.sqlite() else { return Ok(()) };
            db.pragma_update(None, "wal_autocheckpoint", journal / database::PAGE)?;
            Ok(db.pragma_update(None, "journal_size_limit", journal)?)
        })
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn folder(&self) -> &Path {
        &self.inner.home.folder
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
        self.desk(|db| db.execute("UPDATE note SET value = 1 - value WHERE name = 'check'", &[]).map(drop))
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

    /// A file of the audit log, where that lies in the database.
    ///
    /// # Errors
    /// The database's.
    pub async fn tile(&self, path: String) -> Result<Option<Vec<u8>>, String> {
        self.desk(move |db| shelf::row(db, &path)).await
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
        question: impl FnOnce(&mut Db) -> sql::Result<T> + Send + 'static,
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
