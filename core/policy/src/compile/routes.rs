//! The policy's routes (docs/policy.md, `routes[]`): each compiled on its own, then held against the built-in
//! ones.

use super::common::{self, Errors};
use super::{builtins, mcp};
use crate::bounds;
use crate::overlap;
use crate::policy::{
    Access, BodyCaps, Issuer, IssuerId, Mcp, Mode, Pattern, ResponseFilter, Route, ScopeRule,
};
use crate::raw::{RawAccess, RawAudience, RawOnMissing, RawPolicy, RawRoute, RawUpgrade};
use crate::values::{claim, duration, name, pattern, url};
use gatewaystack_text::sorted;

/// Time to response headers where neither route nor policy says one (contract §7).
const TIMEOUT_MS: u64 = 5_000;
const MCP_TIMEOUT_MS: u64 = 60_000;

/// Compiles `routes`.
pub fn compile(
    raw: &RawPolicy,
    built_in: &[Route],
    issuers: &[Issuer],
    mode: Mode,
    errors: &mut Errors,
) -> Vec<Route> {
    let list = raw.routes.as_deref().unwrap_or_default();
    let most = bounds::ROUTES.most;
    if list.len() > most {
        errors.push("routes", format!("expected at most {most} routes"));
    }
    let timeout =
        raw.timeout.as_ref().and_then(|d| errors.keep("timeout", duration::within(&d.0, bounds::TIMEOUT_MS)));
    let around = Around { raw, built_in, issuers, mode, timeout_ms: timeout.unwrap_or(TIMEOUT_MS) };
    list.iter().enumerate().map(|(at, route)| around.one(at, route, errors)).collect()
}

/// What a route is compiled with.
struct Around<'a> {
    raw: &'a RawPolicy,
    built_in: &'a [Route],
    issuers: &'a [Issuer],
    mode: Mode,
    timeout_ms: u64,
}

impl Around<'_> {
    fn one(&self, at: usize, raw: &RawRoute, errors: &mut Errors) -> Route {
        let path = format!("routes[{at}]");
        let (pattern, name) = self.pattern(raw, &path, errors);
        let access = access(raw, &path, errors);
        let scopes = scopes(raw, &path, errors);
        let mcp = raw
            .mcp
            .as_ref()
            .map(|section| mcp::compile(self.raw, raw, section, &pattern, &scopes, &path, errors));
        let (mcp, reads) = mcp.unzip();
        let mut reads = reads.unwrap_or_default();
        Route {
            methods: methods(raw, &path, errors),
            hosts: hosts(raw, &path, errors),
            access,
            hides: hides(raw, access, &path, errors),
            issuers: self.trusted(raw, &path, errors),
            audiences: audiences(raw, mcp.as_ref(), &path, errors),
            audience_strict: raw.audience == Some(RawAudience::Strict),
            users_only: raw.users_only.unwrap_or(false),
            scopes,
            forward_authorization: raw.forward_authorization.unwrap_or(false),
            audit_required: self.audit_required(raw, access, &path, errors),
            mode: raw.mode.map_or(self.mode, |m| common::mode(Some(m))),
            upgrade_websocket: upgrade(raw, &path, errors),
            builtin: None,
            mcp,
            response_filter: response_filter(raw, &path, &mut reads, errors),
            upstream: self.upstream(raw, &path, errors),
            strip_prefix: strip_prefix(raw, &pattern, &path, errors),
            timeout_ms: Some(self.timeout(raw, &path, errors)),
            reads,
            // Known when all routes are.
            aliases: Vec::new(),
            pattern,
            name,
        }
    }

    fn audit_required(&self, raw: &RawRoute, access: Access, path: &str, errors: &mut Errors) -> bool {
        let own = raw.audit.as_ref().and_then(|audit| audit.required);
        let all = self.raw.audit.as_ref().and_then(|audit| audit.required).unwrap_or(false);
        if own == Some(true) && access == Access::Public {
            errors.push(format!("{path}.audit.required"), "belongs to a route that needs a token");
        }
        let is_required = own.unwrap_or(all) && access == Access::Token;
        let section = |on: Option<bool>| on.unwrap_or(false);
        let has_feed = section(self.raw.ledger.as_ref().and_then(|ledger| ledger.on))
            || self.raw.feed.as_ref().is_some_and(|feed| feed.cluster.is_some());
        if own == Some(true) && !has_feed {
            errors.push(
                format!("{path}.audit.required"),
                "needs `ledger.on`, or in a mesh `sidecar.cluster` or `feed.cluster`: the ledger says whether its log can be written",
            );
        }
        is_required
    }

    fn pattern(&self, raw: &RawRoute, path: &str, errors: &mut Errors) -> (Pattern, String) {
        let path = format!("{path}.path");
        let nothing = || (Pattern { segments: Vec::new(), rest: false }, String::new());
        let Some(text) = &raw.path else {
            errors.push(path, "required: a path pattern such as /v1/tools/*");
            return nothing();
        };
        let Some((pattern, name)) = errors.keep(path.clone(), pattern::parse(text)) else { return nothing() };
        if let Some(other) = self.built_in.iter().find(|b| overlap::overlaps(&b.pattern, &pattern)) {
            let member = builtins::member_of(&other.name);
            errors.push(
                path,
                format!(
                    "could match the built-in {}: expected another path, or builtin.{member}: false",
                    other.name
                ),
            );
        }
        (pattern, name)
    }

    fn trusted(&self, raw: &RawRoute, path: &str, errors: &mut Errors) -> Option<Vec<IssuerId>> {
        let list = raw.issuers.as_ref()?;
        if list.is_empty() {
            errors.push(format!("{path}.issuers"), "expected at least one issuer; leave it out for all");
        }
        let bare = |s: &str| s.strip_suffix('/').unwrap_or(s).to_owned();
        let mut ids = Vec::new();
        for (at, text) in list.iter().enumerate() {
            match self.issuers.iter().position(|i| bare(&i.issuer) == bare(text)) {
                Some(index) => ids.push(IssuerId(index)),
                None => errors.push(format!("{path}.issuers[{at}]"), "expected one of the policy's issuers"),
            }
        }
        Some(ids)
    }

    fn upstream(&self, raw: &RawRoute, path: &str, errors: &mut Errors) -> Option<String> {
        let name = raw.upstream.as_ref()?;
        if !self.raw.upstreams.as_ref().is_some_and(|all| all.contains_key(name)) {
            errors.push(format!("{path}.upstream"), "expected the name of one of `upstreams`");
        }
        Some(name.clone())
    }

    fn timeout(&self, raw: &RawRoute, path: &str, errors: &mut Errors) -> u64 {
        let given = raw
            .timeout
            .as_ref()
            .and_then(|d| errors.keep(format!("{path}.timeout"), duration::within(&d.0, bounds::TIMEOUT_MS)));
        given.unwrap_or(if raw.mcp.is_some() { MCP_TIMEOUT_MS } else { self.timeout_ms })
    }
}

