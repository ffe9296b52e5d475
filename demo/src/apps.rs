//! The connector for ChatGPT's Apps SDK: the MCP server's tools once more, at `/apps`, with the descriptors
//! that the Apps SDK reads. The gateway in front answers a missing sign-in or scope in the tool's result
//! (`challenge_mode: meta`).

use crate::mcp::{self, Descriptors};
use crate::server::{self, Running};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use serde_json::json;
use std::io;
use std::net::IpAddr;

/// The connector.
pub struct Apps;

impl Apps {
    /// Listens on 127.0.0.1 at `port`, or at a free port for 0; the connector is at `/apps`.
    pub async fn start(port: u16) -> io::Result<Running> {
        Self::start_on(server::HERE, port).await
    }

    /// The same on another address: in a container.
    pub async fn start_on(bind: IpAddr, port: u16) -> io::Result<Running> {
        server::start(bind, port, |_| router()).await
    }
}

fn router() -> Router {
    Router::new()
        .route("/health", get(async || axum::Json(json!({ "ok": true }))))
        .merge(mcp::router("/apps", Descriptors::Apps))
        .layer(DefaultBodyLimit::max(1024 * 1024))
}
