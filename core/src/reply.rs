//! Answers that the filter gives itself: a refusal, a preflight or a metadata document in, status, headers and body out (CONTRACT §3).

use crate::challenge;
use crate::config::policy::{Policy, Route};
use crate::cors::ResponseHeaders;
use crate::json::write_string;
use crate::rate_limit::LimitState;
use crate::refusal::Refusal;

/// A local answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: ResponseHeaders,
    /// Body; empty for `HEAD`.
    pub body: String,
    /// gRPC status and message, for gRPC requests: a trailers-only answer.
    pub grpc: Option<(i32, String)>,
}

/// What of the request an answer depends on.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `HEAD`.
    pub is_head: bool,
    /// gRPC.
    pub is_grpc: bool,
    /// The host that the client named.
    pub host: String,
    /// Envoy's request id.
    pub request_id: String,
    /// The limit that the request was counted by, where it was before it was refused.
    pub counted: Option<LimitState>,
    /// CORS headers of the answer.
    pub cors: ResponseHeaders,
}

/// The answer to a refused request.
pub fn refuse(policy: &Policy, route: Option<&Route>, asked: &Asked, refusal: &Refusal) -> Reply {
    let mut headers: ResponseHeaders =
        vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())];
    if refusal.is_challenged() {
        headers.push(("www-authenticate", challenge::build(policy, route, &asked.host, refusal)));
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.push(("retry-after", seconds.to_string()));
    }
    if let Refusal::Method(allow) = refusal {
        headers.push(("allow", allow.clone()));
    }
    let counted = match refusal {
        Refusal::Limited(state) => Some(state),
        _ => asked.counted.as_ref(),
    };
    headers.extend(counted.into_iter().flat_map(limit_headers));
    headers.extend(asked.cors.iter().cloned());
    let grpc = asked.is_grpc.then(|| (grpc_status(refusal.status()), refusal.description()));
    let body = if asked.is_head || asked.is_grpc { String::new() } else { body(refusal, &asked.request_id) };
    Reply { status: refusal.status(), headers, body, grpc }
}

/// The answer to a preflight.
pub fn preflight(headers: ResponseHeaders) -> Reply {
    Reply { status: 204, headers, body: String::new(), grpc: None }
}

/// `RateLimit-*` headers (draft-ietf-httpapi-ratelimit-headers-06).
pub fn limit_headers(state: &LimitState) -> ResponseHeaders {
    vec![
        ("ratelimit-policy", format!("{};w={}", state.limit, state.window_s)),
        ("ratelimit-limit", state.limit.to_string()),
        ("ratelimit-remaining", state.remaining.to_string()),
        ("ratelimit-reset", state.reset_s.to_string()),
    ]
}

fn body(refusal: &Refusal, request_id: &str) -> String {
    let mut out = String::from("{\"error\":");
    write_string(&mut out, refusal.error(), 64);
    out.push_str(",\"error_description\":");
    write_string(&mut out, &refusal.description(), 1024);
    if let Refusal::Scope { needed, have } = refusal {
        out.push_str(",\"needed\":");
        write_list(&mut out, needed);
        out.push_str(",\"have\":");
        write_list(&mut out, have);
    }
    out.push_str(",\"request_id\":");
    write_string(&mut out, request_id, 64);
    out.push('}');
    out
}

/// At most 100 scopes of at most 256 bytes each: a token can't make an answer long.
fn write_list(out: &mut String, items: &[String]) {
    out.push('[');
    for (at, item) in items.iter().take(100).enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, item, 256);
    }
    out.push(']');
}

fn grpc_status(status: u16) -> i32 {
    match status {
        400 | 405 => 3,
        401 => 16,
        403 => 7,
        429 => 8,
        502..=504 => 14,
        _ => 13,
    }
}
