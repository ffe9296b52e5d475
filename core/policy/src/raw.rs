//! The policy as it is written: names and forms, nothing of the meaning. Every member is optional here, unknown ones are
//! errors; [`crate::compile`] says what is required and what fits together.

use super::form::{Form, Members, Reading};
use serde_json::Value;
use std::collections::BTreeMap;

macro_rules! raw {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
        }

        impl Members for $name {
            fn names(&self) -> &'static [&'static str] {
                &[$(stringify!($field)),*]
            }
            fn read_member(&mut self, name: &str, value: &Value, reading: &mut Reading) -> bool {
                match name {
                    $(_ if name == stringify!($field) => self.$field = Form::read(value, reading),)*
                    _ => return false,
                }
                true
            }
        }

        impl Form for $name {
            fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
                let mut raw = Self::default();
                reading.object(value, &mut raw).then_some(raw)
            }
            fn stand_in() -> Option<Self> {
                Some(Self::default())
            }
        }
    };
}

// A word is its variant's name in lower case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the word of docs/policy.md")]
        pub enum $name { $($variant),* }

        impl Form for $name {
            fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
                let at = reading.word(value, &[$(stringify!($variant)),*])?;
                [$(Self::$variant),*].get(at).copied()
            }
        }
    };
}

words!(/** `mode` */ RawMode { Enforce, Shadow });
words!(/** `verifier` */ RawVerifier { Auto, Native, Portable });
words!(/** `case` */ RawCase { Insensitive, Sensitive });
words!(/** `challenge_scope` */ RawChallengeScope { Operation, All });
words!(/** `metadata.serve` */ RawServe { Sidecar, Filter });
words!(/** `routes[].access` */ RawAccess { Public, Token });
words!(/** `routes[].hides` */ RawHides { Allowed });
words!(/** `routes[].audience` */ RawAudience { Issuer, Strict });
words!(/** `routes[].aliases` */ RawAliases { Allowed, Strict });
words!(/** `routes[].upgrade[]` */ RawUpgrade { Websocket });
words!(/** `rate_limits[].by` */ RawBy { User, Tenant, Address });
words!(/** `rate_limits[].on` */ RawOn { Failures, All });
words!(/** `rate_limits[].scope` */ RawLimitScope { Global });
words!(/** `rate_limits[].failure_mode` */ RawFailureMode { Allow, Deny });
words!(/** `audit.to[]` */ RawRecords { File, Stdout });
words!(/** `audit.subject` */ RawSubject { Plain, Hash });
words!(/** `mcp.challenge_mode` */ RawChallengeMode { Http, Meta, Auto });
words!(/** `mcp.sessions` */ RawSessions { Bind, Pass });
words!(/** `mcp.tasks` */ RawTasks { Allow, Deny });
words!(/** `response_filter.on_missing` */ RawOnMissing { Refuse, Keep });

/// A duration as written: `5m`, `500ms`; a bare `0` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDuration(pub String);

impl Form for RawDuration {
    fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(text.clone())),
            _ => match value.as_u64() {
                Some(number) => Some(Self(number.to_string())),
                None => {
                    reading.mismatch(value, "a duration such as \"500ms\", \"60s\", \"5m\" or \"24h\"");
                    None
                }
            },
        }
    }
}

