//! Cross-origin requests (Fetch §3.2): an origin in, the answer's headers out. The same in an own gateway and in a mesh.

use crate::config::policy::Cors;
use crate::request::Request;

const ALLOW_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const ALLOW_HEADERS: &str = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name";
const EXPOSE_HEADERS: &str = "WWW-Authenticate, Mcp-Session-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After";

/// Headers to add to an answer.
pub type ResponseHeaders = Vec<(&'static str, String)>;

/// Whether `request` is a preflight, which the filter answers itself.
pub fn is_preflight(request: &Request<'_>) -> bool {
    request.method == "OPTIONS" && request.origin.is_some() && request.asks_preflight
}

/// Headers of the answer to a preflight.
pub fn preflight(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    let mut headers = base(cors, origin);
    if headers.iter().any(|(name, _)| *name == "access-control-allow-origin") {
        headers.push(("access-control-allow-methods", ALLOW_METHODS.to_owned()));
        headers.push(("access-control-allow-headers", ALLOW_HEADERS.to_owned()));
        headers.push(("access-control-max-age", "600".to_owned()));
    }
    headers
}

/// Headers of any other answer, refusals included.
pub fn answer(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    let mut headers = base(cors, origin);
    if headers.iter().any(|(name, _)| *name == "access-control-allow-origin") {
        headers.push(("access-control-expose-headers", EXPOSE_HEADERS.to_owned()));
    }
    headers
}

fn base(cors: &Cors, origin: Option<&str>) -> ResponseHeaders {
    if cors.origins.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![("vary", "Origin".to_owned())];
    let any = cors.origins.iter().any(|o| o == "*");
    if let Some(origin) = origin.filter(|origin| any || cors.origins.iter().any(|o| o == origin)) {
        // The policy's spelling, not the client's; they are equal, but one of them is ours.
        let allowed = if any { "*" } else { origin };
        headers.push(("access-control-allow-origin", allowed.to_owned()));
        if cors.credentials && !any {
            headers.push(("access-control-allow-credentials", "true".to_owned()));
        }
    }
    headers
}
