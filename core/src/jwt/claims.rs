//! The claims: JSON bytes and an issuer's rules in, [`UnverifiedClaims`] out, and with a verified signature a
//! [`Principal`] (RFC 7519 §4.1; RFC 9068 §2.2; contract §2).

use super::fault::TokenFault;
use super::header::MAX_DEPTH;
use super::machine;
use super::signature::Proof;
use crate::config::policy::condition::Number;
use crate::config::policy::{Claim, Issuer, IssuerId, Linked, Policy, UserRule};
use crate::config::whole_scope;
use crate::groups::{Groups, MAX_GROUPS, Names, Unknown};
use crate::json::{self, Members, View};
use crate::principal::{Attributes, ClaimValue, Principal, Subject, seconds};
use gatewaystack_text::fold::fold;
use gatewaystack_text::scopes::Scopes;
use std::borrow::Cow;
use std::sync::Arc;

/// Claims that name the client: RFC 9068's, then OpenID Connect's, Okta's and Entra's.
const CLIENTS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// Longest user or tenant in bytes.
pub const MAX_SUBJECT: usize = 512;
/// Longest client: it may be a URL (a client id metadata document's).
const MAX_CLIENT: usize = 2_048;

/// Claims whose signature isn't checked yet. They can refuse a request, never allow one.
#[derive(Debug)]
pub struct UnverifiedClaims(Attributes);

impl UnverifiedClaims {
    /// The issuer that these claims name.
    pub fn issuer(&self) -> IssuerId {
        self.0.issuer
    }

    /// Members of `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    #[cfg(test)]
    pub(super) fn scopes(&self) -> &[String] {
        self.0.scopes.names()
    }

    /// Turns into a principal; a [`Proof`] only comes out of a signature verification.
    pub fn verified(self, proof: Proof) -> Principal {
        Principal::proven(self.0, proof)
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
    let times = check_times(&claims, issuer, now_ms)?;
    let audiences = strings(claims.get("aud")).ok_or(TokenFault::Audience)?;
    let sub = subject(claims.get("sub"));
    let tenant = match claims.at(issuer.tenant_claim.path()) {
        None | Some(View::Null) => None,
        some => Some(subject(some).ok_or(TokenFault::Claim)?),
    };
    let reserved =
        |name: &str| id.0 == 0 && policy.issuers.iter().skip(1).any(|i| name.starts_with(&i.user_prefix));
    if tenant.is_some_and(reserved) {
        return Err(TokenFault::ReservedUser);
    }
    let client = CLIENTS.iter().find_map(|name| text(claims.get(name), MAX_CLIENT)).map(str::to_owned);
    let prefixed = |name: &str| format!("{}{name}", issuer.user_prefix);
    let own = match &issuer.user {
        Some(rule) => shared_user(&claims, rule)?,
        None => {
            let user = subject(claims.at(issuer.user_claim.path())).ok_or(TokenFault::Subject)?;
            if reserved(user) {
                return Err(TokenFault::ReservedUser);
            }
            prefixed(user)
        }
    };
    let linked = match policy.links.find(id.0, sub, &own) {
        Linked::Taken => return Err(TokenFault::ReservedUser),
        Linked::To(user) => Some(user.to_owned()),
        Linked::Not => None,
    };
    let is_shared = linked.is_some() || issuer.user.is_some();
    Ok(UnverifiedClaims(Attributes {
        issuer: id,
        issuer_name: Arc::clone(&issuer.issuer),
        user: linked.unwrap_or(own),
        is_shared,
        subject: if issuer.user_claim.is("sub") && !is_shared {
            Subject::User
        } else {
            // A name that another issuer's users have names nobody here.
            Subject::Other(sub.filter(|name| !reserved(name)).map(prefixed))
        },
        tenant: tenant.map(prefixed),
        audiences,
        scopes: scopes(&claims, issuer, &policy.scope_prefix, |_| true),
        consented: consented(&claims, issuer, &policy.scope_prefix),
        groups: groups(&claims, issuer),
        is_machine: machine::is_machine(&claims, &issuer.machine),
        agent: policy.agents.as_ref().zip(client.as_deref()).and_then(|(all, id)| all.of_client(id)).cloned(),
        client,
        actor: claims.get("act").and_then(|act| named(act.get("sub"))),
        acr: named(claims.get("acr")),
        // Of another form it says nothing: it allows nothing either.
        signed_in: date(claims.get("auth_time")).ok().flatten(),
        claims: policy.rules.claims.iter().map(|claim| claim_value(&claims, claim)).collect(),
        token_id: named(claims.get("jti")),
        issued: times.issued,
        ends: times.ends,
    }))
}

/// The user by a claim that means the same at every issuer.
fn shared_user(claims: &Members<'_>, rule: &UserRule) -> Result<String, TokenFault> {
    if !rule.requires.iter().all(|mark| machine::is(claims.at(mark.claim.path()), &mark.sign)) {
        return Err(TokenFault::Unverified);
    }
    let user = subject(claims.at(rule.claim.path())).ok_or(TokenFault::Subject)?;
    if !rule.folds {
        return Ok(user.to_owned());
    }
    // What grows has grown to a name all the same.
    let folded = fold(user);
    if folded.len() <= MAX_SUBJECT { Ok(folded) } else { Err(TokenFault::Subject) }
}

fn find_issuer<'p>(claims: &Members<'_>, policy: &'p Policy) -> Result<(IssuerId, &'p Issuer), TokenFault> {
    let iss = claims.get("iss").and_then(View::as_str).ok_or(TokenFault::Issuer)?;
    let bare = |s: &str| -> usize { s.len() - usize::from(s.ends_with('/')) };
    let same = |a: &str, b: &str| a.get(..bare(a)) == b.get(..bare(b));
    let at = policy.issuers.iter().position(|i| same(&i.issuer, iss)).ok_or(TokenFault::Issuer)?;
    policy.issuers.get(at).map(|issuer| (IssuerId(at), issuer)).ok_or(TokenFault::Issuer)
}

