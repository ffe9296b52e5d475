//! Shadow mode (POLICY.md): which requests it is for, and the only edits that they get. What a client says of itself goes; nothing else
//! changes.

use crate::authorize;
use crate::config::policy::{Mode, Policy, RouteId};
use crate::decision::Edits;
use crate::jwt::VerifiedClaims;
use crate::path::{self, push_escape};
use crate::query;
use crate::request::{self, Pairs, Request, RequestFault};
use crate::route::{self, Match};

/// The mode of a request: its route's. One without a route has the policy's, unless it could be taken for an enforced route's.
pub fn mode(policy: &Policy, found: Match, path: &str) -> Mode {
    let enforced = match found {
        Match::Route(RouteId(at)) | Match::WrongMethod(RouteId(at)) => {
            return policy.routes.get(at).map_or(policy.mode, |route| route.mode);
        }
        Match::None => route::has_enforced(policy, path, false),
        Match::Ambiguous => route::has_enforced(policy, path, true),
    };
    if enforced { Mode::Enforce } else { policy.mode }
}

/// The mode of a request that can't be judged. Where its path and host can be read, its route says; else it may be meant for any route, and
/// one that is enforced is enough.
pub fn mode_of_unparsed(policy: &Policy, headers: Pairs<'_>, fault: RequestFault) -> Mode {
    let text = |name: &str| request::first(headers, name).and_then(|v| std::str::from_utf8(v).ok());
    let target = path::parse(request::first(headers, ":path").unwrap_or_default());
    let is_readable = match fault {
        RequestFault::Path(_) | RequestFault::Method => false,
        RequestFault::Doubled(name) | RequestFault::NotText(name) => !["host", ":method"].contains(&name),
        RequestFault::Connection => true,
    };
    match (target, text(":method")) {
        (Ok(target), Some(method)) if is_readable => {
            let host = text(":authority").or(text("host")).unwrap_or_default();
            mode(policy, route::find(policy, method, host, &target.path), &target.path)
        }
        _ if policy.routes.iter().any(|route| route.mode == Mode::Enforce) => Mode::Enforce,
        _ => policy.mode,
    }
}

/// Impostors out, and in what is verified, where enforcing would allow it (`caller`; in the query only where `in_query`).
pub fn edits(
    policy: &Policy,
    request: &Request<'_>,
    caller: Option<&VerifiedClaims>,
    in_query: bool,
) -> Edits {
    let mut edits = Edits::default();
    authorize::strip_headers(&mut edits, request);
    if let Some(claims) = caller {
        authorize::inject_headers(policy, &mut edits, claims);
    }
    let user = caller.filter(|_| in_query);
    if let Some(query) = authorize::identity_query(policy, request.target.query.as_deref(), user) {
        // Escapes in the path stay as they came: only the query is written anew.
        edits.path = Some(with_query(request.raw_path, query.as_deref()));
    }
    edits
}

/// Impostors out of a request that can't be judged.
pub fn edits_of_unparsed(policy: &Policy, headers: Pairs<'_>) -> Edits {
    let spoofed = headers.iter().filter(|(name, _)| request::is_spoofed(name, &policy.identity));
    let mut edits = Edits { remove: spoofed.map(|(name, _)| name.to_vec()).collect(), ..Edits::default() };
    let target = ascii(request::first(headers, ":path").unwrap_or_default());
    if let (Some(name), Some((path, query))) = (&policy.identity.user_query, target.split_once('?'))
        && let Some(left) = query::strip(query, name)
    {
        edits.path = Some(with_query(path, Some(&left).filter(|q| !q.is_empty()).map(String::as_str)));
    }
    edits
}

fn with_query(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// What isn't ASCII escaped, which says the same.
fn ascii(target: &[u8]) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target {
        if byte.is_ascii() { out.push(char::from(*byte)) } else { push_escape(&mut out, *byte) }
    }
    out
}
