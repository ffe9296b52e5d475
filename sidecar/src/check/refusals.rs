//! What a policy may say in good form, and no gateway begins with: a compiled policy in, errors with the path
//! of the route out.

use super::host::Host;
use super::warnings::{takes_hosts, takes_methods};
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::overlap::covers;
use gatewaystack_core::config::policy::{Access, Policy, Route};
use serde_json::Value;

/// Errors of the policy as it is `written`; without one the environment alone gives the routes, which may
/// lead nowhere (502).
pub fn refusals(host: Option<Host>, written: Option<&Value>, policy: &Policy) -> Vec<ConfigError> {
    let routes: Vec<&Route> = policy.routes.iter().filter(|r| r.builtin.is_none()).collect();
    let mut all = hidden(&routes);
    if written.is_some() && !matches!(host, Some(Host::Istio | Host::Eg)) {
        all.extend(leads_nowhere(&routes, policy));
    }
    all
}

/// A public route that takes what a later one asks a token for.
fn hidden(routes: &[&Route]) -> Vec<ConfigError> {
    let mut all = Vec::new();
    for (at, route) in routes.iter().enumerate().filter(|(_, route)| route.access == Access::Token) {
        let opens = |(_, earlier): &(usize, &&Route)| opens(earlier, route);
        if let Some((first, earlier)) = routes.iter().take(at).enumerate().find(opens) {
            all.push(ConfigError::new(
                format!("routes[{first}]"),
                format!(
                    "{} is public and stands before {}, so that what needs a token there passes without one: put it behind, or, where that is meant, \
                     say `hides: allowed` on the public one",
                    earlier.name, route.name
                ),
            ));
        }
    }
    all.dedup_by(|a, b| a.path == b.path);
    all
}

fn opens(earlier: &Route, later: &Route) -> bool {
    if earlier.access != Access::Public || earlier.hides || !covers(&earlier.pattern, &later.pattern) {
        return false;
    }
    // One path, divided by method or host, says itself what is open.
    let divided =
        earlier.pattern == later.pattern && !(takes_methods(earlier, later) && takes_hosts(earlier, later));
    !divided && meet(&earlier.methods, &later.methods) && hosts_meet(&earlier.hosts, &later.hosts)
}

fn meet(a: &Option<Vec<String>>, b: &Option<Vec<String>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().any(|method| b.contains(method)),
        _ => true,
    }
}

fn hosts_meet(a: &[String], b: &[String]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|host| b.contains(host))
}

fn leads_nowhere(routes: &[&Route], policy: &Policy) -> Vec<ConfigError> {
    if policy.own.upstreams.iter().any(|(name, _)| name == "default") {
        return Vec::new();
    }
    let lost = routes.iter().enumerate().filter(|(_, route)| route.upstream.is_none());
    let error = |(at, route): (usize, &&Route)| {
        let message =
            format!("nothing is behind {}: name one of `upstreams`, or give that a `default`", route.name);
        ConfigError::new(format!("routes[{at}].upstream"), message)
    };
    lost.map(error).collect()
}
