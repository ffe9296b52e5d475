//! JSON Web Tokens: a compact JWS in, [`VerifiedClaims`] out, and only behind a verified signature (RFC 7515, RFC 7519).

pub mod header;
pub mod claims;
mod machine;
mod rsa;
pub mod signature;

pub use claims::VerifiedClaims;
pub use gatewaystack_text::scopes::Scopes;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why a token is refused. All are the caller's (401).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// A part isn't canonical base64url or not the JSON that RFC 7519 wants.
    Malformed,
    /// `alg` isn't RS256.
    Algorithm,
    /// `typ` isn't an access token's.
    Type,
    /// `crit` is present: no critical extension is understood.
    Critical,
    /// `kid` isn't a string of at most 256 bytes, or is absent where there is more than one key.
    KeyId,
    /// No configured issuer has this `iss`.
    Issuer,
    /// No member of `aud` is accepted here.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// A claim that is needed is absent, or has the wrong form.
    Claim,
    /// The user claim is absent or can't name a user.
    Subject,
    /// A user or tenant that another issuer's prefix reserves.
    ReservedUser,
    /// No key of the issuer has this `kid`, even after a fetch.
    UnknownKey,
    /// No key verifies the signature.
    Signature,
}

/// The parts of a compact JWS, decoded but not verified.
#[derive(Debug)]
pub struct Parts<'a> {
    /// `header.payload`, what is signed.
    pub signed: &'a str,
    /// Decoded protected header.
    pub header: Vec<u8>,
    /// Decoded payload.
    pub payload: Vec<u8>,
    /// Decoded signature.
    pub signature: Vec<u8>,
}

/// Splits and decodes `token`. Padding and stray bits are refused: a token has one spelling.
///
/// # Errors
/// [`TokenFault::Malformed`].
pub fn decode(token: &str) -> Result<Parts<'_>, TokenFault> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed);
    Ok(Parts { signed, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
}

#[cfg(test)]
mod tests;
