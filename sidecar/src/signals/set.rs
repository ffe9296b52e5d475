//! A Security Event Token (RFC 8417): its text in; whose it is and what it says out, once its signature is
//! verified. What is refused has RFC 8935's code (§2.4).
//!
//! An access token or an ID token is none: it has another `typ`, and a subject and an end at its top.

use super::events::{self, Said};
use super::fault::Fault;
use crate::ledger::signal::Signal;
use gatewaystack_core::config::policy::{Issuer, IssuerId, Policy};
use gatewaystack_core::json::{self, Members, View};
use gatewaystack_core::jwks::{Algorithm, Key};
use gatewaystack_core::jwt;
use gatewaystack_core::jwt::claims::MAX_SUBJECT;
use gatewaystack_core::jwt::header::{MAX_DEPTH, MAX_KID};
use gatewaystack_core::jwt::signature::{self, Portable};
use sha2::{Digest as _, Sha256};

/// Seconds that one may be old, and ahead.
const AGE_S: (f64, f64) = (86_400.0, 60.0);
/// Longest `jti` in bytes.
const MAX_ID: usize = 256;

/// A SET whose signature isn't verified yet: it can be refused, and nothing else.
#[derive(Debug)]
pub struct Unverified {
    pub issuer: IssuerId,
    pub kid: Option<String>,
    algorithm: Algorithm,
    signed: String,
    signature: Vec<u8>,
    /// `None`: it says nothing that is known here.
    signal: Option<Signal>,
}

/// Reads a SET, and judges all but its signature.
///
/// # Errors
/// The first rule that it breaks.
pub fn read(text: &str, policy: &Policy, now_s: f64) -> Result<Unverified, Fault> {
    let parts =
        jwt::decode(text).map_err(|_| Fault::request("the body must be a JWS in its compact form"))?;
    let (algorithm, kid) = header(&parts.header)?;
    let Ok(View::Object(claims)) = json::view(&parts.payload, MAX_DEPTH) else {
        return Err(Fault::request("the claims must be a JSON object without doubled members"));
    };
    let (id, issuer) = issuer(&claims, policy)?;
    if !issuer.algorithms.contains(&algorithm) {
        return Err(Fault::key("`alg` must be one that the issuer may sign with"));
    }
    check_audience(&claims, &policy.public_url)?;
    let issued = check_form(&claims, now_s)?;
    let signal = match events::read(&claims)? {
        None => None,
        Some(said) => Some(signal(&claims, (id, issuer), policy, said, issued)?),
    };
    let (signed, signature) = (parts.signed.to_owned(), parts.signature);
    Ok(Unverified { issuer: id, kid, algorithm, signed, signature, signal })
}

impl Unverified {
    /// What it says, if one of these keys has signed it; `None`: nothing that is known here.
    ///
    /// # Errors
    /// None has.
    pub fn verified(self, keys: &[&Key]) -> Result<Option<Signal>, Fault> {
        // A key of another kind hasn't signed what says this.
        let keys: Vec<&Key> = keys.iter().copied().filter(|key| key.algorithm() == self.algorithm).collect();
        match signature::verify(&Portable, &keys, &self.signed, &self.signature) {
            Ok(Some(_)) => Ok(self.signal),
            Ok(None) | Err(_) => Err(Fault::key("the signature isn't valid")),
        }
    }
}

/// RFC 7515 §4; `typ` is what keeps other tokens out (RFC 8417 §2.3).
fn header(header: &[u8]) -> Result<(Algorithm, Option<String>), Fault> {
    let Ok(View::Object(header)) = json::view(header, MAX_DEPTH) else {
        return Err(Fault::request("the header must be a JSON object without doubled members"));
    };
    let typ = header.get("typ").and_then(View::as_str).unwrap_or_default();
    if !["secevent+jwt", "application/secevent+jwt"].iter().any(|known| known.eq_ignore_ascii_case(typ)) {
        return Err(Fault::request("`typ` must be secevent+jwt"));
    }
    let algorithm = header.get("alg").and_then(View::as_str).and_then(Algorithm::named);
    let algorithm = algorithm.ok_or_else(|| Fault::key("`alg` must be RS256 or ES256"))?;
    if header.contains_key("crit") {
        return Err(Fault::request("critical extensions aren't supported"));
    }
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(View::String(kid)) if kid.len() <= MAX_KID => Ok((algorithm, Some(kid.clone().into_owned()))),
        Some(_) => Err(Fault::key("`kid` must be a text of at most 256 bytes")),
    }
}