/// On a public route nothing that judges a token can hold: saying so is an error, not a wish that is dropped.
fn access(raw: &RawRoute, path: &str, errors: &mut Errors) -> Access {
    if raw.access != Some(RawAccess::Public) {
        return Access::Token;
    }
    let judged = [
        ("scopes", raw.scopes.is_some()),
        ("any_scope", raw.any_scope.is_some()),
        ("issuers", raw.issuers.is_some()),
        ("audiences", raw.audiences.as_ref().is_some_and(|a| !a.is_empty())),
        ("audience", raw.audience == Some(RawAudience::Strict)),
        ("users_only", raw.users_only == Some(true)),
        ("forward_authorization", raw.forward_authorization == Some(true)),
        ("response_filter", raw.response_filter.is_some()),
    ];
    for (member, _) in judged.into_iter().filter(|(_, given)| *given) {
        errors.push(format!("{path}.{member}"), "can't be held on a public route, where no token is judged");
    }
    Access::Public
}

fn hides(raw: &RawRoute, access: Access, path: &str, errors: &mut Errors) -> bool {
    if raw.hides.is_some() && access == Access::Token {
        errors.push(
            format!("{path}.hides"),
            "belongs to a public route, which could hide one that needs a token",
        );
    }
    raw.hides.is_some()
}

fn methods(raw: &RawRoute, path: &str, errors: &mut Errors) -> Option<Vec<String>> {
    let list = raw.methods.as_ref()?;
    if list.is_empty() {
        errors.push(format!("{path}.methods"), "expected at least one method; leave it out for all");
    }
    let mut methods = Vec::new();
    for (at, text) in list.iter().enumerate() {
        methods.extend(errors.keep(format!("{path}.methods[{at}]"), name::method(text)));
    }
    if methods.iter().any(|m| m == "GET") {
        methods.push("HEAD".to_owned());
    }
    Some(sorted::unique(&methods))
}

