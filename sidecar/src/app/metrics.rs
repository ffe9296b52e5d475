//! `/metrics`, on the sidecar's own port alone: what is counted, how much waits in the queue, and how the
//! ledger stands.

use crate::clock::now_ms;
use crate::ledger::{Ledger, Published, Standing};
use crate::metrics::Metrics;
use crate::webhook::queue::Queue;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        let standing = ledger.standing();
        text.push_str(&of_ledger(&standing, ledger.lag(now_ms())));
        if ledger.audit().is_some() {
            text.push_str(&of_audit(&standing));
        }
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

/// Whether it can be written, and how it stands: whoever keeps these values holds a part of the proof.
fn of_audit(standing: &Standing) -> String {
    let is_writable = u8::from(standing.audit_trouble.is_none() && standing.trouble.is_none());
    let name = "gatewaystack_audit_writable";
    let mut text = format!("# TYPE {name} gauge\n{name} {is_writable}\n");
    if let Some(Published { origin, size, root }) = &standing.audit {
        let root = STANDARD.encode(root);
        text.push_str(&format!(
            "# TYPE gatewaystack_audit_size gauge\ngatewaystack_audit_size {size}\n\
             # TYPE gatewaystack_audit_checkpoint_info gauge\n\
             gatewaystack_audit_checkpoint_info{{origin=\"{origin}\",size=\"{size}\",root=\"{root}\"}} 1\n"
        ));
    }
    text
}
