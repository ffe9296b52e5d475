//! `/metrics`, on the sidecar's own port alone: what is counted, and how much waits in the queue.

use crate::metrics::Metrics;
use crate::webhook::queue::Queue;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// What is shown.
#[derive(Clone)]
pub struct Measured {
    pub metrics: Arc<Metrics>,
    /// Its depth is asked for each time.
    pub queue: Option<Queue>,
}

/// `GET /metrics`
pub async fn metrics(State(measured): State<Measured>) -> Response {
    let mut gauges = Vec::new();
    if let Some(queue) = &measured.queue
        && let Ok(counts) = queue.counts().await
    {
        gauges.extend([
            ("gatewaystack_webhook_queue_depth", counts.queued),
            ("gatewaystack_webhook_parked", counts.parked),
        ]);
    }
    ([("content-type", "text/plain; version=0.0.4")], measured.metrics.text(&gauges)).into_response()
}
