//! The thread that writes the log: leaves that the ledger has go into tiles, and once a period a checkpoint
//! covers them. Trouble with the disk is told once, and all is tried again from the last checkpoint.

use super::leaf;
use super::log::{self, Log};
use super::note::Checkpoint;
use super::shelf::{self, Shelf};
use super::store::CHECKPOINT;
use super::tile::WIDTH;
use super::witness::Witnesses;
use crate::clock::{now_ms, rfc3339};
use crate::ledger::leaves;
use crate::ledger::shared::{Ledger, Published};
use crate::ledger::sql::{self, Db};
use gatewaystack_core::config::policy;
use serde::Deserialize;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows of leaves that are taken at once.
const ROWS: usize = 8;
const BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How often a sidecar looks whether the one that writes has ended.
const STAND_BY: Duration = Duration::from_secs(1);
/// How long another sidecar may sign nothing, besides the time from one checkpoint to the next.
const STUCK_MS: i64 = 60_000;
/// How often it is looked for what isn't kept any more.
const LOOK_MS: i64 = 60_000;
/// Bundles that are given up at one look.
const MOST_PRUNED: u64 = 4_096;

/// The thread, until it is dropped: then what there is is published once more.
pub struct Publisher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Goes on with an open log.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(ledger: Ledger, log: Option<Log>, settings: &policy::Audit) -> Result<Self, String> {
        let (stop, told) = channel();
        let db = ledger.connection()?;
        let work = Work {
            witnesses: Witnesses::at(&settings.witnesses)?,
            settings: settings.clone(),
            ledger,
            db,
            log,
            waiting: None,
            seen: Seen::default(),
            looked_ms: 0,
        };
        let thread =
            std::thread::Builder::new().name("audit".to_owned()).spawn(move || work.until_told(&told));
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(|e| e.to_string())?) })
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Work {
    ledger: Ledger,
    db: Db,
    settings: policy::Audit,
    /// `None`: it has to be opened anew.
    log: Option<Log>,
    /// Where it will be, while another sidecar writes it.
    waiting: Option<Shelf>,
    seen: Seen,
    witnesses: Witnesses,
    looked_ms: i64,
}

/// How far the one who writes had come, and since when it has come no farther.
#[derive(Debug, Default)]
struct Seen {
    covered: u64,
    since_ms: i64,
}

impl Seen {
    /// Since when leaves wait and none of them was covered.
    fn stuck_since(&mut self, next: u64, covered: u64, now_ms: i64) -> Option<i64> {
        let goes_on = next <= covered || covered != self.covered;
        // A clock that was set back begins again.
        if goes_on || self.since_ms == 0 || self.since_ms > now_ms {
            *self = Self { covered, since_ms: now_ms };
        }
        (next > covered).then_some(self.since_ms)
    }
}

