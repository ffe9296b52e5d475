//! The hot functions of the core and the driver, many times over. In: the name of a case, and a count. Out:
//! nothing; `valgrind --tool=callgrind` counts the instructions, and the difference between two counts,
//! divided, is what one costs (`cargo xtask bench --instructions`).

mod driven;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_core::config;
use gatewaystack_core::config::policy::{IssuerId, Policy};
use gatewaystack_core::decision::Decision;
use gatewaystack_core::exchange::{Arrival, Exchange, Judged};
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
use serde_json::{Value, json};
use std::cell::RefCell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, io};

const ISSUER: &str = "https://idp.example/";
const AUDIENCE: &str = "https://gateway.example.com/api";

/// As many as there may be.
const BLOCKS: usize = 100_000;

/// What is done `count` times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// A request with a token that was verified before, to its record.
    KnownToken,
    /// One whose token has to be read; its signature is Envoy's work.
    NewToken,
    /// A call of a tool, with the headers of 2026-07-28.
    McpCall,
    /// A request with a known token and its answer through the driver, from its headers to its end.
    WholeRequest,
    /// The same while 100,000 callers are blocked, of all kinds.
    ManyBlocked,
}

/// Signatures are Envoy's work, not the core's.
struct Agrees;

impl SignatureVerifier for Agrees {
    fn verify(&self, _: &Key, _: &[u8], _: &[u8]) -> Result<bool, VerifierFault> {
        Ok(true)
    }
}

/// As long as a key of 2048 bits; nothing is verified with it.
const MODULUS: [u8; 256] = [0xc5; 256];

/// An access token (RFC 9068) whose signature is as long as that key's.
fn token(now_s: u64) -> String {
    let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "hot"});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|0123456789", "scope": "tool:read", "jti": "0000000000000001",
        "iat": now_s, "exp": now_s + 3_600,
    });
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let [header, claims] = [header, claims].map(|value| part(value.to_string().as_bytes()));
    format!("{header}.{claims}.{}", part(&[0x5a; 256]))
}

/// The headers of one request, as a browserless client sends it through Envoy.
fn headers(case: Case, token: &str) -> Headers {
    let (method, path) = if case == Case::McpCall { ("POST", "/mcp") } else { ("GET", "/v1/tools/x") };
    let mut headers = vec![
        (":authority", "127.0.0.1:24021"),
        (":path", path),
        (":method", method),
        (":scheme", "http"),
        ("authorization", token),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "010efeda-ee8d-437b-8352-00f1dcf3ffe6"),
    ];
    if case == Case::McpCall {
        headers.extend([
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "tool_0"),
        ]);
    }
    let pairs: Vec<(&[u8], &[u8])> = headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    Headers::of(&pairs)
}

/// A policy of ordinary size.
fn policy() -> Value {
    let tools: Vec<String> = (0..20).map(|at| format!("tool_{at}")).collect();
    let tools: serde_json::Map<_, _> = tools.into_iter().map(|t| (t, json!(["tool:read"]))).collect();
    json!({
        "version": 1,
        "public_url": "https://gateway.example.com",
        "hold_headers": true,
        "cors": {"origins": ["https://app.example.com"]},
        "issuers": [{
                "issuer": ISSUER, "audiences": [AUDIENCE], "jwks_uri": "https://idp.example/jwks", "jwks_cluster": "jwks",
            }],
        "routes": [
            {"path": "/v1/tools/*", "methods": ["GET"], "scopes": ["tool:read"]},
            {"path": "/v1/tools/*", "methods": ["POST"], "scopes": ["tool:write"]},
            {"path": "/v1/admin/*", "any_scope": ["admin", "owner"]},
            {"path": "/status", "access": "public"},
            {"path": "/mcp", "mcp": {"tools": tools}},
        ],
        "rate_limits": [{"by": "user", "max": 4_294_967_295u32, "window": "60s"}],
    })
}

