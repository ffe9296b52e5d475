//! The sidecar's server: the built-in routes that a filter can't answer (contract §4, §5). It listens on loopback, or where `SIDECAR_HOST` says; Envoy sends it
//! what the filter has judged, with the verified user in the identity header.
//!
//! The identity routes answer only to Envoy, which shows a secret made by `render`: another process on this machine
//! could name any user.

pub(crate) mod answer;
mod demo;
mod relay;
mod serving;

use crate::auth0::{Credentials, Management};
use crate::clock::{now_ms, rfc3339};
use crate::fetch;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::webhook;
use crate::webhook::promote::Promoter;
use crate::webhook::queue::Queue;
use crate::webhook::worker::Worker;
use answer::{Answer, refusal};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::{cors, metadata};
use relay::Relay;
use serde_json::json;
pub use serving::{serve, serve_changing};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower_http::timeout::TimeoutLayer;

/// The largest body that is read.
const MAX_BODY: usize = 1024 * 1024;
/// A request takes at most this long: a sender that stalls, or a provider that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the sidecar is told besides the policy.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What Envoy shows on the identity routes.
    pub secret: Secret,
    /// A label in `/health` (`MODE`).
    pub mode: String,
    /// What runs (`COMMIT_SHA`).
    pub version: String,
    /// What Auth0's log stream shows.
    pub webhook_secret: Option<Secret>,
    /// What `/health/auth0` demands.
    pub health_secret: Option<Secret>,
    /// Of the Management API.
    pub management: Option<Credentials>,
    /// Where to listen, an address or a name (`SIDECAR_HOST`); loopback where empty.
    pub host: String,
    /// `LOG_LEVEL`.
    pub log_level: String,
}

/// What each handler sees.
pub struct App {
    pub(crate) policy: Arc<Policy>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    /// There is one where the webhook has a secret.
    pub(crate) queue: Option<Queue>,
    /// Something was queued.
    pub(crate) wake: Arc<Notify>,
    promoter: Option<Arc<Promoter>>,
    health: Health,
    relay: Relay,
}

pub(crate) type Shared = Arc<App>;

impl App {
    /// Opens what the settings ask for.
    ///
    /// # Errors
    /// The queue can't be opened: what is wrong with `DATA_DIR`.
    pub fn new(policy: Arc<Policy>, settings: Settings) -> Result<Shared, String> {
        Self::counting(policy, settings, Arc::default())
    }

    /// What takes this one's place, and goes on counting.
    ///
    /// # Errors
    /// As [`App::new`].
    pub fn renewed(&self, policy: Arc<Policy>, settings: Settings) -> Result<Shared, String> {
        Self::counting(policy, settings, Arc::clone(&self.metrics))
    }

    fn counting(policy: Arc<Policy>, settings: Settings, metrics: Arc<Metrics>) -> Result<Shared, String> {
        let rules = &policy.own.promotion;
        let promoter = settings.management.clone().zip(rules.tenant.as_ref()).map(|(credentials, tenant)| {
            let base = format!("{}://{}", if tenant.tls { "https" } else { "http" }, tenant.authority);
            let api = Management::new(base, credentials, Arc::clone(&metrics));
            Arc::new(Promoter::new(api, rules.clone()))
        });
        let queue = match &settings.webhook_secret {
            Some(_) if policy.own.webhook => Some(
                Queue::open(Path::new(&policy.own.data_dir)).map_err(|error| format!("DATA_DIR: {error}"))?,
            ),
            _ => None,
        };
        Ok(Arc::new(Self {
            health: Health::new(Arc::clone(&policy), promoter.clone()),
            relay: Relay::new(&policy),
            wake: Arc::default(),
            policy,
            settings,
            metrics,
            queue,
            promoter,
        }))
    }

    fn worker(&self) -> Option<Worker> {
        self.queue.clone().map(|queue| Worker {
            queue,
            promoter: self.promoter.clone(),
            metrics: Arc::clone(&self.metrics),
            wake: Arc::clone(&self.wake),
        })
    }
}

