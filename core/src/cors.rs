//! Cross-origin requests (Fetch §3.2): an origin in, the answer's headers out. The same in an own gateway and
//! in a mesh.

use crate::config::policy::Cors;
use crate::request::Request;
use std::borrow::Cow;

const ALLOW_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const ALLOW_HEADERS: &str = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name";
const EXPOSE_HEADERS: &str = "WWW-Authenticate, Mcp-Session-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After";

/// What an upstream might say that browsers read today, for Envoy's routes, which remove by name: where the
/// policy has origins, it alone decides.
pub const OF_UPSTREAM: [&str; 7] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Headers to add to an answer.
pub type ResponseHeaders = Vec<(&'static str, Cow<'static, str>)>;

/// Whether `request` is a preflight, which the filter answers itself.
pub fn is_preflight(request: &Request<'_>) -> bool {
    request.method == "OPTIONS" && request.origin.is_some() && request.asks_preflight
}

/// Headers of the answer to a preflight.
pub fn preflight(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    let mut headers = base(cors, origin);
    if headers.iter().any(|(name, _)| *name == "access-control-allow-origin") {
        headers.push(("access-control-allow-methods", ALLOW_METHODS.into()));
        headers.push(("access-control-allow-headers", ALLOW_HEADERS.into()));
        headers.push(("access-control-max-age", "600".into()));
    }
    headers
}

/// Headers of the answer to a preflight of a document that is for everybody.
pub fn preflight_of_public() -> ResponseHeaders {
    vec![
        ("access-control-allow-origin", "*".into()),
        ("access-control-allow-methods", "GET".into()),
        ("access-control-allow-headers", "Accept, MCP-Protocol-Version".into()),
        ("access-control-max-age", "600".into()),
    ]
}

/// Headers of any answer about a document that is for everybody: the same for each origin, and never with a
/// page's cookies.
pub fn answer_of_public() -> ResponseHeaders {
    vec![("access-control-allow-origin", "*".into())]
}

/// Whether what the upstream says of origins must go: browsers read it in the answers to their own requests
/// alone, which have an origin.
pub fn decides(cors: &Cors, origin: Option<&str>) -> bool {
    !cors.origins.is_empty() && origin.is_some()
}

/// Whether a header of an answer is about origins, by its name in lower case: also one that no browser reads
/// yet.
pub fn is_about_origins(name: &[u8]) -> bool {
    name.starts_with(b"access-control-")
}

/// Headers of any other answer, refusals included.
pub fn answer(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    let mut headers = base(cors, origin);
    if headers.iter().any(|(name, _)| *name == "access-control-allow-origin") {
        headers.push(("access-control-expose-headers", EXPOSE_HEADERS.into()));
    }
    headers
}

fn base(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    if cors.origins.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![("vary", "Origin".into())];
    let any = cors.origins.iter().any(|o| o == "*");
    if let Some(origin) = origin.filter(|origin| any || cors.origins.iter().any(|o| o == origin)) {
        // The policy's spelling, not the client's; they are equal, but one of them is ours.
        let allowed = if any { "*".into() } else { origin.to_owned().into() };
        headers.push(("access-control-allow-origin", allowed));
        if cors.credentials && !any {
            headers.push(("access-control-allow-credentials", "true".into()));
        }
    }
    headers
}
