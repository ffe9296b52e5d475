//! Protected resource metadata (RFC 9728 §3): the policy in, the document out. One source for the filter and
//! the sidecar.

use crate::config::policy::{Policy, Route};
use crate::json::write_string;
use crate::route;

/// Where the documents are.
pub const PATH: &str = "/.well-known/oauth-protected-resource";

/// The root document.
pub fn document(policy: &Policy) -> String {
    write(policy, &policy.resource, &policy.scopes_supported)
}

/// The document at a path of [`PATH`] and below, normalised: the root one, or that of the MCP route whose
/// path is inserted (RFC 9728 §3.1).
pub fn document_at(policy: &Policy, path: &str) -> Option<String> {
    let inserted = route::segments(path.strip_prefix(PATH)?);
    if inserted.is_empty() {
        return Some(document(policy));
    }
    let is = |route: &&Route| {
        let own = route.pattern.segments.iter().map(Option::as_deref);
        route.mcp.is_some() && own.eq(inserted.iter().map(|segment| Some(*segment)))
    };
    let mcp = policy.routes.iter().find(is)?.mcp.as_ref()?;
    Some(write(policy, &mcp.resource, &mcp.scopes_supported))
}

fn write(policy: &Policy, resource: &str, scopes: &[String]) -> String {
    let mut out = String::from("{\"resource\":");
    write_string(&mut out, resource, usize::MAX);
    out.push_str(",\"authorization_servers\":");
    list(&mut out, policy.issuers.iter().map(|i| i.issuer.as_ref()));
    out.push_str(",\"scopes_supported\":");
    list(&mut out, scopes.iter().map(String::as_str));
    out.push_str(",\"bearer_methods_supported\":[\"header\"]}");
    out
}

/// Headers of the document's answer.
pub const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("access-control-allow-origin", "*"),
    ("cache-control", "public, max-age=300"),
    ("vary", "Host"),
];

fn list<'a>(out: &mut String, items: impl Iterator<Item = &'a str>) {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, item, usize::MAX);
    }
    out.push(']');
}
