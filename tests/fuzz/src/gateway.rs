//! The core as the filter drives it (`core/driver/src/stream`), without a host: a request's headers and body
//! in, the exchange and what was decided out. Keys are there, and a signature is good where it says so
//! itself: what is fuzzed is what comes after that.

use crate::routes::{ROUTES, Route};
use crate::rules::{KINDS, Kind, OPEN_METHODS, Rule, Scopes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_core::config;
use gatewaystack_core::config::policy::{IssuerId, Policy};
use gatewaystack_core::decision::{Decision, Edits, Wait};
use gatewaystack_core::exchange::{self, Arrival, Exchange};
use gatewaystack_core::feed::Feed;
use gatewaystack_core::hash::Secret;
use gatewaystack_core::jwks::{self, Key, KeyRing};
use gatewaystack_core::jwt::signature::{SignatureVerifier, VerifierFault};
use gatewaystack_core::rate_limit::Counters;
use gatewaystack_core::record::Stamp;
use gatewaystack_core::request::Headers;
use gatewaystack_core::shared::MemoryTable;
use gatewaystack_core::token_cache::TokenCache;
use gatewaystack_core::world::World;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

const ISSUER: &str = "https://idp.example/";
const AUDIENCE: &str = "https://gateway.example.com/api";
const NOW_S: u64 = 1_790_000_000;
const SECRET: Secret = Secret(1, 2);
/// As long as a key of 2048 bits.
const LENGTH: usize = 256;
/// What a good signature is made of.
const GOOD: u8 = 0x5a;
/// The user of every token. Odd on purpose: it has to be escaped in a query.
pub const USER: &str = "auth0|ann&b=c";
/// The query parameter and the header of the user.
pub const USER_QUERY: &str = "userId";
pub const USER_HEADER: &str = "x-user-id";

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Somebody without a token.
    Nobody,
    /// Somebody with these scopes.
    Known(&'static [&'static str]),
    /// Somebody whose token is no good.
    Liar,
}

pub const CALLERS: [Caller; 6] = [
    Caller::Nobody,
    Caller::Known(&["read"]),
    Caller::Known(&["read", "write", "admin", "wide:b"]),
    Caller::Known(&[]),
    Caller::Known(&["wide:a"]),
    Caller::Liar,
];

impl Caller {
    /// The scopes of a good token; `None`: there is none.
    pub fn scopes(self) -> Scopes {
        if let Self::Known(scopes) = self { Some(scopes) } else { None }
    }

    /// `Authorization`; `None`: nothing.
    pub fn token(self) -> Option<String> {
        let (scopes, fill) = match self {
            Self::Nobody => return None,
            Self::Known(scopes) => (scopes, GOOD),
            Self::Liar => (["read", "write", "admin"].as_slice(), 0),
        };
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "a"});
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": USER, "scope": scopes.join(" "), "exp": NOW_S + 3_600});
        let [header, claims] = [header, claims].map(|value| URL_SAFE_NO_PAD.encode(value.to_string()));
        Some(format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([fill; LENGTH])))
    }
}

struct ByItself;

impl SignatureVerifier for ByItself {
    fn verify(&self, _: &Key, _: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        Ok(signature.iter().all(|byte| *byte == GOOD))
    }
}

/// A gateway. What it remembers of one request it forgets before the next.
pub struct Gateway {
    /// Its policy.
    pub policy: Policy,
    keys: KeyRing,
}

/// What came of a request: its exchange, what was decided in the end, and what left before it.
pub struct Judged {
    pub exchange: Exchange,
    pub decision: Decision,
    /// Headers that left before the body was judged.
    pub let_go: Option<Edits>,
    /// What the record says of it.
    pub record: String,
}

impl Gateway {
    /// One whose host can hold headers back, or can't.
    ///
    /// # Errors
    /// The policy or the key set isn't taken.
    pub fn new(hold_headers: bool) -> Result<Self, String> {
        let policy = policy(hold_headers).to_string();
        let policy =
            config::load_filter(Some(policy.as_bytes()), None).map_err(|errors| format!("{errors:?}"))?;
        let mut keys = KeyRing::new(&policy);
        let n = URL_SAFE_NO_PAD.encode([0xc5; LENGTH]);
        let set = json!({"keys": [{"kty": "RSA", "kid": "a", "n": n, "e": "AQAB"}]}).to_string();
        let held = keys.held_mut(IssuerId(0)).ok_or("no issuer")?;
        held.set = Some(jwks::parse(set.as_bytes()).map_err(|fault| format!("{fault:?}"))?);
        held.fetched_at = NOW_S * 1_000;
        held.generation = 1;
        Ok(Self { policy, keys })
    }

