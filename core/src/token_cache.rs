//! Tokens that were verified: the whole token in, its principal out, without any parsing (contract §2.2).
//! Nothing unverified gets in.
//!
//! Two generations bound it: when the young one is full it becomes the old one, and what isn't asked for
//! again is forgotten.

use crate::config::policy::IssuerId;
use crate::principal::Principal;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Entries of one generation.
const MAX_ENTRIES: usize = 4_096;
/// Token bytes of one generation.
const MAX_BYTES: usize = 4 * 1024 * 1024;

type Generation = HashMap<Tail, Entry, BuildHasherDefault<TailHasher>>;

/// The last bytes of a token, that is of its signature: as good as random. Only good tokens are inserted, and
/// nobody can choose what an issuer's signature ends with, so nobody can make two of them meet. (If they met,
/// the younger would take the other's place.)
type Tail = u128;

/// Mixes a tail that is random already.
#[derive(Debug, Default)]
struct TailHasher(u64);

impl Hasher for TailHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, tail: u128) {
        // Each byte of base64 leaves a bit or two empty, and the table takes its bits from both ends.
        let [low, high] = [tail as u64, (tail >> 64) as u64];
        self.0 = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    token: Box<[u8]>,
    principal: Arc<Principal>,
    key: u64,
}

impl Entry {
    fn is_of(&self, token: &[u8]) -> bool {
        // Sixteen bytes at a time: on WebAssembly the standard comparison takes them one by one.
        let (ours, our_rest) = self.token.as_chunks::<16>();
        let (theirs, their_rest) = token.as_chunks::<16>();
        let word = |bytes: &[u8; 16]| u128::from_ne_bytes(*bytes);
        self.token.len() == token.len()
            && ours.iter().zip(theirs).all(|(a, b)| word(a) == word(b))
            && our_rest == their_rest
    }
}

fn tail(token: &[u8]) -> Option<Tail> {
    token.last_chunk().map(|bytes| u128::from_le_bytes(*bytes))
}

/// Verified tokens of one worker.
#[derive(Debug, Default)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    young_bytes: usize,
}

impl TokenCache {
    /// The principal of a token that was verified before and is current at `now_ms`.
    pub fn find(&mut self, token: &[u8], now_ms: u64) -> Option<Arc<Principal>> {
        let tail = tail(token)?;
        if let Some(entry) = self.young.get(&tail).filter(|entry| entry.is_of(token)) {
            return entry.principal.is_current(now_ms).then(|| Arc::clone(&entry.principal));
        }
        self.old.get(&tail).filter(|entry| entry.is_of(token))?;
        let entry = self.old.remove(&tail)?;
        let principal = entry.principal.is_current(now_ms).then(|| Arc::clone(&entry.principal))?;
        self.put(tail, entry);
        Some(principal)
    }

    /// Remembers a verified token and the key that verified it.
    pub fn insert(&mut self, token: &[u8], principal: Arc<Principal>, key: u64) {
        // A signature is longer.
        if let Some(tail) = tail(token) {
            self.put(tail, Entry { token: token.into(), principal, key });
        }
    }

    /// Forgets the tokens of an issuer's keys that are gone.
    pub fn retain_keys(&mut self, issuer: IssuerId, is_key: impl Fn(u64) -> bool) {
        let keep = |entry: &Entry| entry.principal.issuer() != issuer || is_key(entry.key);
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

    fn put(&mut self, tail: Tail, entry: Entry) {
        let length = entry.token.len();
        if self.young.len() >= MAX_ENTRIES || self.young_bytes.saturating_add(length) > MAX_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(length);
        self.young.insert(tail, entry);
    }
}

#[cfg(test)]
mod tests;
