//! `POST /webhooks/auth0/logs` (contract §9.1 to §9.3): who calls is known by the secret, before a byte of
//! the body is read; what is taken is on the disk before the response.

use super::event::{self, Events};
use super::queue::{Queue, Refused};
use crate::app::reply::{Reply, refusal};
use crate::clock::now_ms;
use crate::metrics::{BodyOutcome, Metrics};
use crate::secret::Secret;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

/// The largest body.
pub const MAX_BODY: usize = 1024 * 1024;

/// What takes bodies of the log stream.
pub struct Webhook {
    /// `None`: no secret is configured, so nobody is known.
    pub inbox: Option<Inbox>,
    pub metrics: Arc<Metrics>,
}

/// Where registrations go.
pub struct Inbox {
    /// What Auth0's log stream shows.
    pub secret: Secret,
    pub queue: Queue,
    /// Something was queued.
    pub wake: Arc<Notify>,
}

/// Takes a body of the log stream.
pub async fn receive(State(webhook): State<Arc<Webhook>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let Some(Inbox { secret, queue, wake }) = &webhook.inbox else {
        let text = "No webhook secret is configured: set WEBHOOK_SHARED_SECRET.";
        return webhook.unavailable(headers, text);
    };
    if !shown(headers).any(|shown| secret.is(shown)) {
        webhook.metrics.body(BodyOutcome::Unauthorized);
        let text = "Send the webhook's secret in Authorization or X-Webhook-Secret.";
        return refusal(StatusCode::UNAUTHORIZED, "unauthorized", text, headers);
    }
    let events = match read(body).await.and_then(|bytes| {
        event::read(&bytes).map_err(|text| (StatusCode::BAD_REQUEST, "invalid_request", text))
    }) {
        Ok(events) => events,
        Err((status, error, text)) => {
            webhook.metrics.body(BodyOutcome::Refused);
            return refusal(status, error, text, headers);
        }
    };
    let Events { registrations, skipped } = events;
    if skipped > 0 {
        webhook.metrics.skipped(skipped);
        tracing::warn!(skipped, "the webhook's body has events that can't be read");
    }
    let reply = |mut body: Value| {
        if let Some(members) = body.as_object_mut().filter(|_| skipped > 0) {
            members.insert("skipped".to_owned(), json!(skipped));
        }
        Reply::ok(body)
    };
    if registrations.is_empty() {
        webhook.metrics.body(BodyOutcome::Filtered);
        if let Err(error) = queue.seen(now_ms()).await {
            tracing::error!(%error, "the webhook's last call can't be noted");
        }
        return reply(json!({ "ok": true, "filtered": true }));
    }
    match queue.receive(registrations, now_ms()).await {
        Ok(taken) => {
            webhook.metrics.body(BodyOutcome::Taken { queued: taken.queued, duplicates: taken.duplicates });
            wake.notify_one();
            reply(json!({ "ok": true, "queued": taken.queued, "duplicates": taken.duplicates }))
        }
        Err(Refused::Full) => {
            tracing::error!("the queue of promotions is full");
            webhook.unavailable(headers, "Too many registrations wait: send this again later.")
        }
        Err(Refused::Storage(error)) => {
            tracing::error!(%error, "registrations can't be stored");
            webhook.unavailable(headers, "The registrations can't be stored: send them again later.")
        }
    }
}

impl Webhook {
    fn unavailable(&self, headers: &HeaderMap, text: &str) -> Reply {
        self.metrics.body(BodyOutcome::Unavailable);
        refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text, headers)
            .header("retry-after", "60")
    }
}

/// What the caller shows: `X-Webhook-Secret: S`, `Authorization: Bearer S` or `Authorization: S`. A header
/// that is sent twice shows nothing.
pub fn shown(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.as_bytes());
        first.filter(|_| values.next().is_none())
    };
    let whole = one("authorization");
    let bearer = whole.and_then(bearer);
    one("x-webhook-secret").into_iter().chain(whole).chain(bearer)
}

/// The token of `Bearer TOKEN`.
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

async fn read(body: Body) -> Result<Vec<u8>, (StatusCode, &'static str, &'static str)> {
    match to_bytes(body, MAX_BODY).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) if is_too_long(&error) => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", "Send at most 1 MiB at once."))
        }
        Err(_) => Err((StatusCode::BAD_REQUEST, "invalid_request", "The body ended early.")),
    }
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |e| e.source()).any(|e| e.is::<http_body_util::LengthLimitError>())
}