fn hosts(raw: &RawRoute, path: &str, errors: &mut Errors) -> Vec<String> {
    let Some(list) = &raw.hosts else { return Vec::new() };
    if list.is_empty() {
        errors.push(format!("{path}.hosts"), "expected at least one host; leave it out for all");
    }
    let hosts = common::hosts(Some(list), &format!("{path}.hosts"), errors);
    hosts.iter().map(|host| gatewaystack_text::host::bare_host(host).to_ascii_lowercase()).collect()
}

/// On an MCP route its resource is one of them, with `strict`, too.
fn audiences(raw: &RawRoute, mcp: Option<&Mcp>, path: &str, errors: &mut Errors) -> Vec<String> {
    let mut list = raw.audiences.clone().unwrap_or_default();
    for (at, audience) in list.iter().enumerate() {
        errors.keep(format!("{path}.audiences[{at}]"), name::check_text(audience, 2_048));
    }
    list.extend(mcp.map(|mcp| mcp.resource.clone()));
    if raw.audience == Some(RawAudience::Strict) && list.is_empty() && raw.access != Some(RawAccess::Public) {
        errors.push(
            format!("{path}.audience"),
            "expected `audiences` on the route with `strict`, else no token could fit",
        );
    }
    list
}

fn scopes(raw: &RawRoute, path: &str, errors: &mut Errors) -> ScopeRule {
    if raw.any_scope.as_ref().is_some_and(Vec::is_empty) {
        errors.push(format!("{path}.any_scope"), "expected at least one scope, else no token could fit");
    }
    ScopeRule {
        all: common::scopes(raw.scopes.as_deref(), &format!("{path}.scopes"), errors),
        any: common::scopes(raw.any_scope.as_deref(), &format!("{path}.any_scope"), errors),
    }
}

const POINTER: &str = "expected a JSON pointer such as /notes, or \"\" for the whole answer";

fn response_filter(
    raw: &RawRoute,
    path: &str,
    reads: &mut BodyCaps,
    errors: &mut Errors,
) -> Option<ResponseFilter> {
    let section = raw.response_filter.as_ref()?;
    let at = |member: &str| format!("{path}.response_filter.{member}");
    if raw.upgrade.as_ref().is_some_and(|list| !list.is_empty()) {
        errors.push(format!("{path}.upgrade"), "can't be together with response_filter");
    }
    let mut tokens = |member: &str, text: Option<&String>| match text {
        Some(text) => errors.keep(at(member), claim::pointer(text, POINTER)).unwrap_or_default(),
        None => {
            errors.push(at(member), "required: a JSON pointer such as /owner");
            Vec::new()
        }
    };
    let (items, owner) = (tokens("items", section.items.as_ref()), tokens("owner", section.owner.as_ref()));
    if owner.is_empty() && section.owner.as_ref().is_some_and(String::is_empty) {
        errors.push(at("owner"), "expected a JSON pointer into an element, such as /owner");
    }
    reads.answer = Some(mcp::cap(section.max_bytes, &at("max_bytes"), errors));
    Some(ResponseFilter { items, owner, keep_missing: section.on_missing == Some(RawOnMissing::Keep) })
}

fn upgrade(raw: &RawRoute, path: &str, errors: &mut Errors) -> bool {
    let upgrade = raw.upgrade.as_ref().is_some_and(|list| list.contains(&RawUpgrade::Websocket));
    let taken =
        |method: &str| raw.methods.as_ref().is_none_or(|m| m.iter().any(|m| m.eq_ignore_ascii_case(method)));
    // A WebSocket begins with GET (RFC 6455 §4.1).
    if upgrade && !taken("GET") {
        errors.push(format!("{path}.upgrade"), "expected GET among `methods` with it");
    }
    upgrade
}

fn strip_prefix(raw: &RawRoute, pattern: &Pattern, path: &str, errors: &mut Errors) -> Option<String> {
    let text = raw.strip_prefix.as_ref()?;
    let path = format!("{path}.strip_prefix");
    let prefix = errors.keep(path.clone(), pattern::literal(text))?;
    let parts: Vec<&str> = prefix.split('/').filter(|s| !s.is_empty()).collect();
    let leads = parts.len() <= pattern.segments.len()
        && parts.iter().zip(&pattern.segments).all(|(part, segment)| segment.as_deref() == Some(*part));
    if parts.is_empty() || !leads {
        errors.push(path, "expected whole leading segments of the route's path, such as /v1 of /v1/users/*");
        return None;
    }
    Some(prefix)
}

/// An upstream's URL: scheme, host and port.
pub fn upstream_url(text: &str) -> Result<crate::policy::HttpUrl, String> {
    url::base(text)
}