raw!(/** The whole policy. */
RawPolicy {
    /** The form's version: 1. */ version: u64,
    /** `enforce` or `shadow`. */ mode: RawMode,
    /** Whether the host can hold headers back while a body is read. */ hold_headers: bool,
    /** How long a body may take that must be read. */ body_timeout: RawDuration,
    /** Which signature verifier. */ verifier: RawVerifier,
    /** Whether case tells paths apart. */ case: RawCase,
    /** Whether the filter overlays its VM's environment. */ environment: bool,
    /** Where clients see us. */ public_url: String,
    /** Further hosts. */ public_hosts: Vec<String>,
    /** The protected resource's identifier. */ resource: String,
    /** The challenge's realm. */ realm: String,
    /** Advertised besides those that routes name. */ scopes_supported: Vec<String>,
    /** Advertised and granted, authorises nothing (`TOOL_SCOPES`). */ tool_scopes: Vec<String>,
    /** Never shown. */ hidden_scopes: Vec<String>,
    /** Which scopes a challenge names. */ challenge_scope: RawChallengeScope,
    /** Protected resource metadata. */ metadata: RawMetadata,
    /** Built-in routes. */ builtin: RawBuiltin,
    /** (own) The listener. */ listen: RawListen,
    /** (own) The sidecar. */ sidecar: RawSidecar,
    /** Cross-origin rules. */ cors: RawCors,
    /** Trusted issuers. */ issuers: Vec<RawIssuer>,
    /** Whether internal hosts may serve keys over `http` (`ALLOW_INSECURE_JWKS`). */ allow_insecure_jwks: bool,
    /** (own) Upstreams by name. */ upstreams: BTreeMap<String, String>,
    /** (own) Time to response headers where a route has none (`PROXY_TIMEOUT_MS`). */ timeout: RawDuration,
    /** Routes; the first match wins. */ routes: Vec<RawRoute>,
    /** Where the verified identity goes. */ identity: RawIdentity,
    /** Limits. */ rate_limits: Vec<RawRateLimit>,
    /** Who counts the limits over machines. */ rate_limit_service: RawRateLimitService,
    /** The decision record. */ audit: RawAudit,
    /** (own) Client promotion. */ webhook: RawWebhook,
});

raw!(/** `metadata` */
RawMetadata { /** Who answers. */ serve: RawServe, /** 401 without a token. */ require_token: bool });

raw!(/** `builtin` */
RawBuiltin {
    /** `/health*`. */ health: bool,
    /** `/.well-known/…`. */ metadata: bool,
    /** The webhook's paths. */ webhook: bool,
    /** `/`, `/protected*`, `/writer-only`. */ demo_routes: bool,
    /** `/__test__/echo`, with `demo_routes` (`ENABLE_TEST_ROUTES`). */ test_routes: bool,
    /** Scopes of the demo routes that read (`REQUIRED_SCOPES_READ`). */ read_scopes: Vec<String>,
    /** Scopes of the demo routes that write (`REQUIRED_SCOPES_WRITE`). */ write_scopes: Vec<String>,
});

raw!(/** `listen` */
RawListen {
    /** An address. */ bind: String,
    /** A port; 0: any free one. */ port: u64,
    /** Downstream TLS. */ tls: RawTls,
    /** Proxies in front. */ trusted_hops: u64,
    /** Connections that one address may have at once; 0: any number. */ connections_per_address: u64,
    /** Envoy's admin port on loopback; 0: any free one (`ADMIN_PORT`). */ admin_port: u64,
});

raw!(/** `listen.tls` */
RawTls { /** Certificate chain, PEM. */ cert_file: String, /** Private key, PEM. */ key_file: String });

raw!(/** `sidecar` */
RawSidecar { /** Its port on loopback. */ port: u64, /** Its folder. */ data_dir: String });

raw!(/** `cors` */
RawCors { /** Exact origins, or `*` alone. */ origins: Vec<String>, /** With credentials. */ credentials: bool });

raw!(/** `issuers[]` */
RawIssuer {
    /** The issuer identifier. */ issuer: String,
    /** Accepted audiences. */ audiences: Vec<String>,
    /** Where the keys are; absent: discovered. */ jwks_uri: String,
    /** The Envoy cluster to fetch through. */ jwks_cluster: String,
    /** Refresh interval. */ refresh: RawDuration,
    /** How long keys live without a refresh. */ max_stale: RawDuration,
    /** Clock leeway. */ leeway: RawDuration,
    /** Claim of the user. */ user_claim: String,
    /** Claim of the tenant. */ tenant_claim: String,
    /** Claims of the scopes. */ scope_claims: Vec<String>,
    /** Scopes that it may grant. */ scopes: Vec<String>,
    /** What its scopes begin with where they are asked for. */ scope_prefix: String,
    /** Tenants that may act. */ tenants: Vec<String>,
    /** Put before user and tenant. */ user_prefix: String,
});

