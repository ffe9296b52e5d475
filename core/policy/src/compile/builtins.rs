//! The built-in routes (contract §5), in front of the policy's: one route a path, so that another
//! method is a 405. Only the demo routes whose access depends on the method would need two; there are
//! none.

use super::common::{self, Errors};
use crate::policy::{Access, BodyCaps, Builtin, Metadata, Mode, Pattern, Route, ScopeRule};
use crate::raw::RawPolicy;

/// Which groups are on.
pub struct Groups<'a> {
    /// `/health*`
    pub health: bool,
    /// The webhook's paths.
    pub webhook: bool,
    /// `/ssf/events`
    pub signals: bool,
    /// The metadata documents.
    pub metadata: &'a Metadata,
}

/// What the paths of the group `builtin.<member>` begin with, for the error of a policy route that could
/// match one.
pub fn member_of(name: &str) -> &'static str {
    match name {
        "/health" | "/health/auth0" => "health",
        _ if name.starts_with("/.well-known/") => "metadata",
        "/webhooks/auth0/logs" | "/auth0/logs" | "/auth0-log-webhook" => "webhook",
        "/ssf/events" => "signals",
        _ => "demo_routes",
    }
}

const GET: &[&str] = &["GET", "HEAD"];
const POST: &[&str] = &["POST"];
const BOTH: &[&str] = &["GET", "HEAD", "POST"];

/// The built-in routes that are on.
pub fn compile(raw: &RawPolicy, groups: &Groups<'_>, mode: Mode, errors: &mut Errors) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut add = |path: &str, methods: &[&str], kind: Builtin, access: Access, scopes: &[String]| {
        routes.push(route(path, methods, kind, access, scopes, mode));
    };
    if groups.health {
        add("/health", GET, Builtin::Public, Access::Public, &[]);
        add("/health/auth0", GET, Builtin::Unjudged, Access::Public, &[]);
    }
    let section = raw.builtin.clone().unwrap_or_default();
    let read = scopes(section.read_scopes.as_deref(), "tool:read", "builtin.read_scopes", errors);
    let write = scopes(section.write_scopes.as_deref(), "tool:write", "builtin.write_scopes", errors);
    if section.demo_routes.unwrap_or(false) {
        add("/", GET, Builtin::Public, Access::Public, &[]);
        add("/protected", GET, Builtin::Scoped, Access::Token, &read);
        add("/protected/ping", GET, Builtin::Scoped, Access::Token, &read);
        add("/protected/echo", POST, Builtin::Scoped, Access::Token, &write);
        add("/writer-only", BOTH, Builtin::Scoped, Access::Token, &write);
        if section.test_routes.unwrap_or(false) {
            add("/__test__/echo", BOTH, Builtin::TestEcho, Access::Token, &[]);
        }
    } else if section.test_routes.unwrap_or(false) {
        errors.push("builtin.test_routes", "expected builtin.demo_routes: true with it, whose part it is");
    }
    if groups.webhook {
        for path in ["/webhooks/auth0/logs", "/auth0/logs", "/auth0-log-webhook"] {
            add(path, POST, Builtin::Unjudged, Access::Public, &[]);
        }
    }
    if groups.signals {
        add("/ssf/events", POST, Builtin::Public, Access::Public, &[]);
    }
    if groups.metadata.on {
        let access = if groups.metadata.require_token { Access::Token } else { Access::Public };
        add("/.well-known/oauth-protected-resource", GET, Builtin::ResourceMetadata, access, &[]);
        // The path-inserted documents; a path without one is 404, which has to be answered, too.
        add("/.well-known/oauth-protected-resource/*", GET, Builtin::ResourceMetadata, access, &[]);
        // The relays need a process that fetches: there is none where the filter serves alone.
        if !groups.metadata.by_filter {
            add("/.well-known/oauth-authorization-server", GET, Builtin::IssuerMetadata, Access::Public, &[]);
            add("/.well-known/openid-configuration", GET, Builtin::IssuerMetadata, Access::Public, &[]);
        }
    }
    routes
}

fn scopes(list: Option<&[String]>, default: &str, path: &str, errors: &mut Errors) -> Vec<String> {
    match list {
        None => vec![default.to_owned()],
        Some([]) => {
            errors.push(path, "expected at least one scope");
            Vec::new()
        }
        some => common::scopes(some, path, errors),
    }
}

fn route(
    path: &str,
    methods: &[&str],
    kind: Builtin,
    access: Access,
    scopes: &[String],
    mode: Mode,
) -> Route {
    let rest = path.ends_with("/*");
    let fixed = path.strip_suffix("/*").unwrap_or(path);
    Route {
        name: path.to_owned(),
        pattern: Pattern {
            segments: fixed.split('/').filter(|s| !s.is_empty()).map(|s| Some(s.to_owned())).collect(),
            rest,
        },
        methods: Some(methods.iter().map(|m| (*m).to_owned()).collect()),
        hosts: Vec::new(),
        access,
        hides: false,
        issuers: None,
        audiences: Vec::new(),
        audience_strict: false,
        users_only: false,
        scopes: ScopeRule { all: scopes.to_vec(), any: Vec::new() },
        forward_authorization: false,
        audit_required: false,
        mode,
        upgrade_websocket: false,
        builtin: Some(kind),
        reads: BodyCaps::default(),
        mcp: None,
        response_filter: None,
        upstream: None,
        strip_prefix: None,
        timeout_ms: None,
        aliases: Vec::new(),
    }
}
