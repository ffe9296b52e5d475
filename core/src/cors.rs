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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gate;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const APP: &str = "https://app.example";

    fn names(headers: &ResponseHeaders) -> Vec<&str> {
        headers.iter().map(|(name, _)| *name).collect()
    }

    fn value<'h>(headers: &'h ResponseHeaders, name: &str) -> Option<&'h str> {
        headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_ref())
    }

    /// The policy's origins, whether it has credentials, the request's origin; what an answer says of it.
    #[test]
    fn an_origin_is_told_what_the_policy_has_for_it_and_another_nothing() {
        let (origin, credentials) = ("access-control-allow-origin", "access-control-allow-credentials");
        for (origins, with, asks, allowed, expect) in [
            (vec![], true, Some(APP), None, vec![]),
            (vec![APP], true, None, None, vec!["vary"]),
            (vec![APP], true, Some("https://other.example"), None, vec!["vary"]),
            (vec![APP], true, Some("https://app.example.evil"), None, vec!["vary"]),
            (vec![APP], false, Some(APP), Some(APP), vec!["vary", origin]),
            (vec!["https://a.example", APP], true, Some(APP), Some(APP), vec!["vary", origin, credentials]),
            // Nobody's cookies are for everybody.
            (vec!["*"], true, Some(APP), Some("*"), vec!["vary", origin]),
            (vec!["*"], true, None, None, vec!["vary"]),
        ] {
            let case = format!("{origins:?} {with} {asks:?}");
            let cors = Cors { origins: origins.into_iter().map(str::to_owned).collect(), credentials: with };
            let more = |names: [&'static str; 3], count: usize| match allowed {
                Some(_) => [&expect[..], &names[..count]].concat(),
                None => expect.clone(),
            };
            let (answer, preflight) = (answer(&cors, asks), preflight(&cors, asks));
            assert_eq!(names(&answer), more(["access-control-expose-headers", "", ""], 1), "{case}");
            let of_preflights =
                ["access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"];
            assert_eq!(names(&preflight), more(of_preflights, 3), "{case}");
            for headers in [&answer, &preflight] {
                assert_eq!(value(headers, origin), allowed, "{case}");
                assert_eq!(value(headers, credentials).is_some(), expect.contains(&credentials), "{case}");
            }
            assert_eq!(decides(&cors, asks), !cors.origins.is_empty() && asks.is_some(), "{case}");
        }
    }

    #[test]
    fn a_document_for_everybody_is_read_from_any_page_without_its_cookies() {
        let name = "access-control-allow-origin";
        let (answer, preflight) = (answer_of_public(), preflight_of_public());
        assert_eq!((names(&answer), value(&answer, name)), (vec![name], Some("*")));
        assert_eq!(value(&preflight, name), Some("*"));
        assert_eq!(value(&preflight, "access-control-allow-methods"), Some("GET"));
        assert_eq!(value(&preflight, "access-control-allow-credentials"), None);
    }

    #[test]
    fn only_a_browsers_question_before_a_request_is_answered_as_one() {
        let mut gate = gate(json!({"routes": [{"path": "/*"}], "cors": {"origins": [APP]}}));
        let (from, asks) = (("origin", APP), ("access-control-request-method", "POST"));
        for (method, headers, status) in [
            ("OPTIONS", &[from, asks][..], 204),
            ("OPTIONS", &[from], 401),
            ("OPTIONS", &[asks], 401),
            ("GET", &[from, asks], 401),
        ] {
            assert_eq!(gate.send(method, "/x", headers).status(), status, "{method} {headers:?}");
        }
    }

    #[test]
    fn what_is_about_origins_is_known_by_how_its_name_begins() {
        assert!(OF_UPSTREAM.iter().all(|name| is_about_origins(name.as_bytes())));
        assert!(is_about_origins(b"access-control-of-tomorrow"));
        for other in ["vary", "x-access-control-allow-origin", "access-control", "accept"] {
            assert!(!is_about_origins(other.as_bytes()), "{other}");
        }
    }
}
