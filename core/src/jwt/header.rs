//! The protected header: JSON bytes in, a key id out (RFC 7515 §4, RFC 9068 §2.1).
//!
//! `{"alg":"RS256","typ":"at+jwt","kid":"a"}` is accepted; `alg` of any other value, `crit` and a `typ` such as `dpop+jwt` are not.
//! `jwk`, `jku`, `x5u` and `x5c` are ignored: keys come from the issuer alone.

use super::fault::TokenFault;
use crate::json::{self, View};

/// Longest `kid` in bytes.
pub const MAX_KID: usize = 256;

/// Deepest nesting in header and claims.
pub const MAX_DEPTH: usize = 32;

/// Judges a header and answers its `kid`.
///
/// # Errors
/// What the header has that RS256 access tokens don't.
pub fn parse(header: &[u8]) -> Result<Option<String>, TokenFault> {
    let Ok(View::Object(header)) = json::view(header, MAX_DEPTH) else { return Err(TokenFault::Malformed) };
    if header.get("alg").and_then(View::as_str) != Some("RS256") {
        return Err(TokenFault::Algorithm);
    }
    if header.contains_key("crit") {
        return Err(TokenFault::Critical);
    }
    match header.get("typ") {
        None => {}
        Some(View::String(typ)) if is_access_token_type(typ) => {}
        Some(_) => return Err(TokenFault::Type),
    }
    match header.get("kid") {
        None => Ok(None),
        Some(View::String(kid)) if kid.len() <= MAX_KID => Ok(Some(kid.clone().into_owned())),
        Some(_) => Err(TokenFault::KeyId),
    }
}

fn is_access_token_type(typ: &str) -> bool {
    ["jwt", "at+jwt", "application/at+jwt"].iter().any(|t| t.eq_ignore_ascii_case(typ))
}