/// When a token begins and ends, in Unix seconds.
struct Times {
    /// 0: it doesn't say.
    issued: f64,
    /// With leeway.
    ends: f64,
}

/// `exp`, `nbf`, `iat`.
fn check_times(claims: &Members<'_>, issuer: &Issuer, now_ms: u64) -> Result<Times, TokenFault> {
    let now = seconds(now_ms);
    let leeway = seconds(issuer.leeway_s.saturating_mul(1000));
    let ends = date(claims.get("exp"))?.ok_or(TokenFault::Claim)? + leeway;
    if now >= ends {
        return Err(TokenFault::Expired);
    }
    let starts = |name: &str| {
        let starts = date(claims.get(name))?.unwrap_or_default();
        if starts > now + leeway { Err(TokenFault::NotYetValid) } else { Ok(starts) }
    };
    starts("nbf")?;
    Ok(Times { issued: starts("iat")?, ends })
}

/// RFC 7519 §2 `NumericDate`, within what a double holds exactly.
fn date(value: Option<&View<'_>>) -> Result<Option<f64>, TokenFault> {
    let Some(value) = value else { return Ok(None) };
    let number = value.as_f64().ok_or(TokenFault::Claim)?;
    if (0.0..9_007_199_254_740_992.0).contains(&number) { Ok(Some(number)) } else { Err(TokenFault::Claim) }
}

fn subject<'v>(value: Option<&'v View<'_>>) -> Option<&'v str> {
    text(value, MAX_SUBJECT)
}

/// A text that can be shown.
fn text<'v>(value: Option<&'v View<'_>>, most: usize) -> Option<&'v str> {
    let text = value?.as_str()?;
    let good = !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control);
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

