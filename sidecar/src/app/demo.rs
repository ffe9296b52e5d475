//! The demo routes (contract §5): requests that the filter let pass in, who it says is calling out.

use super::reply::{Reply, refusal};
use crate::secret::Secret;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest body that is read.
pub const MAX_BODY: usize = 1024 * 1024;

/// How a verified user is known.
pub struct Identity {
    /// What Envoy shows.
    pub secret: Secret,
    /// The header that it names the user in.
    pub user_header: String,
}

/// `GET /`
pub async fn root() -> Reply {
    Reply::ok(json!({ "ok": true }))
}

/// `GET /protected`, `GET /protected/ping`, `GET` and `POST /writer-only`
pub async fn protected(State(identity): State<Arc<Identity>>, headers: HeaderMap) -> Reply {
    match identity.user(&headers) {
        Ok(_) => Reply::ok(json!({ "ok": true })),
        Err(refused) => refused,
    }
}

/// `POST /protected/echo`
pub async fn echo(State(identity): State<Arc<Identity>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let sub = match identity.user(&parts.headers) {
        Ok(user) => user,
        Err(refused) => return refused,
    };
    match json_body(body, &parts.headers).await {
        Ok(body) => Reply::ok(json!({ "ok": true, "sub": sub, "body": body })),
        Err(refused) => refused,
    }
}

/// `GET` and `POST /__test__/echo`
pub async fn test_echo(State(identity): State<Arc<Identity>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let user = match identity.user(&parts.headers) {
        Ok(user) => user,
        Err(refused) => return refused,
    };
    let scope = parts.headers.get("x-required-scope").and_then(|s| s.to_str().ok()).map(str::trim);
    let Some(scope) = scope.filter(|s| !s.is_empty()) else {
        let error = "missing_required_scope_header";
        return refusal(
            StatusCode::BAD_REQUEST,
            error,
            "Name the scope to test in X-Required-Scope.",
            &parts.headers,
        );
    };
    let body = match json_body(body, &parts.headers).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let method = parts.method.as_str();
    let route = "/__test__/echo";
    Reply::ok(match body {
        Value::Null => json!({ "ok": true, "user": user, "scope": scope, "method": method, "route": route }),
        body => {
            json!({ "ok": true, "user": user, "scope": scope, "method": method, "route": route, "body": body })
        }
    })
}

impl Identity {
    /// The verified user. Only Envoy may name one, and it shows the secret.
    fn user(&self, headers: &HeaderMap) -> Result<String, Reply> {
        let shown = headers.get("x-gatewaystack-secret").map(|v| v.as_bytes()).unwrap_or_default();
        if !self.secret.is(shown) {
            let text = "This address is for the gateway alone: call the gateway.";
            return Err(refusal(StatusCode::FORBIDDEN, "access_denied", text, headers));
        }
        let named = headers.get(self.user_header.as_str()).and_then(|v| v.to_str().ok());
        let none = || refusal(StatusCode::UNAUTHORIZED, "unauthorized", "Access token required", headers);
        named.filter(|user| !user.is_empty()).map(decode).ok_or_else(none)
    }
}

/// The identity header's percent encoding (contract §7).
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A JSON body; none is `null`.
async fn json_body(body: Body, headers: &HeaderMap) -> Result<Value, Reply> {
    let Ok(bytes) = to_bytes(body, MAX_BODY).await else {
        let text = "The body is larger than 1 MiB, or ended early.";
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", text, headers));
    };
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| refusal(StatusCode::BAD_REQUEST, "invalid_request", "The body isn't JSON.", headers))
}
