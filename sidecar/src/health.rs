//! `GET /health/auth0` (contract §5): whether the identity provider can be used as it is configured, and what
//! to do where it can't. What was found is kept for a few seconds, so that anyone who probes us doesn't probe
//! the provider as often ([`crate::probe`]).

mod management;

use crate::clock::rfc3339;
use crate::jwks::{self, Keys};
use crate::probe::Probe;
use crate::webhook::promote::Promoter;
use crate::webhook::queue::Queue;
use gatewaystack_core::config::policy::{Issuer, Policy};
use management::Findings;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was found is good for so long.
const KEYS_FRESH: Duration = Duration::from_secs(5);
/// The Management API has a rate limit, which promotions need.
const MANAGEMENT_FRESH: Duration = Duration::from_secs(30);
/// A probe takes no longer: anyone who asks us doesn't wait for ever, either.
const PATIENCE: Duration = Duration::from_secs(12);

/// Probes, and what they found last.
pub struct Health {
    policy: Arc<Policy>,
    promoter: Option<Arc<Promoter>>,
    keys: Vec<Probe<IssuerKeys>>,
    management: Probe<Findings>,
}

/// What is known of an issuer.
#[derive(Clone, Default)]
struct IssuerKeys {
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
        let keys = policy.issuers.iter().map(|_| Probe::default()).collect();
        Self { policy, promoter, keys, management: Probe::default() }
    }

    /// The whole report.
    pub async fn report(&self, queue: Option<&Queue>) -> Report {
        // One that hangs must not add its time to the others'.
        let probes = (0..self.keys.len()).map(|at| self.issuer(at));
        let (found, management) =
            futures_util::future::join(futures_util::future::join_all(probes), self.management()).await;
        let mut is_good = found.iter().flatten().count() == self.keys.len();
        let mut issuers = Vec::new();
        for (reachable, members) in found.into_iter().flatten() {
            is_good &= reachable;
            issuers.push(Value::Object(members));
        }
        let mut body = issuers.first().and_then(Value::as_object).cloned().unwrap_or_default();
        body.insert("managementConfigured".to_owned(), json!(self.promoter.is_some()));
        if self.promoter.is_some() {
            is_good &= management.as_ref().is_some_and(|found| found.token_ok);
            management.iter().for_each(|found| found.write(&mut body));
        }
        is_good &= webhook(queue, &mut body).await;
        body.insert("issuers".to_owned(), Value::Array(issuers));
        Report { is_good, body: Value::Object(body) }
    }

    async fn issuer(&self, at: usize) -> Option<(bool, Map<String, Value>)> {
        let issuer = self.policy.issuers.get(at)?;
        let ask = |last: Option<Arc<IssuerKeys>>| {
            let policy = Arc::clone(&self.policy);
            async move {
                let last = last.map(|found| IssuerKeys::clone(&found)).unwrap_or_default();
                match policy.issuers.get(at) {
                    Some(issuer) => probe(at, issuer, last).await,
                    None => last,
                }
            }
        };
        let found = self.keys.get(at)?.answer(|_| KEYS_FRESH, ask).await?;
        Some(members(issuer, &found))
    }

    /// `None`: there is nobody to ask.
    async fn management(&self) -> Option<Arc<Findings>> {
        let promoter = self.promoter.as_ref()?;
        // What failed is looked at again sooner.
        let fresh = |found: &Findings| if found.token_ok { MANAGEMENT_FRESH } else { KEYS_FRESH };
        let ask = |_| {
            let (promoter, rules) = (Arc::clone(promoter), self.policy.own.promotion.clone());
            async move {
                let found = tokio::time::timeout(PATIENCE, Findings::of(&promoter, &rules)).await;
                found.unwrap_or_else(|_| Findings::none_in_time())
            }
        };
        self.management.answer(fresh, ask).await
    }
}

async fn probe(at: usize, issuer: &Issuer, last: IssuerKeys) -> IssuerKeys {
    let both = async {
        let keys = jwks::fetch(issuer).await.map_err(|trouble| trouble.line(at))?;
        let slip = jwks::check_discovery(issuer).await.err();
        Ok::<_, String>((keys, slip))
    };
    let failed = match tokio::time::timeout(PATIENCE, both).await {
        Ok(Ok((keys, error))) => return IssuerKeys { good: Some((Instant::now(), keys)), error },
        Ok(Err(error)) => error,
        Err(_) => format!("{} didn't answer in time", jwks::configured(issuer)),
    };
    let good = last.good.map(|(at, keys)| (at, Keys { reachable: false, ..keys }));
    IssuerKeys { good, error: Some(failed) }
}

/// Whether the keys can be had, and what the report says of it.
fn members(issuer: &Issuer, found: &IssuerKeys) -> (bool, Map<String, Value>) {
    let keys = found.good.as_ref().map(|(_, keys)| keys);
    let reachable = keys.is_some_and(|keys| keys.reachable);
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("issuer", json!(issuer.issuer.as_ref()));
    put("audience", json!(issuer.audiences.first()));
    put("jwksUri", json!(keys.map_or_else(|| jwks::configured(issuer), |keys| keys.url.clone())));
    put("jwksReachable", json!(reachable));
    put("jwksKeys", json!(keys.map_or(0, |keys| keys.usable)));
    put("jwksAgeSeconds", json!(found.good.as_ref().map(|(at, _)| at.elapsed().as_secs())));
    let skipped = keys.map(|keys| keys.skipped.as_slice()).unwrap_or_default();
    if !skipped.is_empty() {
        put("jwksSkipped", json!(skipped));
    }
    if let Some(error) = &found.error {
        put("jwksError", json!(error));
    }
    (reachable, members)
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
