//! The sidecar's server: the built-in routes that a filter can't answer (contract §4, §5). It listens on
//! loopback, or where `SIDECAR_HOST` says; Envoy sends it what the filter has judged, with the verified user
//! in the identity header.
//!
//! `routes.rs` is the table of its pages; each page is in a file next to it, and sees the state in its
//! signature alone. The identity routes (`demo.rs`) answer only to Envoy, which shows a secret made by
//! `render`: another process on this machine could name any user.

mod audit;
mod demo;
mod feed;
mod health;
mod metadata;
mod metrics;
mod otlp;
mod push;
mod records;
mod relay;
pub(crate) mod reply;
mod routes;
mod serving;

use crate::auth0::{Credentials, Management};
use crate::fetch;
use crate::health::Health;
use crate::ledger::{Audited, Home, Ledger, Limits, Tail};
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::signals::route::Signals;
use crate::webhook::promote::Promoter;
use crate::webhook::queue::Queue;
use crate::webhook::route::{Inbox, Webhook};
use crate::webhook::worker::Worker;
use demo::Identity;
use feed::Feed;
use gatewaystack_core::config::policy::Policy;
use health::{Labels, Provider};
use metrics::{Info, Measured};
use otlp::Otlp;
use push::Push;
use records::Records;
use relay::Relay;
use routes::{States, router};
pub use serving::{Served, serve_changing};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Where it listens where nobody says otherwise.
const LOOPBACK: &str = "127.0.0.1";

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
    /// SHA-256 of the policy that is served, as canonical JSON, in hex.
    pub policy_digest: String,
}

/// What is built from a policy and settings, and built anew when they change.
pub struct App {
    served: Served,
    metrics: Arc<Metrics>,
    /// Whether the Management API is configured.
    manages: bool,
    /// One for as long as the process serves.
    ledger: Option<Ledger>,
}

impl App {
    /// Opens what the settings ask for.
    ///
    /// # Errors
    /// The queue or the ledger can't be opened: what is wrong with `DATA_DIR`.
    pub fn new(policy: Arc<Policy>, settings: Settings) -> Result<Self, String> {
        Self::counting(policy, settings, Arc::default(), None)
    }

    /// What takes this one's place, and goes on counting.
    ///
    /// # Errors
    /// As [`App::new`].
    pub fn renewed(&self, policy: Arc<Policy>, settings: Settings) -> Result<Self, String> {
        Self::counting(policy, settings, Arc::clone(&self.metrics), self.ledger.as_ref())
    }

