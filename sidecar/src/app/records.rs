//! `/internal/records`, for filters alone: records of proxies that have no file in common with the sidecar.
//! It answers 200 once they are on the disk; until then a filter keeps them and sends them again.

use super::reply::{Reply, refusal};
use crate::ledger::{Ledger, Posted};
use crate::metrics::{Metrics, PostOutcome};
use crate::secret::Secret;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, TryAcquireError};

/// The largest body: four times what a filter sends at once.
pub const MAX_BODY: usize = 1024 * 1024;
/// Bodies that are held at once.
const MOST: usize = 16;

/// Whom it answers, and where records go.
pub struct Records {
    /// What Envoy shows.
    pub secret: Secret,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    held: Semaphore,
    /// One batch is written at a time: more would only hold threads that others need.
    turn: Mutex<()>,
}

/// Why records weren't taken.
#[derive(Debug)]
pub enum Kept {
    /// There is no room.
    Busy,
    /// The ledger's trouble.
    Trouble(String),
}

impl Records {
    /// For filters that show this secret.
    pub fn new(secret: Secret, ledger: Ledger, metrics: Arc<Metrics>) -> Self {
        Self { secret, ledger, metrics, held: Semaphore::new(MOST), turn: Mutex::new(()) }
    }

    /// Room for one more batch.
    ///
    /// # Errors
    /// There is none.
    pub fn room(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.held.try_acquire()
    }

    /// Takes lines that are there already.
    ///
    /// # Errors
    /// They are to be sent again: why.
    pub async fn keep(&self, lines: Vec<u8>, by: &'static str) -> Result<Posted, Kept> {
        let Ok(_room) = self.room() else {
            self.metrics.posted(PostOutcome::Unavailable);
            return Err(Kept::Busy);
        };
        self.write(lines, by).await.map_err(Kept::Trouble)
    }

    /// The same, for whom there is room already.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn write(&self, lines: Vec<u8>, by: &'static str) -> Result<Posted, String> {
        let posted = self.write_uncounted(lines, by).await;
        self.metrics.posted(if posted.is_ok() { PostOutcome::Taken } else { PostOutcome::Unavailable });
        posted
    }

    async fn write_uncounted(
        &self,
        lines: impl AsRef<[u8]> + Send + 'static,
        by: &'static str,
    ) -> Result<Posted, String> {
        let _turn = self.turn.lock().await;
        self.ledger.post(lines, by).await
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Posted, (PostOutcome, Reply)> {
        // Somebody else's body isn't even read.
        let shown = headers.get("x-gatewaystack-secret").map(|v| v.as_bytes()).unwrap_or_default();
        if !self.secret.is(shown) {
            let text = "This address is for the gateway alone: call the gateway.";
            let refused = refusal(StatusCode::FORBIDDEN, "access_denied", text, headers);
            return Err((PostOutcome::Refused, refused));
        }
        let Ok(_room) = self.room() else {
            return Err((PostOutcome::Unavailable, unavailable("too many batches at once")));
        };
        let Ok(lines) = to_bytes(body, MAX_BODY).await else {
            let text = "The body is larger than 1 MiB, or ended early.";
            let refused = refusal(StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", text, headers);
            return Err((PostOutcome::Refused, refused));
        };
        let posted = self.write_uncounted(lines, "posted").await;
        posted.map_err(|reason| (PostOutcome::Unavailable, unavailable(&reason)))
    }
}

/// 503: it is to be sent again.
pub fn unavailable(reason: &str) -> Reply {
    Reply::with(StatusCode::SERVICE_UNAVAILABLE, json!({ "ok": false, "reason": reason }))
        .header("retry-after", "1")
}

/// `POST /internal/records`
pub async fn records(State(records): State<Arc<Records>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    match records.take(&parts.headers, body).await {
        Ok(Posted { records: taken, ignored }) => {
            records.metrics.posted(PostOutcome::Taken);
            Reply::ok(json!({ "ok": true, "records": taken, "ignored": ignored }))
        }
        Err((outcome, reply)) => {
            records.metrics.posted(outcome);
            reply
        }
    }
}
