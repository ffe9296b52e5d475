//! `WWW-Authenticate`: a refusal in, the challenge out (RFC 6750 §3, RFC 9728 §5.1).

use crate::config::policy::{ChallengeScope, Policy, Route, ScopeRule};
use crate::host::bare_host;
use crate::metadata;
use crate::refusal::Refusal;
use crate::sorted;

/// The challenge of `refusal` for a request to `host`, on `route` where one matches; `operation`: the scopes
/// of an MCP operation.
pub fn build(
    policy: &Policy,
    route: Option<&Route>,
    host: &str,
    operation: Option<&[String]>,
    refusal: &Refusal,
) -> String {
    write(policy, route, host, operation, refusal, refusal.challenge_error())
}

/// The same with this `error`.
pub fn write(
    policy: &Policy,
    route: Option<&Route>,
    host: &str,
    operation: Option<&[String]>,
    refusal: &Refusal,
    error: Option<&str>,
) -> String {
    let mut out = format!("Bearer realm=\"{}\"", quoted(&policy.realm));
    let mut add = |name: &str, value: &str| {
        out.push_str(", ");
        out.push_str(name);
        out.push_str("=\"");
        out.push_str(&quoted(value));
        out.push('"');
    };
    if let Some(error) = error {
        add("error", error);
        add("error_description", &refusal.description());
    }
    if let Refusal::StepUp(_, step_up) = refusal {
        if !step_up.acr.is_empty() {
            add("acr_values", &step_up.acr.join(" "));
        }
        if let Some(seconds) = step_up.max_age_s {
            add("max_age", &seconds.to_string());
        }
    }
    let scopes = scopes(policy, route, operation, refusal);
    if !scopes.is_empty() {
        add("scope", &scopes.join(" "));
    }
    if policy.metadata.on {
        add("resource_metadata", &document(route, &base(policy, listed(policy, host))));
    }
    out
}

/// The metadata of what is protected here, under our URL as the client sees it. An MCP route has a document
/// of its own, at its own path (RFC 9728 §3.1).
pub fn document(route: Option<&Route>, base: &str) -> String {
    let path = route.filter(|route| route.mcp.is_some()).map_or("", |route| route.name.as_str());
    format!("{base}{}{path}", metadata::PATH)
}

/// Which of the further hosts the client names; `None`: the public URL's, or none that is listed.
#[inline]
pub fn listed(policy: &Policy, host: &str) -> Option<usize> {
    if policy.public_hosts.is_empty() { None } else { find(policy, bare_host(host)) }
}

fn find(policy: &Policy, named: &str) -> Option<usize> {
    let (_, own) = policy.public_url.split_once("://")?;
    let at = policy.public_hosts.iter().position(|h| bare_host(h).eq_ignore_ascii_case(named));
    at.filter(|_| !named.is_empty() && !bare_host(own).eq_ignore_ascii_case(named))
}

/// The URL under which the client sees us: that of a listed host, in our spelling, else the configured one.
pub fn base(policy: &Policy, listed: Option<usize>) -> String {
    let host = listed.and_then(|at| policy.public_hosts.get(at));
    match (host, policy.public_url.split_once("://")) {
        (Some(host), Some((scheme, _))) => format!("{scheme}://{host}"),
        _ => policy.public_url.clone(),
    }
}

/// The smallest set that satisfies a rule: all of `all`, and the first of `any`.
pub fn needed(rule: &ScopeRule) -> Vec<String> {
    let mut scopes = rule.all.clone();
    scopes.extend(rule.any.first().filter(|first| !rule.all.contains(first)).cloned());
    scopes
}

fn scopes(
    policy: &Policy,
    route: Option<&Route>,
    operation: Option<&[String]>,
    refusal: &Refusal,
) -> Vec<String> {
    let operation = match (refusal, operation, route) {
        (Refusal::Scope { needed, .. }, _, _) => needed.clone(),
        (_, Some(scopes), _) => scopes.to_vec(),
        (_, None, Some(route)) if route.mcp.is_none() => needed(&route.scopes),
        // No route, or a call that no rule allows: no scope would help.
        (_, None, _) => return Vec::new(),
    };
    match policy.challenge_scope {
        ChallengeScope::Operation => operation,
        ChallengeScope::All => {
            let hidden = |s: &String| s == "offline_access" || policy.hidden_scopes.contains(s);
            let mut all: Vec<String> =
                policy.scopes_supported.iter().filter(|s| !hidden(s)).cloned().collect();
            all.extend(operation);
            sorted::unique(&all)
        }
    }
}

/// RFC 7230 §3.2.6 `quoted-string` content: all that we put there is ours or checked, so this is the second
/// lock.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}
