//! A JWK Set (RFC 7517 §5): bytes in, the keys that can verify a token out. What can't is skipped and
//! counted, never fatal.

use super::key::{Algorithm, EcKey, Key, KeyFault, RsaKey};
use crate::json;
use serde_json::Value;

/// The longest document in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Most keys that one `kid` may have.
const MAX_SAME_KID: usize = 4;
/// Deepest nesting of the document.
const MAX_DEPTH: usize = 32;

/// A usable member of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Key id.
    pub kid: Option<String>,
    /// The key.
    pub key: Key,
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
    /// No member can verify RS256 or ES256.
    NoUsableKey,
}

impl DocumentFault {
    /// For logs and health.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "the document is over 256 KiB",
            Self::NotKeySet => "the document is not a JWK Set",
            Self::NoUsableKey => "no key in the set can verify RS256 or ES256",
        }
    }
}

impl KeySet {
    /// Keys to try for a token of this algorithm with this `kid`. Without one, the only key, if there is just
    /// one.
    pub fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<Vec<&Key>> {
        let mut keys = self.keys.iter().filter(|jwk| jwk.key.algorithm() == algorithm);
        let Some(kid) = kid else {
            let only = keys.next()?;
            return keys.next().is_none().then(|| vec![&only.key]);
        };
        let same = |jwk: &&Jwk| jwk.kid.as_deref() == Some(kid);
        Some(keys.filter(same).take(MAX_SAME_KID).map(|jwk| &jwk.key).collect())
    }

    /// Whether the set has the key with this fingerprint.
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.keys.iter().any(|jwk| jwk.key.fingerprint() == fingerprint)
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

/// The members of a document that were skipped, for anyone who explains them; 16 at most.
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
    let algorithm = match text("kty") {
        Some("RSA") => Algorithm::Rs256,
        Some("EC") => Algorithm::Es256,
        _ => return Err("its kty is neither RSA nor EC"),
    };
    if !absent_or("use", "sig") {
        return Err("its use isn't sig");
    }
    if !absent_or("alg", algorithm.name()) {
        return Err(match algorithm {
            Algorithm::Rs256 => "its alg isn't RS256",
            Algorithm::Es256 => "its alg isn't ES256",
        });
    }
    if !verifies {
        return Err("its key_ops don't have verify");
    }
    let kid = match given("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err("its kid isn't a text"),
    };
    // RFC 7518 §2 has no padding; jose reads it all the same, and it changes nothing.
    let bare = |text: &str| text.trim_end_matches('=').to_owned();
    let why = |KeyFault(why): KeyFault| why;
    let key = match algorithm {
        Algorithm::Rs256 => {
            let (n, e) = text("n").zip(text("e")).ok_or("it has no n or no e")?;
            Key::Rs256(RsaKey::from_base64url(&bare(n), &bare(e), kid.as_deref()).map_err(why)?)
        }
        Algorithm::Es256 if text("crv") != Some("P-256") => return Err("its crv isn't P-256"),
        Algorithm::Es256 => {
            let (x, y) = text("x").zip(text("y")).ok_or("it has no x or no y")?;
            Key::Es256(EcKey::from_base64url(&bare(x), &bare(y), kid.as_deref()).map_err(why)?)
        }
    };
    Ok(Jwk { kid, key })
}
