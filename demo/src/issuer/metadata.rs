//! The documents that clients and gateways discover (RFC 8414, OpenID Connect Discovery 1.0 §3), the JWK set,
//! and the rotation of keys on request.

use super::error::OAuthError;
use super::keys::FreshKey;
use super::params::Params;
use super::{SCOPES, Shared};
use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

pub(super) async fn document(State(issuer): State<Shared>) -> Json<Value> {
    let url = issuer.url();
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "registration_endpoint": format!("{url}/register"),
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

pub(super) async fn jwks(State(issuer): State<Shared>) -> impl IntoResponse {
    let set = issuer.keys().jwks();
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(set))
}

/// `POST /rotate`: a new key signs, the older ones stay published; `?drop=old` unpublishes them at once.
pub(super) async fn rotate(State(issuer): State<Shared>, uri: Uri) -> Result<Json<Value>, OAuthError> {
    let keep = Params::of_query(&uri)?.get("drop") != Some("old");
    let fresh = FreshKey::generate().await?;
    let mut keys = issuer.keys();
    keys.rotate(fresh, keep);
    let kids = keys.kids();
    Ok(Json(json!({ "kid": kids.first(), "keys": kids })))
}
