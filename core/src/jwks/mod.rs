//! Keys: a JWK Set document in, usable keys out (RFC 7517), and when to fetch it again (contract §2.1).

mod key;
mod parse;
pub mod ring;
pub mod control;
pub mod discovery;

pub use key::{Algorithm, EcKey, Key, RsaKey, der_signature, twin_signature};
pub use parse::{Jwk, KeySet, MAX_DOCUMENT, Skipped, parse, skipped};
pub use ring::{KeyRing, Lookup};

#[cfg(test)]
mod tests;
