//! When to ask for the feed: one small cell, shared by all workers. Pure transitions; [`update`] makes them
//! atomic. As with keys (`jwks/control.rs`), the worker that takes the lease asks; a lease ends by itself.

use crate::shared::{SharedTable, TableFault, swap};

/// A new gateway holds requests so long, in milliseconds, until it knows who is blocked.
pub const FIRST_WAIT_MS: u64 = 1_000;
/// Time-out of one question, in milliseconds.
pub const TIMEOUT_MS: u64 = 2_000;
const LEASE_MS: u64 = TIMEOUT_MS + 500;
/// After a failure, at least.
const PAUSE_MS: u64 = 500;
/// The same while requests wait for the first answer.
const FIRST_PAUSE_MS: u64 = 100;

/// The cell.
pub const CELL: &str = "gatewaystack.feed.control";

const WORDS: usize = 8;

/// Where asking is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    /// When the sidecar last answered to the end, Unix milliseconds; 0: never.
    pub fetched_at: u64,
    /// When the first worker looked; 0: none has.
    pub began_at: u64,
    /// When the next question is due.
    pub next_at: u64,
    /// Until when a worker asks; 0: none does.
    pub lease_until: u64,
    /// Which.
    pub lease_holder: u64,
    /// Which ledger what is published is of.
    pub epoch: u64,
    /// Up to which change of it.
    pub version: u64,
    /// When the sidecar last said that its audit log can be written; 0: it can't.
    pub audited_at: u64,
}

impl Control {
    /// Reads a cell; anything that isn't one counts as absent, since others can write there.
    pub fn decode(bytes: &[u8]) -> Self {
        if bytes.len() != WORDS * 8 {
            return Self::default();
        }
        let mut words =
            bytes.chunks_exact(8).map(|word| word.try_into().map(u64::from_le_bytes).unwrap_or_default());
        let mut next = || words.next().unwrap_or_default();
        Self {
            fetched_at: next(),
            began_at: next(),
            next_at: next(),
            lease_until: next(),
            lease_holder: next(),
            epoch: next(),
            version: next(),
            audited_at: next(),
        }
    }

    /// Writes a cell.
    pub fn encode(&self) -> Vec<u8> {
        let words: [u64; WORDS] = [
            self.fetched_at,
            self.began_at,
            self.next_at,
            self.lease_until,
            self.lease_holder,
            self.epoch,
            self.version,
            self.audited_at,
        ];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Takes the lease if a question is due and nobody has it.
    pub fn take_lease(&mut self, holder: u64, now: u64, interval_ms: u64) -> bool {
        // A clock that was set back must not stop it.
        let is_due = self.next_at <= now || self.next_at > now + 2 * interval_ms.max(PAUSE_MS);
        let is_leased = self.lease_until > now && self.lease_until <= now + 2 * LEASE_MS;
        if is_leased || !is_due {
            return false;
        }
        if self.began_at == 0 || self.began_at > now {
            self.began_at = now;
        }
        (self.lease_until, self.lease_holder) = (now + LEASE_MS, holder);
        true
    }

    /// An answer came, and what it said is published; `more`: the next question is due at once; `audited`:
    /// the audit log can be written.
    pub fn succeed(&mut self, holder: u64, now: u64, interval_ms: u64, more: bool, audited: bool) {
        self.audited_at = if audited { now } else { 0 };
        if more {
            self.next_at = now;
        } else {
            // A worker looks about as often as that: what is due a little later would wait for its next look.
            (self.fetched_at, self.next_at) = (now, now + interval_ms / 4 * 3);
        }
        self.release(holder);
    }

    /// None came, or one that isn't understood.
    pub fn fail(&mut self, holder: u64, now: u64, interval_ms: u64) {
        let is_awaited = self.fetched_at == 0 && now.saturating_sub(self.began_at) < FIRST_WAIT_MS;
        self.next_at = now + if is_awaited { FIRST_PAUSE_MS } else { interval_ms.max(PAUSE_MS) };
        self.release(holder);
    }

    fn release(&mut self, holder: u64) {
        if self.lease_holder == holder {
            self.lease_until = 0;
        }
    }
}

/// Reads the cell.
///
/// # Errors
/// The host's.
pub fn read(table: &dyn SharedTable) -> Result<Control, TableFault> {
    Ok(table.read(CELL)?.map(|(bytes, _)| Control::decode(&bytes)).unwrap_or_default())
}

/// Applies `change` to the cell, atomically.
///
/// # Errors
/// The host's, or too many collisions.
pub fn update<R>(
    table: &dyn SharedTable,
    mut change: impl FnMut(&mut Control) -> R,
) -> Result<R, TableFault> {
    swap(table, CELL, |bytes| {
        let before = bytes.map(Control::decode).unwrap_or_default();
        let mut control = before;
        let result = change(&mut control);
        ((control != before).then(|| control.encode()), result)
    })
}
