//! The demo routes (contract §5): requests that the filter let pass in, who it says is calling out.

use super::answer::{Answer, refusal};
use super::{MAX_BODY, Shared};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// `GET /`
pub async fn root() -> Answer {
    Answer::ok(json!({ "ok": true }))
}

/// `GET /protected`, `GET /protected/ping`, `GET` and `POST /writer-only`
pub async fn protected(State(app): State<Shared>, headers: HeaderMap) -> Answer {
    match user(&app, &headers) {
        Ok(_) => Answer::ok(json!({ "ok": true })),
        Err(answer) => answer,
    }
}

/// `POST /protected/echo`
pub async fn echo(State(app): State<Shared>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let sub = match user(&app, &parts.headers) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    match json_body(body, &parts.headers).await {
        Ok(body) => Answer::ok(json!({ "ok": true, "sub": sub, "body": body })),
        Err(answer) => answer,
    }
}

/// `GET` and `POST /__test__/echo`
pub async fn test_echo(State(app): State<Shared>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let user = match user(&app, &parts.headers) {
        Ok(user) => user,
        Err(answer) => return answer,
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
    Answer::ok(match body {
        Value::Null => json!({ "ok": true, "user": user, "scope": scope, "method": method, "route": route }),
        body => {
            json!({ "ok": true, "user": user, "scope": scope, "method": method, "route": route, "body": body })
        }
    })
}

/// The verified user. Only Envoy may name one, and it shows the secret.
fn user(app: &Shared, headers: &HeaderMap) -> Result<String, Answer> {
    let shown = headers.get("x-gatewaystack-secret").map(|v| v.as_bytes()).unwrap_or_default();
    if !app.settings.secret.is(shown) {
        let text = "This address is for the gateway alone: call the gateway.";
        return Err(refusal(StatusCode::FORBIDDEN, "access_denied", text, headers));
    }
    let named = headers.get(app.policy.identity.user_header.as_str()).and_then(|v| v.to_str().ok());
    named
        .filter(|user| !user.is_empty())
        .map(decode)
        .ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, "unauthorized", "Access token required", headers))
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
async fn json_body(body: Body, headers: &HeaderMap) -> Result<Value, Answer> {
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
