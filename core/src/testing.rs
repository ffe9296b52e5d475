//! For tests: a gateway without Envoy, tokens with real signatures, and builders that say what a test is
//! about.

use crate::authenticate::Fetched;
use crate::config;
use crate::config::policy::{IssuerId, Policy};
use crate::cors::ResponseHeaders;
use crate::decision::{Decision, Edits, Observed, Wait};
use crate::exchange::{Arrival, Exchange, GaveUp, Judged};
use crate::feed::Feed;
use crate::hash::Secret;
use crate::jwks::{self, KeyRing, control};
use crate::jwt::signature::Portable;
use crate::rate_limit::Counters;
use crate::rate_limit::service::RateLimitResponse;
use crate::record::Stamp;
use crate::reply::Reply;
use crate::request::Headers;
use crate::shared::MemoryTable;
use crate::token_cache::TokenCache;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rsa::pkcs1v15::Pkcs1v15Sign;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::net::IpAddr;

pub const NOW_S: u64 = 1_790_000_000;
pub const ISSUER: &str = "https://idp.example/";
pub const SECOND: &str = "https://second.example/";
pub const AUDIENCE: &str = "https://gateway.local/api";

/// A signing key with its `kid`.
#[derive(Clone)]
pub struct Key {
    pub kid: &'static str,
    parts: [Vec<u8>; 4],
}

pub fn key_a() -> Key {
    Key::read("a", include_str!("testing/key_a.txt"))
}

pub fn key_b() -> Key {
    Key::read("b", include_str!("testing/key_b.txt"))
}

/// Signs as ES256.
#[derive(Clone)]
pub struct EcSigner(p256::ecdsa::SigningKey);

