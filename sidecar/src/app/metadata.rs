//! Protected resource metadata (contract §4, RFC 9728): the policy's own documents, and the preflights of all
//! documents that are for everybody.

use super::reply::{not_found, wrong_method};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::{cors, metadata};
use std::sync::Arc;

/// `GET /.well-known/oauth-protected-resource`: the root document, and those of MCP routes at their own
/// paths.
pub async fn resource_metadata(State(policy): State<Arc<Policy>>, uri: Uri, headers: HeaderMap) -> Response {
    match metadata::document_at(&policy, uri.path()) {
        Some(document) => (metadata::HEADERS, document).into_response(),
        None => not_found(headers).await.into_response(),
    }
}

/// A document that is for everybody answers preflights, too: the filter does that, but not where it only
/// watches.
pub fn public(document: MethodRouter) -> MethodRouter {
    document.options(async |headers: HeaderMap| {
        if !headers.contains_key("origin") || !headers.contains_key("access-control-request-method") {
            return wrong_method(headers).await.into_response();
        }
        let told: HeaderMap = cors::preflight_of_public()
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)))
            .collect();
        (StatusCode::NO_CONTENT, told).into_response()
    })
}
