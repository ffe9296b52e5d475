//! For tests: SETs with real signatures, and an issuer on loopback that counts who asks for its keys.

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_core::config::{self, policy::Policy};
use rsa::BoxedUint;
use rsa::pkcs1v15::Pkcs1v15Sign;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub const NOW_S: u64 = 1_795_993_081;
pub const GATEWAY: &str = "https://gateway.example";
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
pub const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// A signing key with its `kid`.
#[derive(Clone)]
pub struct Signer {
    kid: &'static str,
    modulus: Vec<u8>,
    private: rsa::PrivateKey,
}

pub fn key_a() -> Signer {
    Signer::read("a", include_str!("../../../core/src/testing/key_a.txt"))
}

pub fn key_b() -> Signer {
    Signer::read("b", include_str!("../../../core/src/testing/key_b.txt"))
}

impl Signer {
    fn read(kid: &'static str, text: &str) -> Self {
        let hex = |line: &str| -> Vec<u8> {
            (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let parts: Vec<Vec<u8>> = text.lines().map(hex).collect();
        let number = |at: usize| BoxedUint::from_be_slice_vartime(&parts[at]);
        let primes = vec![number(2), number(3)];
        let private =
            rsa::PrivateKey::from_components(number(0), BoxedUint::from(65_537u64), number(1), primes)
                .unwrap();
        Self { kid, modulus: parts[0].clone(), private }
    }
    pub fn named(self, kid: &'static str) -> Self {
        Self { kid, ..self }
    }
    pub fn jwk(&self) -> Value {
        let n = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": n, "e": "AQAB"})
    }
    pub fn document(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }
}

/// A SET to be; each method says how this one differs.
#[derive(Clone)]
pub struct Set {
    pub header: Value,
    pub claims: Value,
    raw_claims: Option<String>,
    key: Signer,
}

/// A user's sessions are revoked, says the first issuer.
pub fn set() -> Set {
    let ann = json!({"format": "iss_sub", "iss": "https://a.example/", "sub": "ann"});
    let events = json!({(format!("{CAEP}session-revoked")): {}});
    Set {
        header: json!({"alg": "RS256", "typ": "secevent+jwt", "kid": "a"}),
        claims: json!({
            "iss": "https://a.example/", "aud": GATEWAY, "iat": NOW_S, "jti": "1", "sub_id": ann, "events": events
        }),
        raw_claims: None,
        key: key_a(),
    }
}

impl Set {
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
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
    /// One event.
    pub fn event(self, uri: &str, members: Value) -> Self {
        self.claim("events", json!({ (uri): members }))
    }
    /// Of an issuer's user.
    pub fn of(self, iss: &str, sub: &str) -> Self {
        self.claim("sub_id", json!({"format": "iss_sub", "iss": iss, "sub": sub}))
    }
    pub fn raw_claims(mut self, claims: &str) -> Self {
        self.raw_claims = Some(claims.to_owned());
        self
    }
    pub fn signed_by(mut self, key: Signer) -> Self {
        self.header["kid"] = key.kid.into();
        self.key = key;
        self
    }
    pub fn mint(&self) -> String {
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let claims = self.raw_claims.clone().unwrap_or_else(|| self.claims.to_string());
        let signed = format!("{}.{}", encode(self.header.to_string()), encode(claims));
        let signature =
            self.key.private.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(&signed)).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A policy with these members besides its own.
pub fn policy(more: Value) -> Arc<Policy> {
    let mut policy = json!({
        "public_url": GATEWAY,
        "issuers": [
            {"issuer": "https://a.example/", "audiences": ["api"]},
            {"issuer": "https://b.example/", "audiences": ["api"], "user_prefix": "b|"},
        ],
        "ledger": {"on": true},
    });
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Arc::new(config::load(Some(policy.to_string().as_bytes()), None).unwrap())
}

/// An issuer's keys on loopback.
#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    pub fetches: Arc<AtomicUsize>,
    /// What it answers; empty: 500.
    pub document: Arc<Mutex<String>>,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer =
            Self { url, fetches: Arc::default(), document: Arc::new(Mutex::new(key_a().document())) };
        let (fetches, document) = (Arc::clone(&issuer.fetches), Arc::clone(&issuer.document));
        let answer = async move || {
            fetches.fetch_add(1, Ordering::Relaxed);
            let text = document.lock().unwrap().clone();
            let status = if text.is_empty() { 500 } else { 200 };
            (axum::http::StatusCode::from_u16(status).unwrap(), text)
        };
        let router = Router::new().route("/jwks", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        issuer
    }
    pub fn says(&self, document: &str) {
        document.clone_into(&mut self.document.lock().unwrap());
    }
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
    /// As a policy names it.
    pub fn member(&self) -> Value {
        json!({"issuer": self.url, "audiences": ["api"], "jwks_uri": format!("{}/jwks", self.url)})
    }
}
