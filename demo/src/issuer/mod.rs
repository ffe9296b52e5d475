//! The demo issuer: what a real identity provider does, as small as it can be. Tokens on request (`/mint`),
//! keys and their rotation, authorization code with PKCE (RFC 6749, 7636), resource indicators (RFC 8707),
//! dynamic registration (RFC 7591), metadata (RFC 8414). Everything is forgotten when it stops.

mod keys;
mod store;
mod error;
mod params;
mod metadata;
mod mint;
mod register;
mod authorize;
mod consent;
mod token;
mod guard;

use crate::mcp::{self, Descriptors};
use crate::server::{self, Running};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use keys::KeyRing;
use serde_json::json;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use store::Store;

/// The audience of tokens for which none was asked; the original's `.env` names the same one.
pub const DEFAULT_AUDIENCE: &str = "https://gateway.local/api";
/// The scopes that are advertised; any other is granted too.
const SCOPES: [&str; 6] = ["openid", "profile", "email", "offline_access", "tool:read", "tool:write"];
const MAX_BODY: usize = 64 * 1024;

/// The demo issuer before it runs.
pub struct Issuer {
    audience: String,
}

impl Default for Issuer {
    fn default() -> Self {
        Self { audience: DEFAULT_AUDIENCE.to_string() }
    }
}

impl Issuer {
    /// An issuer with [`DEFAULT_AUDIENCE`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The audience of tokens for which none was asked.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = audience.to_string();
        self
    }

    /// Makes a 2048-bit key and listens on 127.0.0.1 at `port`, or at a free port for 0. The issuer
    /// identifier is the address, without a trailing slash.
    pub async fn start(self, port: u16) -> io::Result<Running> {
        self.start_on(server::HERE, port).await
    }

    /// The same on another address: in a container. The identifier stays the one on loopback, and so does the
    /// only name that it answers under.
    pub async fn start_on(self, bind: IpAddr, port: u16) -> io::Result<Running> {
        let keys = KeyRing::generate().await?;
        server::start(bind, port, |url| {
            let state = State {
                url: url.to_string(),
                audience: self.audience,
                keys: Mutex::new(keys),
                store: Mutex::default(),
            };
            router(Shared(Arc::new(state)))
        })
        .await
    }
}

struct State {
    url: String,
    audience: String,
    keys: Mutex<KeyRing>,
    store: Mutex<Store>,
}

#[derive(Clone)]
struct Shared(Arc<State>);

impl Shared {
    fn url(&self) -> &str {
        &self.0.url
    }

    fn audience(&self) -> &str {
        &self.0.audience
    }

    // A handler that panicked leaves both structures whole: each change is one insert or remove.
    fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Documents and endpoints that a client in a browser calls from another origin carry CORS; `/mint`,
/// `/rotate` and the consent page must not be reachable that way.
fn router(state: Shared) -> Router {
    let open = Router::new()
        .route("/.well-known/jwks.json", get(metadata::jwks))
        .route("/.well-known/openid-configuration", get(metadata::document))
        .route("/.well-known/oauth-authorization-server", get(metadata::document))
        .route("/register", post(register::register))
        .route("/token", post(token::token))
        .layer(middleware::from_fn(guard::any_origin));
    let own = Router::new()
        .route("/mint", get(mint::mint).post(mint::mint))
        .route("/rotate", post(metadata::rotate))
        .route("/authorize/decision", post(authorize::decide))
        .layer(middleware::from_fn_with_state(state.clone(), guard::own_origin));
    Router::new()
        .route("/health", get(async || axum::Json(json!({ "ok": true }))))
        .route("/authorize", get(authorize::ask))
        .merge(open)
        .merge(own)
        .merge(mcp::router("/mcp", Descriptors::Plain))
        .layer(middleware::from_fn(guard::loopback_host))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

/// Seconds since 1970, for `iat` and `exp`.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

fn now() -> Instant {
    Instant::now()
}

/// 256 random bits in base64url: codes, refresh tokens, client identifiers.
fn random_id() -> io::Result<String> {
    use base64::Engine;
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