/// The routes of the groups that are on, and what whoever starts the sidecar asks: `/health`, `/ready` and `/metrics`, the last two never
/// routed from outside.
pub fn router(app: Shared) -> Router {
    let policy = &app.policy;
    let on = |name: &str| policy.routes.iter().any(|r| r.builtin.is_some() && r.name == name);
    let mut routes =
        Vec::from([("/health", get(health)), ("/ready", get(ready)), ("/metrics", get(metrics))]);
    if on("/health/auth0") {
        routes.push(("/health/auth0", get(health_auth0)));
    }
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
        routes.extend(paths.map(|path| (path, post(webhook::route::receive))));
    }
    let own =
        if policy.metadata.require_token { get(resource_metadata) } else { public(get(resource_metadata)) };
    if policy.metadata.on {
        routes.extend([
            (metadata::PATH, own.clone()),
            ("/.well-known/oauth-authorization-server", public(get(relay::authorization_server))),
            ("/.well-known/openid-configuration", public(get(relay::openid_configuration))),
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
    if policy.metadata.on {
        router = router.route(&format!("{}/{{*path}}", metadata::PATH), own);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
        .with_state(app)
}

/// A document that is for everybody answers preflights, too: the filter does that, but not where it only watches.
fn public(document: MethodRouter<Shared>) -> MethodRouter<Shared> {
    document.options(async |headers: HeaderMap| {
        if !headers.contains_key("origin") || !headers.contains_key("access-control-request-method") {
            return wrong_method(headers).await.into_response();
        }
        let told: HeaderMap = cors::preflight_of_public()
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)))
            .collect();
        (StatusCode::NO_CONTENT, told).into_response()
    })
}

/// What the sidecar runs in. Whoever asks for something of the queue waits for one of a few threads: a crowd on a busy machine would make one each.
///
/// # Errors
/// The system has no threads for it.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(8).enable_all().build()
}

/// Listens on the policy's port, and serves until `stop`.
///
/// # Errors
/// Why it can't listen.
pub async fn run(
    policy: Arc<Policy>,
    settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let (listener, app) = open(policy, settings).await?;
    serving::serve_until(listener, app, stop).await
}

/// Listens on the policy's port.
///
/// # Errors
/// Why it can't, or what is wrong with `DATA_DIR`.
pub async fn open(policy: Arc<Policy>, settings: Settings) -> Result<(TcpListener, Shared), String> {
    fetch::install_provider();
    let host = if settings.host.is_empty() { "127.0.0.1" } else { &settings.host };
    let (host, port) = (host.to_owned(), policy.own.sidecar_port);
    let app = App::new(policy, settings)?;
    let failed = |e: std::io::Error| format!("SIDECAR_PORT: can't listen on {host}:{port}: {e}");
    let listener = TcpListener::bind((host.as_str(), port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, webhook = app.queue.is_some(), management = app.promoter.is_some(), "serving");
    crate::summary::lines(&app.policy).iter().for_each(|line| tracing::info!("{line}"));
    Ok((listener, app))
}

/// SIGTERM, or Ctrl-C.
pub async fn told_to_stop() {
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
    let Settings { mode, version, .. } = &app.settings;
    Answer::ok(json!({ "ok": true, "mode": mode, "version": version, "time": rfc3339(now_ms()) }))
}

/// Whether there is anything that this process can't do.
async fn ready(State(app): State<Shared>) -> Answer {
    let stored = match &app.queue {
        Some(queue) => queue.check().await,
        None => Ok(()),
    };
    match stored {
        Ok(()) => Answer::ok(json!({ "ok": true })),
        Err(reason) => {
            Answer::with(StatusCode::SERVICE_UNAVAILABLE, json!({ "ok": false, "reason": reason }))
        }
    }
}

async fn metrics(State(app): State<Shared>) -> Response {
    let mut gauges = Vec::new();
    if let Some(queue) = &app.queue
        && let Ok(counts) = queue.counts().await
    {
        gauges.extend([
            ("gatewaystack_webhook_queue_depth", counts.queued),
            ("gatewaystack_webhook_parked", counts.parked),
        ]);
    }
    ([("content-type", "text/plain; version=0.0.4")], app.metrics.text(&gauges)).into_response()
}

/// Hidden from whoever doesn't show the secret, where there is one.
async fn health_auth0(State(app): State<Shared>, headers: HeaderMap) -> Answer {
    if let Some(secret) = &app.settings.health_secret {
        let one = |name: &str| headers.get(name).map(|value| value.as_bytes());
        let bearer = one("authorization").and_then(webhook::route::bearer);
        if !bearer.into_iter().chain(one("x-admin-secret")).any(|shown| secret.is(shown)) {
            return not_found(headers).await;
        }
    }
    let report = app.health.report(app.queue.as_ref()).await;
    Answer::with(if report.is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, report.body)
}

/// The root document, and those of MCP routes at their own paths.
async fn resource_metadata(State(app): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    match metadata::document_at(&app.policy, uri.path()) {
        Some(document) => (metadata::HEADERS, document).into_response(),
        None => not_found(headers).await.into_response(),
    }
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
