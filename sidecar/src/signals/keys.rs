//! Issuers' keys, as SETs need them: an issuer and a `kid` in, its key set out. They are fetched when the
//! first SET comes, one fetch at a time for each issuer; whatever anybody sends, an issuer is asked no more
//! often than the bounds below say.

use crate::jwks;
use gatewaystack_core::config::policy::{Issuer, IssuerId, Policy};
use gatewaystack_core::jwks::{Algorithm, Key, KeySet};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Mutex;

/// An unknown `kid` causes a fetch at most so often (contract §2.1).
const FLOOR_MS: u64 = 30_000;
/// After one that failed.
const PAUSE_MS: u64 = 5_000;
/// Unknown `kid`s that are remembered.
const MOST_UNKNOWN: usize = 32;

/// Those of all issuers.
pub struct Keys {
    policy: Arc<Policy>,
    held: Vec<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    set: Option<Arc<KeySet>>,
    fetched_ms: u64,
    /// When the last fetch for an unknown `kid` was.
    forced_ms: u64,
    /// Until when nothing is fetched, since it failed.
    paused_ms: u64,
    /// Those that stayed unknown.
    unknown: VecDeque<Option<String>>,
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// The issuer has none of this name.
    Unknown,
    /// It can't be had now.
    Unavailable,
}

impl Keys {
    pub fn new(policy: &Arc<Policy>) -> Self {
        Self { held: policy.issuers.iter().map(|_| Mutex::default()).collect(), policy: Arc::clone(policy) }
    }

    /// The set in which a key of this name is.
    ///
    /// # Errors
    /// There is none.
    pub async fn find(&self, id: IssuerId, kid: Option<&str>, now_ms: u64) -> Result<Arc<KeySet>, Missing> {
        let (Some(issuer), Some(held)) = (self.policy.issuers.get(id.0), self.held.get(id.0)) else {
            return Err(Missing::Unknown);
        };
        // Who comes while it is being fetched waits here.
        let mut held = held.lock().await;
        if held.age_ms(now_ms) > issuer.refresh_ms {
            held.fetch(issuer, now_ms).await;
        }
        if let Some(set) = held.with(issuer, kid, now_ms)? {
            return Ok(set);
        }
        let name = kid.map(str::to_owned);
        // A clock that was set back waits for nothing.
        if (held.forced_ms..held.forced_ms.saturating_add(FLOOR_MS)).contains(&now_ms) {
            let is_known = held.unknown.contains(&name);
            return Err(if is_known { Missing::Unknown } else { Missing::Unavailable });
        }
        held.forced_ms = now_ms;
        if !held.fetch(issuer, now_ms).await {
            return Err(Missing::Unavailable);
        }
        if let Some(set) = held.with(issuer, kid, now_ms)? {
            return Ok(set);
        }
        if held.unknown.len() >= MOST_UNKNOWN {
            held.unknown.pop_front();
        }
        held.unknown.push_back(name);
        Err(Missing::Unknown)
    }
}

impl Held {
    fn age_ms(&self, now_ms: u64) -> u64 {
        // A clock that was set back: it is of another time.
        if self.set.is_some() { now_ms.checked_sub(self.fetched_ms).unwrap_or(u64::MAX) } else { u64::MAX }
    }

    /// The set, where it has the key; `None`: it hasn't.
    fn with(&self, issuer: &Issuer, kid: Option<&str>, now_ms: u64) -> Result<Option<Arc<KeySet>>, Missing> {
        let Some(set) = self.set.as_ref().filter(|_| self.age_ms(now_ms) <= issuer.max_stale_ms) else {
            return Err(Missing::Unavailable);
        };
        Ok((!candidates(set, kid).is_empty()).then(|| Arc::clone(set)))
    }

    /// Fetches the set; `false`: it can't be had.
    async fn fetch(&mut self, issuer: &Issuer, now_ms: u64) -> bool {
        if now_ms < self.paused_ms && self.paused_ms - now_ms <= PAUSE_MS {
            return false;
        }
        match jwks::key_set(issuer).await {
            Ok((_, set, _)) => {
                (self.set, self.fetched_ms) = (Some(Arc::new(set)), now_ms);
                self.unknown.clear();
                true
            }
            Err(trouble) => {
                tracing::warn!(issuer = %issuer.issuer, why = trouble.message(), "no keys for signals");
                self.paused_ms = now_ms.saturating_add(PAUSE_MS);
                false
            }
        }
    }
}

/// Keys that may have signed what names this `kid`; without one, the only key there is.
pub fn candidates<'a>(set: &'a KeySet, kid: Option<&str>) -> Vec<&'a Key> {
    Algorithm::ALL.into_iter().filter_map(|algorithm| set.candidates(algorithm, kid)).flatten().collect()
}

#[cfg(test)]
mod tests;
