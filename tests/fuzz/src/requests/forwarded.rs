//! What is forwarded means one thing, and that is allowed. In: a request and the edits of its permit. Out: a
//! panic where a server could read method, path, query, headers or body as something that the caller may not.

use super::target::{parameters, readings, sloppy_name, spelled};
use super::{Case, body};
use crate::gateway::{Caller, USER, USER_HEADER, USER_QUERY};
use crate::loose;
use crate::routes::{self, Route};
use crate::rules::Rule;
use gatewaystack_core::decision::Edits;

pub fn check(case: &Case, edits: &Edits) {
    let method = std::str::from_utf8(&case.wire.method).unwrap_or_default();
    assert!(is_method(method), "a method that some server reads as another");
    let target =
        edits.path.clone().unwrap_or_else(|| String::from_utf8_lossy(&case.wire.target).into_owned());
    let (path, query) =
        target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    assert!(spelled(path).as_deref() == Some(path), "not its one spelling: {path}");
    let route = routes::find(method, &super::target::plain_segments(path));
    assert!(route.is_some(), "no route: {path}");
    for segments in readings(path) {
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
        for segments in [segments, lower] {
            let read = routes::find(method, &segments);
            assert!(read.is_none_or(|read| may_enter(case, &read)), "{path} may be read as {segments:?}");
        }
    }
    let Some(route) = route else { return };
    // Nobody is named where nobody was asked for.
    let is_known = matches!(case.caller, Caller::Known(_)) && route.rule != Rule::Public;
    check_query(case, query, is_known);
    check_headers(case, edits, &route, is_known);
    if route.mcp.is_some() {
        body::check(case, method, &route);
    }
}

/// A method that is the same in upper case, and that makes no tunnel and no echo.
fn is_method(method: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !method.is_empty()
        && method.chars().all(is_token)
        && method == method.to_uppercase()
        && !["CONNECT", "TRACE"].contains(&method)
}

/// Whether the caller may send something by this route: to an MCP route anyone who has what a call needs.
fn may_enter(case: &Case, route: &Route) -> bool {
    case.wire.has_own_token() || route.mcp.is_some() || route.rule.allows(case.caller.scopes())
}

/// The user stands in the query once, as we wrote it; everything else is as it came.
fn check_query(case: &Case, query: Option<&str>, is_known: bool) {
    let query = query.unwrap_or_default();
    let name = USER_QUERY.to_lowercase();
    let users: Vec<&str> = parameters(query).filter(|parameter| sloppy_name(parameter) == name).collect();
    let written: String = url::form_urlencoded::byte_serialize(USER.as_bytes()).collect();
    let written = format!("{USER_QUERY}={written}");
    if is_known {
        assert!(users == [written.as_str()], "the user in {query}");
        assert!(query.ends_with(&written), "the user isn't the last in {query}");
    } else if !case.wire.has_own_token() {
        assert!(users.is_empty(), "a user in {query}");
    }
    let sent = String::from_utf8_lossy(&case.wire.target);
    let sent = sent.split_once('?').map_or("", |(_, query)| query);
    // Names that nobody could read as the user's.
    let is_other = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && name != name_of_user()
    };
    let others = |query| parameters(query).filter(is_other).map(str::to_owned).collect::<Vec<String>>();
    assert!(others(sent) == others(query), "{sent} became {query}");
}

fn name_of_user() -> String {
    USER_QUERY.to_lowercase()
}

/// What a client says of itself goes; the token, too; we say who it is.
fn check_headers(case: &Case, edits: &Edits, route: &Route, is_known: bool) {
    for (name, _) in &case.wire.headers {
        let goes = edits.removes(name) || edits.set.iter().any(|(set, _)| set == name);
        let must = is_ours(name) || (name == "authorization" && !route.keeps_token);
        assert!(!must || goes, "{name} is forwarded");
    }
    let users: Vec<&str> =
        edits.set.iter().filter(|(name, _)| name == USER_HEADER).map(|(_, value)| value.as_str()).collect();
    if is_known {
        assert!(users == [USER], "{users:?} in the header");
    } else if !case.wire.has_own_token() {
        assert!(edits.set.is_empty(), "nobody was named: {:?}", edits.set);
    }
}

/// Headers that speak of an identity, a method or a target, or of Envoy.
fn is_ours(name: &str) -> bool {
    let name = loose::folded(name).replace('_', "-");
    let names = [
        USER_HEADER,
        "x-tenant-id",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ];
    names.contains(&name.as_str())
        || name.starts_with("x-gatewaystack-")
        || (name.starts_with("x-envoy-") && name != "x-envoy-external-address")
}
