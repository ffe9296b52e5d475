//! `/audit/`, on the sidecar's own port alone: the log as it lies on the disk, for whoever checks it (C2SP
//! tlog-tiles).

use crate::audit::store::{CHECKPOINT, Store};
use crate::audit::tile::Tile;
use crate::ledger::Ledger;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

/// A checkpoint changes each second, a tile never.
const NEVER: &str = "no-store";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /audit/checkpoint`, `GET /audit/tile/…`
pub async fn audit(State(ledger): State<Ledger>, Path(path): Path<String>) -> Response {
    let (kind, caching) = match path.as_str() {
        CHECKPOINT => ("text/plain; charset=utf-8", NEVER),
        tile if Tile::at(tile).is_some() => ("application/octet-stream", FOR_EVER),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let read = if ledger.is_shared() {
        ledger.tile(path).await
    } else {
        let read = move || Store::of(ledger.home())?.read(&path);
        tokio::task::spawn_blocking(read).await.map_err(|e| e.to_string()).and_then(|read| read)
    };
    match read {
        Ok(Some(bytes)) => ([("content-type", kind), ("cache-control", caching)], bytes).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(reason) => {
            tracing::warn!(%reason, "the audit log can't be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