    /// What there is to serve.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    fn counting(
        policy: Arc<Policy>,
        settings: Settings,
        metrics: Arc<Metrics>,
        before: Option<&Ledger>,
    ) -> Result<Self, String> {
        let rules = &policy.own.promotion;
        let promoter = settings.management.zip(rules.tenant.as_ref()).map(|(credentials, tenant)| {
            let base = format!("{}://{}", if tenant.tls { "https" } else { "http" }, tenant.authority);
            let api = Management::new(base, credentials, Arc::clone(&metrics));
            Arc::new(Promoter::new(api, rules.clone()))
        });
        // There is a queue where the webhook has a secret.
        let inbox = match settings.webhook_secret.filter(|_| policy.own.webhook) {
            Some(secret) => {
                let queue = Queue::open(Path::new(&policy.own.data_dir));
                let queue = queue.map_err(|error| format!("DATA_DIR: {error}"))?;
                Some(Inbox { secret, queue, wake: Arc::new(Notify::new()) })
            }
            None => None,
        };
        let worker = inbox.as_ref().map(|inbox| Worker {
            queue: inbox.queue.clone(),
            promoter: promoter.clone(),
            metrics: Arc::clone(&metrics),
            wake: Arc::clone(&inbox.wake),
        });
        let queue = inbox.as_ref().map(|inbox| inbox.queue.clone());
        let ledger = opened(&policy, before).map_err(|error| format!("DATA_DIR: {error}"))?;
        let ledger = ledger.map(|ledger| ledger.audited(Audited::of(&policy, &settings.policy_digest)));
        let manages = promoter.is_some();
        let health = Health::new(Arc::clone(&policy), promoter);
        let user_header = policy.identity.user_header.clone();
        let measured = Measured {
            metrics: Arc::clone(&metrics),
            info: Arc::new(Info::of(&policy, &settings.version)),
            queue: queue.clone(),
            ledger: ledger.clone(),
        };
        let push = policy.own.otlp.as_ref().map(|otlp| Push {
            measured: measured.clone(),
            url: format!(
                "{}://{}{}/v1/metrics",
                if otlp.tls { "https" } else { "http" },
                otlp.authority,
                otlp.path
            ),
        });
        let records = ledger
            .clone()
            .map(|ledger| Arc::new(Records::new(settings.secret.clone(), ledger, Arc::clone(&metrics))));
        let otlp_port = policy.own.ledger.as_ref().and_then(|ledger| ledger.otlp_port);
        let otlp = records.clone().zip(otlp_port).map(|(records, port)| Otlp {
            records,
            host: if settings.host.is_empty() { LOOPBACK.to_owned() } else { settings.host.clone() },
            port,
        });
        let states = States {
            measured,
            labels: Arc::new(Labels { mode: settings.mode, version: settings.version }),
            provider: Arc::new(Provider { health, queue, secret: settings.health_secret }),
            audit: ledger.clone().filter(|ledger| ledger.audit().is_some()),
            signals: ledger
                .clone()
                .map(|ledger| Arc::new(Signals::new(&policy, ledger, Arc::clone(&metrics)))),
            records: records.clone(),
            feed: ledger.clone().map(|ledger| Arc::new(Feed { secret: settings.secret.clone(), ledger })),
            identity: Arc::new(Identity { secret: settings.secret, user_header }),
            webhook: Arc::new(Webhook { inbox, metrics: Arc::clone(&metrics) }),
            relay: Arc::new(Relay::new(&policy)),
        };
        let reopen = format!("http://127.0.0.1:{}/reopen_logs", policy.own.admin_port);
        let tail = ledger.clone().map(|ledger| Tail { ledger, reopen });
        let served = Served { router: router(&policy, states), worker, tail, push, otlp };
        Ok(Self { served, metrics, manages, ledger })
    }
}

/// The ledger of the policy; where there is one already, that one.
fn opened(policy: &Policy, before: Option<&Ledger>) -> Result<Option<Ledger>, String> {
    let Some(limits) = Limits::of(policy) else { return Ok(None) };
    let home = Home::of(policy)?;
    match before.filter(|ledger| ledger.home() == &home) {
        Some(ledger) => ledger.limited(limits),
        None => Ledger::open(home, limits),
    }
    .map(|ledger| Some(ledger.naming(policy)))
}

/// What the sidecar runs in. Anyone who asks for something of the queue waits for one of a few threads: a
/// crowd on a busy machine would make one each.
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
    serving::serve_until(listener, app.served, stop).await
}

/// Serves until the process is told to stop; then what is under way is finished, or left in the queue.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, app: App) -> Result<(), String> {
    serving::serve_until(listener, app.served, told_to_stop()).await
}

/// Listens on the policy's port.
///
/// # Errors
/// Why it can't, or what is wrong with `DATA_DIR`.
pub async fn open(policy: Arc<Policy>, settings: Settings) -> Result<(TcpListener, App), String> {
    fetch::install_provider();
    let host = if settings.host.is_empty() { LOOPBACK } else { &settings.host };
    let (host, port) = (host.to_owned(), policy.own.sidecar_port);
    let app = App::new(Arc::clone(&policy), settings)?;
    let failed = |e: std::io::Error| format!("SIDECAR_PORT: can't listen on {host}:{port}: {e}");
    let listener = TcpListener::bind((host.as_str(), port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, webhook = app.served.worker.is_some(), management = app.manages, ledger = app.ledger.is_some(), "serving");
    crate::summary::lines(&policy).iter().for_each(|line| tracing::info!("{line}"));
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

#[cfg(test)]
mod tests;
