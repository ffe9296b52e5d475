//! Signatures (RFC 7518 §3): key, signed bytes and signature in, a [`Proof`] or nothing out.

use super::parts::decode;
use crate::jwks::{Algorithm, EcKey, Key, RsaKey};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BoxedUint, PublicKey};
use sha2::{Digest as _, Sha256};
use std::ops::RangeInclusive;

/// That a signature was verified. Only [`verify`] makes one.
#[derive(Debug)]
pub struct Proof(());

/// The verifier could not answer: never a "yes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierFault;

/// Verifies by a key's own algorithm.
pub trait SignatureVerifier {
    /// Whether `signature` over `signed` is `key`'s.
    ///
    /// # Errors
    /// The verifier itself failed.
    fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault>;
}

/// Tries each key. A fault counts as "no" only where no other key says "yes".
///
/// # Errors
/// A verifier failed, and no key verified.
pub fn verify(
    verifier: &dyn SignatureVerifier,
    keys: &[&Key],
    signed: &str,
    signature: &[u8],
) -> Result<Option<(Proof, u64)>, VerifierFault> {
    let mut fault = None;
    for key in keys {
        if signature.len() != key.signature_length() {
            continue;
        }
        match verifier.verify(key, signed.as_bytes(), signature) {
            Ok(true) => return Ok(Some((Proof(()), key.fingerprint()))),
            Ok(false) => {}
            Err(e) => fault = Some(e),
        }
    }
    fault.map_or(Ok(None), Err)
}

/// The verifier in pure Rust, for hosts without `verify_signature`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

/// What [`RsaKey::from_base64url`] lets in. Asked again here, since it bounds the work.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;
const EXPONENTS: RangeInclusive<u64> = 65_537..=u32::MAX as u64;

impl SignatureVerifier for Portable {
    fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        match key {
            Key::Rs256(key) => verify_rs256(key, signed, signature),
            Key::Es256(key) => verify_es256(key, signed, signature),
        }
    }
}

fn verify_rs256(key: &RsaKey, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
    let exponent =
        key.exponent.iter().try_fold(0u64, |e, byte| e.checked_mul(256)?.checked_add(u64::from(*byte)));
    let exponent = exponent.filter(|e| EXPONENTS.contains(e)).ok_or(VerifierFault)?;
    // A leading zero would make the modulus longer than the signature that RFC 8017 §8.2.2 compares it with.
    if key.modulus.first() == Some(&0) {
        return Err(VerifierFault);
    }
    let modulus = BoxedUint::from_be_slice_vartime(&key.modulus);
    let public =
        PublicKey::new_with_size_limits(modulus, exponent.into(), MODULUS_BITS).map_err(|_| VerifierFault)?;
    Ok(public.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), signature).is_ok())
}

/// A point that isn't on the curve verifies nothing.
#[cfg(not(target_os = "wasi"))]
fn verify_es256(key: &EcKey, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
    use p256::ecdsa::signature::Verifier as _;
    let (Ok(public), Ok(signature)) = (
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.point),
        p256::ecdsa::Signature::from_slice(signature),
    ) else {
        return Ok(false);
    };
    Ok(public.verify(signed, &signature).is_ok())
}

/// The module has no room for a second arithmetic: there Envoy verifies ES256, or nobody
/// ([`passes_known_answer`] tells at the start).
#[cfg(target_os = "wasi")]
fn verify_es256(_: &EcKey, _: &[u8], _: &[u8]) -> Result<bool, VerifierFault> {
    Err(VerifierFault)
}

/// The known-answer test: whether `verifier` accepts a good signature of each of these algorithms and
/// refuses a bad one.
pub fn passes_known_answer(verifier: &dyn SignatureVerifier, algorithms: &[Algorithm]) -> bool {
    algorithms.iter().all(|algorithm| passes(verifier, *algorithm))
}

fn passes(verifier: &dyn SignatureVerifier, algorithm: Algorithm) -> bool {
    let Some((key, signed, good)) = known_answer(algorithm) else { return false };
    let mut bad = good.clone();
    if let Some(last) = bad.last_mut() {
        *last = !*last;
    }
    verifier.verify(&key, signed, &good) == Ok(true) && verifier.verify(&key, signed, &bad) == Ok(false)
}

fn known_answer(algorithm: Algorithm) -> Option<(Key, &'static [u8], Vec<u8>)> {
    let (key, token) = match algorithm {
        Algorithm::Rs256 => {
            let n = include_str!("known_answer/n.txt").trim();
            (
                Key::Rs256(RsaKey::from_base64url(n, "AQAB", None).ok()?),
                include_str!("known_answer/token.txt"),
            )
        }
        // RFC 7515 appendix A.3.
        Algorithm::Es256 => {
            let (x, y) = include_str!("known_answer/point.txt").trim().split_once('.')?;
            (Key::Es256(EcKey::from_base64url(x, y, None).ok()?), include_str!("known_answer/es256.txt"))
        }
    };
    let signature = decode(token.trim()).ok()?.signature;
    let (signed, _) = token.trim().rsplit_once('.')?;
    Some((key, signed.as_bytes(), signature))
}

#[cfg(test)]
mod tests;