raw!(/** `routes[]` */
RawRoute {
    /** The path pattern. */ path: String,
    /** Methods. */ methods: Vec<String>,
    /** Hosts. */ hosts: Vec<String>,
    /** Public or with a token. */ access: RawAccess,
    /** A public route that takes requests of a later one with a token: that is meant. */ hides: RawHides,
    /** Issuers. */ issuers: Vec<String>,
    /** Audiences besides the issuer's. */ audiences: Vec<String>,
    /** `strict`: only the route's own. */ audience: RawAudience,
    /** No machine tokens. */ users_only: bool,
    /** All of these. */ scopes: Vec<String>,
    /** At least one of these. */ any_scope: Vec<String>,
    /** Whether the token travels on. */ forward_authorization: bool,
    /** Overrides the file's. */ mode: RawMode,
    /** Upgrades that pass. */ upgrade: Vec<RawUpgrade>,
    /** (own) Name in `upstreams`. */ upstream: String,
    /** (own) Prefix that Envoy strips. */ strip_prefix: String,
    /** What it reaches at its upstream that another route has other rules for: `allowed`, or judged by those rules (`strict`). */ aliases: RawAliases,
    /** (own) Time to response headers; 0: none. */ timeout: RawDuration,
    /** Response post-filter. */ response_filter: RawResponseFilter,
    /** MCP rules. */ mcp: RawMcp,
});

raw!(/** `routes[].response_filter` */
RawResponseFilter {
    /** JSON pointer of the list. */ items: String,
    /** The owner's field. */ owner: String,
    /** What a missing owner means. */ on_missing: RawOnMissing,
    /** The body's cap. */ max_bytes: u64,
});

raw!(/** `routes[].mcp`; the rules' own form is read by `compile/mcp.rs`. */
RawMcp {
    /** The resource's identifier. */ resource: String,
    /** Rules by tool. */ tools: BTreeMap<String, Value>,
    /** Tools without a rule. */ unlisted: String,
    /** Rules by prompt. */ prompts: BTreeMap<String, Value>,
    /** Rules by URI. */ resources: BTreeMap<String, Value>,
    /** Methods that are open without a token. */ lazy_auth: Vec<String>,
    /** How a refusal is told. */ challenge_mode: RawChallengeMode,
    /** Whether a session is its caller's alone. */ sessions: RawSessions,
    /** Methods about tasks. */ tasks: RawTasks,
    /** Origins. */ allowed_origins: Vec<String>,
    /** The body's cap. */ max_body: u64,
});

raw!(/** `identity` */
RawIdentity {
    /** Header of the user. */ user_header: String,
    /** Header of the tenant. */ tenant_header: String,
    /** Query parameter of the user. */ user_query: String,
});

raw!(/** `rate_limits[]` */
RawRateLimit {
    /** Whose requests. */ by: RawBy,
    /** Requests per window. */ max: u64,
    /** The window. */ window: RawDuration,
    /** Which requests of an address. */ on: RawOn,
    /** Address ranges that aren't counted. */ except: Vec<String>,
    /** Only routes with this path pattern. */ route: String,
    /** Only these tools. */ tools: Vec<String>,
    /** Over machines. */ scope: RawLimitScope,
    /** What happens when the service is away. */ failure_mode: RawFailureMode,
});

raw!(/** `rate_limit_service` */
RawRateLimitService {
    /** (own) Where it is; a mesh names a cluster instead. */ url: String,
    /** The Envoy cluster to ask through. */ cluster: String,
    /** The domain under which it knows our limits. */ domain: String,
    /** How long an answer may take. */ timeout: RawDuration,
});

raw!(/** `audit` */
RawAudit {
    /** How the record shows the subject. */ subject: RawSubject,
    /** (own) Where the records go. */ to: Vec<RawRecords>,
});

raw!(/** `webhook` */
RawWebhook {
    /** File with the shared secret. */ secret_file: String,
    /** The tenant's domain. */ tenant_domain: String,
    /** The connection to enable. */ connection: String,
    /** Whether promoted clients skip consent. */ first_party: bool,
    /** Names that may be promoted. */ client_names: Vec<String>,
    /** Redirect URIs that may be promoted. */ redirect_uris: Vec<String>,
    /** Scopes of the client grant (`DCR_SCOPES`). */ scopes: Vec<String>,
});
