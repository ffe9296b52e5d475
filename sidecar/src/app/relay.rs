//! The first issuer's own documents (contract §4): `/.well-known/oauth-authorization-server` and
//! `/openid-configuration` relayed, since MCP clients of older eras look for them here. Kept for 5 minutes,
//! at most 64 KiB, no redirects, and only when the document says that it is the configured issuer's.

use super::reply::refusal;
use crate::fetch;
use crate::jwks;
use crate::probe::Probe;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::json;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const FRESH: Duration = Duration::from_secs(300);
/// A failure is kept, too: an issuer that is down isn't asked for each request.
const FAILED: Duration = Duration::from_secs(5);
const MAX_DOCUMENT: usize = 64 * 1024;

/// Authorization server metadata (RFC 8414).
pub const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery 1.0.
pub const OPENID: &str = "/.well-known/openid-configuration";

/// The documents that were fetched.
pub struct Relay {
    issuer: String,
    authorization_server: Probe<Document>,
    openid_configuration: Probe<Document>,
}

/// `None`: it can't be had.
type Document = Option<Vec<u8>>;

impl Relay {
    /// Nothing is fetched yet.
    pub fn new(policy: &Policy) -> Self {
        let issuer = policy.issuers.first().map(|i| i.issuer.to_string()).unwrap_or_default();
        Self { issuer, authorization_server: Probe::default(), openid_configuration: Probe::default() }
    }

    /// The document, from memory or from the issuer. Anyone who asks meanwhile waits for the one fetch.
    async fn document(&self, kept: &Probe<Document>, paths: [&'static str; 2]) -> Option<Arc<Document>> {
        let fresh = |document: &Document| if document.is_some() { FRESH } else { FAILED };
        let ask = |_| {
            let issuer = self.issuer.clone();
            async move {
                match fetch(&issuer, paths[0]).await {
                    Some(document) => Some(document),
                    // An issuer may have one of the two alone.
                    None => fetch(&issuer, paths[1]).await,
                }
            }
        };
        kept.answer(fresh, ask).await
    }
}

/// Below the issuer's path, or before it.
async fn fetch(issuer: &str, path: &str) -> Document {
    let name = path.strip_prefix("/.well-known/")?;
    for url in jwks::documents(issuer, name) {
        if let Some(document) = fetch_at(issuer, &url).await {
            return Some(document);
        }
    }
    None
}

async fn fetch_at(issuer: &str, url: &str) -> Document {
    let document = fetch::get(url, MAX_DOCUMENT).await.ok()?;
    let claims = json::parse(&document, 32).ok()?;
    let same = claims.get("issuer").and_then(Value::as_str).is_some_and(|named| bare(named) == bare(issuer));
    same.then_some(document)
}

fn bare(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// `GET /.well-known/oauth-authorization-server`
pub async fn authorization_server(State(relay): State<Arc<Relay>>, headers: HeaderMap) -> Response {
    let document = relay.document(&relay.authorization_server, [OAUTH, OPENID]).await;
    response(document, &headers)
}

/// `GET /.well-known/openid-configuration`
pub async fn openid_configuration(State(relay): State<Arc<Relay>>, headers: HeaderMap) -> Response {
    let document = relay.document(&relay.openid_configuration, [OPENID, OAUTH]).await;
    response(document, &headers)
}

fn response(document: Option<Arc<Document>>, headers: &HeaderMap) -> Response {
    match document.as_deref().and_then(Option::as_ref) {
        Some(document) => (
            [
                (header::CONTENT_TYPE, "application/json"),
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (header::CACHE_CONTROL, "public, max-age=300"),
            ],
            document.clone(),
        )
            .into_response(),
        None => {
            let text =
                "The identity provider's document can't be had, or isn't that of the configured issuer.";
            refusal(StatusCode::BAD_GATEWAY, "discovery_fetch_failed", text, headers).into_response()
        }
    }
}
