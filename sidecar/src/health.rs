//! `GET /health/auth0` (CONTRACT §5): whether the identity provider can be used as it is configured, and what to do where it can't. What was found
//! is kept for a few seconds, so that whoever probes us doesn't probe the provider as often; whoever asks meanwhile waits for the one answer.

mod management;

use crate::clock::rfc3339;
use crate::jwks::{self, Keys};
use crate::webhook::promote::Promoter;
use crate::webhook::queue::Queue;
use gatewaystack_core::config::policy::{Issuer, Policy};
use management::Findings;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What was found is good for so long.
const KEYS_FRESH: Duration = Duration::from_secs(5);
/// The Management API has a rate limit, which promotions need.
const MANAGEMENT_FRESH: Duration = Duration::from_secs(30);

/// Probes, and what they found last.
pub struct Health {
    policy: Arc<Policy>,
    promoter: Option<Arc<Promoter>>,
    keys: Vec<Mutex<Probe>>,
    management: Mutex<Option<(Instant, Arc<Findings>)>>,
}

/// What is known of an issuer.
#[derive(Default)]
struct Probe {
    asked: Option<Instant>,
    /// The last success: when, and what.
    good: Option<(Instant, Keys)>,
    /// Why the last probe failed.
    error: Option<String>,
}

/// The answer's two parts.
pub struct Report {
    pub is_good: bool,
    pub body: Value,
}

impl Health {
    /// Nothing was probed yet.
    pub fn new(policy: Arc<Policy>, promoter: Option<Arc<Promoter>>) -> Self {
        let keys = policy.issuers.iter().map(|_| Mutex::default()).collect();
        Self { policy, promoter, keys, management: Mutex::new(None) }
    }

    /// The whole report.
    pub async fn report(&self, queue: Option<&Queue>) -> Report {
        let mut issuers = Vec::new();
        let mut is_good = true;
        // One issuer that hangs must not add its time to the others'.
        let probes =
            self.policy.issuers.iter().zip(&self.keys).map(|(issuer, probe)| self.issuer(issuer, probe));
        for (good, members) in futures_util::future::join_all(probes).await {
            is_good &= good;
            issuers.push(Value::Object(members));
        }
        let mut body = issuers.first().and_then(Value::as_object).cloned().unwrap_or_default();
        body.insert("managementConfigured".to_owned(), json!(self.promoter.is_some()));
        if let Some(promoter) = &self.promoter {
            let found = self.management(promoter).await;
            is_good &= found.token_ok;
            found.write(&mut body);
        }
        is_good &= webhook(queue, &mut body).await;
        body.insert("issuers".to_owned(), Value::Array(issuers));
        Report { is_good, body: Value::Object(body) }
    }

    async fn issuer(&self, issuer: &Issuer, probe: &Mutex<Probe>) -> (bool, Map<String, Value>) {
        let mut probe = probe.lock().await;
        if probe.asked.is_none_or(|at| at.elapsed() >= KEYS_FRESH) {
            match jwks::fetch(issuer).await {
                Ok(keys) => {
                    probe.error = jwks::check_discovery(issuer).await.err();
                    probe.good = Some((Instant::now(), keys));
                }
                Err(error) => {
                    probe.error = Some(error);
                    probe.good = probe.good.take().map(|(at, keys)| (at, Keys { reachable: false, ..keys }));
                }
            }
            probe.asked = Some(Instant::now());
        }
        let reachable = probe.good.as_ref().is_some_and(|(_, keys)| keys.reachable);
        let uri = probe.good.as_ref().map_or_else(|| jwks::configured(issuer), |(_, keys)| keys.url.clone());
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("issuer", json!(issuer.issuer));
        put("audience", json!(issuer.audiences.first()));
        put("jwksUri", json!(uri));
        put("jwksReachable", json!(reachable));
        put("jwksKeys", json!(probe.good.as_ref().map_or(0, |(_, keys)| keys.usable)));
        put("jwksAgeSeconds", json!(probe.good.as_ref().map(|(at, _)| at.elapsed().as_secs())));
        if let Some(error) = &probe.error {
            put("jwksError", json!(error));
        }
        (reachable, members)
    }

    async fn management(&self, promoter: &Promoter) -> Arc<Findings> {
        let mut kept = self.management.lock().await;
        match &*kept {
            // What failed is looked at again sooner.
            Some((at, found))
                if at.elapsed() < if found.token_ok { MANAGEMENT_FRESH } else { KEYS_FRESH } =>
            {
                Arc::clone(found)
            }
            _ => {
                let found = Arc::new(Findings::of(promoter, &self.policy.own.promotion).await);
                *kept = Some((Instant::now(), Arc::clone(&found)));
                found
            }
        }
    }
}

/// The queue's part: a queue that can't be read is no health.
async fn webhook(queue: Option<&Queue>, body: &mut Map<String, Value>) -> bool {
    let (mut counts, mut seen, mut is_good) = (Default::default(), None, true);
    if let Some(queue) = queue {
        match (queue.counts().await, queue.last_seen().await) {
            (Ok(found), Ok(at)) => (counts, seen) = (found, at),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "the queue can't be read");
                is_good = false;
            }
        }
    }
    if let Some(at) = seen {
        body.insert("webhookLastSeen".to_owned(), json!(rfc3339(at)));
    }
    body.insert("webhookQueueDepth".to_owned(), json!(counts.queued));
    body.insert("webhookParked".to_owned(), json!(counts.parked));
    is_good
}
