//! The claims: JSON bytes and an issuer's rules in, [`UnverifiedClaims`] out, and with a verified signature [`VerifiedClaims`]
//! (RFC 7519 §4.1; RFC 9068 §2.2; contract §2).

use super::fault::TokenFault;
use super::header::MAX_DEPTH;
use super::machine;
use super::signature::Proof;
use crate::config::policy::{Issuer, IssuerId, Policy};
use crate::config::whole_scope;
use crate::json::{self, Members, View};
use gatewaystack_text::scopes::Scopes;
use std::borrow::Cow;

/// Longest user or tenant in bytes.
pub const MAX_SUBJECT: usize = 512;

/// Claims whose signature isn't checked yet. They can refuse a request, never allow one.
#[derive(Debug)]
pub struct UnverifiedClaims {
    issuer: IssuerId,
    claims: Claims,
}

/// Claims behind a verified signature: only [`UnverifiedClaims::verified`] makes them.
#[derive(Debug)]
pub struct VerifiedClaims {
    issuer: IssuerId,
    claims: Claims,
}

#[derive(Debug)]
struct Claims {
    user: String,
    tenant: Option<String>,
    audiences: Vec<String>,
    scopes: Scopes,
    /// What was consented to, where that is less than all that the user may.
    consented: Option<Scopes>,
    machine: bool,
    /// First second at which the token is refused, leeway included.
    ends: f64,
}

impl UnverifiedClaims {
    /// The issuer that these claims name.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// Members of `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.claims.audiences
    }

    #[cfg(test)]
    pub(super) fn scopes(&self) -> &[String] {
        self.claims.scopes.names()
    }

    /// Turns into verified claims; a [`Proof`] only comes out of a signature verification.
    pub fn verified(self, _proof: Proof) -> VerifiedClaims {
        VerifiedClaims { issuer: self.issuer, claims: self.claims }
    }
}

impl VerifiedClaims {
    /// The issuer.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }
    /// The user, with the issuer's prefix.
    pub fn user(&self) -> &str {
        &self.claims.user
    }
    /// The tenant, with the issuer's prefix.
    pub fn tenant(&self) -> Option<&str> {
        self.claims.tenant.as_deref()
    }
    /// Members of `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.claims.audiences
    }
    /// Scopes that the issuer granted and may grant.
    pub fn scopes(&self) -> &Scopes {
        &self.claims.scopes
    }
    /// Scopes that count on MCP routes: `permissions` lists all that the user may, not what was consented to, and counts there only where no other
    /// claim is present.
    pub fn consented_scopes(&self) -> &Scopes {
        self.claims.consented.as_ref().unwrap_or(&self.claims.scopes)
    }
    /// Whether the token belongs to a machine.
    pub fn is_machine(&self) -> bool {
        self.claims.machine
    }
    /// Whether the token is still good at `now_ms` (Unix time in milliseconds).
    pub fn is_current(&self, now_ms: u64) -> bool {
        seconds(now_ms) < self.claims.ends
    }
}

/// Judges the claims of a token at `now_ms` by the rules of the issuer that they name.
///
/// # Errors
/// The first rule of contract §2 that the claims break.
pub fn parse(payload: &[u8], policy: &Policy, now_ms: u64) -> Result<UnverifiedClaims, TokenFault> {
    let Ok(View::Object(claims)) = json::view(payload, MAX_DEPTH) else {
        return Err(TokenFault::Malformed);
    };
    let (id, issuer) = find_issuer(&claims, policy)?;
    let ends = check_times(&claims, issuer, now_ms)?;
    let audiences = strings(claims.get("aud")).ok_or(TokenFault::Audience)?;
    let user = subject(claims.get(&issuer.user_claim)).ok_or(TokenFault::Subject)?;
    let tenant = match claims.get(&issuer.tenant_claim) {
        None | Some(View::Null) => None,
        some => Some(subject(some).ok_or(TokenFault::Claim)?),
    };
    let reserved =
        |name: &str| id.0 == 0 && policy.issuers.iter().skip(1).any(|i| name.starts_with(&i.user_prefix));
    if reserved(user) || tenant.is_some_and(reserved) {
        return Err(TokenFault::ReservedUser);
    }
    let machine = machine::is_machine(&claims);
    let prefixed = |name: &str| format!("{}{name}", issuer.user_prefix);
    let claims = Claims {
        user: prefixed(user),
        tenant: tenant.map(prefixed),
        audiences,
        scopes: scopes(&claims, issuer, &policy.scope_prefix, |_| true),
        consented: consented(&claims, issuer, &policy.scope_prefix),
        machine,
        ends,
    };
    Ok(UnverifiedClaims { issuer: id, claims })
}

