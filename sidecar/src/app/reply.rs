//! Replies: a status and a JSON body in, a response out; refusals in the contract's form (contract §3).

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A response with a JSON body. None is kept by caches: each is about a moment or a user.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    body: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// 200.
    pub fn ok(body: Value) -> Self {
        Self::with(StatusCode::OK, body)
    }

    /// Another status.
    pub fn with(status: StatusCode, body: Value) -> Self {
        Self { status, body, header: None }
    }

    /// The same with a header.
    pub fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((HeaderName::from_static(name), HeaderValue::from_static(value))), ..self }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().extend(self.header);
        response
    }
}

/// A refusal; `headers` are the request's, whose id it repeats.
pub fn refusal(status: StatusCode, error: &str, description: &str, headers: &HeaderMap) -> Reply {
    let good = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).filter(good);
    let body = match id {
        Some(id) => json!({ "error": error, "error_description": description, "request_id": id }),
        None => json!({ "error": error, "error_description": description }),
    };
    Reply::with(status, body)
}

/// 404, of a path that there isn't and of one that is hidden.
pub async fn not_found(headers: HeaderMap) -> Reply {
    refusal(StatusCode::NOT_FOUND, "not_found", "Nothing is served at this path.", &headers)
}

/// 405; axum says in `Allow` which methods there are.
pub async fn wrong_method(headers: HeaderMap) -> Reply {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path has other methods; see Allow.",
        &headers,
    )
}