    /// Runs something in a world where nothing has happened yet.
    pub fn in_world<R>(&self, run: impl FnOnce(&World<'_>) -> R) -> R {
        let (table, tokens) = (MemoryTable::default(), RefCell::new(TokenCache::default()));
        let counters = Counters { table: &table, secret: SECRET };
        let feed = Feed::default();
        run(&World {
            policy: &self.policy,
            keys: &self.keys,
            tokens: &tokens,
            verifier: &ByItself,
            feed: &feed,
            session_secret: SECRET,
            counters: &counters,
            address: &|| IpAddr::V4(Ipv4Addr::LOCALHOST),
            now_ms: NOW_S * 1_000,
        })
    }

    /// Sends a request with its whole body.
    pub fn ask(&self, headers: &[(&[u8], &[u8])], body: &[u8]) -> Judged {
        self.in_world(|world| self.judge(world, headers, body))
    }

    fn judge(&self, world: &World<'_>, headers: &[(&[u8], &[u8])], body: &[u8]) -> Judged {
        let mut judged = Exchange::New.on_headers(world, Headers::of(headers));
        let mut let_go = None;
        if let Decision::Wait(Wait::Body(read)) = judged.decision {
            let body = (body.len() <= read.cap).then_some(body);
            let_go = read.let_go;
            judged = judged.exchange.resume(world, Arrival::Body(body));
        }
        let exchange::Judged { exchange, decision, .. } = judged;
        let stamp = Stamp {
            vm: 1,
            seq: 1,
            secret: SECRET,
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            now_us: NOW_S * 1_000_000,
            latency_us: 5,
        };
        let record = exchange.facts().map(|facts| facts.members(&self.policy, &stamp));
        Judged { exchange, decision, let_go, record: record.unwrap_or_default() }
    }
}

fn policy(hold_headers: bool) -> Value {
    let mcp = |cap: usize| {
        let mut mcp = Map::new();
        for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Template) {
            mcp.insert(kind.member().to_owned(), kind.written());
        }
        let others =
            [("lazy_auth", json!(OPEN_METHODS)), ("max_body", json!(cap)), ("sessions", json!("pass"))];
        mcp.extend(others.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(mcp)
    };
    let routes: Vec<Value> = ROUTES.iter().map(|route| written(route, &mcp)).collect();
    json!({
        "version": 1,
        "public_url": "https://gateway.example.com",
        "hold_headers": hold_headers,
        "builtin": {"health": false, "metadata": false, "webhook": false},
        "issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "jwks"}],
        "identity": {"user_header": USER_HEADER, "user_query": USER_QUERY},
        "routes": routes,
        "rate_limits": [],
    })
}

fn written(route: &Route, mcp: &dyn Fn(usize) -> Value) -> Value {
    let mut written = Map::new();
    let mut set = |name: &str, value: Value| written.insert(name.to_owned(), value);
    set("path", json!(route.path));
    if !route.methods.is_empty() {
        set("methods", json!(route.methods));
    }
    if route.keeps_token {
        set("forward_authorization", json!(true));
    }
    if let Some(cap) = route.mcp {
        set("mcp", mcp(cap));
    }
    match route.rule {
        Rule::Public => set("access", json!("public")),
        Rule::All(all) => set("scopes", json!(all)),
        Rule::Any(any) => set("any_scope", json!(any)),
    };
    Value::Object(written)
}

/// Runs something with the gateway of this kind, which is made once.
///
/// # Errors
/// It can't be made.
pub fn with<R>(hold_headers: bool, run: impl FnOnce(&Gateway) -> R) -> Result<R, String> {
    thread_local! {
        static GATEWAYS: [Result<Gateway, String>; 2] = [Gateway::new(false), Gateway::new(true)];
    }
    GATEWAYS.with(|[not, held]| match if hold_headers { held } else { not } {
        Ok(gateway) => Ok(run(gateway)),
        Err(error) => Err(error.clone()),
    })
}
