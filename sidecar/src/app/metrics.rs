//! `/metrics`, on the sidecar's own port alone: what is counted, how much waits in the queue, and how the
//! ledger stands.

use crate::clock::now_ms;
use crate::ledger::{Ledger, Standing};
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
    pub ledger: Option<Ledger>,
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
    let mut text = measured.metrics.text(&gauges);
    if let Some(ledger) = &measured.ledger {
        text.push_str(&of_ledger(&ledger.standing(), ledger.lag(now_ms())));
    }
    ([("content-type", "text/plain; version=0.0.4")], text).into_response()
}

/// Sums over all times, and how far it is behind.
fn of_ledger(standing: &Standing, lag: f64) -> String {
    let totals = standing.totals;
    let mut text = String::new();
    for (name, value) in [
        ("gatewaystack_ledger_records_total", totals.records),
        ("gatewaystack_ledger_ignored_lines_total", totals.ignored),
        ("gatewaystack_ledger_gaps_total", totals.gaps),
    ] {
        text.push_str(&format!("# TYPE {name} counter\n{name} {value}\n"));
    }
    let name = "gatewaystack_ledger_lag_seconds";
    text.push_str(&format!("# TYPE {name} gauge\n{name} {lag:.3}\n"));
    text
}
