//! `/mint`: a token for anyone who asks, as in the original's demo. `sub`, `scope`, `aud` (comma list), `ttl`
//! (seconds, negative for one that has expired) have defaults; every other parameter becomes a claim of that
//! name (`org_id=org_1`). From the query, a form, or a JSON object, whose values keep their types.

use super::error::{Kind, OAuthError};
use super::params::Params;
use super::{Shared, random_id, unix_now};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

const DEFAULT_SUBJECT: &str = "demo-user";
const DEFAULT_SCOPE: &str = "tool:read";
const DEFAULT_TTL: i64 = 3600;
const MAX_TTL: i64 = 24 * 3600;
/// The issuer says these itself; `sub`, `aud`, `scope` and `ttl` are handled by name.
const RESERVED: [&str; 5] = ["iss", "exp", "iat", "nbf", "jti"];

pub(super) async fn mint(
    State(issuer): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let wishes = wishes(&uri, &headers, &body)?;
    let ttl = ttl(&wishes)?;
    let claims = claims(&issuer, wishes, ttl)?;
    let scope = claims.get("scope").cloned();
    let token = issuer.keys().sign(claims)?;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if wants_text(&headers) {
        return Ok((no_store, token).into_response());
    }
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": ttl, "scope": scope });
    Ok((no_store, axum::Json(body)).into_response())
}

fn wishes(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, OAuthError> {
    let query = Params::of_query(uri)?;
    let json = is(headers, &header::CONTENT_TYPE, "application/json");
    let params = if json || body.is_empty() { query } else { query.overlaid(Params::of_form(body)?) };
    let mut wishes: Map<String, Value> =
        params.iter().map(|(name, value)| (name.to_string(), Value::String(value.to_string()))).collect();
    if json && !body.is_empty() {
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| OAuthError::new(Kind::InvalidRequest, "The body is not a JSON object."))?;
        wishes.extend(object);
    }
    if wishes.keys().any(|name| RESERVED.contains(&name.as_str())) {
        return Err(OAuthError::new(
            Kind::InvalidRequest,
            "iss, exp, iat, nbf and jti are the issuer's own; use ttl.",
        ));
    }
    Ok(wishes)
}

fn claims(
    issuer: &Shared,
    mut wishes: Map<String, Value>,
    ttl: i64,
) -> Result<Map<String, Value>, OAuthError> {
    let now = unix_now();
    wishes.remove("ttl");
    // A token that has expired must have been issued before it did.
    let issued = if ttl < 0 { now.saturating_add_signed(ttl).saturating_sub(60) } else { now };
    wishes.entry("sub").or_insert_with(|| json!(DEFAULT_SUBJECT));
    wishes.entry("scope").or_insert_with(|| json!(DEFAULT_SCOPE));
    let audience = match wishes.remove("aud") {
        None => json!(issuer.audience()),
        Some(Value::String(list)) if list.contains(',') => list.split(',').map(str::trim).collect(),
        Some(other) => other,
    };
    wishes.insert("aud".to_string(), audience);
    wishes.insert("iss".to_string(), json!(issuer.url()));
    wishes.insert("iat".to_string(), json!(issued));
    wishes.insert("exp".to_string(), json!(now.saturating_add_signed(ttl)));
    wishes.insert("jti".to_string(), json!(random_id()?));
    Ok(wishes)
}

fn ttl(wishes: &Map<String, Value>) -> Result<i64, OAuthError> {
    let ttl = match wishes.get("ttl") {
        None => Some(DEFAULT_TTL),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_i64(),
    };
    ttl.filter(|ttl| (-MAX_TTL..=MAX_TTL).contains(ttl))
        .ok_or(OAuthError::new(Kind::InvalidRequest, "ttl is a number of seconds, at most a day."))
}

fn wants_text(headers: &HeaderMap) -> bool {
    is(headers, &header::ACCEPT, "text/plain")
}

fn is(headers: &HeaderMap, name: &header::HeaderName, media_type: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split([',', ';']).next().is_some_and(|first| first.trim().eq_ignore_ascii_case(media_type))
}
