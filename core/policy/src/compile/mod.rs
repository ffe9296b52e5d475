//! Meaning: the raw policy in, the compiled one and every error of meaning out. Where a part is wrong, the
//! rest is compiled with a stand-in; a policy with any error is never used.

mod agents;
mod aliases;
mod builtins;
mod common;
mod condition;
mod issuers;
mod limits;
mod links;
mod limit_service;
mod mcp;
mod memory;
mod own;
mod routes;
mod rules;
pub mod scope_prefix;
mod webhook;

use super::Place;
use super::bounds;
use super::error::ConfigError;
use super::policy::{
    AuditAddress, AuditSubject, ChallengeScope, Cors, Fact, HttpUrl, Identity, Metadata, Policy, Route,
    Verifier,
};
use super::raw::{RawAuditAddress, RawCase, RawChallengeScope, RawPolicy, RawServe, RawSubject, RawVerifier};
use super::values::{duration, name, url};
pub use common::Errors;
use common::{PUBLIC_URL, advertised, hosts, mode, scopes};
use gatewaystack_text::hash::fnv1a;
use gatewaystack_text::sorted;
use serde_json::Value;

/// How long a body may take.
const BODY_TIMEOUT_MS: u64 = 300_000;

/// Compiles `raw`; `folded` is the JSON that it was read from, which names the revision.
pub fn compile(raw: &mut RawPolicy, folded: &Value, place: Place) -> (Policy, Vec<ConfigError>) {
    let mut errors = Errors::default();
    let scope_prefix = scope_prefix::find(raw, &mut errors);
    scope_prefix::complete(raw, &scope_prefix);
    let raw = &*raw;
    if raw.version.is_some_and(|v| !bounds::VERSION.takes(v)) {
        errors.push("version", "expected 1: this version of GatewayStack reads no other form");
    }
    let mode = mode(raw.mode);
    let issuers = issuers::compile(raw, &mut errors);
    let metadata = metadata(raw, place);
    let health = builtin(raw, |b| b.health, place == Place::Gateway);
    let webhook = builtin(raw, |b| b.webhook, place == Place::Gateway);
    // What is said there is kept in the ledger.
    let signals = memory::is_on(raw) && builtin(raw, |b| b.signals, place == Place::Gateway);
    let groups = builtins::Groups { health, webhook, signals, metadata: &metadata };
    let mut routes = builtins::compile(raw, &groups, mode, &mut errors);
    let built_in = routes.len();
    routes.extend(routes::compile(raw, &routes, &issuers, mode, &mut errors));
    let scopes_supported = scopes_supported(raw, &routes, &mut errors);
    let own = own::compile(
        raw,
        health,
        webhook,
        webhook::compile(raw, &issuers, &scopes_supported, &mut errors),
        &mut errors,
    );
    let rate_limits = limits::compile(raw, &routes, &mut errors);
    aliases::compile(raw, built_in, &mut routes, &own.upstreams, &rate_limits, &mut errors);
    let agents = agents::compile(raw, &mut errors);
    let rules = rules::compile(raw, &routes, &issuers, agents.as_ref(), place, &mut errors);
    rules::complete(&rules, &mut routes);
    let limit_service = limit_service::compile(raw, &mut errors);
    let policy = Policy {
        index: crate::index::Index::of(routes.iter().map(|route| &route.pattern)),
        revision: format!("{:016x}", revision(folded)).into(),
        mode,
        hold_headers: raw.hold_headers.unwrap_or(false),
        body_timeout_ms: body_timeout(raw, &mut errors),
        verifier: match raw.verifier {
            None | Some(RawVerifier::Auto) => Verifier::Auto,
            Some(RawVerifier::Native) => Verifier::Native,
            Some(RawVerifier::Portable) => Verifier::Portable,
        },
        case_sensitive: raw.case == Some(RawCase::Sensitive),
        public_url: public_url(raw, &mut errors),
        public_hosts: hosts(raw.public_hosts.as_deref(), "public_hosts", &mut errors),
        resource: resource(raw, issuers.first().and_then(|i| i.audiences.first()), &mut errors),
        realm: realm(raw, &mut errors),
        scopes_supported,
        hidden_scopes: scopes(raw.hidden_scopes.as_deref(), "hidden_scopes", &mut errors),
        challenge_scope: match raw.challenge_scope {
            None | Some(RawChallengeScope::Operation) => ChallengeScope::Operation,
            Some(RawChallengeScope::All) => ChallengeScope::All,
        },
        metadata,
        cors: cors(raw, &mut errors),
        rate_limits,
        limit_service,
        posts_to: memory::posts_to(raw, &mut errors),
        feed: memory::feed(raw, &mut errors),
        links: links::compile(raw, &issuers, &mut errors),
        agents,
        rules,
        issuers,
        scope_prefix,
        identity: identity(raw, &mut errors),
        audit_subject: match raw.audit.as_ref().and_then(|a| a.subject) {
            None | Some(RawSubject::Plain) => AuditSubject::Plain,
            Some(RawSubject::Hash) => AuditSubject::Hash,
        },
        audit_address: match raw.audit.as_ref().and_then(|a| a.address) {
            None | Some(RawAuditAddress::None) => AuditAddress::None,
            Some(RawAuditAddress::Network) => AuditAddress::Network,
            Some(RawAuditAddress::Full) => AuditAddress::Full,
        },
        own,
        routes,
    };
    (policy, errors.0)
}

