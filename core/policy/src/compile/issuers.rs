//! Issuers: whom we trust, where their keys are, and how their users are told apart (contract §2).

use super::common::{self, Errors};
use crate::bounds::{self, Span};
use crate::policy::{Algorithm, Claim, HttpUrl, Issuer, JwksSource, Mark, Sign, UserRule};
use crate::raw::{RawDuration, RawIssuer, RawMark, RawPolicy, RawScalar, RawUser};
use crate::values::{duration, name, url};
use gatewaystack_text::hash;

/// Compiles `issuers`.
pub fn compile(raw: &RawPolicy, errors: &mut Errors) -> Vec<Issuer> {
    let list = raw.issuers.as_deref().unwrap_or_default();
    if list.is_empty() {
        errors.push("issuers", "expected at least one issuer with `issuer` and `audiences`");
    }
    let most = bounds::ISSUERS.most;
    if list.len() > most {
        errors.push("issuers", format!("expected at most {most} issuers"));
    }
    let insecure = raw.allow_insecure_jwks.unwrap_or(false);
    let compiled: Vec<Issuer> =
        list.iter().enumerate().map(|(at, issuer)| one(at, issuer, insecure, errors)).collect();
    duplicates(&compiled, errors);
    for at in rules_of_some(list) {
        errors.push(
            format!("issuers[{at}].user"),
            "expected it at every issuer or at none: else one could name the users of another",
        );
    }
    prefixes(&compiled, list, errors);
    compiled
}

fn one(at: usize, raw: &RawIssuer, insecure: bool, errors: &mut Errors) -> Issuer {
    let path = format!("issuers[{at}]");
    let (issuer, base) = identifier(raw, &path, errors);
    let mut timing = Timing { path: &path, errors };
    let refresh_ms = timing.ms("refresh", raw.refresh.as_ref(), 300_000, bounds::REFRESH_MS);
    let stale = Span { least: refresh_ms, ..bounds::MAX_STALE_MS };
    let max_stale_ms = timing.ms("max_stale", raw.max_stale.as_ref(), 86_400_000, stale);
    let leeway_s = timing.ms("leeway", raw.leeway.as_ref(), 60_000, bounds::LEEWAY_MS).div_ceil(1_000);
    let jwks = match &raw.jwks_uri {
        Some(text) => {
            JwksSource::Uri(jwks_uri(text, &path, insecure, errors).unwrap_or_else(|| base.clone()))
        }
        None => JwksSource::Discover(base),
    };
    Issuer {
        issuer: issuer.into(),
        audiences: audiences(raw, &path, errors),
        jwks_cluster: jwks_cluster(raw, &jwks, &path, errors),
        jwks,
        refresh_ms,
        max_stale_ms,
        leeway_s,
        algorithms: algorithms(raw.algorithms.as_deref(), &format!("{path}.algorithms"), errors),
        user_claim: claim(raw.user_claim.as_ref(), "sub", &path, "user_claim", errors),
        tenant_claim: claim(raw.tenant_claim.as_ref(), "org_id", &path, "tenant_claim", errors),
        scope_claims: claims(
            raw.scope_claims.as_ref(),
            &["scope", "scp", "scopes", "permissions"],
            &format!("{path}.scope_claims"),
            "else no token would have a scope",
            errors,
        ),
        group_claims: claims(
            raw.group_claims.as_ref(),
            &["groups", "roles", "cognito:groups"],
            &format!("{path}.group_claims"),
            "else no token would have a group",
            errors,
        ),
        scopes: raw
            .scopes
            .as_deref()
            .map(|list| common::scopes(Some(list), &format!("{path}.scopes"), errors)),
        tenants: tenants(raw, &path, errors),
        machine: marks(raw.machine.as_deref(), &format!("{path}.machine"), errors),
        user: raw.user.as_ref().and_then(|user| user_rule(user, &format!("{path}.user"), errors)),
        user_prefix: raw.user_prefix.clone().unwrap_or_else(|| own_prefix(at, raw)),
    }
}

struct Timing<'a> {
    path: &'a str,
    errors: &'a mut Errors,
}

impl Timing<'_> {
    fn ms(&mut self, member: &str, raw: Option<&RawDuration>, default: u64, allowed: Span) -> u64 {
        let given = raw.and_then(|d| {
            self.errors.keep(format!("{}.{member}", self.path), duration::within(&d.0, allowed))
        });
        given.unwrap_or(default)
    }
}

