//! Requests that wait for keys.

use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::jwks::KeyRing;
use gatewaystack_core::jwks::control::FETCH_TIMEOUT_MS;

/// Requests that may wait in one worker.
const MAX_WAITERS: usize = 1_024;
/// A held request waits for one request to the issuer, and a bit.
const MAX_WAIT_MS: u64 = FETCH_TIMEOUT_MS + 1_000;

/// The requests of one worker that wait for keys.
#[derive(Debug, Default)]
pub struct Waiters(Vec<Waiter>);

#[derive(Debug)]
struct Waiter {
    stream: u32,
    issuer: IssuerId,
    since_ms: u64,
    generation: u64,
    failures: u64,
}

impl Waiter {
    fn is_over(&self, keys: &KeyRing, now_ms: u64) -> Option<Fetched> {
        let held = keys.held(self.issuer)?;
        if held.generation != self.generation {
            return Some(Fetched::Good);
        }
        let failed = u64::from(held.failures) > self.failures;
        (failed || now_ms.saturating_sub(self.since_ms) > MAX_WAIT_MS).then_some(Fetched::Failed)
    }
}

impl Waiters {
    /// Has a request wait until its issuer's keys were fetched. `false`: too many wait already.
    pub fn add(&mut self, stream: u32, issuer: IssuerId, keys: &KeyRing, now_ms: u64) -> bool {
        self.forget(stream);
        if self.0.len() >= MAX_WAITERS {
            return false;
        }
        let (generation, failures) =
            keys.held(issuer).map_or((0, 0), |held| (held.generation, u64::from(held.failures)));
        self.0.push(Waiter { stream, issuer, since_ms: now_ms, generation, failures });
        true
    }

    /// A request doesn't wait any longer.
    pub fn forget(&mut self, stream: u32) {
        self.0.retain(|waiter| waiter.stream != stream);
    }

    /// Whose wait is over, and how; they don't wait any longer.
    pub fn ready(&mut self, keys: &KeyRing, now_ms: u64) -> Vec<(u32, Fetched)> {
        let mut ready = Vec::new();
        self.0.retain(|waiter| match waiter.is_over(keys, now_ms) {
            Some(fetched) => {
                ready.push((waiter.stream, fetched));
                false
            }
            None => true,
        });
        ready
    }
}
