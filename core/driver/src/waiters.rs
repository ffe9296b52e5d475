//! Requests that wait for what the worker fetches: keys, or who is blocked.

use crate::event::Arrived;
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::jwks::KeyRing;
use gatewaystack_core::jwks::control::FETCH_TIMEOUT_MS;

/// Requests that may wait in one worker.
const MAX_WAITERS: usize = 1_024;
/// A held request waits for one request to the issuer, and a bit.
const MAX_WAIT_MS: u64 = FETCH_TIMEOUT_MS + 1_000;

/// The requests of one worker that wait.
#[derive(Debug, Default)]
pub struct Waiters(Vec<Waiter>);

#[derive(Debug)]
struct Waiter {
    stream: u32,
    on: Fetch,
    since_ms: u64,
}

#[derive(Debug)]
enum Fetch {
    /// Of keys; what was held when the wait began.
    Keys {
        issuer: IssuerId,
        generation: u64,
        failures: u64,
    },
    Feed,
}

impl Waiter {
    fn is_over(&self, keys: &KeyRing, has_feed: bool, now_ms: u64) -> Option<Arrived> {
        let is_late = now_ms.saturating_sub(self.since_ms) > MAX_WAIT_MS;
        let Fetch::Keys { issuer, generation, failures } = &self.on else {
            return (has_feed || is_late).then_some(Arrived::Feed);
        };
        let held = keys.held(*issuer)?;
        if held.generation != *generation {
            return Some(Arrived::Keys(Fetched::Good));
        }
        let failed = u64::from(held.failures) > *failures;
        (failed || is_late).then_some(Arrived::Keys(Fetched::Failed))
    }
}

impl Waiters {
    /// Has a request wait until its issuer's keys were fetched. `false`: too many wait already.
    pub fn add(&mut self, stream: u32, issuer: IssuerId, keys: &KeyRing, now_ms: u64) -> bool {
        let (generation, failures) =
            keys.held(issuer).map_or((0, 0), |held| (held.generation, u64::from(held.failures)));
        self.push(stream, Fetch::Keys { issuer, generation, failures }, now_ms)
    }

    /// Has a request wait until it is known who is blocked. `false`: too many wait already.
    pub fn add_for_feed(&mut self, stream: u32, now_ms: u64) -> bool {
        self.push(stream, Fetch::Feed, now_ms)
    }

    fn push(&mut self, stream: u32, on: Fetch, now_ms: u64) -> bool {
        self.forget(stream);
        let has_room = self.0.len() < MAX_WAITERS;
        if has_room {
            self.0.push(Waiter { stream, on, since_ms: now_ms });
        }
        has_room
    }

    /// A request doesn't wait any longer.
    pub fn forget(&mut self, stream: u32) {
        self.0.retain(|waiter| waiter.stream != stream);
    }

    /// Whose wait is over, and how; they don't wait any longer. `has_feed`: nobody waits for it any more.
    pub fn ready(&mut self, keys: &KeyRing, has_feed: bool, now_ms: u64) -> Vec<(u32, Arrived)> {
        let mut ready = Vec::new();
        self.0.retain(|waiter| match waiter.is_over(keys, has_feed, now_ms) {
            Some(arrived) => {
                ready.push((waiter.stream, arrived));
                false
            }
            None => true,
        });
        ready
    }
}
