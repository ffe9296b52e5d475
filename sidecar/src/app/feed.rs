//! `/internal/feed`, for Envoy alone: what the filter has to know of the ledger, as changes after a version.

use super::reply::{Reply, refusal};
use crate::ledger::Ledger;
use crate::secret::Secret;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Whom it answers, and from what.
pub struct Feed {
    /// What Envoy shows.
    pub secret: Secret,
    pub ledger: Ledger,
}

/// What the filter has.
#[derive(Debug, Default, Deserialize)]
pub struct Known {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    epoch: String,
}

/// `GET /internal/feed?after=N&epoch=HEX`
pub async fn feed(
    State(feed): State<Arc<Feed>>,
    headers: HeaderMap,
    known: Result<Query<Known>, axum::extract::rejection::QueryRejection>,
) -> Reply {
    let shown = headers.get("x-gatewaystack-secret").map(|v| v.as_bytes()).unwrap_or_default();
    if !feed.secret.is(shown) {
        let text = "This address is for the gateway alone: call the gateway.";
        return refusal(StatusCode::FORBIDDEN, "access_denied", text, &headers);
    }
    // Whoever can't say what it has gets all.
    let Known { after, epoch } = known.map(|Query(known)| known).unwrap_or_default();
    match feed.ledger.feed(after, epoch).await {
        Ok(page) => Reply::ok(page.json(feed.ledger.is_audited())),
        Err(reason) => Reply::with(StatusCode::SERVICE_UNAVAILABLE, json!({ "ok": false, "reason": reason })),
    }
}
