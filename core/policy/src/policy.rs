//! The compiled policy: what the core works with. It is only built by `compile`, from a
//! policy without errors, so nothing here needs checking again.

mod agents;
pub mod condition;
mod links;
pub mod limits;
mod mcp;
mod memory;
pub(crate) mod parts;
mod rules;

pub use crate::values::claim::Claim;
pub use agents::Agents;
pub use limits::{AddressRange, LimitKey, LimitService, RateLimit, SharedLimit};
pub(crate) use links::account_key;
pub use links::{Linked, Links};
pub use mcp::{ChallengeMode, Keys, Mcp, McpRule, McpRules, Sessions, Tasks};
pub use memory::{Audit, Feed, Ledger, OnStale, Store};
pub use parts::{HttpUrl, Pattern, ScopeRule};
pub use rules::{Rule, Rules, StepUp};
use std::sync::Arc;

/// Everything that one gateway enforces.
#[derive(Debug, Clone)]
pub struct Policy {
    /// A short hash of the policy (16 hex digits), named in every decision record.
    pub revision: Arc<str>,
    /// How a path finds its route.
    pub index: crate::index::Index,
    /// Enforce or shadow.
    pub mode: Mode,
    /// Whether the host can hold headers back while a body is read.
    pub hold_headers: bool,
    /// How long a body may take that is held until it can be judged, in milliseconds, where its caller is
    /// known.
    pub body_timeout_ms: u64,
    /// Which signature verifier the filter uses.
    pub verifier: Verifier,
    /// Whether paths that differ by case alone are told apart (`case: sensitive`).
    pub case_sensitive: bool,
    /// Scheme and authority under which clients see us, without a trailing slash:
    /// `https://gateway.example.com`.
    pub public_url: String,
    /// Further hosts under which clients may see us, in their configured spelling and port.
    pub public_hosts: Vec<String>,
    /// The protected resource's identifier (RFC 9728 `resource`), byte for byte.
    pub resource: String,
    /// `realm` of the challenge.
    pub realm: String,
    /// `scopes_supported` of the root metadata document: sorted, hidden and OpenID's `offline_access` left
    /// out.
    pub scopes_supported: Vec<String>,
    /// Scopes that no document and no `challenge_scope: all` shows.
    pub hidden_scopes: Vec<String>,
    /// Which scopes a challenge names.
    pub challenge_scope: ChallengeScope,
    /// Who serves the metadata documents, and to whom.
    pub metadata: Metadata,
    /// Origins that browsers may call from.
    pub cors: Cors,
    /// What a scope begins with (`api://APP/`), in rules and documents; a token's may lack it. Empty:
    /// nothing.
    pub scope_prefix: String,
    /// Trusted issuers; [`IssuerId`] is the index.
    pub issuers: Vec<Issuer>,
    /// The built-in routes that are on, then the policy's; the first match wins.
    pub routes: Vec<Route>,
    /// Where the verified identity goes.
    pub identity: Identity,
    /// Limits, all of which apply.
    pub rate_limits: Vec<RateLimit>,
    /// Who counts those over machines.
    pub limit_service: Option<LimitService>,
    /// People who have an account at more than one issuer.
    pub links: Links,
    /// Which clients are agents; `None`: nobody asks.
    pub agents: Option<Agents>,
    /// What is forbidden, and what alone is allowed, besides scopes.
    pub rules: Rules,
    /// The cluster of the sidecar to which the filter posts records; `None`: they come to it by a file, or
    /// not at all.
    pub posts_to: Option<String>,
    /// What the sidecar tells of those who are blocked.
    pub feed: Option<Feed>,
    /// How the decision record shows the subject.
    pub audit_subject: AuditSubject,
    /// How it shows the client's address.
    pub audit_address: AuditAddress,
    /// The parts that `render` and the sidecar read, and the filter ignores.
    pub own: Own,
}