fn identifier(raw: &RawIssuer, path: &str, errors: &mut Errors) -> (String, HttpUrl) {
    let path = format!("{path}.issuer");
    let nowhere =
        HttpUrl { tls: true, host: String::new(), port: 443, authority: String::new(), path: "/".to_owned() };
    let Some(text) = &raw.issuer else {
        errors.push(path, "required: the issuer's identifier, as in the tokens' `iss`, such as https://tenant.eu.auth0.com/");
        return (String::new(), nowhere);
    };
    let url = errors.keep(path.clone(), url::parse(text)).unwrap_or(nowhere);
    if !url.host.is_empty() && !url.tls && !url::is_loopback(&url.host) {
        errors.push(path, "expected an https URL (http is for loopback hosts alone)");
    } else if url.path.contains('?') {
        errors.push(path, "expected an issuer without a query (RFC 8414 §2)");
    }
    (text.clone(), url)
}

fn audiences(raw: &RawIssuer, path: &str, errors: &mut Errors) -> Vec<String> {
    let list = raw.audiences.clone().unwrap_or_default();
    if list.is_empty() {
        errors.push(
            format!("{path}.audiences"),
            "required: at least one audience, the API's identifier at the identity provider",
        );
    }
    for (at, audience) in list.iter().enumerate() {
        errors.keep(format!("{path}.audiences[{at}]"), name::check_text(audience, 2_048));
    }
    list
}

fn jwks_uri(text: &str, path: &str, insecure: bool, errors: &mut Errors) -> Option<HttpUrl> {
    let path = format!("{path}.jwks_uri");
    let url = errors.keep(path.clone(), url::parse(text))?;
    if url.tls || url::is_loopback(&url.host) || (insecure && url::is_internal(&url.host)) {
        return Some(url);
    }
    let expected = if url::is_internal(&url.host) {
        "expected an https URL (http to a host inside the cluster needs ALLOW_INSECURE_JWKS=true)"
    } else {
        "expected an https URL (http is for loopback hosts alone)"
    };
    errors.push(path, expected);
    None
}

/// Where nothing is said the name tells the place: under another policy it can't lead elsewhere while this
/// one is still in use.
fn jwks_cluster(raw: &RawIssuer, jwks: &JwksSource, path: &str, errors: &mut Errors) -> String {
    match &raw.jwks_cluster {
        Some(cluster) => {
            errors.keep(format!("{path}.jwks_cluster"), name::check_cluster(cluster));
            cluster.clone()
        }
        None => {
            let (JwksSource::Uri(url) | JwksSource::Discover(url)) = jwks;
            let place = [&[u8::from(url.tls)], url.host.as_bytes(), &url.port.to_le_bytes()];
            format!("gatewaystack_jwks_{:016x}", hash::fnv1a(&place))
        }
    }
}

/// The claim that a member names, or its default.
fn claim(raw: Option<&String>, default: &str, path: &str, member: &str, errors: &mut Errors) -> Claim {
    let given = raw.and_then(|text| errors.keep(format!("{path}.{member}"), Claim::parse(text)));
    given.unwrap_or_else(|| Claim::named(default))
}

/// The claims that a list names, or its default.
fn claims(
    raw: Option<&Vec<String>>,
    default: &[&str],
    path: &str,
    without: &str,
    errors: &mut Errors,
) -> Vec<Claim> {
    let Some(list) = raw else { return default.iter().map(|name| Claim::named(name)).collect() };
    if list.is_empty() {
        errors.push(path, format!("expected at least one claim, {without}"));
    }
    let mut found = Vec::new();
    for (at, text) in list.iter().enumerate() {
        found.extend(errors.keep(format!("{path}[{at}]"), Claim::parse(text)));
    }
    found
}

/// The issuers that have a rule for users which another one hasn't.
fn rules_of_some(list: &[RawIssuer]) -> Vec<usize> {
    let have = || list.iter().enumerate().filter(|(_, raw)| raw.user.is_some()).map(|(at, _)| at);
    if have().count() < list.len() { have().collect() } else { Vec::new() }
}

/// Where every issuer names users alike no prefix is asked for, but tenants and subjects are each
/// issuer's own.
fn own_prefix(at: usize, raw: &RawIssuer) -> String {
    let name = raw.issuer.as_deref().filter(|_| at > 0 && raw.user.is_some());
    name.map(|name| format!("{name}|")).unwrap_or_default()
}

fn user_rule(raw: &RawUser, path: &str, errors: &mut Errors) -> Option<UserRule> {
    let mut requires = Vec::new();
    for (name, value) in raw.requires.iter().flatten() {
        let claim = errors.keep(format!("{path}.requires.{name}"), Claim::parse(name));
        requires.extend(claim.map(|claim| Mark { claim, sign: sign(value) }));
    }
    let Some(claim) = &raw.claim else {
        errors.push(format!("{path}.claim"), "required: the claim that names the user, such as email");
        return None;
    };
    let claim = errors.keep(format!("{path}.claim"), Claim::parse(claim))?;
    Some(UserRule { claim, requires, folds: raw.fold.is_some() })
}

