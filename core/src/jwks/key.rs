//! Public keys, each bound to the one algorithm that it may verify (RFC 7518 §3.1, RFC 8725 §3.1): the
//! members of a JWK in, a key out. Another algorithm is a variant of [`Algorithm`] (the policy's, which
//! pins it per issuer) and one of [`Key`]; which members of a key set have it is `parse.rs`, and the
//! compiler shows the rest.

use crate::hash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use crate::config::policy::Algorithm;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// It verifies RS256.
    Rs256(RsaKey),
    /// It verifies ES256.
    Es256(EcKey),
}

impl Key {
    /// The algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rs256(_) => Algorithm::Rs256,
            Self::Es256(_) => Algorithm::Es256,
        }
    }

    /// Tells keys apart, `kid` included.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Rs256(key) => key.fingerprint,
            Self::Es256(key) => key.fingerprint,
        }
    }

    /// How long its signatures are in bytes. RFC 8017 §8.2.2: another length than the modulus is no signature
    /// of this key; RFC 7518 §3.4: nor is one of another length than twice the curve's numbers.
    pub fn signature_length(&self) -> usize {
        match self {
            Self::Rs256(key) => key.modulus.len(),
            Self::Es256(_) => 2 * NUMBER,
        }
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        match self {
            Self::Rs256(key) => &key.spki,
            Self::Es256(key) => &key.spki,
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

/// Bytes of a number on the curve P-256.
const NUMBER: usize = 32;

/// A point on the curve P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcKey {
    /// The point, uncompressed (SEC 1 §2.3.3): 4, x, y.
    pub point: Vec<u8>,
    /// DER SubjectPublicKeyInfo (RFC 5480 §2).
    pub spki: Vec<u8>,
    /// Tells keys apart, `kid` included.
    pub fingerprint: u64,
}

impl EcKey {
    /// A key from the JWK members `x` and `y` (RFC 7518 §6.2.1). Whether the point lies on the curve is for
    /// verifiers to say, who calculate with it.
    ///
    /// # Errors
    /// One isn't base64url, or of another length than 32 bytes.
    pub fn from_base64url(x: &str, y: &str, kid: Option<&str>) -> Result<Self, KeyFault> {
        // RFC 5480 §2.1.1: id-ecPublicKey, secp256r1, and a BIT STRING of 65 bytes.
        const HEAD: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let mut point = vec![4];
        for text in [x, y] {
            let bytes =
                URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault("its x or its y isn't base64url"))?;
            if bytes.len() != NUMBER {
                return Err(KeyFault("its x or its y isn't 32 bytes long"));
            }
            point.extend(bytes);
        }
        let spki = [&HEAD[..], &point].concat();
        let fingerprint = fingerprint(&spki, kid);
        Ok(Self { point, spki, fingerprint })
    }
}

/// A signature of ES256 as hosts want it: a token has two numbers one after the other (RFC 7518 §3.4), and
/// ASN.1 a SEQUENCE of two INTEGERs (RFC 3279 §2.2.3). `None`: it is no signature of anything.
pub fn der_signature(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(NUMBER).filter(|(_, s)| s.len() == NUMBER)?;
    let number = |bytes: &[u8]| -> Option<Vec<u8>> {
        let from = bytes.iter().position(|b| *b != 0)?;
        bytes.get(from..).map(integer)
    };
    Some(der(0x30, &[number(r)?, number(s)?].concat()))
}

/// The other signature of ES256 that is as good: with `s` also `n - s` verifies. `None`: it isn't one.
pub fn twin_signature(signature: &[u8]) -> Option<Vec<u8>> {
    /// The order of the curve's base point (SEC 2 §2.4.2), in bytes.
    const ORDER: [u8; NUMBER] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = signature.split_at_checked(NUMBER).filter(|(_, s)| s.len() == NUMBER)?;
    let mut twin = r.to_vec();
    let mut borrow = false;
    for (n, s) in ORDER.iter().zip(s).rev() {
        let (less, first) = n.overflowing_sub(*s);
        let (digit, second) = less.overflowing_sub(u8::from(borrow));
        borrow = first || second;
        twin.push(digit);
    }
    let (_, digits) = twin.split_at_mut(r.len());
    digits.reverse();
    (!borrow).then_some(twin)
}

fn fingerprint(spki: &[u8], kid: Option<&str>) -> u64 {
    hash::fnv1a(&[spki, &[u8::from(kid.is_some())], kid.unwrap_or_default().as_bytes()])
}

/// The key isn't one that its algorithm may be verified with, and why.
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
        let fingerprint = fingerprint(&spki, kid);
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
