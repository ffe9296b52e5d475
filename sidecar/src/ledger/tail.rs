//! The task that keeps the ledger up to date: what the file of records gets goes in, each line once; what is
//! too old or too much goes out. Trouble with the disk is told once, and all is tried again: nothing is
//! skipped for it.

use super::database::Home;
use super::follow::{Follower, Piece, Place, has_file, records_file};
use super::line::Line;
use super::member::REQUEST_ID;
use super::retention::Limits;
use super::shared::{Audited, Ledger};
use super::sql::{self, Db, cells};
use super::stored::Stored;
use super::turn::{Reopen, Turn};
use super::writer::{Batch, Taken};
use super::{aggregate, block, erase, leaves, retention};
use crate::audit::leaf::{self, Origin, Salt, commitment};
use crate::audit::publisher::Publisher;
use crate::clock::now_ms;
use crate::fetch;
use gatewaystack_core::config::policy::Policy;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked for more.
const PAUSE: Duration = Duration::from_millis(100);
/// How often what is old is looked for.
const HOUSEKEEPING_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600 * 1_000;
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// What is there when the process is told to stop is still read for so long.
const FAREWELL: Duration = Duration::from_secs(1);
/// Leaves that wait while the audit log can't be written, in bytes.
const MOST_WAITING: u64 = 64 * 1024 * 1024;
/// Most that is read at once.
const PIECE: u64 = 1024 * 1024;

/// Follows the file of a ledger's folder. Clones share the ledger.
#[derive(Clone)]
pub struct Tail {
    pub ledger: Ledger,
    /// Where Envoy is told to open its files again: a URL.
    pub reopen: String,
}

impl Tail {
    /// Runs until `stop` is true, in a thread of its own.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (tell, told) = channel();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let reopen: Reopen = Box::new(move || runtime.block_on(reopen(&self.reopen)));
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            Reading::new(self.ledger, reopen).until_told(&told);
            drop(ended);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "the ledger has no thread: no record gets into it");
        }
        drop(stop.wait_for(|stop| *stop).await);
        drop(tell);
        drop(end.await);
    }
}

/// Tells Envoy to open its files again.
async fn reopen(url: &str) -> Result<(), String> {
    let said = fetch::reply(fetch::client()?.post(url), url, 1024).await?;
    if said.status == 200 { Ok(()) } else { Err(format!("{url} answered {}", said.status)) }
}

/// Does what is asked of erasing, where nobody serves the ledger of a policy.
///
/// # Errors
/// The disk's.
pub fn erase_alone(policy: &Policy) -> Result<(), String> {
    let Some(limits) = Limits::of(policy) else { return Ok(()) };
    let Some(ledger) = Ledger::open_unless_served(Home::of(policy)?, limits)? else { return Ok(()) };
    let ledger = ledger.audited(Audited::of(policy, ""));
    ledger.prepare()?;
    if let Some(audited) = ledger.audit() {
        drop(ledger.begin_log(audited, now_ms())?);
    }
    let mut follower = following(&ledger)?;
    loop {
        while read(&ledger, &mut follower, now_ms())? {}
        if follower.unread() == 0 {
            break;
        }
    }
    erase::work_off(&ledger, &mut follower, now_ms())
}

struct Reading {
    ledger: Ledger,
    turn: Turn,
    /// Once the audit log is open, where there is one.
    publisher: Option<Publisher>,
    /// It has been said that there is no audit log.
    is_plain: bool,
    follower: Option<Follower>,
    tidied_ms: i64,
    forgot_ms: i64,
    /// When the others were told of its file.
    seen_ms: i64,
    /// There is still something old to be taken out.
    has_more: bool,
}

impl Reading {
    fn new(ledger: Ledger, reopen: Reopen) -> Self {
        let turn = Turn::new(records_file(ledger.folder()), reopen);
        Self {
            ledger,
            turn,
            publisher: None,
            is_plain: false,
            follower: None,
            tidied_ms: 0,
            forgot_ms: 0,
            seen_ms: 0,
            has_more: false,
        }
    }

