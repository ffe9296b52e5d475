//! `POST /ssf/events` (RFC 8935): anyone may send, and only what an issuer has signed counts. 202 says that
//! it is on the disk; 503, that it should come again.

use super::fault::Fault;
use super::keys::{Keys, Missing, candidates};
use super::set::{self, Unverified};
use crate::clock::now_ms;
use crate::ledger::Ledger;
use crate::ledger::signal::{Signal, Taken};
use crate::metrics::{Metrics, SignalOutcome};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::jwks::KeySet;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};

/// The path.
pub const PATH: &str = "/ssf/events";
/// The largest SET.
const MAX_BODY: usize = 64 * 1024;
/// SETs that are judged at once.
const MOST: usize = 16;

/// What takes signals.
pub struct Signals {
    policy: Arc<Policy>,
    keys: Keys,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    room: Semaphore,
    /// Signatures are verified one at a time, so that a flood of bad ones leaves a processor to others.
    verifies: Mutex<()>,
}

/// Why a SET isn't taken.
enum Refused {
    /// It is its sender's fault.
    Fault(StatusCode, Fault),
    /// It is ours, or the issuer's: it should come again.
    Later(&'static str),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(StatusCode::BAD_REQUEST, fault)
    }
}

impl Signals {
    pub fn new(policy: &Arc<Policy>, ledger: Ledger, metrics: Arc<Metrics>) -> Self {
        Self {
            keys: Keys::new(policy),
            policy: Arc::clone(policy),
            ledger,
            metrics,
            room: Semaphore::new(MOST),
            verifies: Mutex::new(()),
        }
    }

    async fn take(&self, request: Request) -> Result<SignalOutcome, Refused> {
        let (parts, body) = request.into_parts();
        check_type(&parts.headers)?;
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
            let fault = Fault::request("the body is longer than 64 KiB, or ended early");
            Refused::Fault(StatusCode::PAYLOAD_TOO_LARGE, fault)
        })?;
        let text = std::str::from_utf8(&body).map(str::trim_ascii);
        let text = text.map_err(|_| Fault::request("the body must be a JWS in its compact form"))?;
        // Those for whom there is no room come again.
        let _room = self.room.try_acquire().map_err(|_| Refused::Later("too many signals at once"))?;
        let now_ms = now_ms();
        let now = u64::try_from(now_ms).unwrap_or_default();
        let set = set::read(text, &self.policy, seconds(now))?;
        let keys = match self.keys.find(set.issuer, set.kid.as_deref(), now).await {
            Ok(keys) => keys,
            Err(Missing::Unknown) => return Err(Fault::key("the issuer has no such key").into()),
            Err(Missing::Unavailable) => return Err(Refused::Later("the issuer's keys can't be had now")),
        };
        let Some(signal) = self.verify(set, keys).await? else {
            return Ok(SignalOutcome::Ignored);
        };
        let (event, issuer) = (signal.why.clone(), signal.by.clone());
        match self.ledger.signal(signal, now_ms).await {
            Ok(Taken::New) => {
                tracing::info!(event, issuer, "a signal counts");
                Ok(SignalOutcome::New)
            }
            Ok(Taken::Repeated) => Ok(SignalOutcome::Repeated),
            Ok(Taken::Full) => {
                tracing::error!(issuer, "there is no room for more signals");
                Err(Refused::Later("there is no room for more signals"))
            }
            Err(error) => {
                tracing::error!(%error, "a signal can't be stored");
                Err(Refused::Later("the signal can't be stored"))
            }
        }
    }
}

impl Signals {
    /// Off the threads that answer requests.
    async fn verify(&self, set: Unverified, keys: Arc<KeySet>) -> Result<Option<Signal>, Refused> {
        let _turn = self.verifies.lock().await;
        let verify = move || {
            let keys = candidates(&keys, set.kid.as_deref());
            set.verified(&keys)
        };
        match tokio::task::spawn_blocking(verify).await {
            Ok(verified) => Ok(verified?),
            Err(_) => Err(Refused::Later("the signature can't be verified now")),
        }
    }
}

/// Takes a SET.
pub async fn receive(State(signals): State<Arc<Signals>>, request: Request) -> Response {
    let taken = signals.take(request).await;
    signals.metrics.signal(match &taken {
        Ok(outcome) => *outcome,
        Err(Refused::Fault(..)) => SignalOutcome::Refused,
        Err(Refused::Later(_)) => SignalOutcome::Unavailable,
    });
    let (mut response, more) = match taken {
        Ok(_) => (StatusCode::ACCEPTED.into_response(), None),
        Err(Refused::Fault(status, Fault { code, text })) => {
            let body = Json(json!({ "err": code, "description": text }));
            ((status, body).into_response(), Some((header::CONTENT_LANGUAGE, "en")))
        }
        Err(Refused::Later(text)) => {
            let body = Json(json!({ "error": "temporarily_unavailable", "error_description": text }));
            ((StatusCode::SERVICE_UNAVAILABLE, body).into_response(), Some((header::RETRY_AFTER, "30")))
        }
    };
    let headers = response.headers_mut();
    let all: [Option<(HeaderName, &str)>; 2] = [Some((header::CACHE_CONTROL, "no-store")), more];
    headers.extend(
        all.into_iter()
            .flatten()
            .map(|(name, value)| (name, value.parse().unwrap_or_else(|_| HeaderValue::from_static("")))),
    );
    response
}

/// `application/secevent+jwt` alone (RFC 8935 §2.1), and not encoded.
fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let first =
        |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence =
        first(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    if essence != "application/secevent+jwt" || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Fault::request("send the SET as application/secevent+jwt"));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "exact far beyond any date of interest")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests;
