//! When to fetch: one small cell per issuer, shared by all workers (contract §2.1). Pure transitions;
//! [`update`] makes them atomic.
//!
//! The worker that takes the lease fetches; a lease ends by itself, so a dead worker blocks nobody.

use crate::config::policy::{Issuer, JwksSource};
use crate::hash;
use crate::shared::{SharedTable, TableFault, swap};

/// Least time between two fetches that an unknown `kid` caused, in milliseconds.
pub const FORCED_FLOOR_MS: u64 = 30_000;
/// Time-out of one request of a fetch.
pub const FETCH_TIMEOUT_MS: u64 = 5_000;
/// A lease covers discovery (two documents) and the key set.
const LEASE_MS: u64 = 3 * FETCH_TIMEOUT_MS + 1_000;
/// Bounds of the refresh interval (docs/policy.md, `refresh`).
const REFRESH_MS: (u64, u64) = (30_000, 3_600_000);

/// `kid`s that were refused after a fetch, remembered as hashes.
pub const REFUSED: usize = 32;

/// State of the fetches of one issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Grows with each good document.
    pub generation: u64,
    /// When the last good one came; 0: never.
    pub fetched_at: u64,
    /// When the next fetch is due.
    pub next_at: u64,
    /// Failures since the last good one.
    pub failures: u64,
    /// When an unknown `kid` last caused a fetch; 0: never.
    pub forced_at: u64,
    /// Until when a worker fetches; 0: none does.
    pub lease_until: u64,
    /// Which.
    pub lease_holder: u64,
    refused: [u64; REFUSED],
    refused_next: u64,
}

/// Answer to a worker that has seen an unknown `kid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// A fetch is due now, or under way: wait for its end.
    Wait,
    /// The floor is not over: so many seconds are left.
    Spent(u32),
}

const WORDS: usize = 8 + REFUSED;

impl Default for Control {
    fn default() -> Self {
        Self {
            generation: 0,
            fetched_at: 0,
            next_at: 0,
            failures: 0,
            forced_at: 0,
            lease_until: 0,
            lease_holder: 0,
            refused: [0; REFUSED],
            refused_next: 0,
        }
    }
}

impl Control {
    /// Reads a cell; anything that isn't one counts as absent, since others can write there.
    pub fn decode(bytes: &[u8]) -> Self {
        if bytes.len() != WORDS * 8 {
            return Self::default();
        }
        let mut words =
            bytes.chunks_exact(8).map(|c| c.try_into().map(u64::from_le_bytes).unwrap_or_default());
        let mut next = || words.next().unwrap_or_default();
        let mut control = Self {
            generation: next(),
            fetched_at: next(),
            next_at: next(),
            failures: next(),
            forced_at: next(),
            lease_until: next(),
            lease_holder: next(),
            refused_next: next(),
            refused: [0; REFUSED],
        };
        control.refused.fill_with(next);
        control
    }

