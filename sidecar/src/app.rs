//! The sidecar's server: the built-in routes that a filter can't answer (CONTRACT §4, §5). It listens on loopback; Envoy sends it
//! what the filter has judged, with the verified user in the identity header.
//!
//! The identity routes answer only to Envoy, which shows a secret made by `render`: another process on this machine
//! could name any user.

mod answer;
mod demo;
mod relay;

use crate::fetch;
use answer::{Answer, refusal};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::metadata;
use relay::Relay;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The largest body that is read.
const MAX_BODY: usize = 1024 * 1024;

/// What the sidecar is told besides the policy.
#[derive(Clone)]
pub struct Settings {
    /// What Envoy shows on the identity routes.
    pub secret: String,
    /// A label in `/health` (`MODE`).
    pub mode: String,
    /// What runs (`COMMIT_SHA`).
    pub version: String,
}

/// What each handler sees.
pub(crate) struct App {
    pub(crate) policy: Arc<Policy>,
    pub(crate) settings: Settings,
    relay: Relay,
}

pub(crate) type Shared = Arc<App>;

/// The routes of the groups that are on, and `/health`, which whoever starts the sidecar asks.
pub fn router(policy: Arc<Policy>, settings: Settings) -> Router {
    let on = |name: &str| policy.routes.iter().any(|r| r.builtin.is_some() && r.name == name);
    let mut routes = Vec::from([("/health", get(health))]);
    if on("/protected") {
        routes.extend([
            ("/", get(demo::root)),
            ("/protected", get(demo::protected)),
            ("/protected/ping", get(demo::protected)),
            ("/protected/echo", post(demo::echo)),
            ("/writer-only", get(demo::protected).post(demo::protected)),
        ]);
    }
    if on("/__test__/echo") {
        routes.push(("/__test__/echo", get(demo::test_echo).post(demo::test_echo)));
    }
    if on("/webhooks/auth0/logs") {
        let paths = ["/webhooks/auth0/logs", "/auth0/logs", "/auth0-log-webhook"];
        routes.extend(paths.map(|path| (path, post(webhook))));
    }
    if policy.metadata.on {
        routes.extend([
            ("/.well-known/oauth-protected-resource", get(resource_metadata)),
            ("/.well-known/oauth-authorization-server", get(relay::authorization_server)),
            ("/.well-known/openid-configuration", get(relay::openid_configuration)),
        ]);
    }
    let mut router = Router::new();
    for (path, methods) in routes {
        // One trailing slash is ignored, as the filter does.
        if path != "/" {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    let relay = Relay::new(&policy);
    router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(App { policy, settings, relay }))
}

/// Serves until the process is told to stop.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, policy: Arc<Policy>, settings: Settings) -> std::io::Result<()> {
    axum::serve(listener, router(policy, settings)).with_graceful_shutdown(told_to_stop()).await
}

/// Listens on the policy's port on loopback, and serves.
///
/// # Errors
/// Why it can't listen.
pub async fn run(policy: Arc<Policy>, settings: Settings) -> Result<(), String> {
    fetch::install_provider();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, policy.own.sidecar_port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("SIDECAR_PORT: can't listen on {address}: {e}"))?;
    serve(listener, policy, settings).await.map_err(|e| e.to_string())
}

async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    let _ = interrupt.await;
}

async fn health(State(app): State<Shared>) -> Answer {
    let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    let Settings { mode, version, .. } = &app.settings;
    Answer::ok(json!({ "ok": true, "mode": mode, "version": version, "time": now }))
}

async fn resource_metadata(State(app): State<Shared>) -> Response {
    (metadata::HEADERS, metadata::document(&app.policy)).into_response()
}

/// The webhook's part of the sidecar isn't built yet: as with no secret configured, senders are told to come again.
async fn webhook(headers: HeaderMap) -> Answer {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "No webhook secret is configured.",
        &headers,
    )
}

async fn not_found(headers: HeaderMap) -> Answer {
    refusal(StatusCode::NOT_FOUND, "not_found", "Nothing is served at this path.", &headers)
}

async fn wrong_method(headers: HeaderMap) -> Answer {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path has other methods; see Allow.",
        &headers,
    )
}

#[cfg(test)]
mod tests;
