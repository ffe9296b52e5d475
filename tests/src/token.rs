//! Tokens with sane defaults; each method says how this one differs. Any bytes can be signed.

use crate::{AUDIENCE, TestIssuer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::BoxedUint;
use rsa::pkcs1v15::Pkcs1v15Sign;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// A signing key with its `kid`.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    private: Private,
}

#[derive(Clone)]
enum Private {
    Rsa {
        key: rsa::PrivateKey,
        modulus: Vec<u8>,
    },
    /// Of the curve P-256.
    Ec(p256::ecdsa::SigningKey),
}

pub fn key_a() -> Key {
    // Reading a key checks it, which is slow.
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::read("a", include_str!("../../core/src/testing/key_a.txt"))).clone()
}

pub fn key_b() -> Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::read("b", include_str!("../../core/src/testing/key_b.txt"))).clone()
}

/// A key of ES256, another one for each seed.
pub fn ec_key(kid: &str, seed: u8) -> Key {
    let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
    Key { kid: kid.to_owned(), private: Private::Ec(key) }
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Key {
    fn read(kid: &str, text: &str) -> Self {
        let hex = |line: &str| -> Vec<u8> {
            (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let parts: Vec<Vec<u8>> = text.lines().map(hex).collect();
        let number = |at: usize| BoxedUint::from_be_slice_vartime(&parts[at]);
        let e = BoxedUint::from(65_537u64);
        let key =
            rsa::PrivateKey::from_components(number(0), e, number(1), vec![number(2), number(3)]).unwrap();
        Self { kid: kid.to_owned(), private: Private::Rsa { key, modulus: parts[0].clone() } }
    }

    /// The same key under another id.
    pub fn named(mut self, kid: &str) -> Self {
        self.kid = kid.to_owned();
        self
    }

    pub fn jwk(&self) -> Value {
        match &self.private {
            Private::Rsa { modulus, .. } => {
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": base64url(modulus), "e": "AQAB"})
            }
            Private::Ec(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let [x, y] = [point.x(), point.y()].map(|number| base64url(number.unwrap()));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y})
            }
        }
    }

    fn sign(&self, signed: &str) -> Vec<u8> {
        match &self.private {
            Private::Rsa { key, .. } => {
                key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed)).unwrap()
            }
            Private::Ec(key) => {
                use p256::ecdsa::signature::Signer as _;
                let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
                signature.to_bytes().to_vec()
            }
        }
    }
}

/// A token to be.
#[derive(Clone)]
pub struct Token {
    header: Value,
    claims: Value,
    raw_claims: Option<String>,
    key: Option<Key>,
}

/// A good token of the user `ann` with the scope `tool:read`.
pub fn token() -> Token {
    Token {
        header: json!({"alg": "RS256", "typ": "at+jwt"}),
        claims: json!({"aud": AUDIENCE, "sub": "ann", "exp": now_s() + 3600, "scope": "tool:read"}),
        raw_claims: None,
        key: None,
    }
}

impl Token {
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
    pub fn raw_claims(mut self, json: String) -> Self {
        self.raw_claims = Some(json);
        self
    }
    pub fn subject(self, sub: &str) -> Self {
        self.claim("sub", sub)
    }
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }
    pub fn expired(self) -> Self {
        self.claim("exp", now_s() - 3600)
    }
    pub fn signed_by(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// The token, from `issuer` and signed by its first key, unless said otherwise.
    pub fn mint(&self, issuer: &TestIssuer) -> String {
        self.mint_as(&issuer.url, &issuer.first_key())
    }

    /// As the issuer of this URL, by this key where the token names none.
    pub fn mint_as(&self, url: &str, key: &Key) -> String {
        let key = self.key.as_ref().unwrap_or(key);
        let mut header = self.header.clone();
        if matches!(key.private, Private::Ec(_)) && header["alg"] == "RS256" {
            header["alg"] = "ES256".into();
        }
        if header.get("kid").is_none() {
            header["kid"] = key.kid.clone().into();
        }
        let mut claims = self.claims.clone();
        if claims.get("iss").is_none() {
            claims["iss"] = url.into();
        }
        let claims = self.raw_claims.clone().unwrap_or_else(|| claims.to_string());
        let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims));
        let signature = key.sign(&signed);
        format!("{signed}.{}", base64url(signature))
    }
}
