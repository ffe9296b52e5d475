//! Tokens that were verified: the whole token in, its claims out, without any parsing (DESIGN §5). Nothing unverified gets in.
//!
//! Two generations bound it: when the young one is full it becomes the old one, and what isn't asked for again is forgotten.

use crate::config::policy::IssuerId;
use crate::jwt::VerifiedClaims;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

/// Entries of one generation.
const MAX_ENTRIES: usize = 4_096;
/// Token bytes of one generation.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Only good tokens are inserted, so nobody can choose colliding keys: a fixed hash is enough.
type Generation = HashMap<Box<str>, Entry, BuildHasherDefault<DefaultHasher>>;

#[derive(Debug, Clone)]
struct Entry {
    claims: Rc<VerifiedClaims>,
    key: u64,
}

/// Verified tokens of one worker.
#[derive(Debug, Default)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    young_bytes: usize,
}

impl TokenCache {
    /// The claims of a token that was verified before and is current at `now_ms`.
    pub fn find(&mut self, token: &str, now_ms: u64) -> Option<Rc<VerifiedClaims>> {
        if let Some(entry) = self.young.get(token) {
            return entry.claims.is_current(now_ms).then(|| Rc::clone(&entry.claims));
        }
        let (token, entry) = self.old.remove_entry(token)?;
        let claims = entry.claims.is_current(now_ms).then(|| Rc::clone(&entry.claims))?;
        self.put(token, entry);
        Some(claims)
    }

    /// Remembers a verified token and the key that verified it.
    pub fn insert(&mut self, token: &str, claims: Rc<VerifiedClaims>, key: u64) {
        self.put(token.into(), Entry { claims, key });
    }

    /// Forgets the tokens of an issuer's keys that are gone.
    pub fn retain_keys(&mut self, issuer: IssuerId, is_key: impl Fn(u64) -> bool) {
        let keep = |entry: &Entry| entry.claims.issuer() != issuer || is_key(entry.key);
        self.young.retain(|_, entry| keep(entry));
        self.old.retain(|_, entry| keep(entry));
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&mut self, token: Box<str>, entry: Entry) {
        if self.young.len() >= MAX_ENTRIES || self.young_bytes.saturating_add(token.len()) > MAX_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(token.len());
        self.young.insert(token, entry);
    }
}
