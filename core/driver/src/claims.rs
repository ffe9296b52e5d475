//! Workers come and go, and what they are woken by can't be freed: so there are this many places of each
//! kind, each claimed by a cell with a heartbeat.

use gatewaystack_core::shared::{SharedTable, swap};

/// Places of each kind.
const PLACES: usize = 64;
/// A heartbeat older than this is a dead worker's.
const DEAD_MS: u64 = 10_000;
/// Time between two heartbeats.
const BEAT_MS: u64 = 2_000;

/// A place among those of its kind, once there is one.
#[derive(Debug)]
pub struct Claim {
    kind: &'static str,
    holder: u64,
    place: Option<usize>,
    beaten_at: u64,
}

impl Claim {
    /// No place yet: nothing is claimed before the first tick, since a worker may only be a trial of a
    /// configuration.
    pub fn new(kind: &'static str, holder: u64) -> Self {
        Self { kind, holder, place: None, beaten_at: 0 }
    }

    /// The place.
    pub fn place(&self) -> Option<usize> {
        self.place
    }

    /// Keeps the claim alive, or claims a place; answers whether it is another one than before.
    pub fn beat(&mut self, table: &dyn SharedTable, now_ms: u64) -> bool {
        let since = now_ms.checked_sub(self.beaten_at);
        if self.place.is_some() && since.is_some_and(|since| since < BEAT_MS) {
            return false;
        }
        self.beaten_at = now_ms;
        if self.place.is_some_and(|at| self.take(table, at, now_ms)) {
            return false;
        }
        self.place = (0..PLACES).find(|at| self.take(table, *at, now_ms));
        true
    }

    fn take(&self, table: &dyn SharedTable, at: usize, now_ms: u64) -> bool {
        let claim = [self.holder.to_le_bytes(), now_ms.to_le_bytes()].concat();
        let claimed = swap(table, &name(self.kind, at), |found| match found.and_then(decode) {
            Some((holder, beat)) if holder != self.holder && is_alive(beat, now_ms) => (None, false),
            _ => (Some(claim.clone()), true),
        });
        claimed.unwrap_or(false)
    }

    /// The place is free for the next one.
    pub fn release(&mut self, table: &dyn SharedTable) {
        let Some(at) = self.place.take() else { return };
        let _ = swap(table, &name(self.kind, at), |found| match found.and_then(decode) {
            Some((holder, _)) if holder == self.holder => (Some(vec![0; 16]), ()),
            _ => (None, ()),
        });
    }
}

/// The places of a kind whose workers are alive.
pub fn claimed(table: &dyn SharedTable, kind: &str, now_ms: u64) -> Vec<usize> {
    let is_claimed = |at: &usize| {
        let cell = table.read(&name(kind, *at)).ok().flatten();
        cell.and_then(|(bytes, _)| decode(&bytes)).is_some_and(|(_, beat)| is_alive(beat, now_ms))
    };
    (0..PLACES).filter(is_claimed).collect()
}

/// The cell of a place, and the name of what its worker is woken by.
pub fn name(kind: &str, at: usize) -> String {
    format!("gatewaystack.{kind}.{at}")
}

fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    Some((half(0)?, half(8)?)).filter(|_| bytes.len() == 16)
}

/// A beat from the future comes from a clock that was set back: it doesn't count.
fn is_alive(beat: u64, now_ms: u64) -> bool {
    now_ms.abs_diff(beat) < DEAD_MS
}
