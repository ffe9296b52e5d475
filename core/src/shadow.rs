//! Shadow mode (contract §10.1): which requests it is for, and the only edits that they get. What a client
//! says of itself goes; nothing else changes.

use crate::authorize;
use crate::config::policy::{Mode, Policy, RouteId};
use crate::decision::Edits;
use crate::path::{self, Target, push_escape};
use crate::principal::Principal;
use crate::query;
use crate::request::{self, Pairs, Request, RequestFault};
use crate::route::{self, Match};
use std::borrow::Cow;

/// The mode of a request that `found` is the route of: that route's. One without a route has the policy's,
/// unless it could be taken for an enforced route's.
pub fn mode(policy: &Policy, asked: &RouteQuery<'_>, found: Match) -> Mode {
    let path = asked.target.path.as_str();
    let of_route = match found {
        Match::Route(RouteId(at)) | Match::WrongMethod(RouteId(at)) => policy.routes.get(at).map(|r| r.mode),
        Match::None => route::has_enforced(policy, path, false).then_some(Mode::Enforce),
        Match::Ambiguous => {
            let enforced = route::has_enforced(policy, path, true) || route::reaches_enforced(policy, path);
            enforced.then_some(Mode::Enforce)
        }
    };
    match of_route.unwrap_or(policy.mode) {
        // What is only watched goes on as it came, and Envoy must choose the same route by that.
        Mode::Shadow if asked.target.changed && has_enforced(policy) => {
            let as_sent = route::find(policy, asked.method, asked.host, asked.raw_path);
            if as_sent == found { Mode::Shadow } else { Mode::Enforce }
        }
        mode => mode,
    }
}

/// What a route is found by.
pub struct RouteQuery<'a> {
    /// The method.
    pub method: &'a str,
    /// The host.
    pub host: &'a str,
    /// The target, normalised.
    pub target: &'a Target,
    /// The path as it came, without the query.
    pub raw_path: &'a str,
}

impl<'a> RouteQuery<'a> {
    /// By a request.
    pub fn by(request: &'a Request<'a>) -> Self {
        Self {
            method: request.method,
            host: request.host,
            target: &request.target,
            raw_path: request.raw_path,
        }
    }
}

fn has_enforced(policy: &Policy) -> bool {
    policy.routes.iter().any(|route| route.mode == Mode::Enforce)
}

/// The mode of a request that can't be judged. Where its path and host can be read, its route says; else it
/// may be meant for any route, and one that is enforced is enough.
pub fn mode_of_unparsed(policy: &Policy, headers: Pairs<'_>, fault: RequestFault) -> Mode {
    let text = |name: &str| request::first(headers, name).and_then(|v| std::str::from_utf8(v).ok());
    let raw = text(":path").unwrap_or_default();
    let is_readable = match fault {
        RequestFault::Path(_) | RequestFault::Method => false,
        RequestFault::Doubled(name) | RequestFault::NotText(name) => !["host", ":method"].contains(&name),
        RequestFault::Connection => true,
    };
    match (path::parse(raw.as_bytes()), text(":method")) {
        (Ok(target), Some(method)) if is_readable => {
            let host = text(":authority").or(text("host")).unwrap_or_default();
            let raw_path = raw.split('?').next().unwrap_or_default();
            let found = route::find(policy, method, host, &target.path);
            mode(policy, &RouteQuery { method, host, target: &target, raw_path }, found)
        }
        _ if has_enforced(policy) => Mode::Enforce,
        _ => policy.mode,
    }
}

/// Impostors out, and in what is verified, where enforcing would allow it (`caller`; in the query only where
/// `in_query`).
pub fn edits(policy: &Policy, request: &Request<'_>, caller: Option<&Principal>, in_query: bool) -> Edits {
    let mut edits = Edits::default();
    authorize::strip_headers(&mut edits, request);
    if let Some(principal) = caller {
        authorize::inject_headers(policy, &mut edits, principal);
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
    let mut edits =
        Edits { remove: spoofed.map(|(name, _)| Cow::Owned(name.to_vec())).collect(), ..Edits::default() };
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
