//! Answers that the filter gives itself: a refusal, a preflight or a metadata document in, status, headers
//! and body out (contract §3).

use crate::challenge;
use crate::config::policy::{Builtin, ChallengeMode, Policy, Route};
use crate::cors::ResponseHeaders;
use crate::json::{write_number, write_string};
use crate::mcp::era::{self, Era};
use crate::mcp::id;
use crate::metadata;
use crate::rate_limit::LimitState;
use crate::refusal::Refusal;
use crate::request::Request;
use std::borrow::Cow;

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
pub struct ReplyContext {
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
    /// The operation, on an MCP route.
    pub mcp: Option<McpReplyContext>,
}

/// What of an MCP request an answer depends on.
#[derive(Debug, Clone)]
pub struct McpReplyContext {
    /// The id as JSON.
    pub id: String,
    /// The scopes of the operation; `None`: no scope would help.
    pub scopes: Option<Vec<String>>,
    /// Whether it is one call of a tool, which a result can answer, and in which era.
    pub tool_call: Option<Era>,
    /// The value of `MCP-Protocol-Version`, where it is unknown.
    pub version: Option<String>,
}

impl McpReplyContext {
    /// Nothing is known of the operation.
    pub fn nothing() -> Self {
        Self { id: id::NONE.to_owned(), scopes: None, tool_call: None, version: None }
    }
}

/// The answer to a refused request.
pub fn refuse(policy: &Policy, route: Option<&Route>, asked: &ReplyContext, refusal: &Refusal) -> Reply {
    let mut headers: ResponseHeaders =
        vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())];
    if refusal.is_challenged() {
        if let Some(reply) = result(policy, route, asked, refusal) {
            return reply;
        }
        let operation = asked.mcp.as_ref().and_then(|mcp| mcp.scopes.as_deref());
        headers.push((
            "www-authenticate",
            challenge::build(policy, route, &asked.host, operation, refusal).into(),
        ));
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.push(("retry-after", seconds.to_string().into()));
    }
    if let Refusal::Method(allow) = refusal {
        headers.push(("allow", allow.clone().into()));
    }
    let counted = match refusal {
        Refusal::Limited(state) => Some(state),
        _ => asked.counted.as_ref(),
    };
    headers.extend(counted.into_iter().flat_map(limit_headers));
    headers.extend(asked.cors.iter().cloned());
    let grpc = asked.is_grpc.then(|| (grpc_status(refusal.status()), refusal.description()));
    let body = match &asked.mcp {
        _ if asked.is_head || asked.is_grpc => String::new(),
        Some(mcp) => rpc_error(refusal, &asked.request_id, mcp),
        None => body(refusal, &asked.request_id),
    };
    Reply { status: refusal.status(), headers, body, grpc }
}

/// `challenge_mode: meta`: a refused call of a tool as that tool's result, by which some clients know to sign
/// in.
fn result(policy: &Policy, route: Option<&Route>, asked: &ReplyContext, refusal: &Refusal) -> Option<Reply> {
    let (mcp, rules) = (asked.mcp.as_ref()?, route?.mcp.as_ref()?);
    let era = mcp.tool_call.filter(|_| rules.challenge_mode == ChallengeMode::Meta && mcp.id != "null")?;
    let error = refusal.challenge_error().unwrap_or("invalid_token");
    let challenge = challenge::write(policy, route, &asked.host, mcp.scopes.as_deref(), refusal, Some(error));
    let mut body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":",
        mcp.id
    );
    write_string(&mut body, &refusal.description(), 1024);
    body.push_str("}],\"isError\":true,\"_meta\":{\"mcp/www_authenticate\":[");
    write_string(&mut body, &challenge, usize::MAX);
    body.push_str("]}");
    if era.has_headers() {
        body.push_str(",\"resultType\":\"complete\"");
    }
    body.push_str("}}");
    let mut headers: ResponseHeaders =
        vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())];
    headers.extend(asked.cors.iter().cloned());
    Some(Reply { status: 200, headers, body, grpc: None })
}

/// JSON-RPC 2.0 §5.1, with the codes of contract §12.
fn rpc_error(refusal: &Refusal, request_id: &str, asked: &McpReplyContext) -> String {
    let code = refusal.code();
    let mut out =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":{code},\"message\":", asked.id);
    write_string(&mut out, &refusal.description(), 1024);
    out.push_str(",\"data\":{\"error\":");
    write_string(&mut out, refusal.error(), 64);
    write_needs(&mut out, refusal);
    if *refusal == Refusal::Version {
        let requested = asked.version.as_deref().unwrap_or_default();
        out.push_str(",\"requested\":");
        write_string(&mut out, requested, 256);
        out.push_str(",\"supported\":");
        write_list(&mut out, &era::alternatives(requested));
    }
    out.push_str(",\"request_id\":");
    write_string(&mut out, request_id, 64);
    out.push_str("}}}");
    out
}

/// The filter's own answer, where the policy says `metadata.serve: filter`.
///
/// # Errors
/// [`Refusal::NoDocument`] on the path of no protected resource (RFC 9728 §3.1).
pub fn metadata(policy: &Policy, route: &Route, request: &Request<'_>) -> Result<Option<Reply>, Refusal> {
    if !policy.metadata.by_filter || route.builtin != Some(Builtin::ResourceMetadata) {
        return Ok(None);
    }
    let document = metadata::document_at(policy, &request.target.path).ok_or(Refusal::NoDocument)?;
    let headers = metadata::HEADERS.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let body = if request.method == "HEAD" { String::new() } else { document };
    Ok(Some(Reply { status: 200, headers, body, grpc: None }))
}

/// The answer to a preflight.
pub fn preflight(headers: ResponseHeaders) -> Reply {
    Reply { status: 204, headers, body: String::new(), grpc: None }
}

/// `RateLimit-*` headers (draft-ietf-httpapi-ratelimit-headers-06).
pub fn limit_headers(state: &LimitState) -> [(&'static str, Cow<'static, str>); 4] {
    let number = |number: u64| {
        let mut out = String::with_capacity(10);
        write_number(&mut out, number);
        out
    };
    let limit = number(state.limit.into());
    let mut policy = String::with_capacity(24);
    policy.push_str(&limit);
    policy.push_str(";w=");
    write_number(&mut policy, state.window_s);
    [
        ("ratelimit-policy", policy.into()),
        ("ratelimit-limit", limit.into()),
        ("ratelimit-remaining", number(state.remaining.into()).into()),
        ("ratelimit-reset", number(state.reset_s).into()),
    ]
}

fn body(refusal: &Refusal, request_id: &str) -> String {
    let mut out = String::from("{\"error\":");
    write_string(&mut out, refusal.error(), 64);
    out.push_str(",\"error_description\":");
    write_string(&mut out, &refusal.description(), 1024);
    write_needs(&mut out, refusal);
    out.push_str(",\"request_id\":");
    write_string(&mut out, request_id, 64);
    out.push('}');
    out
}

fn write_needs(out: &mut String, refusal: &Refusal) {
    if let Some(rule) = refusal.rule() {
        out.push_str(",\"rule\":");
        write_string(out, rule, 256);
    }
    if let Refusal::Scope { needed, have } = refusal {
        out.push_str(",\"needed\":");
        write_list(out, needed);
        out.push_str(",\"have\":");
        write_list(out, have);
    }
}

/// At most 100 scopes of at most 256 bytes each: a token can't make an answer long.
fn write_list(out: &mut String, items: &[impl AsRef<str>]) {
    out.push('[');
    for (at, item) in items.iter().take(100).enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, item.as_ref(), 256);
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