    /// Writes a cell.
    pub fn encode(&self) -> Vec<u8> {
        let head = [
            self.generation,
            self.fetched_at,
            self.next_at,
            self.failures,
            self.forced_at,
            self.lease_until,
            self.lease_holder,
            self.refused_next,
        ];
        head.iter().chain(&self.refused).flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Whether a worker fetches right now.
    pub fn is_leased(&self, now: u64) -> bool {
        self.lease_until > now
    }

    /// Takes the lease if a fetch is due and nobody has it.
    pub fn take_lease(&mut self, holder: u64, now: u64) -> bool {
        // A clock that was set back must not stop fetching for longer than the longest interval.
        let due = self.next_at <= now || self.next_at > now.saturating_add(2 * REFRESH_MS.1);
        let stuck = self.lease_until > now.saturating_add(2 * LEASE_MS);
        if (self.is_leased(now) && !stuck) || !due {
            return false;
        }
        self.lease_until = now + LEASE_MS;
        self.lease_holder = holder;
        true
    }

    /// A good document came, to be refreshed after `refresh_ms`, or the answer's `max-age` in seconds, and
    /// before `max_stale_ms` is over. `holder` spreads the workers' clocks, so that many gateways don't ask
    /// at once.
    pub fn succeed(
        &mut self,
        holder: u64,
        now: u64,
        (refresh_ms, max_stale_ms): (u64, u64),
        max_age_s: Option<u64>,
    ) {
        let wanted =
            max_age_s.map_or(refresh_ms, |s| s.saturating_mul(1000)).clamp(REFRESH_MS.0, REFRESH_MS.1);
        // Time for the fetch itself, or good tokens would be refused while it lasts.
        let wanted = wanted.min(max_stale_ms / 10 * 9);
        // Up to a tenth earlier.
        let jitter = wanted / 10 * (holder % 100) / 100;
        self.generation += 1;
        self.fetched_at = now;
        self.failures = 0;
        self.next_at = now + wanted - jitter;
        self.release(holder);
    }

    /// A fetch failed: 1 s, 2 s … 30 s until the next.
    pub fn fail(&mut self, holder: u64, now: u64) {
        let shift = u32::try_from(self.failures.min(5)).unwrap_or(5);
        self.failures = self.failures.saturating_add(1);
        self.next_at = now + (1_000u64 << shift).min(30_000);
        self.release(holder);
    }

    fn release(&mut self, holder: u64) {
        if self.lease_holder == holder {
            self.lease_until = 0;
        }
    }

    /// An unknown `kid` asks for a fetch, in a worker that holds the keys of generation `held`.
    pub fn force_unless_newer(&mut self, held: u64, now: u64) -> Force {
        if self.generation == held { self.force(now) } else { Force::Wait }
    }

    /// An unknown `kid` asks for a fetch.
    pub fn force(&mut self, now: u64) -> Force {
        // One that was forced and hasn't begun will see what is published now: all wait for it.
        let is_forced = self.forced_at != 0 && self.next_at == self.forced_at && self.forced_at <= now;
        if self.is_leased(now) || is_forced {
            return Force::Wait;
        }
        let floor = self.forced_at.saturating_add(FORCED_FLOOR_MS);
        if self.forced_at != 0 && now < floor && self.forced_at <= now {
            return Force::Spent(u32::try_from((floor - now).div_ceil(1000)).unwrap_or(30));
        }
        self.forced_at = now;
        self.next_at = now;
        Force::Wait
    }

    /// Remembers a `kid` that stayed unknown after a fetch.
    pub fn remember_refused(&mut self, kid: u64) {
        if !self.was_refused(kid) {
            let at = usize::try_from(self.refused_next).unwrap_or_default() % REFUSED;
            if let Some(cell) = self.refused.get_mut(at) {
                *cell = kid;
            }
            self.refused_next = self.refused_next.wrapping_add(1);
        }
    }

    /// Whether a `kid` is among the last refused ones.
    pub fn was_refused(&self, kid: u64) -> bool {
        kid != 0 && self.refused.contains(&kid)
    }
}

/// Reads the cell `key`.
///
/// # Errors
/// The host's.
pub fn read(table: &dyn SharedTable, key: &str) -> Result<Control, TableFault> {
    Ok(table.read(key)?.map(|(bytes, _)| Control::decode(&bytes)).unwrap_or_default())
}

/// Applies `change` to the cell `key`, atomically.
///
/// # Errors
/// The host's, or too many collisions.
pub fn update<R>(
    table: &dyn SharedTable,
    key: &str,
    mut change: impl FnMut(&mut Control) -> R,
) -> Result<R, TableFault> {
    swap(table, key, |bytes| {
        let mut control = bytes.map(Control::decode).unwrap_or_default();
        let before = control;
        let result = change(&mut control);
        ((control != before).then(|| control.encode()), result)
    })
}

/// Name of the shared cell with an issuer's [`Control`].
pub fn control_cell(issuer: &Issuer) -> String {
    format!("gatewaystack.keys.{:016x}.control", cell_id(issuer))
}

/// Name of the shared cell with an issuer's document.
pub fn document_cell(issuer: &Issuer) -> String {
    format!("gatewaystack.keys.{:016x}.document", cell_id(issuer))
}

/// Another issuer or another place of the keys is another cell, so that a changed policy never meets old
/// keys.
fn cell_id(issuer: &Issuer) -> u64 {
    let (kind, url) = match &issuer.jwks {
        JwksSource::Uri(url) => (0, url),
        JwksSource::Discover(url) => (1, url),
    };
    let parts =
        [issuer.issuer.as_ref(), &url.authority, &url.path, &issuer.jwks_cluster].map(|text| text.as_bytes());
    let [issuer, authority, path, cluster] = parts;
    hash::fnv1a(&[issuer, &[kind, u8::from(url.tls)], authority, path, cluster])
}

#[cfg(test)]
mod tests;