/// What a host holds of a body at least: Envoy's default.
const LEAST_BUFFER: usize = 1_048_576;
/// For what travels with a body, or grows in it.
const BUFFER_ROOM: usize = 65_536;

impl Policy {
    /// What a host that holds headers is told to hold of a body: the largest that a rule reads, and some
    /// more.
    pub fn buffer_bytes(&self) -> usize {
        let caps = self.routes.iter().flat_map(|route| [route.reads.request, route.reads.answer]).flatten();
        caps.max().unwrap_or(0).max(LEAST_BUFFER).saturating_add(BUFFER_ROOM)
    }

    /// The longest text that may take a body's place: a host that holds less ends the stream over it. One
    /// that can't hold headers was told nothing.
    pub fn answer_room(&self) -> usize {
        if self.hold_headers { self.buffer_bytes() } else { LEAST_BUFFER }
    }
}

/// Index of an issuer in [`Policy::issuers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(pub usize);

/// Index of a route in [`Policy::routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub usize);

/// Enforce, or only say what would have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refusals are sent.
    Enforce,
    /// Refusals are recorded; requests pass.
    Shadow,
}

/// Which signature verifier to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifier {
    /// The host's where its known-answer test passes, else the portable one.
    Auto,
    /// The host's; a failing known-answer test refuses the policy.
    Native,
    /// The one in WebAssembly.
    Portable,
}

/// Which scopes a challenge names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeScope {
    /// The smallest set that satisfies the operation.
    Operation,
    /// The union of all that are known.
    All,
}

/// Protected resource metadata.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Whether the documents are served at all.
    pub on: bool,
    /// Answered by the filter (`serve: filter`) instead of the sidecar.
    pub by_filter: bool,
    /// The original's behaviour: 401 without a token.
    pub require_token: bool,
}

/// Cross-origin rules.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Exact origins, or the single member `*`.
    pub origins: Vec<String>,
    /// Whether browsers may send credentials.
    pub credentials: bool,
}

/// One trusted issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The configured issuer identifier, byte for byte.
    pub issuer: Arc<str>,
    /// Accepted audiences.
    pub audiences: Vec<String>,
    /// Where the keys are.
    pub jwks: JwksSource,
    /// Name of the Envoy cluster to fetch through.
    pub jwks_cluster: String,
    /// Refresh interval in milliseconds, 30,000 to 3,600,000.
    pub refresh_ms: u64,
    /// How long keys stay in use without a successful fetch, in milliseconds.
    pub max_stale_ms: u64,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Clock leeway in seconds, 0 to 300.
    pub leeway_s: u64,
    /// Claim that names the user.
    pub user_claim: Claim,
    /// Claim that names the tenant.
    pub tenant_claim: Claim,
    /// Claims that carry scopes.
    pub scope_claims: Vec<Claim>,
    /// Claims that carry groups.
    pub group_claims: Vec<Claim>,
    /// Scopes that this issuer may grant; `None`: any.
    pub scopes: Option<Vec<String>>,
    /// Tenants that may act; `None`: any.
    pub tenants: Option<Vec<String>>,
    /// Who it is by a claim that means the same at every issuer; `None`: by `user_claim`.
    pub user: Option<UserRule>,
    /// What marks a machine's token, besides what every issuer's does.
    pub machine: Vec<Mark>,
    /// Put before user and tenant; empty for the first issuer only.
    pub user_prefix: String,
}

/// Which claim names a user for every issuer alike.
#[derive(Debug, Clone)]
pub struct UserRule {
    /// The claim.
    pub claim: Claim,
    /// What the token has to say besides.
    pub requires: Vec<Mark>,
    /// Whether names are folded.
    pub folds: bool,
}

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
}

impl Algorithm {
    /// All that there are: a token of one that is missing here is refused.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// The name of RFC 7518.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// By its name; `None`: it isn't supported.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Something that a claim may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which claim.
    pub claim: Claim,
    /// What of it.
    pub sign: Sign,
}

