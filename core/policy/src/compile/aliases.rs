//! Two paths to one place: a route that strips a prefix may reach at its upstream what another route protects
//! by other rules. Routes in; an error for each such pair out, or what a route with `aliases: strict` is
//! judged by.

use super::common::Errors;
use crate::overlap;
use crate::policy::{Access, Alias, HttpUrl, Pattern, RateLimit, Route, RouteId, ScopeRule};
use crate::raw::{RawAliases, RawPolicy};

/// Holds the policy's own routes, of which `routes[first..]` are those of `raw`, against each other.
pub fn compile(
    raw: &RawPolicy,
    first: usize,
    routes: &mut [Route],
    upstreams: &[(String, HttpUrl)],
    limits: &[RateLimit],
    errors: &mut Errors,
) {
    let lists = raw.routes.as_deref().unwrap_or_default();
    let says = |at: usize| lists.get(at).and_then(|route| route.aliases);
    let own = routes.get(first..).unwrap_or_default();
    let places: Vec<Option<Place>> = own.iter().map(|route| place(route, upstreams)).collect();
    let mut strict = Vec::new();
    for (at, (route, place)) in own.iter().zip(&places).enumerate() {
        if says(at) == Some(RawAliases::Strict) && route.strip_prefix.is_none() {
            errors.push(format!("routes[{at}].aliases"), "strict belongs to a route with `strip_prefix`");
        }
        let Some(place) = place.as_ref().filter(|place| place.skip > 0) else { continue };
        let others = own.iter().zip(&places).enumerate().filter_map(|(other, (route, place))| {
            (other != at).then_some(())?;
            Some((other, route, place.as_ref()?))
        });
        let reached = others.filter(|(_, other, theirs)| {
            theirs.prefix != place.prefix
                && place.server == theirs.server
                && reaches(place, other, theirs)
                && (says(at) == Some(RawAliases::Strict) || share_a_method(route, other))
        });
        match says(at) {
            Some(RawAliases::Strict) => {
                has_no_rules(route, at, errors);
                let alias = |(other, _, theirs): (usize, &Route, &Place)| Alias {
                    route: RouteId(first + other),
                    skip: theirs.skip,
                };
                strict.push((first + at, reached.map(alias).collect::<Vec<_>>()));
            }
            Some(RawAliases::Allowed) => {}
            None => {
                let mut unlike = reached.filter(|(other, theirs, _)| {
                    says(*other).is_none() && !have_same_rules(route, theirs, limits)
                });
                if let Some((other, theirs, _)) = unlike.next() {
                    errors.push(
                        format!("routes[{at}].strip_prefix"),
                        format!(
                            "reaches at its upstream what routes[{other}] ({}) has other rules for: expected the same rules on both, \
                             another order of paths, or `aliases: allowed` where that is meant",
                            theirs.name
                        ),
                    );
                }
            }
        }
    }
    for (at, aliases) in strict {
        if let Some(route) = routes.get_mut(at) {
            route.aliases = aliases;
        }
    }
}

/// Whether what arrives by one route is another's, or lies below an MCP endpoint, which many servers have at
/// every path below it, too.
fn reaches(place: &Place, other: &Route, theirs: &Place) -> bool {
    let below = Pattern { segments: theirs.pattern.segments.clone(), rest: true };
    overlap::overlaps(&place.pattern, &theirs.pattern)
        || other.mcp.is_some() && overlap::overlaps(&place.pattern, &below)
}

/// Where a route's requests go.
struct Place {
    /// Host and port, whether it speaks TLS or not.
    server: (String, u16),
    prefix: Option<String>,
    /// Segments that are stripped.
    skip: usize,
    /// What arrives there.
    pattern: Pattern,
}

fn place(route: &Route, upstreams: &[(String, HttpUrl)]) -> Option<Place> {
    let name = route.upstream.as_deref().unwrap_or("default");
    let url = upstreams.iter().find(|(other, _)| other == name).map(|(_, url)| url)?;
    // One machine by several names.
    let is_loopback = url.host == "localhost" || url.host == "::1" || url.host.starts_with("127.");
    let host = if is_loopback { "localhost".to_owned() } else { url.host.to_ascii_lowercase() };
    let prefix = route.strip_prefix.clone();
    let skip = prefix.as_deref().map_or(0, segments);
    let pattern =
        Pattern { segments: route.pattern.segments.get(skip..)?.to_vec(), rest: route.pattern.rest };
    // 80 and 443 are one server's.
    let port = if is_default(url) { 0 } else { url.port };
    Some(Place { server: (host, port), prefix, skip, pattern })
}

fn is_default(url: &HttpUrl) -> bool {
    url.port == if url.tls { 443 } else { 80 }
}

/// Segments of a literal path.
fn segments(path: &str) -> usize {
    path.split('/').filter(|segment| !segment.is_empty()).count()
}

fn share_a_method(a: &Route, b: &Route) -> bool {
    match (&a.methods, &b.methods) {
        (Some(a), Some(b)) => a.iter().any(|method| b.contains(method)),
        _ => true,
    }
}

/// A route that is judged by others' rules can't have its own besides.
fn has_no_rules(route: &Route, at: usize, errors: &mut Errors) {
    let is_plain = route.access == Access::Token
        && route.scopes == ScopeRule::default()
        && route.issuers.is_none()
        && route.audiences.is_empty()
        && !route.users_only
        && !route.audit_required
        && route.mcp.is_none()
        && route.response_filter.is_none();
    if !is_plain {
        errors.push(
            format!("routes[{at}].aliases"),
            "strict belongs to a route that asks for a token and nothing else: its requests are judged by the rules of what they reach",
        );
    }
}

fn holds_on(limit: &RateLimit, route: &Route) -> bool {
    limit.route.as_ref().is_none_or(|pattern| overlap::covers(pattern, &route.pattern))
}

fn have_same_rules(a: &Route, b: &Route, limits: &[RateLimit]) -> bool {
    a.access == b.access
        && a.scopes == b.scopes
        && a.issuers == b.issuers
        && a.audiences == b.audiences
        && a.audience_strict == b.audience_strict
        && a.users_only == b.users_only
        && a.audit_required == b.audit_required
        && a.mode == b.mode
        && a.forward_authorization == b.forward_authorization
        && a.response_filter == b.response_filter
        && a.reads == b.reads
        && a.mcp.is_none()
        && b.mcp.is_none()
        && a.hosts == b.hosts
        && a.upgrade_websocket == b.upgrade_websocket
        && limits.iter().all(|limit| holds_on(limit, a) == holds_on(limit, b))
}
