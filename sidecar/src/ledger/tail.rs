//! The task that keeps the ledger up to date: what the file of records gets goes in, each line once; what is
//! too old or too much goes out. Trouble with the disk is told once, and all is tried again: nothing is
//! skipped for it.

use super::follow::{Follower, Piece, Place, records_file};
use super::line::Line;
use super::shared::Ledger;
use super::turn::{Reopen, Turn};
use super::writer::Batch;
use super::{block, retention};
use crate::clock::now_ms;
use crate::fetch;
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

struct Reading {
    ledger: Ledger,
    turn: Turn,
    follower: Option<Follower>,
    tidied_ms: i64,
    forgot_ms: i64,
}

impl Reading {
    fn new(ledger: Ledger, reopen: Reopen) -> Self {
        let turn = Turn::new(records_file(ledger.folder()), reopen);
        Self { ledger, turn, follower: None, tidied_ms: 0, forgot_ms: 0 }
    }

    fn until_told(&mut self, told: &Receiver<()>) {
        let mut backoff = PAUSE;
        let mut stop_at = None;
        while stop_at.is_none_or(|at| Instant::now() < at) {
            let nap = match self.step(now_ms()) {
                Ok(more) => {
                    if backoff > PAUSE {
                        tracing::info!("the ledger goes on");
                        self.ledger.stands(|standing| standing.trouble = None);
                    }
                    backoff = PAUSE;
                    if more { Duration::ZERO } else { PAUSE }
                }
                Err(error) => {
                    if backoff == PAUSE {
                        tracing::error!(%error, "the ledger can't go on; it is tried again");
                    }
                    self.ledger.stands(|standing| standing.trouble = Some(format!("the ledger: {error}")));
                    self.ledger.is_behind(true, now_ms());
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
        let more_to_read = self.read(now_ms)?;
        if let Some(follower) = &self.follower {
            let ledger = &self.ledger;
            let settle = &mut || ledger.writer().settle().map_err(std::io::Error::other);
            let turned = self.turn.step(follower.place(), ledger.limits().max_bytes, now_ms, settle);
            turned.map_err(|e| format!("can't turn the file of records: {e}"))?;
        }
        let more_to_tidy = self.tidy(now_ms, !more_to_read).map_err(|e| e.to_string())?;
        Ok(more_to_read || more_to_tidy)
    }

    fn read(&mut self, now_ms: i64) -> Result<bool, String> {
        let limits = self.ledger.limits();
        let follower = match &mut self.follower {
            Some(follower) => follower,
            None => {
                let place = self.ledger.writer().place().map_err(|e| e.to_string())?;
                let room = usize::try_from((limits.max_bytes / 16).clamp(32 * 1024, PIECE)).unwrap_or(0);
                let path = records_file(self.ledger.folder());
                let failed = |e| format!("can't read {}: {e}", path.display());
                let follower = Follower::new(path.clone(), place, room).map_err(failed)?;
                self.follower.insert(follower)
            }
        };
        let failed = |e| format!("can't read the records: {e}");
        let mut more = follower.fill().map_err(failed)?;
        let taken = match follower.piece().map_err(failed)? {
            Some(piece) => Some(take(&self.ledger, piece, now_ms)?),
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
        let behind = more || follower.unread() > 0;
        self.ledger.is_behind(behind, now_ms);
        Ok(more)
    }

    fn tidy(&mut self, now_ms: i64, has_read_all: bool) -> rusqlite::Result<bool> {
        let (limits, folder) = (self.ledger.limits(), self.ledger.folder());
        // A clock that was set back waits for nothing.
        let is_due = |last: i64, every: i64| !(last..last + every).contains(&now_ms);
        let mut writer = self.ledger.writer();
        let more = writer.with(|db| retention::step(db, folder, limits, now_ms))?;
        if is_due(self.tidied_ms, HOUSEKEEPING_MS) {
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

/// How each record of Envoy's begins. A quote within a text is escaped: so no client can write this.
const BEGINNING: &[u8] = b"{\"status\":";

/// The record that was written behind one that has no end, for its writer was ended.
fn behind_a_tear(line: &[u8]) -> Option<Line<'_>> {
    let at = line.windows(BEGINNING.len()).rposition(|window| window == BEGINNING).filter(|at| *at > 0)?;
    Line::parse(line.get(at..)?)
}

/// Reads the lines, which needs no lock, and then writes them.
fn take(ledger: &Ledger, piece: Piece<'_>, now_ms: i64) -> Result<(Place, usize), String> {
    let mut records = Vec::with_capacity(piece.lines.len());
    let mut ignored = piece.ignored;
    for line in &piece.lines {
        let record = Line::parse(line);
        ignored += u64::from(record.is_none());
        records.extend(record.or_else(|| behind_a_tear(line)));
    }
    let batch = Batch { records: &records, ignored, place: &piece.place };
    let totals = ledger.writer().take(&batch, now_ms).map_err(|e| e.to_string())?;
    ledger.stands(|standing| standing.totals = totals);
    Ok((piece.place, piece.length))
}

#[cfg(test)]
mod tests;