/// What is asked of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It is this text.
    Text(String),
    /// It is this number.
    Number(i64),
    /// It is `true` or `false`.
    Flag(bool),
    /// It is a text that begins like this.
    Prefix(String),
    /// Whether it is there.
    Exists(bool),
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A configured URL.
    Uri(HttpUrl),
    /// Discovered from the issuer.
    Discover(HttpUrl),
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// The route's name in records and statistics: its path pattern, from the policy, never from a client.
    pub name: String,
    /// What it matches.
    pub pattern: Pattern,
    /// Methods, upper case; `None`: all. `GET` implies `HEAD` (already added).
    pub methods: Option<Vec<String>>,
    /// Hosts in lower case without port; empty: all.
    pub hosts: Vec<String>,
    /// Public or with a token.
    pub access: Access,
    /// Whether it is meant that this public route takes requests of a later one that needs a token (`hides:
    /// allowed`).
    pub hides: bool,
    /// Issuers whose tokens are good here; `None`: all.
    pub issuers: Option<Vec<IssuerId>>,
    /// Audiences accepted here besides the issuer's.
    pub audiences: Vec<String>,
    /// Only the route's own audiences count.
    pub audience_strict: bool,
    /// Machine tokens are refused.
    pub users_only: bool,
    /// Scopes needed.
    pub scopes: ScopeRule,
    /// Whether the token travels on.
    pub forward_authorization: bool,
    /// Whether nothing passes while the audit log can't be written.
    pub audit_required: bool,
    /// Enforce or shadow on this route.
    pub mode: Mode,
    /// Whether WebSocket upgrades pass.
    pub upgrade_websocket: bool,
    /// Which built-in this is; `None`: one of the policy's.
    pub builtin: Option<Builtin>,
    /// How much is read of bodies.
    pub reads: BodyCaps,
    /// MCP rules, where this is an MCP route.
    pub mcp: Option<Mcp>,
    /// Whose elements an answer shows.
    pub response_filter: Option<ResponseFilter>,
    /// (own) Name of the upstream in [`Own::upstreams`]; `None`: `default`.
    pub upstream: Option<String>,
    /// (own) Prefix that Envoy strips.
    pub strip_prefix: Option<String>,
    /// (own) Time to response headers in milliseconds; 0: none.
    pub timeout_ms: Option<u64>,
    /// Routes by whose rules it is judged where it reaches what they protect; empty: by its own.
    pub aliases: Vec<Alias>,
}

impl Route {
    /// Whether an answer that names its upstream is made to lead back to us. What is only watched stays as it
    /// is, and what we serve knows who we are.
    pub fn leads_back(&self) -> bool {
        self.mode == Mode::Enforce && self.builtin.is_none()
    }
}

/// How much is read of a route's bodies, in bytes; `None`: they pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BodyCaps {
    /// The largest request's.
    pub request: Option<usize>,
    /// The largest answer's.
    pub answer: Option<usize>,
}

/// A route that leads to the same server as another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// Which.
    pub route: RouteId,
    /// Segments of its pattern that don't arrive there.
    pub skip: usize,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Anybody with a good token that has the route's scopes.
    Token,
}

/// The response post-filter of a route (contract §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFilter {
    /// Where the list (or the one object) is: a JSON pointer's tokens (RFC 6901), unescaped.
    pub items: Vec<String>,
    /// Where an element's owner is, in the same form.
    pub owner: Vec<String>,
    /// Whether an element without an owner stays; else the whole answer is refused.
    pub keep_missing: bool,
}

/// The built-in routes (contract §5). All are served by the sidecar, except for metadata with `serve:
/// filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// `/`, `/health` and `/ssf/events`: public.
    Public,
    /// `/health/auth0` and the webhook paths: `Authorization` is kept, and not judged as a token.
    Unjudged,
    /// `/protected*`, `/writer-only`: scopes like any route.
    Scoped,
    /// `/__test__/echo`: the scope comes from `X-Required-Scope`.
    TestEcho,
    /// `/.well-known/oauth-protected-resource`.
    ResourceMetadata,
    /// `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.
    IssuerMetadata,
}

