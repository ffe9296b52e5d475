//! RS256 (RFC 7518 §3.3): key, signed bytes and signature in, a [`Proof`] or nothing out.

use super::rsa::PublicKey;
use crate::jwks::RsaKey;
use sha2::{Digest as _, Sha256};

/// That a signature was verified. Only [`verify`] makes one.
#[derive(Debug)]
pub struct Proof(());

/// The verifier could not answer: never a "yes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierFault;

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256.
pub trait SignatureVerifier {
    /// Whether `signature` over `signed` is `key`'s.
    ///
    /// # Errors
    /// The verifier itself failed.
    fn verify_rs256(&self, key: &RsaKey, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault>;
}

/// Tries each key. A fault counts as "no" only where no other key says "yes".
///
/// # Errors
/// A verifier failed, and no key verified.
pub fn verify(
    verifier: &dyn SignatureVerifier,
    keys: &[&RsaKey],
    signed: &str,
    signature: &[u8],
) -> Result<Option<(Proof, u64)>, VerifierFault> {
    let mut fault = None;
    for key in keys {
        // RFC 8017 §8.2.2: another length than the modulus is no signature of this key.
        if signature.len() != key.modulus.len() {
            continue;
        }
        match verifier.verify_rs256(key, signed.as_bytes(), signature) {
            Ok(true) => return Ok(Some((Proof(()), key.fingerprint))),
            Ok(false) => {}
            Err(e) => fault = Some(e),
        }
    }
    fault.map_or(Ok(None), Err)
}

/// DER of DigestInfo for SHA-256, up to the digest (RFC 8017 §9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// The verifier in pure Rust, for hosts without `verify_signature`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

impl SignatureVerifier for Portable {
    fn verify_rs256(&self, key: &RsaKey, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        let public = PublicKey::new(&key.modulus, &key.exponent).ok_or(VerifierFault)?;
        let message = public.open(signature);
        Ok(message.is_some_and(|message| message == encoded(signed, key.modulus.len())))
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): what a good signature opens to, whole, so that no padding is ever parsed.
fn encoded(signed: &[u8], length: usize) -> Vec<u8> {
    let digest = Sha256::digest(signed);
    let padding = length.saturating_sub(3 + DIGEST_INFO.len() + digest.len());
    [&[0, 1][..], &vec![0xff; padding], &[0], &DIGEST_INFO, &digest].concat()
}

/// The known-answer test: whether `verifier` accepts a good signature and refuses a bad one.
pub fn passes_known_answer(verifier: &dyn SignatureVerifier) -> bool {
    let Some((key, signed, good)) = known_answer() else { return false };
    let mut bad = good.clone();
    if let Some(last) = bad.last_mut() {
        *last ^= 1;
    }
    verifier.verify_rs256(&key, signed, &good) == Ok(true)
        && verifier.verify_rs256(&key, signed, &bad) == Ok(false)
}

fn known_answer() -> Option<(RsaKey, &'static [u8], Vec<u8>)> {
    let key = RsaKey::from_base64url(include_str!("known_answer/n.txt").trim(), "AQAB", None).ok()?;
    let signature = super::decode(include_str!("known_answer/token.txt").trim()).ok()?.signature;
    let (signed, _) = include_str!("known_answer/token.txt").trim().rsplit_once('.')?;
    Some((key, signed.as_bytes(), signature))
}

#[cfg(test)]
mod tests;
