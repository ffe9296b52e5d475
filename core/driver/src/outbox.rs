//! Records on their way to a ledger that no file leads to. In: a line for each request, and what became of a
//! batch. Out: the next batch, once it is due.
//!
//! A record is dropped once the sidecar has said that it has it: what it may have got and didn't answer for
//! is sent again, and counts once by `vm` and `seq`. Where there is no more room the newest is dropped: what
//! waits stays as it was sent, and what is missing is one gap, which the next record shows.
//!
//! Who ends with records that wait leaves them in a cell, where the next of its kind finds them.

use gatewaystack_core::shared::{SharedTable, swap};
use std::collections::VecDeque;

/// Bytes that wait, of one worker: some thousand records, which are of 500 to 800 bytes.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Records that wait, of one worker.
pub const MAX_RECORDS: usize = 4_000;
/// Bytes of a batch, but for one record that is longer.
const BATCH_BYTES: usize = 256 * 1024;
/// Records of a batch.
const BATCH_RECORDS: usize = 500;
/// From an answer to the next batch that isn't full, in milliseconds. It is less than a [`TICK_MS`], so that
/// each tick sends.
const PAUSE_MS: u64 = 250;
/// How often a worker looks, in milliseconds.
pub const TICK_MS: u32 = 500;
/// Pauses after failures, in milliseconds.
const BACKOFF_MS: (u64, u64) = (1_000, 30_000);
/// How long an answer may take.
pub const TIMEOUT_MS: u64 = 5_000;
/// Where they go.
pub const PATH: &str = "/internal/records";
/// Where those are that their worker couldn't send.
const LEFT: &str = "gatewaystack.records.left";
/// How each begins.
const BEGINNING: &str = "{\"status\":";

/// The records of one worker that the ledger doesn't have.
#[derive(Debug, Default)]
pub struct Outbox {
    /// In their order, each without a newline.
    waiting: VecDeque<String>,
    bytes: usize,
    /// So many of the first are on their way; 0: none is.
    sent: usize,
    next_at: u64,
    failures: u32,
    /// Since somebody asked.
    dropped: u32,
}

/// What an answer came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted {
    /// So many records are in the ledger.
    Taken(u32),
    /// None is, as far as is known: why, where it is the first failure of a row.
    Failed(Option<&'static str>),
}

impl Outbox {
    /// Adds a record; answers whether the worker should look at once.
    pub fn push(&mut self, record: String) -> bool {
        if self.waiting.len() >= MAX_RECORDS || self.bytes + record.len() > MAX_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        }
        let was_full = self.is_full();
        self.bytes += record.len();
        self.waiting.push_back(record);
        !was_full && self.is_full() && self.sent == 0 && self.failures == 0
    }

    /// The next batch, as JSON lines, where one is due.
    pub fn batch(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        let is_due = now_ms >= self.next_at
            // A clock that was set back.
            || self.next_at - now_ms > BACKOFF_MS.1
            || (self.failures == 0 && self.is_full());
        if self.sent > 0 || self.waiting.is_empty() || !is_due {
            return None;
        }
        let mut body = Vec::with_capacity(self.bytes.min(BATCH_BYTES) + BATCH_RECORDS);
        for record in self.waiting.iter().take(BATCH_RECORDS) {
            if self.sent > 0 && body.len() + record.len() >= BATCH_BYTES {
                break;
            }
            body.extend_from_slice(record.as_bytes());
            body.push(b'\n');
            self.sent += 1;
        }
        Some(body)
    }

    /// What became of the batch: the answer's status; `None`: there was none.
    pub fn answered(&mut self, status: Option<u16>, now_ms: u64) -> Posted {
        let sent = std::mem::take(&mut self.sent);
        let why = match status {
            Some(200..=299) => {
                self.bytes -=
                    self.waiting.drain(..sent.min(self.waiting.len())).map(|r| r.len()).sum::<usize>();
                self.failures = 0;
                self.next_at = now_ms.saturating_add(PAUSE_MS);
                return Posted::Taken(u32::try_from(sent).unwrap_or(u32::MAX));
            }
            None => "the sidecar doesn't answer",
            Some(403) => "the sidecar doesn't know this gateway: another secret",
            Some(404) => "the sidecar has no ledger: `ledger.on`",
            Some(_) => "the sidecar is in trouble",
        };
        let (first, longest) = BACKOFF_MS;
        self.next_at = now_ms.saturating_add(first.saturating_mul(1 << self.failures.min(16)).min(longest));
        self.failures = self.failures.saturating_add(1);
        Posted::Failed((self.failures == 1).then_some(why))
    }

    /// How many were dropped since this was last asked.
    pub fn dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    /// Leaves what waits to whoever comes next: for the end.
    pub fn leave(&mut self, table: &dyn SharedTable) {
        if self.waiting.is_empty() {
            return;
        }
        let left = swap(table, LEFT, |found| {
            let mut all = found.unwrap_or_default().to_vec();
            let (mut kept, mut lost) = (0u32, 0u32);
            for record in &self.waiting {
                if all.len() + record.len() >= MAX_BYTES {
                    lost += 1;
                } else {
                    all.extend_from_slice(record.as_bytes());
                    all.push(b'\n');
                    kept += 1;
                }
            }
            ((kept > 0).then_some(all), lost)
        });
        let all = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.dropped = self.dropped.saturating_add(left.unwrap_or(all));
        *self = Self { dropped: self.dropped, ..Self::default() };
    }

    /// Takes what somebody left, where there is room for all of it.
    pub fn take_left(&mut self, table: &dyn SharedTable) {
        // Look before taking: a write on every tick would be wasted.
        let Ok(Some((seen, _))) = table.read(LEFT) else { return };
        if seen.is_empty() || self.bytes + seen.len() > MAX_BYTES {
            return;
        }
        let Ok(left) = swap(table, LEFT, |found| (Some(Vec::new()), found.unwrap_or_default().to_vec()))
        else {
            return;
        };
        // Other plugins can write there, too: what is no record of ours isn't sent.
        let text = String::from_utf8(left).unwrap_or_default();
        for record in text.lines().filter(|line| line.starts_with(BEGINNING)) {
            self.push(record.to_owned());
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }
}
