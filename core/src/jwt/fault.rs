//! Why a token is refused, whatever it is that says so.

/// Why a token is refused. All are the caller's (401).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// A part isn't canonical base64url or not the JSON that RFC 7519 wants.
    Malformed,
    /// `alg` isn't one that the issuer may sign with.
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
    /// Its issuer hasn't verified what names the user.
    Unverified,
    /// A user or tenant that another issuer's prefix reserves, or a link.
    ReservedUser,
    /// No key of the issuer has this `kid`, even after a fetch.
    UnknownKey,
    /// No key verifies the signature.
    Signature,
    /// Its issuer has revoked it.
    Revoked,
}
