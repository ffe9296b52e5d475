//! All that judging depends on besides the request: what the worker knows, what it shares with others, and
//! the time.

use crate::config::policy::{LimitKey, Policy};
use crate::feed::Feed;
use crate::hash::Secret;
use crate::jwks::KeyRing;
use crate::jwt::signature::SignatureVerifier;
use crate::rate_limit::Counters;
use crate::token_cache::TokenCache;
use std::cell::RefCell;
use std::net::IpAddr;

/// The world at one moment.
pub struct World<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Keys that this worker has.
    pub keys: &'a KeyRing,
    /// Tokens that it has verified.
    pub tokens: &'a RefCell<TokenCache>,
    /// Signatures.
    pub verifier: &'a dyn SignatureVerifier,
    /// Who is blocked.
    pub feed: &'a Feed,
    /// What records hash sessions with.
    pub session_secret: Secret,
    /// Limits.
    pub counters: &'a Counters<'a>,
    /// The client's address, asked for only where a limit needs it.
    pub address: &'a dyn Fn() -> IpAddr,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

impl World<'_> {
    /// Whether a limit counts failed authentications.
    pub fn counts_failures(&self) -> bool {
        self.has_address_rule(true)
    }

    /// Whether a limit counts all requests of an address.
    pub fn counts_addresses(&self) -> bool {
        self.has_address_rule(false)
    }

    fn has_address_rule(&self, failures: bool) -> bool {
        let is = |by: &LimitKey| matches!(by, LimitKey::Address { failures_only, .. } if *failures_only == failures);
        self.policy.rate_limits.iter().any(|rule| is(&rule.by))
    }
}