/// A key of the curve P-256 for each number.
pub fn ec_key(seed: u8) -> EcSigner {
    EcSigner(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
}

impl EcSigner {
    pub fn jwk(&self, kid: &str) -> Value {
        let point = self.0.verifying_key().to_sec1_point(false);
        let point = point.as_bytes();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": base64url(&point[1..33]), "y": base64url(&point[33..])})
    }

    pub fn sign(&self, signed: &str) -> Vec<u8> {
        use p256::ecdsa::signature::Signer as _;
        let signature: p256::ecdsa::Signature = self.0.sign(signed.as_bytes());
        signature.to_bytes().to_vec()
    }
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    fn read(kid: &'static str, text: &str) -> Self {
        let hex = |line: &str| -> Vec<u8> {
            (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let parts: Vec<Vec<u8>> = text.lines().map(hex).collect();
        Self { kid, parts: parts.try_into().unwrap() }
    }

    pub fn jwk(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": base64url(&self.parts[0]), "e": "AQAB"})
    }

    pub fn sign(&self, signed: &str) -> Vec<u8> {
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let [n, d, p, q] = &self.parts;
        let primes = vec![number(p), number(q)];
        let e = BoxedUint::from(65_537u64);
        let key = rsa::PrivateKey::from_components(number(n), e, number(d), primes).unwrap();
        key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed)).unwrap()
    }

    /// RSASP1 (RFC 8017 §5.2.1): signs what isn't a digest, and isn't padded.
    pub fn raw(&self, message: &[u8]) -> Vec<u8> {
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let [n, d, ..] = &self.parts;
        let modulus = BoxedMontyParams::new(Odd::new(number(n)).unwrap());
        let power = BoxedMontyForm::new(number(message), &modulus).pow(&number(d)).retrieve();
        power.to_be_bytes().into_vec()
    }
}

/// A token with sane defaults; each method says how this one differs.
#[derive(Clone)]
pub struct Token {
    header: Value,
    claims: Value,
    raw_header: Option<String>,
    raw_claims: Option<String>,
    key: Key,
}

pub fn token() -> Token {
    Token {
        header: json!({"alg": "RS256", "typ": "at+jwt", "kid": "a"}),
        claims: json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|ann", "exp": NOW_S + 3600, "scope": "tool:read"}),
        raw_header: None,
        raw_claims: None,
        key: key_a(),
    }
}

impl Token {
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }
    pub fn claims(mut self, more: &Value) -> Self {
        self.claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self
    }
    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name);
        self
    }
    pub fn raw_header(mut self, json: &str) -> Self {
        self.raw_header = Some(json.to_owned());
        self
    }
    pub fn raw_claims(mut self, json: &str) -> Self {
        self.raw_claims = Some(json.to_owned());
        self
    }
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }
    pub fn sub(self, sub: &str) -> Self {
        self.claim("sub", sub)
    }
    pub fn signed_by(mut self, key: Key) -> Self {
        self.header["kid"] = key.kid.into();
        self.key = key;
        self
    }
    pub fn second_issuer(self) -> Self {
        self.claim("iss", SECOND).signed_by(key_b())
    }
    /// A token of the same header and claims with another signature.
    pub fn mint_by(&self, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
        let good = self.mint();
        let (signed, _) = good.rsplit_once('.').unwrap();
        format!("{signed}.{}", base64url(sign(signed)))
    }
    pub fn mint(&self) -> String {
        let header = self.raw_header.clone().unwrap_or_else(|| self.header.to_string());
        let claims = self.raw_claims.clone().unwrap_or_else(|| self.claims.to_string());
        let signed = format!("{}.{}", base64url(header), base64url(claims));
        let signature = self.key.sign(&signed);
        format!("{signed}.{}", base64url(signature))
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Got {
    Forwarded(Edits, ResponseHeaders),
    Observed(Edits),
    /// It passes, and its body is watched up to a cap.
    Watched(Box<Exchange>, Edits, usize),
    Replied(Reply),
    Held(Box<Exchange>),
    /// The rate limit service is asked.
    Asks(Box<Exchange>, Vec<u8>),
    /// The body is to be read; the edits of headers that leave before it.
    Reads(Box<Exchange>, Option<Edits>),
}

/// A gateway without Envoy.
pub struct Gate {
    pub policy: Policy,
    pub keys: KeyRing,
    pub tokens: RefCell<TokenCache>,
    pub table: MemoryTable,
    pub now_ms: u64,
    pub address: IpAddr,
    pub feed: Feed,
    /// The last request's record.
    pub record: Value,
}

pub fn policy(mut policy: Value) -> Policy {
    let issuer = json!({"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "jwks"});
    let object = policy.as_object_mut().unwrap();
    // A route for everything would hide the built-in metadata route, which is an error.
    if object.get("routes").is_some_and(|routes| routes.to_string().contains("\"/*\"")) {
        object.entry("builtin").or_insert(json!({"metadata": false}));
    }
    object.entry("version").or_insert(json!(1));
    object.entry("public_url").or_insert(json!("https://gateway.example.com"));
    object.entry("issuers").or_insert(json!([issuer]));
    config::load_filter(Some(policy.to_string().as_bytes()), None).unwrap()
}

/// A gateway whose issuers' keys have been fetched: the first has key a, the second key b.
pub fn gate(value: Value) -> Gate {
    let mut gate = cold_gate(value);
    for (at, key) in [key_a(), key_b()].iter().enumerate().take(gate.policy.issuers.len()) {
        gate.publish(at, &[key]);
    }
    gate
}

/// A gateway that has no keys yet.
pub fn cold_gate(value: Value) -> Gate {
    let policy = policy(value);
    Gate {
        keys: KeyRing::new(&policy),
        tokens: RefCell::default(),
        table: MemoryTable::default(),
        now_ms: NOW_S * 1000,
        address: IpAddr::from([192, 0, 2, 7]),
        feed: Feed::default(),
        record: Value::Null,
        policy,
    }
}

impl Gate {
    pub fn publish(&mut self, issuer: usize, keys: &[&Key]) {
        self.publish_set(issuer, &keys.iter().map(|k| k.jwk()).collect::<Vec<_>>());
    }

    pub fn publish_set(&mut self, issuer: usize, jwks: &[Value]) {
        let set = jwks::parse(json!({"keys": jwks}).to_string().as_bytes()).unwrap();
        self.tokens.borrow_mut().retain_keys(IssuerId(issuer), |key| set.contains(key));
        let held = self.keys.held_mut(IssuerId(issuer)).unwrap();
        held.set = Some(set);
        held.fetched_at = self.now_ms;
        held.generation += 1;
        let generation = held.generation;
        let cell = control::control_cell(&self.policy.issuers[issuer]);
        control::update(&self.table, &cell, |control| {
            control.generation = generation;
            control.next_at = self.now_ms + 300_000;
        })
        .unwrap();
    }

    /// Runs something in the world as it is.
    pub fn world<R>(&self, run: impl FnOnce(&World<'_>) -> R) -> R {
        let counters = Counters { table: &self.table, secret: Secret(1, 2) };
        let address = || self.address;
        run(&World {
            policy: &self.policy,
            keys: &self.keys,
            tokens: &self.tokens,
            verifier: &Portable,
            feed: &self.feed,
            session_secret: Secret(3, 4),
            counters: &counters,
            address: &address,
            now_ms: self.now_ms,
        })
    }

    /// Sends a request with these headers in addition to method, path and host.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let bytes: Vec<(&[u8], &[u8])> = headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        self.send_bytes(method, path.as_bytes(), &bytes)
    }

    /// Sends a request whose body is read, whatever its method.
    pub fn send_with_body(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Got {
        let mut all = vec![(":method", method), (":path", path), (":authority", "gateway.example.com")];
        all.extend(headers);
        let all: Vec<(&[u8], &[u8])> = all.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let judged = self.world(|world| Exchange::New.on_headers(world, Headers::of(&all)));
        match judged.decision {
            Decision::Wait(Wait::Body(_)) => self.come(judged.exchange, Arrival::Body(body)),
            _ => self.got(judged),
        }
    }

    pub fn send_bytes(&mut self, method: &str, path: &[u8], headers: &[(&[u8], &[u8])]) -> Got {
        let mut all: Vec<(&[u8], &[u8])> =
            vec![(b":method", method.as_bytes()), (b":path", path), (b":authority", b"gateway.example.com")];
        all.push((b"x-request-id", b"req-1"));
        all.extend(headers);
        let judged = self.world(|world| Exchange::New.on_headers(world, Headers::of(&all)));
        match judged.decision {
            // It has none.
            Decision::Wait(Wait::Body(_)) if method != "POST" => {
                self.come(judged.exchange, Arrival::Body(Some(b"")))
            }
            _ => self.got(judged),
        }
    }

    /// Lets a held request go on.
    pub fn resume(&mut self, held: Exchange, fetched: Fetched) -> Got {
        self.come(held, Arrival::Keys(fetched))
    }

    /// It is known who is blocked, or won't be.
    pub fn resume_with_feed(&mut self, held: Exchange) -> Got {
        self.come(held, Arrival::Feed)
    }

    /// The rate limit service answers.
    pub fn answer(&mut self, asks: Exchange, message: Option<&[u8]>) -> Got {
        let answer = message.map_or(RateLimitResponse::Nothing, RateLimitResponse::read);
        self.come(asks, Arrival::Limits(answer))
    }

    /// What a request waits for has come.
    fn come(&mut self, exchange: Exchange, arrival: Arrival<'_>) -> Got {
        let judged = self.world(|world| exchange.resume(world, arrival));
        self.got(judged)
    }

    /// Sends a POST with a body: its result in the end, and the exchange where it was forwarded.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (Got, Exchange) {
        self.post_body(path, headers, Some(body))
    }

    /// The same with a body over the cap.
    pub fn post_too_much(&mut self, path: &str, headers: &[(&str, &str)]) -> (Got, Exchange) {
        self.post_body(path, headers, None)
    }

    fn post_body(&mut self, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> (Got, Exchange) {
        let mut all = vec![("content-type", "application/json")];
        all.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        all.extend(headers);
        match self.send("POST", path, &all) {
            Got::Reads(exchange, _) | Got::Watched(exchange, ..) => {
                let judged = self.world(|world| exchange.resume(world, Arrival::Body(body)));
                self.settle(judged)
            }
            other => (other, Exchange::New),
        }
    }

    /// The body of a request whose headers are there.
    pub fn body(&mut self, exchange: Exchange, body: &[u8]) -> Got {
        self.come(exchange, Arrival::Body(Some(body)))
    }

    /// Whether a token vouches for the body of a POST that is read; else the answer without it.
    pub fn vouches(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<bool, Got> {
        let mut all: Vec<(&[u8], &[u8])> =
            vec![(b":method", b"POST"), (b":path", path.as_bytes()), (b":authority", b"gateway.example.com")];
        all.extend(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let judged = self.world(|world| Exchange::New.on_headers(world, Headers::of(&all)));
        match judged.decision {
            Decision::Wait(Wait::Body(read)) => Ok(read.vouched),
            _ => Err(self.got(judged)),
        }
    }

    /// A held request isn't held any longer.
    pub fn give_up(&mut self, held: Exchange, why: GaveUp) -> Got {
        let judged = self.world(|world| held.give_up(world, why));
        self.got(judged)
    }

    /// The host can't do what was decided.
    pub fn fault(&mut self, exchange: Exchange) -> Exchange {
        self.world(|world| exchange.fault(world)).exchange
    }

    /// Opens a stream: the result, and the exchange where it was forwarded.
    pub fn open(&mut self, path: &str, headers: &[(&str, &str)]) -> (Got, Exchange) {
        self.exchange("GET", path, headers)
    }

    /// The same with another method that has no body.
    pub fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> (Got, Exchange) {
        let mut all: Vec<(&[u8], &[u8])> = vec![
            (b":method", method.as_bytes()),
            (b":path", path.as_bytes()),
            (b":authority", b"gateway.example.com"),
        ];
        all.extend(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let judged = self.world(|world| {
            let exchange = Exchange::New.on_headers(world, Headers::of(&all)).exchange;
            exchange.resume(world, Arrival::Body(Some(b"")))
        });
        self.settle(judged)
    }

    fn settle(&mut self, judged: Judged) -> (Got, Exchange) {
        match judged {
            Judged { exchange, decision: Decision::Forward(permit), .. } => {
                self.note(&exchange);
                let got = Got::Forwarded(permit.edits().clone(), exchange.response(&self.policy).to_vec());
                (got, exchange)
            }
            judged => (self.got(judged), Exchange::New),
        }
    }

    fn note(&mut self, exchange: &Exchange) {
        if let Some(facts) = exchange.facts() {
            let stamp = Stamp {
                vm: 0xa1,
                seq: 7,
                secret: Secret(1, 2),
                address: Some(self.address),
                now_us: self.now_ms * 1000,
                latency_us: 5,
            };
            let members = facts.members(&self.policy, &stamp);
            self.record = serde_json::from_str(&format!("{{\"status\":0{members}}}")).unwrap();
        }
    }

    fn got(&mut self, judged: Judged) -> Got {
        let Judged { exchange, decision, .. } = judged;
        self.note(&exchange);
        match decision {
            Decision::Forward(permit) => {
                Got::Forwarded(permit.edits().clone(), exchange.response(&self.policy).to_vec())
            }
            Decision::Reply(reply) => Got::Replied(reply),
            Decision::Observe(Observed { edits, watch: None }) => Got::Observed(edits),
            Decision::Observe(Observed { edits, watch: Some(cap) }) => {
                Got::Watched(Box::new(exchange), edits, cap)
            }
            Decision::Wait(Wait::Keys(_) | Wait::Feed) => Got::Held(Box::new(exchange)),
            Decision::Wait(Wait::Limits(question)) => Got::Asks(Box::new(exchange), question.message),
            Decision::Wait(Wait::Body(read)) => Got::Reads(Box::new(exchange), read.let_go),
        }
    }

    /// Status of a request with this token: 200 stands for forwarded.
    pub fn status(&mut self, method: &str, path: &str, token: &str) -> u16 {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))]).status()
    }
}

impl Got {
    pub fn status(&self) -> u16 {
        match self {
            Self::Forwarded(..) | Self::Observed(_) | Self::Watched(..) => 200,
            Self::Replied(reply) => reply.status,
            Self::Held(_) | Self::Asks(..) | Self::Reads(..) => 102,
        }
    }

    pub fn edits(&self) -> &Edits {
        match self {
            Self::Forwarded(edits, _) | Self::Observed(edits) | Self::Watched(_, edits, _) => edits,
            other => panic!("not forwarded: {other:?}"),
        }
    }

    pub fn reply(&self) -> &Reply {
        match self {
            Self::Replied(reply) => reply,
            other => panic!("not answered: {other:?}"),
        }
    }

    /// A header of our answer, or one that we put into the upstream's.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = match self {
            Self::Forwarded(_, headers) => headers,
            Self::Replied(reply) => &reply.headers,
            other => panic!("no answer: {other:?}"),
        };
        headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref())
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.reply().body).unwrap()
    }
}