/// An issuer's keys.
fn key_set() -> Value {
    let n = URL_SAFE_NO_PAD.encode(MODULUS);
    json!({"keys": [{"kty": "RSA", "kid": "hot", "n": n, "e": "AQAB"}]})
}

struct Gateway {
    policy: Policy,
    keys: KeyRing,
    tokens: RefCell<TokenCache>,
    table: MemoryTable,
    now_ms: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [name, count] = words.as_slice() else { return ExitCode::FAILURE };
    match count.parse().map_err(io::Error::other).and_then(|count| run(name, count)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatewaystack-hot: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what `name` says, `count` times.
fn run(name: &str, count: u32) -> io::Result<()> {
    let case = match name {
        "known_token" => Case::KnownToken,
        "new_token" => Case::NewToken,
        "mcp_call" => Case::McpCall,
        "whole_request" => Case::WholeRequest,
        "many_blocked" => Case::ManyBlocked,
        _ => return Err(io::Error::other("known_token, new_token, mcp_call, whole_request or many_blocked")),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let token = format!("Bearer {}", token(now.as_secs()));
    let now_ms = u64::try_from(now.as_millis()).map_err(io::Error::other)?;
    let mut gateway = Gateway::new(now_ms)?;
    let headers = headers(case, &token);
    match case {
        Case::WholeRequest => return driven::run(&headers, now_ms, count, 0),
        Case::ManyBlocked => return driven::run(&headers, now_ms, count, BLOCKS),
        _ => {}
    }
    for _ in 0..count {
        if case == Case::NewToken {
            gateway.tokens = RefCell::default();
        }
        black_box(gateway.ask(headers.clone()))?;
    }
    Ok(())
}

impl Gateway {
    fn new(now_ms: u64) -> io::Result<Self> {
        let policy = config::load_filter(Some(policy().to_string().as_bytes()), None);
        let policy = policy.map_err(|errors| io::Error::other(format!("{errors:?}")))?;
        let mut keys = KeyRing::new(&policy);
        let set = jwks::parse(key_set().to_string().as_bytes());
        let held = keys.held_mut(IssuerId(0)).ok_or_else(|| io::Error::other("no issuer"))?;
        held.set = Some(set.map_err(|_| io::Error::other("no key set"))?);
        held.fetched_at = now_ms;
        held.generation = 1;
        Ok(Self { policy, keys, tokens: RefCell::default(), table: MemoryTable::default(), now_ms })
    }

    /// One request. (The host gives the filter its headers in memory of the filter's own: the copy stands for
    /// that.)
    fn ask(&self, headers: Headers) -> io::Result<String> {
        let counters = Counters { table: &self.table, secret: Secret(1, 2) };
        let feed = Feed::default();
        let world = World {
            policy: &self.policy,
            keys: &self.keys,
            tokens: &self.tokens,
            verifier: &Agrees,
            feed: &feed,
            session_secret: Secret(1, 2),
            counters: &counters,
            address: &|| IpAddr::V4(Ipv4Addr::LOCALHOST),
            now_ms: self.now_ms,
        };
        let mut judged = Exchange::New.on_headers(&world, headers);
        if matches!(judged.decision, Decision::Wait(_)) {
            let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_0","arguments":{"text":"notes"}}}"#;
            judged = judged.exchange.resume(&world, Arrival::Body(Some(body)));
        }
        let Judged { exchange, decision, .. } = judged;
        let Decision::Forward(permit) = decision else {
            return Err(io::Error::other(format!("not permitted: {decision:?}")));
        };
        black_box(permit.edits());
        let facts = exchange.facts().ok_or_else(|| io::Error::other("nothing to record"))?;
        let stamp = Stamp {
            vm: 1,
            seq: 1,
            secret: Secret(1, 2),
            address: None,
            now_us: self.now_ms * 1_000,
            latency_us: 35,
        };
        Ok(facts.members(&self.policy, &stamp))
    }
}