fn algorithms(raw: Option<&[String]>, path: &str, errors: &mut Errors) -> Vec<Algorithm> {
    let Some(list) = raw else { return vec![Algorithm::Rs256] };
    if list.is_empty() {
        errors.push(path, "expected at least one algorithm, RS256 or ES256");
    }
    let mut algorithms = Vec::new();
    for (at, name) in list.iter().enumerate() {
        match Algorithm::named(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => errors.push(format!("{path}[{at}]"), "expected RS256 or ES256"),
        }
    }
    algorithms
}

fn marks(raw: Option<&[RawMark]>, path: &str, errors: &mut Errors) -> Vec<Mark> {
    let Some(list) = raw else { return Vec::new() };
    if list.is_empty() {
        errors.push(path, "expected at least one mark; leave it out for none");
    }
    let mut marks = Vec::new();
    for (at, mark) in list.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let Some(claim) = &mark.claim else {
            errors.push(format!("{path}.claim"), "required: the claim that marks a machine's token");
            continue;
        };
        let claim = errors.keep(format!("{path}.claim"), Claim::parse(claim));
        let signs = [
            mark.is.as_ref().map(sign),
            mark.prefix.clone().map(Sign::Prefix),
            mark.exists.map(Sign::Exists),
        ];
        let mut signs = signs.into_iter().flatten();
        let (Some(sign), None) = (signs.next(), signs.next()) else {
            errors.push(path, "expected one of `is`, `prefix` and `exists` with the claim");
            continue;
        };
        if let Sign::Text(text) | Sign::Prefix(text) = &sign {
            let member = if matches!(sign, Sign::Text(_)) { "is" } else { "prefix" };
            errors.keep(format!("{path}.{member}"), name::check_text(text, 256));
        }
        marks.extend(claim.map(|claim| Mark { claim, sign }));
    }
    marks
}

fn sign(value: &RawScalar) -> Sign {
    match value {
        RawScalar::Text(text) => Sign::Text(text.clone()),
        RawScalar::Number(number) => Sign::Number(*number),
        RawScalar::Flag(flag) => Sign::Flag(*flag),
    }
}

fn tenants(raw: &RawIssuer, path: &str, errors: &mut Errors) -> Option<Vec<String>> {
    let list = raw.tenants.as_ref()?;
    if list.is_empty() {
        errors.push(format!("{path}.tenants"), "expected at least one tenant; leave it out for any");
    }
    for (at, tenant) in list.iter().enumerate() {
        errors.keep(format!("{path}.tenants[{at}]"), name::check_text(tenant, 512));
    }
    Some(list.clone())
}

/// One trailing slash is tolerated in `iss`, so two entries that differ by it alone would be one.
fn duplicates(list: &[Issuer], errors: &mut Errors) {
    let bare = |i: &Issuer| i.issuer.strip_suffix('/').unwrap_or(&i.issuer).to_owned();
    for (at, issuer) in list.iter().enumerate().filter(|(_, i)| !i.issuer.is_empty()) {
        if let Some(first) = list.iter().take(at).position(|other| bare(other) == bare(issuer)) {
            errors.push(
                format!("issuers[{at}].issuer"),
                format!("the same issuer as issuers[{first}].issuer (a trailing slash makes no difference)"),
            );
        }
    }
}

/// No issuer may mint another's users: every one but the first has a prefix, and none is the beginning of
/// another.
fn prefixes(compiled: &[Issuer], list: &[RawIssuer], errors: &mut Errors) {
    let prefix = |issuer: &Issuer| issuer.user_prefix.clone();
    for (at, issuer) in compiled.iter().enumerate() {
        let path = format!("issuers[{at}].user_prefix");
        let own = prefix(issuer);
        if at == 0 {
            if !own.is_empty() {
                errors.push(path, "expected none: the first issuer's users have no prefix");
            }
            continue;
        }
        if own.is_empty() {
            errors.push(
                path,
                "required for every issuer but the first, such as \"b|\": it keeps its users apart",
            );
            continue;
        }
        if list.get(at).is_some_and(|raw| raw.user_prefix.is_some()) {
            errors.keep(path.clone(), name::check_text(&own, 64));
        }
        let other = compiled.iter().enumerate().skip(1).take(at.saturating_sub(1)).find(|(_, other)| {
            let other = prefix(other);
            !other.is_empty() && (own.starts_with(&other) || other.starts_with(&own))
        });
        if let Some((other, _)) = other {
            errors.push(path, format!("expected a prefix that isn't the beginning of issuers[{other}].user_prefix, nor the other way round"));
        }
    }
}
