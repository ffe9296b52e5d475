//! What a policy may say without meaning it (`gatewaystack check`).

use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::overlap::{covers, overlaps};
use gatewaystack_core::config::policy::{Access, Claim, Issuer, IssuerId, Pattern, Policy, Route};

/// Warnings with the path of the route that they are about.
pub fn warnings(policy: &Policy) -> Vec<ConfigError> {
    let routes: Vec<&Route> = policy.routes.iter().filter(|r| r.builtin.is_none()).collect();
    let mut all = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let before = routes.iter().take(at).enumerate();
        let mut warn = |message: String| all.push(ConfigError::new(format!("routes[{at}]"), message));
        if let Some((first, _)) = before.clone().find(|(_, earlier)| hides(earlier, route)) {
            // A public one before one with a token is more than that: an error.
            warn(format!("never matches: routes[{first}] takes all its requests"));
            continue;
        }
        if let Some((first, _)) = before.clone().find(|(_, earlier)| host_falls_through(earlier, route)) {
            warn(format!(
                "takes what routes[{first}] has on its hosts from all other hosts, too: is that meant?"
            ));
        }
        if let Some(mcp) = routes.iter().find(|mcp| takes_below(route, mcp)) {
            warn(format!(
                "takes paths below {}, where many MCP servers answer as they do there, and judges them without its rules: is that meant?",
                mcp.name
            ));
        }
        let public = route.access == Access::Public;
        let protects =
            |other: &&&Route| other.access == Access::Token && covers(&other.pattern, &route.pattern);
        if public && let Some(other) = routes.iter().find(|o| o.pattern.rest && protects(o)) {
            warn(format!("is public under {}, which needs a token", other.name));
        }
    }
    all.extend(policy.issuers.iter().enumerate().flat_map(dotted));
    all.extend(unmarked(policy, &routes));
    all
}

/// Names of claims that look like the way to one inside another: only a pointer is read as that.
fn dotted((at, issuer): (usize, &Issuer)) -> Vec<ConfigError> {
    let listed = |member: &'static str, claims: &[Claim]| -> Vec<(String, Claim)> {
        claims.iter().enumerate().map(|(n, claim)| (format!("{member}[{n}]"), claim.clone())).collect()
    };
    let mut all = vec![
        ("user_claim".to_owned(), issuer.user_claim.clone()),
        ("tenant_claim".to_owned(), issuer.tenant_claim.clone()),
    ];
    all.extend(listed("scope_claims", &issuer.scope_claims));
    all.extend(listed("group_claims", &issuer.group_claims));
    if let Some(rule) = &issuer.user {
        all.push(("user.claim".to_owned(), rule.claim.clone()));
        let required = rule.requires.iter().map(|mark| &mark.claim);
        all.extend(required.map(|claim| (format!("user.requires.{}", claim.as_str()), claim.clone())));
    }
    let marks = issuer.machine.iter().enumerate();
    all.extend(marks.map(|(n, mark)| (format!("machine[{n}].claim"), mark.claim.clone())));
    let looks = |name: &str| name.contains('.') && !name.contains('/') && !name.contains(':');
    let warning = |(member, claim): (String, Claim)| {
        let name = claim.as_str();
        let pointer: String = name.split('.').map(|part| format!("/{}", part.replace('~', "~0"))).collect();
        let text = format!(
            "is read as the one claim \"{name}\" at the top of a token, dot and all, which no token has as such: for the claim inside another write {pointer}"
        );
        ConfigError::new(format!("issuers[{at}].{member}"), text)
    };
    all.into_iter().filter(|(_, claim)| looks(claim.as_str())).map(warning).collect()
}

/// Issuers whose machines `users_only` might not tell from users. Of some providers it is known that their
/// tokens say it.
fn unmarked(policy: &Policy, routes: &[&Route]) -> Vec<ConfigError> {
    let mut all = Vec::new();
    for (at, issuer) in policy.issuers.iter().enumerate() {
        let takes = |route: &&&Route| {
            route.users_only && route.issuers.as_ref().is_none_or(|list| list.contains(&IssuerId(at)))
        };
        let Some(route) = routes.iter().find(takes) else { continue };
        if issuer.machine.is_empty() && !marks_machines(&issuer.issuer) {
            let text = format!(
                "{} is for users only, and nothing says how this issuer marks the tokens of machines: where it has none of the marks of docs/contract.md §2, they pass as users; name one in `machine`",
                route.name
            );
            all.push(ConfigError::new(format!("issuers[{at}]"), text));
        }
    }
    all
}

/// Whether an issuer is of a provider whose marks are known (`jwt/machine.rs`), by its host, or by the path
/// that Keycloak's have.
fn marks_machines(issuer: &str) -> bool {
    const HOSTS: [&str; 8] = [
        ".auth0.com",
        ".okta.com",
        ".oktapreview.com",
        ".okta-emea.com",
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "sts.windows.net",
        ".amazonaws.com",
    ];
    let Some((_, rest)) = issuer.split_once("://") else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    HOSTS.iter().any(|known| if known.starts_with('.') { host.ends_with(known) } else { host == *known })
        || format!("/{path}").contains("/realms/")
}

fn hides(earlier: &Route, later: &Route) -> bool {
    covers(&earlier.pattern, &later.pattern) && takes_methods(earlier, later) && takes_hosts(earlier, later)
}

/// Whether the earlier route takes all methods of the later.
pub fn takes_methods(earlier: &Route, later: &Route) -> bool {
    match (&earlier.methods, &later.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => later.iter().all(|m| earlier.contains(m)),
    }
}

/// Whether the earlier route takes all hosts of the later.
pub fn takes_hosts(earlier: &Route, later: &Route) -> bool {
    earlier.hosts.is_empty()
        || (!later.hosts.is_empty() && later.hosts.iter().all(|h| earlier.hosts.contains(h)))
}

/// Whether a route may reach the endpoint of an MCP route by a path below it. Where a prefix is stripped,
/// that is an error.
fn takes_below(route: &Route, mcp: &Route) -> bool {
    let below = Pattern { segments: mcp.pattern.segments.clone(), rest: true };
    mcp.mcp.is_some()
        && route.mcp.is_none()
        && route.pattern.rest
        && route.upstream == mcp.upstream
        && route.strip_prefix == mcp.strip_prefix
        && overlaps(&route.pattern, &below)
}

/// A route for some hosts, then one for all that lets in more: another `Host` header goes around the first.
fn host_falls_through(earlier: &Route, later: &Route) -> bool {
    let laxer = later.access == Access::Public && earlier.access == Access::Token
        || later.scopes != earlier.scopes
        || later.issuers != earlier.issuers;
    !earlier.hosts.is_empty() && later.hosts.is_empty() && covers(&later.pattern, &earlier.pattern) && laxer
}