fn find_issuer<'p>(claims: &Members<'_>, policy: &'p Policy) -> Result<(IssuerId, &'p Issuer), TokenFault> {
    let iss = claims.get("iss").and_then(View::as_str).ok_or(TokenFault::Issuer)?;
    let bare = |s: &str| -> usize { s.len() - usize::from(s.ends_with('/')) };
    let same = |a: &str, b: &str| a.get(..bare(a)) == b.get(..bare(b));
    let at = policy.issuers.iter().position(|i| same(&i.issuer, iss)).ok_or(TokenFault::Issuer)?;
    policy.issuers.get(at).map(|issuer| (IssuerId(at), issuer)).ok_or(TokenFault::Issuer)
}

/// `exp`, `nbf`, `iat`; answers when the token ends.
fn check_times(claims: &Members<'_>, issuer: &Issuer, now_ms: u64) -> Result<f64, TokenFault> {
    let now = seconds(now_ms);
    let leeway = seconds(issuer.leeway_s.saturating_mul(1000));
    let ends = date(claims.get("exp"))?.ok_or(TokenFault::Claim)? + leeway;
    if now >= ends {
        return Err(TokenFault::Expired);
    }
    for name in ["nbf", "iat"] {
        if date(claims.get(name))?.is_some_and(|starts| starts > now + leeway) {
            return Err(TokenFault::NotYetValid);
        }
    }
    Ok(ends)
}

/// RFC 7519 §2 `NumericDate`, within what a double holds exactly.
fn date(value: Option<&View<'_>>) -> Result<Option<f64>, TokenFault> {
    let Some(value) = value else { return Ok(None) };
    let number = value.as_f64().ok_or(TokenFault::Claim)?;
    if (0.0..9_007_199_254_740_992.0).contains(&number) { Ok(Some(number)) } else { Err(TokenFault::Claim) }
}

/// Milliseconds to seconds; exact far beyond any date of interest.
#[allow(clippy::cast_precision_loss)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn subject<'v>(value: Option<&'v View<'_>>) -> Option<&'v str> {
    let text = value?.as_str()?;
    let good = !text.is_empty() && text.len() <= MAX_SUBJECT && !text.chars().any(char::is_control);
    good.then_some(text)
}

/// A string or an array of strings.
fn strings(value: Option<&View<'_>>) -> Option<Vec<String>> {
    match value? {
        View::String(one) => Some(vec![one.clone().into_owned()]),
        View::Array(many) => many.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn consented(claims: &Members<'_>, issuer: &Issuer, prefix: &str) -> Option<Scopes> {
    let is_other = |name: &str| name != "permissions";
    let other = issuer.scope_claims.iter().any(|name| is_other(name) && claims.contains_key(name));
    (other && claims.contains_key("permissions")).then(|| scopes(claims, issuer, prefix, is_other))
}

/// Whole names, as rules have them.
fn scopes(claims: &Members<'_>, issuer: &Issuer, prefix: &str, counts: impl Fn(&str) -> bool) -> Scopes {
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    for name in issuer.scope_claims.iter().filter(|name| counts(name)) {
        let named: Vec<&str> = match claims.get(name) {
            // `permissions` is an array; the others may be space-separated strings, too (RFC 8693 §4.2).
            Some(View::String(text)) if name != "permissions" => text.split(' ').collect(),
            Some(View::Array(items)) => items.iter().filter_map(View::as_str).collect(),
            _ => Vec::new(),
        };
        for scope in named.into_iter().filter(|scope| !scope.is_empty()) {
            let scope = whole_scope(scope, prefix);
            let allowed = issuer.scopes.as_ref().is_none_or(|allowed| allowed.iter().any(|a| *a == scope));
            if allowed {
                found.push(scope);
            }
        }
    }
    Scopes::of(found.iter().map(AsRef::as_ref).collect())
}