/// As with tokens: one trailing slash is no difference.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.len() - usize::from(text.ends_with('/'));
    one.get(..bare(one)) == other.get(..bare(other))
}

fn issuer<'p>(claims: &Members<'_>, policy: &'p Policy) -> Result<(IssuerId, &'p Issuer), Fault> {
    let named = claims.get("iss").and_then(View::as_str);
    let found = policy
        .issuers
        .iter()
        .enumerate()
        .find(|(_, issuer)| named.is_some_and(|iss| is_same(&issuer.issuer, iss)));
    let fault = Fault { code: "invalid_issuer", text: "`iss` must be an issuer of this gateway" };
    found.map(|(at, issuer)| (IssuerId(at), issuer)).ok_or(fault)
}

fn check_audience(claims: &Members<'_>, public_url: &str) -> Result<(), Fault> {
    let is_ours = |value: &View<'_>| {
        let rest = value.as_str().and_then(|audience| audience.strip_prefix(public_url));
        rest.is_some_and(|rest| rest.is_empty() || rest == "/ssf/events")
    };
    let is_meant = match claims.get("aud") {
        Some(View::Array(audiences)) => audiences.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    };
    let fault = Fault {
        code: "invalid_audience",
        text: "`aud` must have the gateway's public URL, or that of this path",
    };
    if is_meant { Ok(()) } else { Err(fault) }
}

/// When it was issued.
fn check_form(claims: &Members<'_>, now_s: f64) -> Result<f64, Fault> {
    for name in ["sub", "exp"] {
        if claims.contains_key(name) {
            return Err(Fault::request("a SET has neither `sub` nor `exp`"));
        }
    }
    let issued = claims.get("iat").ok_or(Fault::request("`iat` is missing")).and_then(events::date)?;
    let (oldest, newest) = (now_s - AGE_S.0, now_s + AGE_S.1);
    if issued < oldest {
        return Err(Fault::request("`iat` is more than a day ago"));
    }
    if issued > newest {
        return Err(Fault::request("`iat` lies in the future"));
    }
    let jti = claims.get("jti").and_then(View::as_str).unwrap_or_default();
    if jti.is_empty() || jti.len() > MAX_ID {
        return Err(Fault::request("`jti` must be a text of 1 to 256 bytes"));
    }
    Ok(issued)
}

/// What it says of a user of its issuer's.
fn signal(
    claims: &Members<'_>,
    (id, issuer): (IssuerId, &Issuer),
    policy: &Policy,
    said: Said<'_>,
    issued: f64,
) -> Result<Signal, Fault> {
    let (iss, sub) = events::subject(claims)?;
    let foreign = Fault { code: "access_denied", text: "an issuer may speak of its own users only" };
    if !is_same(iss, &issuer.issuer) {
        return Err(foreign);
    }
    if sub.is_empty() || sub.len() > MAX_SUBJECT || sub.chars().any(char::is_control) {
        return Err(Fault::request("`sub` must be a text of 1 to 512 bytes without control characters"));
    }
    // The first issuer has no prefix, and no users by another's (contract §2).
    if id.0 == 0 && policy.issuers.iter().skip(1).any(|other| sub.starts_with(&other.user_prefix)) {
        return Err(foreign);
    }
    let at = match said.at {
        Some(at) => at,
        None => claims.get("toe").map(events::date).transpose()?.unwrap_or(issued),
    };
    let jti = claims.get("jti").and_then(View::as_str).unwrap_or_default();
    let mut hash = Sha256::new();
    // No issuer's name has a zero byte.
    [issuer.issuer.as_bytes(), b"\0", jti.as_bytes()].iter().for_each(|part| hash.update(part));
    Ok(Signal {
        id: hash.finalize().into(),
        subject: format!("{}{sub}", issuer.user_prefix),
        changes: said.changes,
        // Nothing is told before it happened; some tell the time in milliseconds.
        at_s: whole(at.min(issued)),
        why: said.why.to_owned(),
        by: issuer.issuer.to_string(),
        issuers: u64::try_from(policy.issuers.len()).unwrap_or(u64::MAX),
    })
}

/// The second in which a time lies.
#[allow(clippy::cast_possible_truncation, reason = "within what a double holds exactly")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

#[cfg(test)]
mod tests;
