//! Public keys, each bound to the one algorithm that it may verify (RFC 7518 §3.1, RFC 8725 §3.1): the
//! members of a JWK in, a key out. Another algorithm is a variant of [`Algorithm`], in `Algorithm::ALL`, and
//! one of [`Key`]; which members of a key set have it is `parse.rs`, and the compiler shows the rest.

use crate::hash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

impl Algorithm {
    /// All that there are: a token of one that is missing here is refused.
    pub const ALL: [Self; 1] = [Self::Rs256];

    /// The name of RFC 7518.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
        }
    }

    /// By its name; `None`: it isn't supported.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// It verifies RS256.
    Rs256(RsaKey),
}

impl Key {
    /// The algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Tells keys apart, `kid` included.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Rs256(key) => key.fingerprint,
        }
    }

    /// How long its signatures are in bytes. RFC 8017 §8.2.2: another length than the modulus is no signature
    /// of this key.
    pub fn signature_length(&self) -> usize {
        match self {
            Self::Rs256(key) => key.modulus.len(),
        }
    }
}

/// A public RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaKey {
    /// Modulus, big-endian, without leading zeros.
    pub modulus: Vec<u8>,
    /// Public exponent, big-endian, without leading zeros.
    pub exponent: Vec<u8>,
    /// DER SubjectPublicKeyInfo (RFC 3279 §2.3.1).
    pub spki: Vec<u8>,
    /// Tells keys apart, `kid` included.
    pub fingerprint: u64,
}

/// The key isn't one that RS256 may be verified with, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFault(pub &'static str);

impl RsaKey {
    /// A key from the JWK members `n` and `e` (RFC 7518 §6.3.1).
    ///
    /// # Errors
    /// Modulus outside 2048 to 8192 bits or even; exponent even, under 65537 or not under 2^32; no base64url.
    pub fn from_base64url(n: &str, e: &str, kid: Option<&str>) -> Result<Self, KeyFault> {
        let decode = |text: &str| -> Result<Vec<u8>, KeyFault> {
            let bytes =
                URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault("its n or its e isn't base64url"))?;
            Ok(bytes.into_iter().skip_while(|b| *b == 0).collect())
        };
        let (modulus, exponent) = (decode(n)?, decode(e)?);
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |b| b.leading_zeros() as usize);
        let odd = |n: &[u8]| n.last().is_some_and(|b| b & 1 == 1);
        let e_value = exponent.iter().try_fold(0u32, |e, b| e.checked_mul(256)?.checked_add(u32::from(*b)));
        let good_e = e_value.is_some_and(|e| e >= 65_537 && e & 1 == 1);
        if !(2048..=8192).contains(&bits) || !odd(&modulus) {
            return Err(KeyFault("its modulus isn't an odd number of 2048 to 8192 bits"));
        }
        if !good_e {
            return Err(KeyFault("its exponent isn't an odd number from 65537 to 4294967295"));
        }
        let spki = spki(&modulus, &exponent);
        let fingerprint =
            hash::fnv1a(&[&spki, &[u8::from(kid.is_some())], kid.unwrap_or_default().as_bytes()]);
        Ok(Self { modulus, exponent, spki, fingerprint })
    }
}

/// RFC 3279 §2.3.1: SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, e } } }.
fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let key = der(0x30, &[integer(modulus), integer(exponent)].concat());
    let bits = der(0x03, &[&[0][..], &key].concat());
    der(0x30, &[&RSA_ENCRYPTION[..], &bits].concat())
}

fn integer(value: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if value.first().is_some_and(|b| b & 0x80 != 0) { &[0] } else { &[] };
    der(0x02, &[sign, value].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.extend(u8::try_from(short)),
        _ => {
            out.extend(u8::try_from(significant.len()).map(|n| 0x80 + n));
            out.extend(&significant);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests;