/// Where the verified identity goes. What clients say under these names is taken out: a new one is in
/// [`Identity::headers`], too.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Header of the user, lower case.
    pub user_header: String,
    /// Header of the tenant, lower case.
    pub tenant_header: String,
    /// Headers of what else is known, lower case.
    pub facts: Vec<(Fact, String)>,
    /// Query parameter of the user.
    pub user_query: Option<String>,
}

impl Identity {
    /// All headers that name a caller.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        // By its members, so that a new one isn't forgotten.
        let Self { user_header, tenant_header, facts, user_query: _ } = self;
        [user_header.as_str(), tenant_header].into_iter().chain(facts.iter().map(|(_, name)| name.as_str()))
    }
}

/// What an upstream may be told of a caller besides user and tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The agent's name in the policy.
    Agent,
    /// The client's id.
    Client,
    /// The user's groups.
    Groups,
}

/// How the decision record shows the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditSubject {
    /// As it is.
    Plain,
    /// As a keyed hash.
    Hash,
}

/// How the record shows the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAddress {
    /// Not at all.
    None,
    /// Its network: /24, or /48 of IPv6.
    Network,
    /// As it is.
    Full,
}

/// Members that matter to `render` and the sidecar only.
#[derive(Debug, Clone)]
pub struct Own {
    /// Listening address.
    pub bind: String,
    /// Listening port; 0: any free one.
    pub port: u16,
    /// Certificate and key files.
    pub tls: Option<(String, String)>,
    /// Proxies in front whose `X-Forwarded-For` is believed.
    pub trusted_hops: u32,
    /// Connections that one address may have at once, where no proxy is in front; 0: any number; `None`: a
    /// part of all.
    pub connections_per_address: Option<u32>,
    /// Envoy's admin port on loopback; 0: any free one.
    pub admin_port: u16,
    /// The sidecar's port on loopback; 0: any free one.
    pub sidecar_port: u16,
    /// The sidecar's folder.
    pub data_dir: String,
    /// Upstreams by name, as (name, URL).
    pub upstreams: Vec<(String, HttpUrl)>,
    /// Whether `/health` and `/health/auth0` are on.
    pub health: bool,
    /// Whether the webhook paths are on.
    pub webhook: bool,
    /// Which new clients the sidecar promotes at Auth0, and to what.
    pub promotion: Promotion,
    /// Where the decision records go.
    pub records: Records,
    /// What the sidecar remembers of them.
    pub ledger: Option<Ledger>,
    /// What it proves of them.
    pub audit: Option<Audit>,
    /// Where metrics and spans go: a collector, by the URL that paths of OTLP are appended to.
    pub otlp: Option<HttpUrl>,
}

/// Where the decision records go: one of them at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records {
    /// `decisions.jsonl` in the sidecar's folder.
    pub file: bool,
    /// Envoy's standard output.
    pub stdout: bool,
}

/// Client promotion (contract §9).
#[derive(Debug, Clone)]
pub struct Promotion {
    /// File of the webhook's shared secret.
    pub secret_file: Option<String>,
    /// Where the Management API is; without it nothing can be promoted. `http` for a loopback host only.
    pub tenant: Option<HttpUrl>,
    /// Name of the connection that users sign in with.
    pub connection: String,
    /// Whether promoted clients become first-party ones, which skip consent.
    pub first_party: bool,
    /// Names that may be promoted, exact; a `*` at the end stands for any text.
    pub client_names: Vec<String>,
    /// Redirect URIs that may be promoted, whole; a `*` at the end stands for one path segment.
    pub redirect_uris: Vec<String>,
    /// The API that the client grant is for: the first issuer's first audience.
    pub audience: String,
    /// Scopes of the client grant.
    pub scopes: Vec<String>,
}
