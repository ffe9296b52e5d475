//! What an override's route lets through that the base's wouldn't: the compiled routes in; a warning for each
//! route that comes before one of another document, takes requests of it, and asks less.

use gatewaystack_core::config::overlap::overlaps;
use gatewaystack_core::config::policy::{Access, McpRule, McpRules, Mode, Pattern, Policy, Route, ScopeRule};

/// Pairs of places in `routes`, with what the first asks less than the second. `document` says where a route
/// comes from.
pub fn weaker(policy: &Policy, document: impl Fn(usize) -> usize) -> Vec<(usize, usize, String)> {
    let routes: Vec<&Route> = policy.routes.iter().filter(|route| route.builtin.is_none()).collect();
    let mut found = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let after = routes.iter().enumerate().skip(at + 1);
        for (later, hidden) in after.filter(|(later, _)| document(*later) != document(at)) {
            let meets = meet(route, hidden, policy.case_sensitive);
            let less = if meets { asks_less(route, hidden) } else { Vec::new() };
            if !less.is_empty() {
                found.push((at, later, less.join(", ")));
            }
        }
    }
    found
}

/// Whether some request fits both, for a server that may not tell upper from lower case unless the policy
/// says that it does.
fn meet(a: &Route, b: &Route, case_sensitive: bool) -> bool {
    let folded = |pattern: &Pattern| {
        let fold = |segment: &Option<String>| match segment {
            Some(segment) if !case_sensitive => Some(segment.to_ascii_lowercase()),
            segment => segment.clone(),
        };
        Pattern { segments: pattern.segments.iter().map(fold).collect(), rest: pattern.rest }
    };
    let shares = |a: &[String], b: &[String]| a.iter().any(|one| b.contains(one));
    let methods = match (&a.methods, &b.methods) {
        (Some(a), Some(b)) => a.iter().any(|method| b.contains(method)),
        _ => true,
    };
    let hosts = a.hosts.is_empty() || b.hosts.is_empty() || shares(&a.hosts, &b.hosts);
    methods && hosts && overlaps(&folded(&a.pattern), &folded(&b.pattern))
}

/// The members in which `route` asks less than `other`.
fn asks_less(route: &Route, other: &Route) -> Vec<&'static str> {
    let subset = |inner: &[String], outer: &[String]| inner.iter().all(|one| outer.contains(one));
    let trusts_more = match (&route.issuers, &other.issuers) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(own), Some(theirs)) => own.iter().any(|issuer| !theirs.contains(issuer)),
    };
    let is_public = route.access == Access::Public;
    let judges_less = match (&route.mcp, &other.mcp) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(own), Some(theirs)) => {
            lets_more(&own.tools, &theirs.tools)
                || lets_more(&own.prompts, &theirs.prompts)
                || lets_more(&own.resources, &theirs.resources)
                || !subset(&own.lazy_auth, &theirs.lazy_auth)
                || !subset(&own.allowed_origins, &theirs.allowed_origins)
        }
    };
    let asks_fewer_scopes = !is_stricter(&route.scopes, &other.scopes);
    [
        ("mode", route.mode == Mode::Shadow && other.mode == Mode::Enforce),
        ("access", is_public && other.access == Access::Token),
        ("scopes", !is_public && asks_fewer_scopes),
        ("issuers", trusts_more),
        ("audience", other.audience_strict && !route.audience_strict),
        ("audiences", !subset(&route.audiences, &other.audiences)),
        ("users_only", other.users_only && !route.users_only),
        ("audit", other.audit_required && !route.audit_required),
        ("upgrade", route.upgrade_websocket && !other.upgrade_websocket),
        ("forward_authorization", route.forward_authorization && !other.forward_authorization),
        (
            "response_filter",
            other.response_filter.is_some() && route.response_filter != other.response_filter,
        ),
        ("mcp", judges_less),
    ]
    .into_iter()
    .filter_map(|(member, is_less)| is_less.then_some(member))
    .collect()
}

/// Whether anyone who meets `rule` meets `other`, too.
fn is_stricter(rule: &ScopeRule, other: &ScopeRule) -> bool {
    let has = |scope: &String| rule.all.contains(scope) || rule.any == [scope.as_str()];
    let has_all = other.all.iter().all(has);
    let has_any = other.any.is_empty()
        || other.any.iter().any(|scope| rule.all.contains(scope))
        || !rule.any.is_empty() && rule.any.iter().all(|scope| other.any.contains(scope));
    has_all && has_any
}

/// Whether some name gets through by `rules` that wouldn't by `others`.
fn lets_more(rules: &McpRules, others: &McpRules) -> bool {
    if rules.patterns != others.patterns {
        return true;
    }
    let more = |name: &String| more_than(rule(rules, name), rule(others, name));
    rules.named.iter().chain(&others.named).any(|(name, _)| more(name))
        || rules.allow_unlisted && !others.allow_unlisted
}

/// The rule of a name; `None`: nobody may.
fn rule(rules: &McpRules, name: &str) -> Option<McpRule> {
    let unlisted = || rules.allow_unlisted.then(|| McpRule::Token(ScopeRule::default()));
    rules.find(name).cloned().or_else(unlisted)
}

fn more_than(rule: Option<McpRule>, other: Option<McpRule>) -> bool {
    match (rule, other) {
        (None, _) | (_, Some(McpRule::Public)) => false,
        (Some(_), None) | (Some(McpRule::Public), _) => true,
        (Some(McpRule::Token(rule)), Some(McpRule::Token(other))) => !is_stricter(&rule, &other),
    }
}
