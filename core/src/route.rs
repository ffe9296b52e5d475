//! Routes: method, host and normalised path in, the first route that matches out (contract §1.5).

use crate::config::policy::{Mode, Pattern, Policy, Route, RouteId};
use crate::host::bare_host;

/// What a request's target matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// This route.
    Route(RouteId),
    /// A built-in's path with a method that it doesn't have.
    WrongMethod(RouteId),
    /// Nothing: deny.
    None,
    /// A route matches, but an earlier one would if case were ignored, and some servers ignore it: deny.
    Ambiguous,
}

/// Finds the route.
pub fn find(policy: &Policy, method: &str, host: &str, path: &str) -> Match {
    let segments: Vec<&str> = segments(path);
    let host = bare_host(host);
    let found = first(policy, method, host, &segments);
    let Match::Route(RouteId(at)) = found else { return found };
    let route = policy.routes.get(at);
    route.and_then(|route| reached(policy, route, method, host, &segments)).unwrap_or(found)
}

/// A route that leads to the same server as another one, and what of its pattern arrives there.
struct There<'p> {
    id: RouteId,
    route: &'p Route,
    pattern: &'p [Option<String>],
}

impl There<'_> {
    fn takes(&self, arriving: &[&str], case: bool) -> bool {
        matches_from(self.pattern, self.route.pattern.rest, arriving, case)
    }

    /// Many servers have their MCP endpoint at every path below it, too.
    fn has_below(&self, arriving: &[&str], case: bool) -> bool {
        self.route.mcp.is_some() && matches_from(self.pattern, true, arriving, case)
    }
}

/// By whose rules `from` may be judged.
fn aliases<'p>(policy: &'p Policy, from: &'p Route) -> impl Iterator<Item = There<'p>> {
    from.aliases.iter().filter_map(|alias| {
        let route = policy.routes.get(alias.route.0)?;
        Some(There { id: alias.route, route, pattern: route.pattern.segments.get(alias.skip..)? })
    })
}

/// What of a path arrives at the server of a route that strips a prefix.
fn arriving<'s, 'p>(from: &Route, segments: &'s [&'p str]) -> &'s [&'p str] {
    let prefix = from.strip_prefix.as_deref().unwrap_or_default();
    let stripped = prefix.split('/').filter(|segment| !segment.is_empty()).count();
    segments.get(stripped..).unwrap_or_default()
}

/// By which route a request is judged that reaches at the same server what that route protects; `None`: by
/// its own.
fn reached(policy: &Policy, from: &Route, method: &str, host: &str, segments: &[&str]) -> Option<Match> {
    let mut near = None;
    for there in aliases(policy, from) {
        let path = arriving(from, segments);
        if there.takes(path, true) {
            if takes_method(there.route, method)
                && takes_host(there.route, host)
                && near != Some(Match::Ambiguous)
            {
                return Some(Match::Route(there.id));
            }
            // Asked for directly it would be refused, too.
            near = near.or(Some(Match::None));
        } else if !policy.case_sensitive && there.takes(path, false) {
            near = Some(Match::Ambiguous);
        } else if there.has_below(path, policy.case_sensitive) {
            near = near.or(Some(Match::None));
        }
    }
    near
}

fn first(policy: &Policy, method: &str, host: &str, segments: &[&str]) -> Match {
    for at in policy.index.candidates(segments) {
        let Some(route) = policy.routes.get(at) else { continue };
        if !matches(&route.pattern, segments, true) {
            continue;
        }
        if !takes_method(route, method) {
            // No other route has a path of a built-in's, nor may one that is broader take it.
            if route.builtin.is_some() {
                return Match::WrongMethod(RouteId(at));
            }
            continue;
        }
        if !takes_host(route, host) {
            continue;
        }
        let mut earlier = policy.index.candidates(segments).take_while(|earlier| *earlier != at);
        let differs = |at| policy.routes.get(at).is_some_and(|route| differs_by_case_alone(route, segments));
        if !policy.case_sensitive && earlier.any(differs) {
            return Match::Ambiguous;
        }
        return Match::Route(RouteId(at));
    }
    Match::None
}

/// Whether an enforced route has this path except for its case, which some servers ignore, or (`exact`) as it
/// is.
pub fn has_enforced(policy: &Policy, path: &str, exact: bool) -> bool {
    let segments = segments(path);
    policy.routes.iter().filter(|r| r.mode == Mode::Enforce).any(|r| {
        (exact && matches(&r.pattern, &segments, true))
            || (!policy.case_sensitive && differs_by_case_alone(r, &segments))
    })
}

/// Whether a path leads, its prefix stripped, to where an enforced route leads, except for its case.
pub fn reaches_enforced(policy: &Policy, path: &str) -> bool {
    let segments = segments(path);
    let mut stripping =
        policy.routes.iter().filter(|r| !r.aliases.is_empty() && matches(&r.pattern, &segments, true));
    stripping.any(|from| {
        let path = arriving(from, &segments);
        aliases(policy, from).any(|there| there.route.mode == Mode::Enforce && there.takes(path, false))
    })
}

fn takes_method(route: &Route, method: &str) -> bool {
    route.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| m == method))
}

fn takes_host(route: &Route, host: &str) -> bool {
    route.hosts.is_empty() || route.hosts.iter().any(|h| h.eq_ignore_ascii_case(host))
}

fn differs_by_case_alone(route: &Route, segments: &[&str]) -> bool {
    matches(&route.pattern, segments, false) && !matches(&route.pattern, segments, true)
}

fn matches(pattern: &Pattern, segments: &[&str], case: bool) -> bool {
    matches_from(&pattern.segments, pattern.rest, segments, case)
}

fn matches_from(fixed: &[Option<String>], rest: bool, segments: &[&str], case: bool) -> bool {
    let length = if rest { segments.len() > fixed.len() } else { segments.len() == fixed.len() };
    let same = |want: &str, got: &str| if case { want == got } else { want.eq_ignore_ascii_case(got) };
    length && fixed.iter().zip(segments).all(|(want, got)| want.as_deref().is_none_or(|want| same(want, got)))
}

/// Segments of a normalised path; one trailing slash is ignored, and `/` has none.
pub fn segments(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { Vec::new() } else { path.split('/').collect() }
}

#[cfg(test)]
mod tests;