fn body_timeout(raw: &RawPolicy, errors: &mut Errors) -> u64 {
    let given = raw.body_timeout.as_ref();
    let given =
        given.and_then(|d| errors.keep("body_timeout", duration::within(&d.0, bounds::BODY_TIMEOUT_MS)));
    given.unwrap_or(BODY_TIMEOUT_MS)
}

fn builtin(raw: &RawPolicy, member: fn(&super::raw::RawBuiltin) -> Option<bool>, default: bool) -> bool {
    raw.builtin.as_ref().and_then(member).unwrap_or(default)
}

fn metadata(raw: &RawPolicy, place: Place) -> Metadata {
    let section = raw.metadata.as_ref();
    Metadata {
        on: builtin(raw, |b| b.metadata, true),
        by_filter: match section.and_then(|m| m.serve) {
            Some(RawServe::Filter) => true,
            Some(RawServe::Sidecar) => false,
            None => place == Place::Filter,
        },
        require_token: section.and_then(|m| m.require_token).unwrap_or(false),
    }
}

fn public_url(raw: &RawPolicy, errors: &mut Errors) -> String {
    let text = raw.public_url.as_deref().unwrap_or(PUBLIC_URL);
    let url: Option<HttpUrl> = errors.keep("public_url", url::base(text));
    url.map(|url| url::origin(&url)).unwrap_or_default()
}

fn resource(raw: &RawPolicy, first_audience: Option<&String>, errors: &mut Errors) -> String {
    match &raw.resource {
        Some(resource) => {
            errors.keep("resource", url::check_identifier(resource));
            resource.clone()
        }
        None => first_audience.cloned().unwrap_or_default(),
    }
}

fn realm(raw: &RawPolicy, errors: &mut Errors) -> String {
    let realm = raw.realm.clone().unwrap_or_else(|| "mcp".to_owned());
    errors.keep("realm", name::check_realm(&realm));
    realm
}

/// What the root document advertises (contract §4): what is advertised anyhow, and the scopes of all routes
/// and their tools.
fn scopes_supported(raw: &RawPolicy, routes: &[Route], errors: &mut Errors) -> Vec<String> {
    scopes(raw.scopes_supported.as_deref(), "scopes_supported", errors);
    scopes(raw.tool_scopes.as_deref(), "tool_scopes", errors);
    let of_route = |route: &Route| {
        let own = route.scopes.all.iter().chain(&route.scopes.any);
        own.chain(route.mcp.iter().flat_map(|mcp| &mcp.scopes_supported)).cloned().collect::<Vec<_>>()
    };
    advertised(raw, routes.iter().flat_map(of_route).collect())
}

