//! The policy as it is written: names and forms, nothing of the meaning. Every member is optional here,
//! unknown ones are errors; [`crate::compile`] says what is required and what fits together.
//!
//! Next to each member stands what the reference, the schemas and the lists of members say about it
//! ([`crate::reference`]): anyone who changes it runs `cargo xtask docs`.

#[macro_use]
mod macros;
mod words;
mod sections;
mod own;
mod issuer;
mod agents;
mod route;
mod limits;
mod memory;
mod rules;

pub use agents::{RawAgent, RawAgents};
pub use issuer::{RawAccount, RawIssuer, RawLink, RawMark, RawUser};
pub use limits::{RawRateLimit, RawRateLimitService};
pub use memory::{RawFeed, RawLedger, RawTelemetry};
pub use own::{RawListen, RawSidecar, RawTls, RawWebhook};
pub use route::{RawMcp, RawResponseFilter, RawRoute, RawRouteAudit};
pub use rules::{RawCondition, RawRule, RawStepUp};
pub use sections::{RawAudit, RawBuiltin, RawCors, RawIdentity, RawMetadata};
pub use words::*;

use super::bounds;
use super::form::{Form, Members, Reading};
use super::reference::*;
use serde_json::Value;
use std::collections::BTreeMap;

raw! {
    /// The whole policy.
    RawPolicy at "" {
        /// The form that this page describes.
        version: u64 = both("1").within(bounds::VERSION).is("1").locked(),
        /// `shadow`: nothing is refused, and records and statistics say what would have been.
        mode: RawMode = both("shadow").is("enforce").locked(),
        /// Whether the host holds headers while a body is read. An own gateway always does, and so do
        /// [some meshes](kubernetes.md).
        hold_headers: bool = filter("true").is_in("true", "false").locked(),
        /// How long a body may take that is read before the request is judged, where a good token says who
        /// sends it; 30 s where none does.
        body_timeout: RawDuration = filter("30s").within(bounds::BODY_TIMEOUT_MS).is("5m"),
        /// Who verifies signatures: `native` (Envoy), `portable` (the module), or `auto`: Envoy where it can.
        verifier: RawVerifier = filter("portable").is("auto").locked(),
        /// A path that differs by case alone from an earlier route's is refused; `sensitive`: it is another
        /// path.
        case: RawCase = filter("sensitive").is("insensitive").locked(),
        /// In a mesh: whether the VM's variables change the policy.
        environment: bool = filter("true").is("false").locked(),
        /// Scheme and host under which clients see the gateway.
        public_url: String = both("https://gateway.example.com").text(BASE_URL).is("http://localhost:8080"),
        /// Further hosts under which clients may see it.
        public_hosts: Vec<String> = both("[gateway.internal]").text(HOST).is("[]"),
        /// The protected resource's identifier (RFC 9728).
        resource: String = both("https://gateway.example.com/mcp").text(IDENTIFIER)
            .means("the first audience"),
        /// `realm` of challenges.
        realm: String = filter("billing").text(REALM).is("mcp"),
        /// Advertised in addition to those that routes and tools name.
        scopes_supported: Vec<String> = both("[openid]").text(SCOPE).is("[openid, email, profile]"),
        /// Advertised, and granted to promoted clients; they allow nothing (`TOOL_SCOPES`).
        tool_scopes: Vec<String> = both("[\"tool:read\"]").text(SCOPE).is("[]"),
        /// Never advertised.
        hidden_scopes: Vec<String> = both("[owner]").text(SCOPE).is("[]"),
        /// Which scopes a challenge names: what the operation needs, or `all`.
        challenge_scope: RawChallengeScope = filter("all").is("operation"),
        /// The document that says where to sign in.
        metadata: RawMetadata = both("{ require_token: true }").is("{}"),
        /// Which paths the gateway answers itself.
        builtin: RawBuiltin = both("{ webhook: false }").is("{}"),
        /// Where the gateway listens.
        listen: RawListen = own("{ bind: 0.0.0.0, port: 8443 }").is("{}"),
        /// The process next to Envoy.
        sidecar: RawSidecar = both("{ data_dir: /var/lib/gatewaystack }").is("{}"),
        /// Which pages of other origins may call.
        cors: RawCors = both("{ origins: [\"https://app.example.com\"] }").is("{}"),
        /// Who is trusted.
        issuers: Vec<RawIssuer> = both("[{ issuer: \"https://tenant.eu.auth0.com/\", audiences: [api] }]")
            .count(bounds::ISSUERS).required_or("AUTH_ISSUER").locked(),
        /// People who have an account at more than one issuer.
        links: Vec<RawLink> = filter("[{ user: ann, is: [{ issuer: \"https://tenant.eu.auth0.com/\", sub: \"auth0|1\" }] }]")
            .count(bounds::LINKS).is("[]").locked(),
        /// Which clients are agents, by name.
        agents: RawAgents = filter("{ unlisted: allow }").means("nobody is").locked(),
        /// Whether keys may come over `http` from hosts inside a cluster.
        allow_insecure_jwks: bool = both("true").is("false").locked(),
        /// Servers by name; a route that names none goes to `default`.
        upstreams: BTreeMap<String, String> = own("{ default: \"http://127.0.0.1:3000\" }")
            .keys(CLUSTER).text(BASE_URL).is("{}"),
        /// Time to an answer's headers where a route says nothing; it is `60s` on MCP routes.
        timeout: RawDuration = own("10s").within(bounds::TIMEOUT_MS).is("5s"),
        /// The first that matches decides, and what none matches is denied.
        routes: Vec<RawRoute> = both("[{ path: /v1/*, scopes: [\"tool:read\"] }]")
            .count(bounds::ROUTES).is("[]"),
        /// Where upstreams find who calls.
        identity: RawIdentity = both("{ user_query: userId }").is("{}").locked(),
        /// What is forbidden, and what alone is allowed, besides scopes ([how](rules.md)).
        rules: Vec<RawRule> = filter("[{ id: no-robots, deny: { machine: { is: true } } }]")
            .count(bounds::POLICY_RULES).is("[]").locked(),
        /// Headers that conditions may ask for.
        rule_headers: Vec<String> = filter("[x-department]").count(bounds::SOME).text(HEADER).is("[]").locked(),
        /// How many requests may come; all of them hold.
        rate_limits: Vec<RawRateLimit> = filter("[{ by: user, max: 60, window: 60s }]")
            .count(bounds::RATE_LIMITS)
            .is("[{ by: user, max: 600, window: 60s }, { by: address, max: 300, window: 60s, on: failures }]")
            .locked(),
        /// Who counts limits over machines.
        rate_limit_service: RawRateLimitService = both("{ url: \"http://ratelimit:8081\" }").locked(),
        /// What is recorded of each decision, and where.
        audit: RawAudit = both("{ subject: hash }").is("{}").locked(),
        /// What the sidecar remembers of decisions ([how](records.md)).
        ledger: RawLedger = both("{ on: true }").is("{}").locked(),
        /// Where metrics and spans go ([how](telemetry.md#push)).
        telemetry: RawTelemetry = both("{ otlp: \"http://collector:4318\" }").is("{}").locked(),
        /// What the sidecar tells the filter: who is blocked.
        feed: RawFeed = filter("{ on_stale: deny }").is("{}").locked(),
        /// Promotion of clients at Auth0.
        webhook: RawWebhook = own("{ tenant_domain: tenant.eu.auth0.com }").is("{}"),
    }
}

/// Lists that an override adds to, instead of taking their place.
pub const JOINED: [&str; 2] = ["routes", "rate_limits"];

/// What overrides can't touch where nobody says otherwise: members of the policy, and of its routes.
pub fn locks() -> impl Iterator<Item = String> {
    let locked = |section: Section| {
        let members = section.members.iter().filter(|member| member.facts.is_locked);
        members.map(move |member| section.path(member.name))
    };
    [RawPolicy::SECTION, RawRoute::SECTION].into_iter().flat_map(locked)
}
