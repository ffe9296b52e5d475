//! The signing keys: the newest signs, all are published, so that tokens of the key before it stay good
//! (overlap).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{HeaderOptions, JWTClaims, RS256KeyPair, RSAKeyPairLike};
use serde_json::{Map, Value, json};
use std::io;

const MODULUS_BITS: usize = 2048;
/// Older keys than this many are dropped at a rotation.
const MAX_KEYS: usize = 5;

pub(super) struct KeyRing {
    newest: Key,
    older: Vec<Key>,
}

struct Key {
    kid: String,
    pair: RS256KeyPair,
}

impl KeyRing {
    pub(super) async fn generate() -> io::Result<Self> {
        Ok(Self { newest: Key::generate().await?.0, older: Vec::new() })
    }

    /// `fresh` signs from now on; `keep` says whether the keys before it stay published.
    pub(super) fn rotate(&mut self, fresh: FreshKey, keep: bool) {
        let before = std::mem::replace(&mut self.newest, fresh.0);
        self.older.insert(0, before);
        self.older.truncate(if keep { MAX_KEYS - 1 } else { 0 });
    }

    /// The key identifiers, the signing one first.
    pub(super) fn kids(&self) -> Vec<&str> {
        self.all().map(|key| key.kid.as_str()).collect()
    }

    /// The JWK set (RFC 7517 §5).
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": self.all().map(Key::jwk).collect::<Vec<_>>() })
    }

    /// A signed access token (RFC 9068: `typ` is `at+jwt`) with exactly these claims.
    pub(super) fn sign(&self, claims: Map<String, Value>) -> io::Result<String> {
        let claims = JWTClaims {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: None,
            subject: None,
            audiences: None,
            jwt_id: None,
            nonce: None,
            custom: claims,
        };
        let header = HeaderOptions { signature_type: Some("at+jwt".to_string()), ..HeaderOptions::default() };
        self.newest.pair.sign_with_options(claims, &header).map_err(|_| io::Error::other("signing failed"))
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// A key that was made before the lock on the ring is taken: it costs up to a second.
pub(super) struct FreshKey(Key);

impl FreshKey {
    pub(super) async fn generate() -> io::Result<Self> {
        Key::generate().await
    }
}

impl Key {
    async fn generate() -> io::Result<FreshKey> {
        let pair = tokio::task::spawn_blocking(|| RS256KeyPair::generate(MODULUS_BITS))
            .await
            .map_err(io::Error::other)?
            .map_err(|_| io::Error::other("the RSA key could not be made"))?;
        let kid: String = super::random_id()?.chars().take(16).collect();
        Ok(FreshKey(Self { pair: pair.with_key_id(&kid), kid }))
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key().to_components();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.n),
            "e": URL_SAFE_NO_PAD.encode(public.e),
        })
    }
}
