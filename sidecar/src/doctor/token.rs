//! What a token says of itself, unverified: text in, lines for the operator's eyes out. Values are escaped
//! and cut; the token and its signature are never among them.

use super::lines::{self, list, shown};
use gatewaystack_core::config::policy::{Claim, Issuer, IssuerId, Policy};
use gatewaystack_core::{json, jwt};
use serde_json::Value;
use std::time::Duration;

const MAX_DEPTH: usize = 32;
/// No rule can help there: a token that names no API may be meant for any.
const NO_AUDIENCE: &str = "none: it names no API; have the client ask for one (audience or resource), or the provider add it (Keycloak: an audience mapper)";

/// What could be read.
pub struct UnverifiedToken {
    parts: usize,
    length: usize,
    header: Value,
    claims: Value,
}

/// Reads what there is to read.
pub fn read(token: &str) -> UnverifiedToken {
    let parts = token.split('.').count();
    let decoded = (parts == 3).then(|| jwt::decode(token).ok()).flatten();
    let parse = |bytes: &[u8]| json::parse(bytes, MAX_DEPTH).unwrap_or_default();
    let (header, claims) = match decoded {
        Some(decoded) => (parse(&decoded.header), parse(&decoded.payload)),
        // A JWE has its header in the clear (RFC 7516 §3.1).
        None => {
            let first = token.split('.').next().unwrap_or_default();
            let alone = format!("{first}..");
            (jwt::decode(&alone).map(|d| parse(&d.header)).unwrap_or_default(), Value::Null)
        }
    };
    UnverifiedToken { parts, length: token.len(), header, claims }
}

impl UnverifiedToken {
    /// The configured issuer that the token names.
    pub fn issuer<'p>(&self, policy: &'p Policy) -> Option<(IssuerId, &'p Issuer)> {
        let bare = |s: &str| s.strip_suffix('/').unwrap_or(s).to_owned();
        let named = bare(self.claims.get("iss")?.as_str()?);
        let at = policy.issuers.iter().position(|i| bare(&i.issuer) == named)?;
        policy.issuers.get(at).map(|issuer| (IssuerId(at), issuer))
    }

    /// Whether the token, or failing that the policy, points to Auth0.
    pub fn is_auth0(&self, policy: &Policy) -> bool {
        let named = self.claims.get("iss").or_else(|| self.header.get("iss")).and_then(Value::as_str);
        named.map_or_else(|| policy.issuers.iter().any(|i| is_auth0(&i.issuer)), is_auth0)
    }

    /// The lines.
    pub fn lines(&self, policy: &Policy, issuer: Option<(IssuerId, &Issuer)>, now_ms: u64) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| lines::line(&mut out, name, &value);
        line("token", self.kind());
        let header = |name: &str| self.header.get(name).map(|v| format!("{name} {}", value(v)));
        let header: Vec<String> =
            ["alg", "enc", "typ", "kid", "iss"].iter().filter_map(|n| header(n)).collect();
        if !header.is_empty() {
            line("header", header.join(", "));
        }
        if self.claims.is_null() {
            return out;
        }
        let claim = |name: &str| self.claims.get(name);
        let known = issuer.map_or_else(
            || {
                let trusted: Vec<String> = policy.issuers.iter().map(|i| i.issuer.to_string()).collect();
                format!(" (not trusted; trusted: {})", list(&trusted))
            },
            |(id, _)| format!(" (issuers[{}])", id.0),
        );
        line("iss", claim("iss").map_or("none".to_owned(), value) + &known);
        let accepted = issuer.map_or(String::new(), |(_, i)| format!(" (accepted: {})", list(&i.audiences)));
        line("aud", claim("aud").map_or(NO_AUDIENCE.to_owned(), value) + &accepted);
        line("exp", claim("exp").map_or("none".to_owned(), |v| when(v, now_ms)));
        for name in ["nbf", "iat"] {
            if let Some(date) = claim(name) {
                line(name, when(date, now_ms));
            }
        }
        let user_claim = issuer.map_or(Claim::named("sub"), |(_, i)| i.user_claim.clone());
        line(
            "user",
            if self.at(&user_claim).is_some_and(Value::is_string) { "named" } else { "none" }.to_owned(),
        );
        let scope_claims = ["scope", "scp", "scopes", "permissions"].map(Claim::named);
        for name in issuer.map_or(scope_claims.as_slice(), |(_, i)| i.scope_claims.as_slice()) {
            if let Some(scopes) = self.at(name) {
                line(name.as_str(), value(scopes));
            }
        }
        let tenant_claim = issuer.map_or(Claim::named("org_id"), |(_, i)| i.tenant_claim.clone());
        line("tenant", self.at(&tenant_claim).map_or("none".to_owned(), value));
        if let Some(gty) = claim("gty") {
            line("gty", value(gty));
        }
        for name in issuer.into_iter().flat_map(|(_, issuer)| named(issuer)) {
            if self.is_below(name) {
                let text = format!(
                    "{} stands inside another claim; the policy's names are whole names, so point to it: /{}",
                    shown(name),
                    shown(&name.replace('.', "/"))
                );
                line("note", text);
            }
        }
        out
    }

    /// What the policy means by a claim.
    fn at(&self, claim: &Claim) -> Option<&Value> {
        claim.path().iter().try_fold(&self.claims, |around, token| match around {
            Value::Array(items) => items.get(token.parse::<usize>().ok()?),
            _ => around.get(token),
        })
    }

    /// Whether a name with dots is no claim, but the way to one.
    fn is_below(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        let first = parts.next().and_then(|first| self.claims.get(first));
        name.contains('.')
            && self.claims.get(name).is_none()
            && parts.try_fold(first, |around, part| Some(around?.get(part))).flatten().is_some()
    }

    fn kind(&self) -> String {
        let kind = match self.parts {
            3 => "signed (3 parts)",
            5 => "encrypted: a JWE (5 parts)",
            _ => "opaque (no JWT)",
        };
        format!("{kind}, {} bytes", self.length)
    }
}

/// The claims that the policy names.
fn named(issuer: &Issuer) -> impl Iterator<Item = &str> {
    let one = [&issuer.user_claim, &issuer.tenant_claim];
    one.into_iter().chain(&issuer.scope_claims).chain(&issuer.group_claims).map(Claim::as_str)
}

/// A date and how far it is from now.
fn when(date: &Value, now_ms: u64) -> String {
    let Some(seconds) = date.as_u64().or_else(|| date.as_f64().and_then(whole)) else {
        return format!("{} (no date)", value(date));
    };
    let now = now_ms / 1000;
    let far = |seconds: u64| humantime::format_duration(Duration::from_secs(seconds)).to_string();
    if seconds > now { format!("in {}", far(seconds - now)) } else { format!("{} ago", far(now - seconds)) }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within what a double holds exactly"
)]
fn whole(seconds: f64) -> Option<u64> {
    (0.0..9_007_199_254_740_992.0).contains(&seconds).then_some(seconds as u64)
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect();
            list(&items)
        }
        other => shown(&other.to_string()),
    }
}

/// Whether an issuer is a tenant of Auth0's, by its domain.
pub fn is_auth0(issuer: &str) -> bool {
    let host = issuer.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next());
    host.is_some_and(|host| host.to_ascii_lowercase().ends_with(".auth0.com"))
}