/// A name that nothing is allowed by: one of another form counts as none.
fn named(value: Option<&View<'_>>) -> Option<String> {
    subject(value).map(str::to_owned)
}

fn consented(claims: &Members<'_>, issuer: &Issuer, prefix: &str) -> Option<Scopes> {
    let is_other = |claim: &Claim| !claim.is("permissions");
    let is_there = |claim: &Claim| claims.at(claim.path()).is_some();
    let other = issuer.scope_claims.iter().any(|claim| is_other(claim) && is_there(claim));
    (other && claims.contains_key("permissions")).then(|| scopes(claims, issuer, prefix, is_other))
}

/// Whole names, as rules have them.
fn scopes(claims: &Members<'_>, issuer: &Issuer, prefix: &str, counts: impl Fn(&Claim) -> bool) -> Scopes {
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    for claim in issuer.scope_claims.iter().filter(|claim| counts(claim)) {
        let named: Vec<&str> = match claims.at(claim.path()) {
            // `permissions` is an array; the others may be space-separated strings, too (RFC 8693 §4.2).
            Some(View::String(text)) if !claim.is("permissions") => text.split(' ').collect(),
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

/// The union of all claims that have some. What is there and can't be read, and what is left out because it
/// is too much, leaves them unknown: a rule against a group must not pass over it.
fn groups(claims: &Members<'_>, issuer: &Issuer) -> Groups {
    let mut found: Vec<&str> = Vec::new();
    for claim in &issuer.group_claims {
        if is_elsewhere(claims, claim) {
            return Groups::Unknown(Unknown::Elsewhere);
        }
        match claims.at(claim.path()) {
            None => {}
            Some(View::String(one)) => found.push(one),
            Some(View::Array(many)) => {
                for group in many {
                    let View::String(group) = group else { return Groups::Unknown(Unknown::Form) };
                    found.push(group);
                }
            }
            Some(_) => return Groups::Unknown(Unknown::Form),
        }
    }
    // An empty text names no group.
    found.retain(|group| !group.is_empty());
    Names::of(found, MAX_GROUPS).map_or(Groups::Unknown(Unknown::TooMany), Groups::Known)
}

/// What a claim says, for conditions. One that was left out says nothing that could be read.
fn claim_value(claims: &Members<'_>, claim: &Claim) -> ClaimValue {
    match claims.at(claim.path()) {
        None if is_elsewhere(claims, claim) => ClaimValue::Other,
        None => ClaimValue::Missing,
        Some(View::String(text)) => ClaimValue::Text(text.as_ref().into()),
        Some(View::Bool(flag)) => ClaimValue::Flag(*flag),
        Some(View::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => ClaimValue::Number(Number::Whole(whole)),
            (None, Some(real)) => ClaimValue::Number(Number::Real(real)),
            (None, None) => ClaimValue::Other,
        },
        Some(View::Array(items)) => {
            let texts = items.iter().map(View::as_str).collect::<Option<Vec<_>>>();
            texts.and_then(|texts| Names::of(texts, MAX_GROUPS)).map_or(ClaimValue::Other, ClaimValue::Texts)
        }
        Some(View::Null | View::Object(_)) => ClaimValue::Other,
    }
}

/// Whether a claim was left out and can be asked for elsewhere: `_claim_names` says so of any (OpenID Connect
/// Core §5.6.2), and `hasgroups` is what Entra says of `groups` where there is no room for that.
fn is_elsewhere(claims: &Members<'_>, claim: &Claim) -> bool {
    let named = match (claims.get("_claim_names"), claim.path()) {
        (Some(View::Object(names)), [first, ..]) => names.contains_key(first),
        (Some(View::Null) | None, _) => false,
        // Nobody can tell what it says.
        (Some(_), _) => true,
    };
    let has_more = || !matches!(claims.get("hasgroups"), None | Some(View::Bool(false) | View::Null));
    named || (claim.is("groups") && has_more())
}
