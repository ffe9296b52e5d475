//! MCP routes (docs/policy.md, `routes[].mcp`; contract §12): rules by tool, prompt and resource in, compiled
//! ones out.

use super::common::{self, Errors};
use crate::bounds;
use crate::policy::{
    BodyCaps, ChallengeMode, Keys, Mcp, McpRule, McpRules, Pattern, ScopeRule, Sessions, Tasks,
};
use crate::raw::{RawChallengeMode, RawMcp, RawPolicy, RawRoute, RawSessions, RawTasks};
use crate::values::{name, url};
use gatewaystack_text::uri::{self, Form};
use gatewaystack_text::{names, sorted};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest body that is read, and the largest answer that is filtered, where the policy says nothing.
const MAX_BODY: u64 = 1_048_576;
const MAX_NAME: usize = 1_024;

/// Methods that have a rule of their own by what they name: `lazy_auth` can't open them.
const RULED: [&str; 6] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
];

/// Compiles `mcp` of the route at `path`, whose pattern and own scopes are known.
pub fn compile(
    policy: &RawPolicy,
    route: &RawRoute,
    raw: &RawMcp,
    pattern: &Pattern,
    scopes: &ScopeRule,
    path: &str,
    errors: &mut Errors,
) -> (Mcp, BodyCaps) {
    fits(route, pattern, path, errors);
    let at = |member: &str| format!("{path}.mcp.{member}");
    let tools = rules(raw.tools.as_ref(), raw.unlisted.as_deref(), &at("tools"), &at("unlisted"), errors);
    let prompts = rules(raw.prompts.as_ref(), None, &at("prompts"), "", errors);
    let [tools, prompts] = [tools, prompts].map(with_keys);
    let resources = resources(raw, &at("resources"), errors);
    let lazy_auth = lazy(raw, &at("lazy_auth"), errors);
    let is_public =
        [&tools, &prompts, &resources].iter().any(|rules| rules.all().any(|rule| *rule == McpRule::Public));
    let supported = supported(policy, &[&tools, &prompts, &resources], scopes);
    let mcp = Mcp {
        keeps_arguments: false,
        tasks: match raw.tasks {
            Some(RawTasks::Allow) => Tasks::Allow,
            Some(RawTasks::Deny) => Tasks::Deny,
            None if are_alike(&tools) => Tasks::Allow,
            None => Tasks::Known,
        },
        resource: resource(policy, raw, pattern, &at("resource"), errors),
        tools,
        prompts,
        resources,
        opens: is_public || !lazy_auth.is_empty(),
        lazy_auth,
        challenge_mode: match raw.challenge_mode {
            // No client announces itself by a documented signal yet.
            None | Some(RawChallengeMode::Http | RawChallengeMode::Auto) => ChallengeMode::Http,
            Some(RawChallengeMode::Meta) => ChallengeMode::Meta,
        },
        sessions: match raw.sessions {
            None | Some(RawSessions::Bind) => Sessions::Bind,
            Some(RawSessions::Pass) => Sessions::Pass,
        },
        allowed_origins: origins(policy, raw, &at("allowed_origins"), errors),
        scopes_supported: supported,
    };
    let most = Some(cap(raw.max_body, &at("max_body"), errors));
    (mcp, BodyCaps { request: most, answer: most })
}

/// Whether anyone who has a token may use each tool: then a task says no more than its caller may know.
fn are_alike(tools: &McpRules) -> bool {
    tools.all().all(|rule| *rule == McpRule::Public || *rule == McpRule::Token(ScopeRule::default()))
}

/// What an MCP route can't be besides.
fn fits(route: &RawRoute, pattern: &Pattern, path: &str, errors: &mut Errors) {
    let others = [
        ("upgrade", route.upgrade.as_ref().is_some_and(|list| !list.is_empty())),
        ("forward_authorization", route.forward_authorization == Some(true)),
        ("response_filter", route.response_filter.is_some()),
    ];
    for (member, _) in others.into_iter().filter(|(_, given)| *given) {
        errors.push(format!("{path}.{member}"), "can't be together with mcp");
    }
    if route.access == Some(crate::raw::RawAccess::Public) {
        errors.push(
            format!("{path}.access"),
            "expected token with mcp: lazy_auth and public tools open what is to be open",
        );
    }
    if pattern.rest || pattern.segments.iter().any(Option::is_none) {
        errors
            .push(format!("{path}.path"), "expected a path without * with mcp: its metadata has one address");
    }
}

