//! The protected header: JSON bytes in, algorithm and key id out (RFC 7515 §4, RFC 9068 §2.1).
//!
//! `{"alg":"RS256","typ":"at+jwt","kid":"a"}` is accepted; `alg` of another value than those of
//! [`Algorithm`] (which of them, the issuer's policy says), `crit` and a `typ` such
//! as `dpop+jwt` are not. `jwk`, `jku`, `x5u` and `x5c` are ignored: keys come from the issuer alone.

use super::fault::TokenFault;
use crate::json::{self, View};
use crate::jwks::Algorithm;

/// Longest `kid` in bytes.
pub const MAX_KID: usize = 256;

/// Deepest nesting in header and claims.
pub const MAX_DEPTH: usize = 32;

/// Which key a token wants to be verified by.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub kid: Option<String>,
}

/// Judges a header.
///
/// # Errors
/// What the header has that access tokens don't, or an `alg` that isn't supported.
pub fn parse(header: &[u8]) -> Result<Header, TokenFault> {
    let Ok(View::Object(header)) = json::view(header, MAX_DEPTH) else { return Err(TokenFault::Malformed) };
    let algorithm = header.get("alg").and_then(View::as_str).and_then(Algorithm::named);
    let algorithm = algorithm.ok_or(TokenFault::Algorithm)?;
    if header.contains_key("crit") {
        return Err(TokenFault::Critical);
    }
    match header.get("typ") {
        None => {}
        Some(View::String(typ)) if is_access_token_type(typ) => {}
        Some(_) => return Err(TokenFault::Type),
    }
    let kid = match header.get("kid") {
        None => None,
        Some(View::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone().into_owned()),
        Some(_) => return Err(TokenFault::KeyId),
    };
    Ok(Header { algorithm, kid })
}

fn is_access_token_type(typ: &str) -> bool {
    ["jwt", "at+jwt", "application/at+jwt"].iter().any(|t| t.eq_ignore_ascii_case(typ))
}
