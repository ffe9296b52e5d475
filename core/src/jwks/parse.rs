//! A JWK Set (RFC 7517 §5): bytes in, the keys that can verify RS256 out. What can't is skipped and counted, never fatal.

use crate::hash;
use crate::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The longest document in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Most keys that one `kid` may have.
const MAX_SAME_KID: usize = 4;
/// Deepest nesting of the document.
const MAX_DEPTH: usize = 32;

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

/// A usable member of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Key id.
    pub kid: Option<String>,
    /// The key.
    pub key: RsaKey,
}

/// The usable keys of one document; never empty.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Jwk>,
    /// Members that were skipped.
    pub skipped: usize,
}

/// Why a document is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFault {
    /// Over [`MAX_DOCUMENT`].
    TooLarge,
    /// Not a JSON object with an array `keys`.
    NotKeySet,
    /// No member can verify RS256.
    NoUsableKey,
}

impl DocumentFault {
    /// For logs and health.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "the document is over 256 KiB",
            Self::NotKeySet => "the document is not a JWK Set",
            Self::NoUsableKey => "no key in the set can verify RS256",
        }
    }
}

impl KeySet {
    /// Keys to try for a token with this `kid`. Without one, the only key, if there is but one.
    pub fn candidates(&self, kid: Option<&str>) -> Option<Vec<&RsaKey>> {
        match (kid, self.keys.as_slice()) {
            (None, [only]) => Some(vec![&only.key]),
            (None, _) => None,
            (Some(kid), keys) => {
                let same = |k: &&Jwk| k.kid.as_deref() == Some(kid);
                Some(keys.iter().filter(same).take(MAX_SAME_KID).map(|k| &k.key).collect())
            }
        }
    }

    /// Whether the set has the key with this fingerprint.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.keys.iter().any(|k| k.key.fingerprint == fingerprint)
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Parses a document.
///
/// # Errors
/// What makes it unusable as a whole.
pub fn parse(document: &[u8]) -> Result<KeySet, DocumentFault> {
    if document.len() > MAX_DOCUMENT {
        return Err(DocumentFault::TooLarge);
    }
    let value = json::parse(document, MAX_DEPTH).map_err(|_| DocumentFault::NotKeySet)?;
    let members = value.get("keys").and_then(Value::as_array).ok_or(DocumentFault::NotKeySet)?;
    let keys: Vec<Jwk> = members.iter().filter_map(|m| jwk(m).ok()).collect();
    if keys.is_empty() {
        return Err(DocumentFault::NoUsableKey);
    }
    let skipped = members.len() - keys.len();
    Ok(KeySet { keys, skipped })
}

/// A member of a document that was skipped: its `kid`, where it is a text, and why.
pub type Skipped = (Option<String>, &'static str);

/// The members of a document that were skipped, for whoever explains them; 16 at most.
pub fn skipped(document: &[u8]) -> Vec<Skipped> {
    let value = json::parse(document.get(..MAX_DOCUMENT).unwrap_or(document), MAX_DEPTH).unwrap_or_default();
    let members = value.get("keys").and_then(Value::as_array).into_iter().flatten();
    let why = |member: &Value| {
        let kid = member.get("kid").and_then(Value::as_str).map(str::to_owned);
        jwk(member).err().map(|why| (kid, why))
    };
    members.filter_map(why).take(16).collect()
}

/// A member that is `null` is one that is absent: some servers write every member that they know.
fn jwk(member: &Value) -> Result<Jwk, &'static str> {
    let member = member.as_object().ok_or("it isn't an object")?;
    let given = |name: &str| member.get(name).filter(|value| !value.is_null());
    let text = |name: &str| given(name).and_then(Value::as_str);
    let absent_or = |name: &str, value: &str| given(name).is_none_or(|v| v.as_str() == Some(value));
    let verifies = given("key_ops").is_none_or(|ops| {
        ops.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify")))
    });
    if text("kty") != Some("RSA") {
        return Err("its kty isn't RSA");
    }
    if !absent_or("use", "sig") {
        return Err("its use isn't sig");
    }
    if !absent_or("alg", "RS256") {
        return Err("its alg isn't RS256");
    }
    if !verifies {
        return Err("its key_ops don't have verify");
    }
    let kid = match given("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err("its kid isn't a text"),
    };
    let (n, e) = text("n").zip(text("e")).ok_or("it has no n or no e")?;
    // RFC 7518 §2 has no padding; jose reads it all the same, and it changes nothing.
    let bare = |text: &str| text.trim_end_matches('=').to_owned();
    let key = RsaKey::from_base64url(&bare(n), &bare(e), kid.as_deref()).map_err(|KeyFault(why)| why)?;
    Ok(Jwk { kid, key })
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
        let e_value = exponent.iter().try_fold(0u32, |acc, b| Some(acc.checked_mul(256)? | u32::from(*b)));
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
            out.extend(u8::try_from(significant.len()).map(|n| 0x80 | n));
            out.extend(&significant);
        }
    }
    out.extend_from_slice(content);
    out
}