fn resource(policy: &RawPolicy, raw: &RawMcp, pattern: &Pattern, path: &str, errors: &mut Errors) -> String {
    if let Some(resource) = &raw.resource {
        errors.keep(path, url::check_identifier(resource));
        return resource.clone();
    }
    let base = policy.public_url.as_deref().unwrap_or(common::PUBLIC_URL);
    let base = url::base(base).map(|url| url::origin(&url)).unwrap_or_default();
    pattern.segments.iter().flatten().fold(base, |url, segment| format!("{url}/{segment}"))
}

fn rules(
    raw: Option<&BTreeMap<String, Value>>,
    beside: Option<&str>,
    path: &str,
    beside_path: &str,
    errors: &mut Errors,
) -> McpRules {
    let mut rules =
        McpRules { named: Vec::new(), patterns: Vec::new(), allow_unlisted: false, keys: Keys::default() };
    if let Some(word) = beside {
        rules.allow_unlisted = unlisted(&Value::from(word), beside_path, errors);
    }
    let list = raw.into_iter().flatten();
    let most = bounds::RULES.most;
    if raw.is_some_and(|map| map.len() > most) {
        errors.push(path, format!("expected at most {most} names"));
    }
    for (name, value) in list {
        let path = format!("{path}.{name}");
        if name == "unlisted" {
            let allowed = unlisted(value, &path, errors);
            if beside.is_some() && allowed != rules.allow_unlisted {
                errors.push(path, "contradicts mcp.unlisted");
            }
            rules.allow_unlisted = allowed;
            continue;
        }
        errors.keep(path.clone(), name::check_text(name, MAX_NAME));
        // The map's order is the list's.
        rules.named.push((name.clone(), rule(value, &path, errors)));
    }
    rules
}

/// What sloppy servers take tools and prompts for.
fn with_keys(mut rules: McpRules) -> McpRules {
    let keys: Vec<String> = rules.named.iter().filter_map(|(name, _)| names::folded(name)).collect();
    rules.keys.named = sorted::unique(&keys);
    rules
}

/// A URI that ends in `*` is a pattern; the longest one that fits decides, and an exact entry before all.
fn resources(raw: &RawMcp, path: &str, errors: &mut Errors) -> McpRules {
    let mut rules = rules(raw.resources.as_ref(), None, path, "", errors);
    let (patterns, named): (Vec<_>, _) = rules.named.into_iter().partition(|(uri, _)| uri.ends_with('*'));
    rules.named = named;
    for (uri, _) in &rules.named {
        if uri::check(uri, Form::Template).is_err() || !uri.is_ascii() {
            errors.push(format!("{path}.{uri}"), expected_uri(uri, ""));
        }
    }
    for (uri, rule) in patterns {
        let start = uri.strip_suffix('*').unwrap_or(&uri).to_owned();
        if start.contains('*') {
            errors.push(format!("{path}.{uri}"), "expected at most one *, at the end");
        } else if uri::check_start(&start).is_err() || !start.is_ascii() {
            errors.push(format!("{path}.{uri}"), expected_uri(&start, "*"));
        }
        let at = rules.patterns.partition_point(|(other, _)| other.len() >= start.len());
        rules.patterns.insert(at, (start, rule));
    }
    let keys: Vec<String> = rules.named.iter().map(|(uri, _)| uri::folded(uri)).collect();
    rules.keys.named = sorted::unique(&keys);
    rules.keys.patterns = rules.patterns.iter().map(|(start, _)| uri::folded_start(start)).collect();
    rules
}

/// A rule in another spelling would be about no request.
fn expected_uri(text: &str, end: &str) -> String {
    match uri::spelled(text) {
        Some(right) => format!("expected the URI in its one spelling: {right}{end}"),
        None => "expected an absolute URI in its one spelling, such as notes://admin/plan or file:///notes/*: scheme and host in lower case, no . or .. \
                 segments, escapes in upper case and of what needs them alone"
            .to_owned(),
    }
}

fn unlisted(value: &Value, path: &str, errors: &mut Errors) -> bool {
    match value.as_str() {
        Some("allow") => true,
        Some("deny") => false,
        _ => {
            errors.push(path, "expected deny or allow");
            false
        }
    }
}

