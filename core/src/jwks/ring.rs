//! The keys that one worker holds parsed: issuer and `kid` in, keys or what is missing out.

use super::key::{Algorithm, Key};
use super::parse::KeySet;
use crate::config::policy::{IssuerId, Policy};

/// Parsed keys of all issuers, as far as this worker knows.
#[derive(Debug, Default)]
pub struct KeyRing {
    issuers: Vec<IssuerKeys>,
}

/// What is held of one issuer.
#[derive(Debug, Default)]
pub struct IssuerKeys {
    /// The set; `None` until the first good fetch.
    pub set: Option<KeySet>,
    /// When it was fetched, Unix milliseconds.
    pub fetched_at: u64,
    /// Generation of the shared document that it came from.
    pub generation: u64,
    /// Failed fetches since the last good one, as last seen.
    pub failures: u32,
    /// When the next fetch is due, as last seen.
    pub next_at: u64,
}

/// Answer to "which keys verify this token?".
#[derive(Debug)]
pub enum Lookup<'a> {
    /// These.
    Keys(Vec<&'a Key>),
    /// The token has no `kid`, and the issuer not exactly one key.
    NeedsKid,
    /// None has this `kid`.
    UnknownKid,
    /// The first fetch isn't over.
    NotYet,
    /// Fetching failed, and there are no keys, or they are too old. Retry after so many seconds.
    Unavailable(u32),
}

impl KeyRing {
    /// An empty ring for the issuers of `policy`.
    pub fn new(policy: &Policy) -> Self {
        Self { issuers: policy.issuers.iter().map(|_| IssuerKeys::default()).collect() }
    }

    /// What is held of one issuer.
    pub fn held(&self, issuer: IssuerId) -> Option<&IssuerKeys> {
        self.issuers.get(issuer.0)
    }

    /// What is held of one issuer, to be replaced.
    pub fn held_mut(&mut self, issuer: IssuerId) -> Option<&mut IssuerKeys> {
        self.issuers.get_mut(issuer.0)
    }

    /// Whether the issuer's keys may still be trusted: nobody could have told us of one that was withdrawn
    /// since.
    pub fn are_fresh(&self, issuer: IssuerId, max_stale_ms: u64, now_ms: u64) -> bool {
        self.held(issuer).is_some_and(|held| held.is_fresh(max_stale_ms, now_ms))
    }

    /// Keys for a token, by its header.
    pub fn find(
        &self,
        issuer: IssuerId,
        header: (Algorithm, Option<&str>),
        max_stale_ms: u64,
        now_ms: u64,
    ) -> Lookup<'_> {
        let (algorithm, kid) = header;
        let Some(held) = self.held(issuer) else { return Lookup::Unavailable(1) };
        let retry = u32::try_from(held.next_at.saturating_sub(now_ms).div_ceil(1000))
            .unwrap_or(u32::MAX)
            .clamp(1, 30);
        let Some(set) = &held.set else {
            return if held.failures > 0 { Lookup::Unavailable(retry) } else { Lookup::NotYet };
        };
        if !held.is_fresh(max_stale_ms, now_ms) {
            return Lookup::Unavailable(retry);
        }
        match set.candidates(algorithm, kid) {
            None => Lookup::NeedsKid,
            Some(keys) if keys.is_empty() => Lookup::UnknownKid,
            Some(keys) => Lookup::Keys(keys),
        }
    }
}

impl IssuerKeys {
    fn is_fresh(&self, max_stale_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.fetched_at) <= max_stale_ms
    }
}