impl Work {
    fn until_told(mut self, told: &Receiver<()>) {
        let period = Duration::from_millis(self.settings.checkpoint_ms);
        let mut backoff = BACKOFF;
        let mut is_told = false;
        loop {
            let nap = match self.step(now_ms()) {
                Ok(()) => {
                    if backoff > BACKOFF {
                        tracing::info!("the audit log goes on");
                    }
                    self.ledger.stands(|standing| standing.audit_trouble = None);
                    backoff = BACKOFF;
                    // Whoever waits for its turn looks more often than it would sign.
                    if self.log.is_some() { period } else { period.min(STAND_BY) }
                }
                Err(error) => {
                    if backoff == BACKOFF {
                        tracing::error!(%error, "the audit log can't go on; it is tried again");
                    }
                    self.log = None;
                    self.ledger
                        .stands(|standing| standing.audit_trouble = Some(format!("the audit log: {error}")));
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            if is_told {
                return;
            }
            is_told = matches!(told.recv_timeout(nap), Err(RecvTimeoutError::Disconnected));
        }
    }

    /// Opens the log; `None`: another sidecar writes it.
    fn open(&mut self) -> Result<Option<Log>, String> {
        let home = self.ledger.home();
        let shelf = match self.waiting.take() {
            Some(shelf) => shelf,
            None => Shelf::of(home)?,
        };
        if !shelf.hold()? {
            self.waiting = Some(shelf);
            return Ok(None);
        }
        let known = leaves::covered(&self.db).map_err(|e| format!("the ledger: {e}"))?;
        Log::on(shelf, home, &self.ledger.origin(), known).map(Some)
    }

    /// Another sidecar writes the log: whether this one could, and what there is.
    fn stand_by(&mut self, now_ms: i64) -> Result<(), String> {
        self.watch(now_ms)?;
        let note = shelf::row(&self.db, CHECKPOINT).map_err(|e| format!("the ledger: {e}"))?;
        let Some(note) = note else { return Ok(()) };
        let file = self.ledger.home().key_file();
        let Some(signer) = log::key(self.ledger.home())? else {
            return Err(format!(
                "{} isn't there, and has to be the key with which another sidecar signs this log: copy it, or name the file of both in `audit.key_file`",
                file.display()
            ));
        };
        let checkpoint = Checkpoint::read(&String::from_utf8_lossy(&note), signer.verifier(), &[]);
        let checkpoint = checkpoint.map_err(|e| {
            format!("{CHECKPOINT}: {e}: is {} the key with which another sidecar signs it?", file.display())
        })?;
        let Checkpoint { origin, size, root, .. } = checkpoint;
        self.ledger.stands(|standing| standing.audit = Some(Published { origin, size, root }));
        Ok(())
    }

    /// Whether the one who writes goes on.
    fn watch(&mut self, now_ms: i64) -> Result<(), String> {
        let text = |e: sql::Error| format!("the ledger: {e}");
        let (next, covered) =
            (leaves::next(&self.db).map_err(text)?, leaves::covered(&self.db).map_err(text)?);
        let patience_ms = STUCK_MS + 2 * i64::try_from(self.settings.checkpoint_ms).unwrap_or(i64::MAX / 4);
        match self.seen.stuck_since(next, covered, now_ms) {
            Some(since_ms) if now_ms - since_ms > patience_ms => Err(format!(
                "another sidecar has the lock of the audit log, and has signed nothing since {}: end that one",
                rfc3339(since_ms)
            )),
            _ => Ok(()),
        }
    }

    fn step(&mut self, now_ms: i64) -> Result<(), String> {
        let text = |e: sql::Error| format!("the ledger: {e}");
        let log = match &mut self.log {
            Some(log) => log,
            None => match self.open()? {
                Some(log) => self.log.insert(log),
                None => return self.stand_by(now_ms),
            },
        };
        loop {
            let rows = leaves::pending(&self.db, log.size(), ROWS).map_err(text)?;
            if rows.is_empty() && log.covered().is_some() {
                break;
            }
            // What is covered is in the ledger, too, also when the machine stops.
            self.db.execute("UPDATE note SET value = 1 - value WHERE name = 'check'", &[]).map_err(text)?;
            for (first, entries) in &rows {
                if *first > log.size() {
                    return Err(format!("leaf {} is in neither the log nor the ledger", log.size()));
                }
                let skip = usize::try_from(log.size().saturating_sub(*first)).unwrap_or(usize::MAX);
                for entry in leaf::entries(entries).skip(skip) {
                    let (_, entry) =
                        entry.map_err(|at| format!("the ledger's leaves are broken at byte {at}"))?;
                    log.push(entry)?;
                }
            }
            let before = log.covered().unwrap_or(0);
            let (witnesses, own) = (&mut self.witnesses, log.verifier().clone());
            log.publish(|store, note, size| witnesses.sign(store, &own, note, size, now_ms))?;
            leaves::cover(&mut self.db, log.size()).map_err(text)?;
            log.tidy(before)?;
            if let Some(retained) = leaves::retained(&self.db).map_err(text)?
                && log.size() > retained.leaf
            {
                log.prune(retained.minimum)?;
            }
            let published =
                Published { origin: log.verifier().name.clone(), size: log.size(), root: log.root() };
            self.ledger.stands(|standing| standing.audit = Some(published));
        }
        if !(self.looked_ms..self.looked_ms + LOOK_MS).contains(&now_ms) {
            self.looked_ms = now_ms;
            retire(&mut self.db, log, &self.settings, now_ms)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Dated {
    at: String,
}

/// Says which leaves aren't kept any more: whole bundles, all of whose leaves are old enough.
fn retire(db: &mut Db, log: &Log, settings: &policy::Audit, now_ms: i64) -> Result<(), String> {
    let keep_ms = i64::try_from(settings.keep_ms).unwrap_or(i64::MAX);
    // They compare as texts: all are of one form.
    let before = rfc3339(now_ms.saturating_sub(keep_ms));
    let (store, size, first) = (log.store(), log.covered().unwrap_or(0), log.first());
    let mut minimum = first;
    // The last leaf of a bundle is its youngest; and the newest bundle stays.
    while minimum + WIDTH < size && minimum - first < MOST_PRUNED * WIDTH {
        let last = store.leaf(minimum + WIDTH - 1, size)?;
        let dated: Dated =
            serde_json::from_slice(&last).map_err(|e| format!("leaf {}: {e}", minimum + WIDTH - 1))?;
        if dated.at >= before {
            break;
        }
        minimum += WIDTH;
    }
    if minimum > first {
        leaves::retain(db, first, minimum, &before, now_ms).map_err(|e| format!("the ledger: {e}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn who_signs_nothing_while_leaves_wait_is_stuck_since_the_first_of_them() {
        let mut seen = Seen::default();
        assert_eq!(seen.stuck_since(5, 5, 1_000), None, "nothing waits");
        assert_eq!(seen.stuck_since(6, 5, 2_000), Some(1_000));
        assert_eq!(seen.stuck_since(9, 5, 60_000), Some(1_000));
        assert_eq!(seen.stuck_since(9, 7, 61_000), Some(61_000), "it goes on");
        assert_eq!(seen.stuck_since(12, 7, 62_000), Some(61_000));
        assert_eq!(seen.stuck_since(12, 7, 3_000), Some(3_000), "a clock that was set back");
        assert_eq!(seen.stuck_since(12, 12, 4_000), None);
        assert_eq!(seen.stuck_since(13, 12, 5_000), Some(4_000));
        assert_eq!(Seen::default().stuck_since(9, 3, 8_000), Some(8_000), "one that has just begun");
    }
}