/// `public`, a list of scopes, or `{ scopes, any_scope }`.
fn rule(value: &Value, path: &str, errors: &mut Errors) -> McpRule {
    const EXPECTED: &str = "expected public, a list of scopes, or { any_scope: [ … ] }";
    match value {
        Value::String(word) if word == "public" => McpRule::Public,
        Value::Array(_) => McpRule::Token(ScopeRule { all: list(value, path, errors), any: Vec::new() }),
        Value::Object(members) => {
            let mut rule = ScopeRule::default();
            for (member, value) in members {
                let path = format!("{path}.{member}");
                match member.as_str() {
                    "scopes" => rule.all = list(value, &path, errors),
                    "any_scope" => {
                        rule.any = list(value, &path, errors);
                        if value.as_array().is_some_and(Vec::is_empty) {
                            errors.push(path, "expected at least one scope, else no token could fit");
                        }
                    }
                    _ => errors.push(path, "unknown member: expected scopes or any_scope"),
                }
            }
            if members.is_empty() {
                errors.push(path, EXPECTED);
            }
            McpRule::Token(rule)
        }
        _ => {
            errors.push(path, EXPECTED);
            McpRule::Token(ScopeRule::default())
        }
    }
}

fn list(value: &Value, path: &str, errors: &mut Errors) -> Vec<String> {
    let Some(items) = value.as_array() else {
        errors.push(path, "expected a list of scopes");
        return Vec::new();
    };
    let mut scopes = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("{path}[{at}]");
        match item.as_str() {
            Some(scope) => {
                errors.keep(path, name::check_scope(scope));
                scopes.push(scope.to_owned());
            }
            None => errors.push(path, "expected a scope"),
        }
    }
    scopes
}

fn lazy(raw: &RawMcp, path: &str, errors: &mut Errors) -> Vec<String> {
    let mut methods = raw.lazy_auth.clone().unwrap_or_default();
    for (at, method) in methods.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if RULED.contains(&method.as_str()) {
            errors.push(path, "has rules of its own: make the tool, prompt or resource public instead");
        } else {
            errors.keep(path, name::check_text(method, 128));
        }
    }
    if !methods.is_empty() {
        // Nothing else could come before them.
        methods.extend(["initialize", "notifications/initialized"].map(str::to_owned));
        methods = sorted::unique(&methods);
    }
    methods
}

/// Without a list: the origins of `cors`, and our own hosts.
fn origins(policy: &RawPolicy, raw: &RawMcp, path: &str, errors: &mut Errors) -> Vec<String> {
    if let Some(list) = &raw.allowed_origins {
        for (at, origin) in list.iter().enumerate().filter(|(_, o)| *o != "*") {
            errors.keep(format!("{path}[{at}]"), url::check_origin(origin));
        }
        return list.clone();
    }
    let mut origins = policy.cors.as_ref().and_then(|cors| cors.origins.clone()).unwrap_or_default();
    let public = policy.public_url.as_deref().unwrap_or(common::PUBLIC_URL);
    if let Ok(url) = url::base(public) {
        let scheme = if url.tls { "https" } else { "http" };
        origins.push(url::origin(&url));
        let hosts = policy.public_hosts.iter().flatten();
        origins.extend(hosts.map(|host| {
            format!("{scheme}://{}", gatewaystack_text::host::bare_host(host).to_ascii_lowercase())
        }));
    }
    origins
}

/// A cap on what is read, in bytes.
pub fn cap(given: Option<u64>, path: &str, errors: &mut Errors) -> usize {
    let bytes = given.unwrap_or(MAX_BODY);
    let bounds::Span { least, most } = bounds::BODY_BYTES;
    if !bounds::BODY_BYTES.takes(bytes) {
        errors.push(path, format!("expected {least} to {most} bytes"));
    }
    usize::try_from(bytes.min(most)).unwrap_or(usize::MAX)
}

/// What this route's own metadata document advertises (contract §4).
fn supported(policy: &RawPolicy, rules: &[&McpRules], route: &ScopeRule) -> Vec<String> {
    let own = rules.iter().flat_map(|rules| rules.all()).filter_map(|rule| match rule {
        McpRule::Public => None,
        McpRule::Token(rule) => Some(rule),
    });
    let scopes = own.chain([route]).flat_map(|rule| rule.all.iter().chain(&rule.any)).cloned();
    common::advertised(policy, scopes.collect())
}
