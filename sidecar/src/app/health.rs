//! `/health`, `/ready` and `/health/auth0` (contract §5): whether this process runs, whether it can do its
//! work, and whether the identity provider can be used as it is configured.

use super::metrics::Measured;
use super::reply::{Reply, not_found};
use crate::clock::{now_ms, rfc3339};
use crate::health::Health;
use crate::secret::Secret;
use crate::webhook::queue::Queue;
use crate::webhook::route::bearer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;
use std::sync::Arc;

/// What this process is called.
pub struct Labels {
    /// `MODE`
    pub mode: String,
    /// `COMMIT_SHA`
    pub version: String,
}

/// `GET /health`
pub async fn health(State(labels): State<Arc<Labels>>) -> Reply {
    let Labels { mode, version } = &*labels;
    Reply::ok(json!({ "ok": true, "mode": mode, "version": version, "time": rfc3339(now_ms()) }))
}

/// `GET /ready`: whether there is anything that this process can't do. Without a queue and a ledger there is
/// nothing to store.
pub async fn ready(State(Measured { queue, ledger, .. }): State<Measured>) -> Reply {
    let mut stored = match &queue {
        Some(queue) => queue.check().await,
        None => Ok(()),
    };
    if let (Ok(()), Some(ledger)) = (&stored, &ledger) {
        stored = ledger.check().await;
    }
    match stored {
        Ok(()) => Reply::ok(json!({ "ok": true })),
        Err(reason) => Reply::with(StatusCode::SERVICE_UNAVAILABLE, json!({ "ok": false, "reason": reason })),
    }
}

/// What is asked about the identity provider, and by whom.
pub struct Provider {
    pub health: Health,
    /// Its registrations.
    pub queue: Option<Queue>,
    /// What anyone who asks must show; `None`: anybody may ask.
    pub secret: Option<Secret>,
}

/// `GET /health/auth0`, hidden from anyone who doesn't show the secret, where there is one.
pub async fn health_auth0(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Reply {
    if let Some(secret) = &provider.secret {
        let one = |name: &str| headers.get(name).map(|value| value.as_bytes());
        let token = one("authorization").and_then(bearer);
        if !token.into_iter().chain(one("x-admin-secret")).any(|shown| secret.is(shown)) {
            return not_found(headers).await;
        }
    }
    let report = provider.health.report(provider.queue.as_ref()).await;
    Reply::with(if report.is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, report.body)
}