    fn until_told(&mut self, told: &Receiver<()>) {
        let mut backoff = PAUSE;
        let mut stop_at = None;
        while stop_at.is_none_or(|at| Instant::now() < at) {
            let nap = match self.step(now_ms()) {
                Ok(more) => {
                    if backoff > PAUSE {
                        tracing::info!("the ledger goes on");
                    }
                    // Also what was one's trouble who read before.
                    self.ledger.stands(|standing| standing.trouble = None);
                    backoff = PAUSE;
                    if more { Duration::ZERO } else { PAUSE }
                }
                Err(error) => {
                    if backoff == PAUSE {
                        tracing::error!(%error, "the ledger can't go on; it is tried again");
                    }
                    self.ledger.stands(|standing| standing.trouble = Some(format!("the ledger: {error}")));
                    self.ledger.is_behind(true, now_ms());
                    // What was told to have failed may have been done.
                    self.follower = None;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            if stop_at.is_some() && !nap.is_zero() {
                return;
            }
            if let Err(RecvTimeoutError::Disconnected) = told.recv_timeout(nap) {
                // What is there is still taken.
                stop_at.get_or_insert_with(|| Instant::now() + FAREWELL);
            }
        }
    }

    /// Takes a piece, or what is old out; answers whether there is more to do at once.
    fn step(&mut self, now_ms: i64) -> Result<bool, String> {
        self.ledger.prepare()?;
        if self.ledger.audit().is_none() && !std::mem::replace(&mut self.is_plain, true) {
            self.ledger.end_log();
        }
        // Before the first record: each has a leaf.
        if let Some(audited) = self.ledger.audit().filter(|_| self.publisher.is_none()) {
            let trouble = |error: String| {
                self.ledger
                    .stands(|standing| standing.audit_trouble = Some(format!("the audit log: {error}")));
                error
            };
            let log = self.ledger.begin_log(audited, now_ms).map_err(trouble)?;
            self.publisher = Some(Publisher::begin(self.ledger.clone(), log, &audited.settings)?);
        }
        has_room(&self.ledger)?;
        let follower = match &mut self.follower {
            Some(follower) => follower,
            None => self.follower.insert(following(&self.ledger)?),
        };
        // Before anything of its file is in the ledger.
        announce(&self.ledger, &mut self.seen_ms, now_ms)?;
        let more_to_read = read(&self.ledger, follower, now_ms)?;
        if let Some(follower) = &self.follower {
            let ledger = &self.ledger;
            let settle = &mut || ledger.writer().settle().map_err(std::io::Error::other);
            let turned = self.turn.step(follower.place(), ledger.limits().max_bytes, now_ms, settle);
            turned.map_err(|e| format!("can't turn the file of records: {e}"))?;
        }
        let more_to_tidy = self.tidy(now_ms, !more_to_read)?;
        Ok(more_to_read || more_to_tidy)
    }

    fn tidy(&mut self, now_ms: i64, has_read_all: bool) -> Result<bool, String> {
        let more = self.housekeep(now_ms, has_read_all).map_err(|e| e.to_string())?;
        let asks = |db: &mut Db| erase::is_asked(db);
        if let Some(follower) = &mut self.follower
            && has_read_all
            && self.ledger.writer().with(asks).map_err(|e| e.to_string())?
        {
            erase::work_off(&self.ledger, follower, now_ms)?;
        }
        Ok(more)
    }

    fn housekeep(&mut self, now_ms: i64, has_read_all: bool) -> sql::Result<bool> {
        let (limits, folder) = (self.ledger.limits(), self.ledger.folder());
        let is_due = |last, every| is_due(last, every, now_ms);
        let mut writer = self.ledger.writer();
        let is_time = is_due(self.tidied_ms, HOUSEKEEPING_MS);
        // A file may fill up in between; of a table it is a question over a network.
        let more = if is_time || self.has_more || !self.ledger.is_shared() {
            writer.with(|db| retention::step(db, folder, limits, now_ms))?
        } else {
            false
        };
        self.has_more = more;
        if is_time {
            writer.with(|db| block::tidy(db, now_ms))?;
            if has_read_all {
                let totals = writer.tell_gaps(now_ms)?;
                self.ledger.stands(|standing| standing.totals = totals);
            }
            self.tidied_ms = now_ms;
        }
        if is_due(self.forgot_ms, HOUR_MS) {
            writer.forget_vms(limits, now_ms)?;
            self.forgot_ms = now_ms;
        }
        Ok(more)
    }
}

/// A clock that was set back waits for nothing.
fn is_due(last_ms: i64, every: i64, now_ms: i64) -> bool {
    !(last_ms..last_ms + every).contains(&now_ms)
}

/// Says to those that share a ledger that there is a file of records here: who erases a person waits for
/// it, or says that it wasn't there. A sidecar to which records are posted has none, and may end for good.
fn announce(ledger: &Ledger, seen_ms: &mut i64, now_ms: i64) -> Result<(), String> {
    let is_time = ledger.is_shared() && is_due(*seen_ms, HOUSEKEEPING_MS, now_ms);
    if !is_time || !has_file(ledger.folder()).map_err(|e| format!("the file of records: {e}"))? {
        return Ok(());
    }
    let seen = "INSERT INTO sidecar VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET seen_ms = ?2";
    let said = ledger.writer().with(|db| db.execute(seen, cells![ledger.id(), now_ms]));
    said.map_err(|e| e.to_string())?;
    *seen_ms = now_ms;
    Ok(())
}

/// Leaves that can't be signed wait, and are bounded: then records wait where they are.
pub(super) fn has_room(ledger: &Ledger) -> Result<(), String> {
    if ledger.standing().audit_trouble.is_none() {
        return Ok(());
    }
    let most = (ledger.limits().max_bytes / 4).min(MOST_WAITING);
    let waiting = ledger.writer().with(|db| leaves::waiting_bytes(db)).map_err(|e| e.to_string())?;
    if waiting <= most {
        return Ok(());
    }
    Err("the audit log can't be written, and enough leaves wait for it: records wait where they are"
        .to_owned())
}

/// The file of records, from where it was read to.
fn following(ledger: &Ledger) -> Result<Follower, String> {
    let place = ledger.writer().place().map_err(|e| e.to_string())?;
    let room = usize::try_from((ledger.limits().max_bytes / 16).clamp(32 * 1024, PIECE)).unwrap_or(0);
    let path = records_file(ledger.folder());
    let failed = |e| format!("can't read {}: {e}", path.display());
    Follower::new(path.clone(), place, room).map_err(failed)
}

/// Reads a piece and takes it; answers whether there is more at once.
fn read(ledger: &Ledger, follower: &mut Follower, now_ms: i64) -> Result<bool, String> {
    let failed = |e| format!("can't read the records: {e}");
    let mut more = follower.fill().map_err(failed)?;
    let taken = match follower.piece().map_err(failed)? {
        Some(piece) => Some(take(ledger, piece, now_ms)?),
        None => None,
    };
    match taken {
        Some((place, length)) => {
            follower.taken(place, length);
            more |= follower.has_line();
        }
        None if !more => more = follower.moves_on().map_err(failed)?,
        None => {}
    }
    // What counts is when the end was seen last.
    ledger.is_behind(more || follower.unread() > 0, now_ms);
    Ok(more)
}

/// Makes the leaves of records of one source.
pub(super) struct Seal {
    source: String,
    now_ms: i64,
    salts: std::vec::IntoIter<u8>,
    text: String,
}

impl Seal {
    pub(super) fn new(source: String, records: usize, now_ms: i64) -> Result<Self, String> {
        let mut salts = vec![0; records * size_of::<Salt>()];
        getrandom::fill(&mut salts).map_err(|e| format!("the system has no random numbers: {e}"))?;
        Ok(Self { source, now_ms, salts: salts.into_iter(), text: String::new() })
    }

    pub(super) fn put(&mut self, offset: u64, line: &Line<'_>, record: &Stored<'_>) -> (Salt, String) {
        let mut salt = Salt::default();
        salt.iter_mut().zip(&mut self.salts).for_each(|(to, from)| *to = from);
        self.text.clear();
        record.json(&mut self.text);
        let origin = Origin { source: &self.source, offset };
        let id = record.text(REQUEST_ID);
        (salt, leaf::record(self.now_ms, origin, line.place(), id, &commitment(&salt, &self.text)))
    }
}

/// How each record of Envoy's begins. A quote within a text is escaped: so no client can write this.
const BEGINNING: &[u8] = b"{\"status\":";

/// The record that was written behind one that has no end, for its writer was ended.
fn behind_a_tear(line: &[u8]) -> Option<Line<'_>> {
    let at = line.windows(BEGINNING.len()).rposition(|window| window == BEGINNING).filter(|at| *at > 0)?;
    Line::parse(line.get(at..)?)
}

/// Reads the lines, which needs no lock, and then writes them.
fn take(ledger: &Ledger, piece: Piece<'_>, now_ms: i64) -> Result<(Place, usize), String> {
    let mut lines = Vec::with_capacity(piece.lines.len());
    let mut ignored = piece.ignored;
    for (at, line) in &piece.lines {
        let record = Line::parse(line);
        ignored += u64::from(record.is_none());
        lines.extend(record.or_else(|| behind_a_tear(line)).map(|record| (*at, record)));
    }
    let mut seal = ledger
        .audit()
        .map(|_| Seal::new(format!("{}:{}", ledger.source(), piece.place.inode), lines.len(), now_ms))
        .transpose()?;
    let mut records = Vec::with_capacity(lines.len());
    for (at, line) in &lines {
        let record = Stored::of(line, now_ms);
        let sealed = seal.as_mut().map(|seal| seal.put(*at, line, &record));
        records.push(Taken { record, place: line.place(), sealed });
    }
    let most_series = aggregate::most(ledger.limits().max_bytes);
    let batch =
        Batch { records: &records, ignored, place: Some(&piece.place), names: ledger.names(), most_series };
    let totals = ledger.writer().take(&batch, now_ms).map_err(|e| e.to_string())?;
    ledger.stands(|standing| standing.totals = totals);
    Ok((piece.place, piece.length))
}

#[cfg(test)]
mod tests;