fn cors(raw: &RawPolicy, errors: &mut Errors) -> Cors {
    let section = raw.cors.clone().unwrap_or_default();
    let (origins, credentials) = (section.origins.unwrap_or_default(), section.credentials.unwrap_or(false));
    let any = origins.iter().any(|o| o == "*");
    for (at, origin) in origins.iter().enumerate().filter(|(_, o)| *o != "*") {
        errors.keep(format!("cors.origins[{at}]"), url::check_origin(origin));
    }
    if any && origins.len() > 1 {
        errors.push("cors.origins", "expected * alone, or exact origins");
    }
    if any && credentials {
        errors.push(
            "cors.credentials",
            "expected false: the origin * and credentials together open every user's data to every page",
        );
    }
    Cors { origins, credentials }
}

fn identity(raw: &RawPolicy, errors: &mut Errors) -> Identity {
    let section = raw.identity.clone().unwrap_or_default();
    let names_tenant = section.tenant_header.is_some();
    let mut header = |member: &str, text: Option<String>, default: &str| {
        let text = text.unwrap_or_else(|| default.to_owned());
        errors.keep(format!("identity.{member}"), name::identity_header(&text)).unwrap_or_default()
    };
    let user_header = header("user_header", section.user_header, "x-user-id");
    let tenant_header = header("tenant_header", section.tenant_header, "x-tenant-id");
    if !user_header.is_empty() && user_header.replace('_', "-") == tenant_header.replace('_', "-") {
        // The one that was named is the one to change.
        let (member, other) =
            if names_tenant { ("tenant_header", "user") } else { ("user_header", "tenant") };
        errors.push(format!("identity.{member}"), format!("expected another header than the {other}'s"));
    }
    let mut facts: Vec<(Fact, String)> = Vec::new();
    for (fact, member, text) in [
        (Fact::Agent, "agent_header", section.agent_header),
        (Fact::Client, "client_header", section.client_header),
        (Fact::Groups, "groups_header", section.groups_header),
    ] {
        let Some(text) = text else { continue };
        let path = format!("identity.{member}");
        let Some(name) = errors.keep(&path, name::identity_header(&text)) else { continue };
        let same = |other: &str| other.replace('_', "-") == name.replace('_', "-");
        if same(&user_header) || same(&tenant_header) || facts.iter().any(|(_, other)| same(other)) {
            errors.push(&path, "expected a header that nothing else has");
        }
        facts.push((fact, name));
    }
    if let Some(query) = &section.user_query {
        errors.keep("identity.user_query", name::check_query_name(query));
    }
    Identity { user_header, tenant_header, facts, user_query: section.user_query }
}

/// FNV-1a over the value with its members in order, so that one policy has one revision wherever it is
/// loaded.
fn revision(value: &Value) -> u64 {
    match value {
        Value::Object(members) => {
            let names = sorted::places(members.keys().map(String::as_str).collect());
            names.into_iter().fold(1, |hash, (name, _)| {
                let member = members.get(name).map_or(0, revision).to_le_bytes();
                fnv1a(&[&u64::to_le_bytes(hash), name.as_bytes(), &member])
            })
        }
        Value::Array(items) => items
            .iter()
            .fold(2, |hash, item| fnv1a(&[&u64::to_le_bytes(hash), &revision(item).to_le_bytes()])),
        Value::String(text) => fnv1a(&[b"\"", text.as_bytes()]),
        Value::Number(number) => {
            // A number that isn't a whole one is none of any policy's that loads.
            let whole = number.as_u64().or_else(|| number.as_f64().map(f64::to_bits));
            fnv1a(&[b"#", &whole.unwrap_or_default().to_le_bytes()])
        }
        Value::Bool(yes) => fnv1a(&[&[u8::from(*yes)]]),
        Value::Null => fnv1a(&[]),
    }
}
