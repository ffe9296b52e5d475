//! Envoy's routes: the policy's, in its order. The filter has decided when they are matched, so they only say
//! where to; but they have to match exactly as the filter does, or a request would go to another upstream
//! than the one it was judged for.

use super::clusters::{self, NO_UPSTREAM, Protocol, SIDECAR};
use gatewaystack_core::config::policy::{HttpUrl, Mode, Pattern, Policy, Route as PolicyRoute};
use serde::Serialize;
use std::fmt::Write as _;

/// The sidecar answers from memory, except for the relays, which fetch.
const SIDECAR_TIMEOUT_MS: u64 = 15_000;

/// So many paths become one regular expression at most: RE2 reads a request's path once for all of them,
/// where routes are tried one by one.
const MERGED: usize = 256;
/// And so many bytes of it, a wildcard counted as 32: RE2 bounds what it compiles, and is fast only within a
/// part of that.
const MERGED_BYTES: usize = 16 * 1024;

/// A route as the template has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    name: String,
    path: String,
    headers: Vec<Header>,
    grpc: bool,
    cluster: String,
    rewrite: Option<String>,
    authority: Option<String>,
    timeout_ms: u64,
    timeout: String,
    websocket: bool,
    secret: bool,
    cors: bool,
    /// The filter has addresses in its answers lead back.
    leads_back: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Header {
    name: &'static str,
    regex: String,
}

/// All routes of a policy.
pub fn routes(policy: &Policy) -> Vec<Route> {
    let mut all = merged(policy.routes.iter().map(|route| of(policy, route)));
    if policy.mode == Mode::Shadow {
        all.extend(elsewhere(policy));
    }
    all
}

/// Neighbours that differ in their paths alone are one route: it goes to the same place, whichever of them
/// the filter has judged by.
fn merged(routes: impl Iterator<Item = Vec<Route>>) -> Vec<Route> {
    let mut all: Vec<(Vec<Route>, usize, usize)> = Vec::new();
    for next in routes {
        let size: usize = next.iter().map(|route| size(&route.path)).max().unwrap_or(0);
        match all.last_mut() {
            Some((last, count, total))
                if *count < MERGED && *total + size <= MERGED_BYTES && go_alike(last, &next) =>
            {
                *count += 1;
                *total += size;
                for (route, with) in last.iter_mut().zip(next) {
                    route.path.push('|');
                    route.path.push_str(&with.path);
                }
            }
            _ => all.push((next, 1, size)),
        }
    }
    all.into_iter().flat_map(|(routes, ..)| routes).collect()
}

/// What an expression costs RE2, about.
fn size(regex: &str) -> usize {
    regex.len() + 32 * regex.matches("[^/]").count()
}

fn go_alike(a: &[Route], b: &[Route]) -> bool {
    let is_alike = |(a, b): (&Route, &Route)| {
        Route { name: String::new(), path: String::new(), ..a.clone() }
            == Route { name: String::new(), path: String::new(), ..b.clone() }
    };
    a.len() == b.len() && a.iter().zip(b).all(is_alike)
}

fn of(policy: &Policy, route: &PolicyRoute) -> Vec<Route> {
    let plain = Route {
        name: route.name.clone(),
        path: path_regex(&route.pattern),
        headers: headers(route),
        grpc: false,
        cluster: SIDECAR.to_owned(),
        rewrite: route.strip_prefix.as_deref().map(|prefix| format!("^{}/?(.*)$", quote(prefix))),
        authority: None,
        timeout_ms: route.timeout_ms.unwrap_or(SIDECAR_TIMEOUT_MS),
        timeout: seconds(route.timeout_ms.unwrap_or(SIDECAR_TIMEOUT_MS)),
        websocket: route.upgrade_websocket || route.mode == Mode::Shadow,
        secret: route.builtin.is_some(),
        // In shadow mode answers stay as they are.
        cors: !policy.cors.origins.is_empty() && route.builtin.is_none() && route.mode == Mode::Enforce,
        leads_back: route.leads_back(),
    };
    if route.builtin.is_some() {
        return vec![Route { websocket: false, ..plain }];
    }
    to_upstream(policy, route.upstream.as_deref().unwrap_or("default"), plain)
}

/// In shadow mode a path without a route goes to the default upstream.
fn elsewhere(policy: &Policy) -> Vec<Route> {
    let plain = Route {
        name: "elsewhere".to_owned(),
        path: "/.*".to_owned(),
        headers: Vec::new(),
        grpc: false,
        cluster: String::new(),
        rewrite: None,
        authority: None,
        timeout_ms: 0,
        timeout: String::new(),
        websocket: true,
        secret: false,
        cors: false,
        leads_back: false,
    };
    to_upstream(policy, "default", plain)
}

/// gRPC needs HTTP/2, which a server without TLS can't negotiate: such requests get a route of their own, in
/// front.
fn to_upstream(policy: &Policy, upstream: &str, plain: Route) -> Vec<Route> {
    let Some((_, url)) = policy.own.upstreams.iter().find(|(name, _)| name == upstream) else {
        return vec![Route { cluster: NO_UPSTREAM.to_owned(), rewrite: None, leads_back: false, ..plain }];
    };
    let plain = Route { authority: Some(url.authority.clone()), ..plain };
    let usual = Route { cluster: clusters::name(upstream, usual(url, plain.websocket)), ..plain.clone() };
    let grpc = (!url.tls || plain.websocket).then(|| Route {
        cluster: clusters::name(upstream, if url.tls { Protocol::Usual } else { Protocol::Http2 }),
        grpc: true,
        websocket: false,
        name: format!("{} (gRPC)", plain.name),
        ..plain
    });
    grpc.into_iter().chain([usual]).collect()
}

fn usual(url: &HttpUrl, websocket: bool) -> Protocol {
    if url.tls && websocket { Protocol::Http1 } else { Protocol::Usual }
}

fn headers(route: &PolicyRoute) -> Vec<Header> {
    let mut headers = Vec::new();
    // A built-in path belongs to the sidecar whatever the method: it answers 405.
    if let Some(methods) = route.methods.as_ref().filter(|_| route.builtin.is_none()) {
        let methods: Vec<String> = methods.iter().map(|m| quote(m)).collect();
        headers.push(Header { name: ":method", regex: methods.join("|") });
    }
    if !route.hosts.is_empty() {
        let hosts: Vec<String> = route.hosts.iter().map(|h| quote(h)).collect();
        headers
            .push(Header { name: ":authority", regex: format!("(?i)(?:{})(?::[0-9]*)?", hosts.join("|")) });
    }
    headers
}

/// One trailing slash is ignored; `*` is one segment, `/*` at the end one or more.
fn path_regex(pattern: &Pattern) -> String {
    let mut regex = String::new();
    for segment in &pattern.segments {
        regex.push('/');
        match segment {
            Some(text) => regex.push_str(&quote(text)),
            None => regex.push_str("[^/]+"),
        }
    }
    regex.push_str(if pattern.rest { "/[^/].*" } else { "/?" });
    regex
}

/// `text` as a regular expression (RE2) that matches it alone.
fn quote(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !(c.is_ascii_alphanumeric() || c == '_' || c == '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn seconds(ms: u64) -> String {
    let mut out = String::new();
    let _ = write!(out, "{}.{:03}s", ms / 1_000, ms % 1_000);
    out
}
