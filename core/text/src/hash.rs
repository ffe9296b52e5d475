//! Hashes: FNV-1a to tell things apart that nobody attacks, SipHash with a secret where clients choose the
//! input.

#![allow(
    deprecated,
    reason = "std's SipHasher is the keyed hash that it has; nothing better replaces it there"
)]
use std::hash::{Hasher as _, SipHasher};

/// FNV-1a, 64 bits, over the parts with their lengths.
pub fn fnv1a(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    for part in parts {
        part.iter().copied().for_each(&mut add);
        (part.len() as u64).to_le_bytes().into_iter().for_each(&mut add);
    }
    hash
}

/// A secret of the process, shared by its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub u64, pub u64);

/// SipHash-2-4 of the parts with their lengths.
pub fn keyed(secret: Secret, parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher::new_with_keys(secret.0, secret.1);
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}
