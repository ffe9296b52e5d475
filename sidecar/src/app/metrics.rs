//! `/metrics`, on the sidecar's own port alone: what the ledger and this process have counted, how much waits
//! in the queue, and how the ledger stands.

use crate::clock::now_ms;
use crate::ledger::{Ledger, Published, Standing};
use crate::metrics::Metrics;
use crate::metrics::catalogue::{
    AUDIT_CHECKPOINT_INFO, AUDIT_SIZE, AUDIT_WRITABLE, BUILD_INFO, FEED_AGE, LEDGER_GAPS, LEDGER_IGNORED,
    LEDGER_LAG, LEDGER_RECORDS, LEDGER_WRITABLE, POLICY_INFO, WEBHOOK_PARKED, WEBHOOK_QUEUE,
};
use crate::metrics::definition::{Definition, Family, Series, Value};
use crate::metrics::text::text;
use crate::webhook::queue::Queue;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatewaystack_core::config::policy::{Mode, Policy};
use std::sync::Arc;

/// What is shown.
#[derive(Clone)]
pub struct Measured {
    pub metrics: Arc<Metrics>,
    pub info: Arc<Info>,
    /// Its depth is asked for each time.
    pub queue: Option<Queue>,
    pub ledger: Option<Ledger>,
}

/// What runs.
pub struct Info {
    commit: String,
    revision: String,
    mode: &'static str,
}

impl Info {
    /// With this policy, from the commit of this name.
    pub fn of(policy: &Policy, commit: &str) -> Self {
        let mode = if policy.mode == Mode::Shadow { "shadow" } else { "enforce" };
        Self { commit: commit.to_owned(), revision: policy.revision.to_string(), mode }
    }

    fn families(&self, since_ms: i64) -> [Family; 2] {
        let one = |definition, labels: [&str; 2]| Family {
            definition,
            since_ms,
            series: vec![Series { labels: labels.map(str::to_owned).into(), value: Value::Whole(1) }],
        };
        [
            one(&BUILD_INFO, [env!("CARGO_PKG_VERSION"), &self.commit]),
            one(&POLICY_INFO, [&self.revision, self.mode]),
        ]
    }
}

/// `GET /metrics`
pub async fn metrics(State(measured): State<Measured>) -> Response {
    let text = text(&measured.families().await);
    ([("content-type", "text/plain; version=0.0.4")], text).into_response()
}

impl Measured {
    /// What tells these sums from those of another: the ledger, else the process.
    pub async fn instance(&self) -> String {
        match &self.ledger {
            Some(ledger) => ledger.id().to_owned(),
            None => format!("{:x}-{}", self.metrics.since_ms(), std::process::id()),
        }
    }

    /// All that can be had at the moment.
    pub async fn families(&self) -> Vec<Family> {
        let since_ms = self.metrics.since_ms();
        let mut families = Vec::from(self.info.families(since_ms));
        families.extend(self.metrics.families());
        if let Some(queue) = &self.queue
            && let Ok(counts) = queue.counts().await
        {
            let gauge = |definition, count: i64| {
                Family::single(definition, since_ms, Value::Whole(count.max(0).unsigned_abs()))
            };
            families.extend([gauge(&WEBHOOK_QUEUE, counts.queued), gauge(&WEBHOOK_PARKED, counts.parked)]);
        }
        if let Some(ledger) = &self.ledger {
            families.extend(of_ledger(ledger).await);
        }
        families
    }
}

/// Sums over all times, and how it stands.
async fn of_ledger(ledger: &Ledger) -> Vec<Family> {
    let counted = ledger.families().await.unwrap_or_default();
    let since_ms = counted.first().map_or(0, |family| family.since_ms);
    let single = |definition: &'static Definition, value| Family::single(definition, since_ms, value);
    let standing = ledger.standing();
    let totals = standing.totals;
    let is_writable = ledger.check().await.is_ok();
    let mut families = counted;
    families.extend([
        single(&LEDGER_RECORDS, Value::Whole(totals.records)),
        single(&LEDGER_IGNORED, Value::Whole(totals.ignored)),
        single(&LEDGER_GAPS, Value::Whole(totals.gaps)),
        single(&LEDGER_LAG, Value::Real(ledger.lag(now_ms()))),
        single(&LEDGER_WRITABLE, Value::Whole(u64::from(is_writable))),
    ]);
    families.extend(ledger.feed_age(now_ms()).map(|age| single(&FEED_AGE, Value::Real(age))));
    if ledger.audit().is_some() {
        families.extend(of_audit(&standing, since_ms));
    }
    families
}

/// Whether it can be written, and how it stands: whoever keeps these values holds a part of the proof.
fn of_audit(standing: &Standing, since_ms: i64) -> Vec<Family> {
    let is_writable = standing.audit_trouble.is_none() && standing.trouble.is_none();
    let single = |definition, value| Family::single(definition, since_ms, Value::Whole(value));
    let mut families = vec![single(&AUDIT_WRITABLE, u64::from(is_writable))];
    if let Some(Published { origin, size, root }) = &standing.audit {
        families.push(single(&AUDIT_SIZE, *size));
        let labels = vec![origin.clone(), size.to_string(), STANDARD.encode(root)];
        let series = vec![Series { labels, value: Value::Whole(1) }];
        families.push(Family { definition: &AUDIT_CHECKPOINT_INFO, since_ms, series });
    }
    families
}
