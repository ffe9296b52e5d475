//! What a policy opens, denies and limits, in three lines that people read at a check and at a start: a
//! policy in, lines out.

use gatewaystack_core::config::policy::{Access, LimitKey, Mcp, McpRule, McpRules, Policy, RateLimit, Route};

/// Names of one line.
const MOST: usize = 12;

/// The lines.
pub fn lines(policy: &Policy) -> [String; 3] {
    let own: Vec<&Route> = policy.routes.iter().filter(|route| route.builtin.is_none()).collect();
    let open: Vec<String> = own.iter().flat_map(|route| open(route)).collect();
    let denied: Vec<String> =
        own.iter().filter_map(|route| Some(denied(&route.name, route.mcp.as_ref()?))).collect();
    let limits: Vec<String> = policy.rate_limits.iter().map(limit).collect();
    [
        format!("open without a token: {}", listed(&open, "nothing of the policy's")),
        format!("denied: every path without a route{}", denied.concat()),
        format!("limits: {}", listed(&limits, "none")),
    ]
}

fn open(route: &Route) -> Vec<String> {
    let name = &route.name;
    let Some(mcp) = &route.mcp else {
        let methods =
            route.methods.as_ref().map_or_else(|| "all methods".to_owned(), |methods| methods.join(" "));
        return if route.access == Access::Public { vec![format!("{name} ({methods})")] } else { Vec::new() };
    };
    let of = |what: &str, rules: &McpRules| -> Vec<String> {
        let named = rules.named.iter().map(|(name, rule)| (name.clone(), rule));
        let patterns = rules.patterns.iter().map(|(start, rule)| (format!("{start}*"), rule));
        let public = named.chain(patterns).filter(|(_, rule)| **rule == McpRule::Public);
        public.map(|(tool, _)| format!("{what} {tool} of {name}")).collect()
    };
    let lazy = mcp.lazy_auth.iter().map(|method| format!("{method} of {name}"));
    let rules = [of("tool", &mcp.tools), of("prompt", &mcp.prompts), of("resource", &mcp.resources)];
    rules.into_iter().flatten().chain(lazy).collect()
}

fn denied(route: &str, mcp: &Mcp) -> String {
    let kinds = [("tools", &mcp.tools), ("prompts", &mcp.prompts), ("resources", &mcp.resources)];
    let that = |allowed: bool| -> Vec<&str> {
        kinds.iter().filter(|(_, rules)| rules.allow_unlisted == allowed).map(|(what, _)| *what).collect()
    };
    let closed = that(false);
    let open = that(true);
    let mut out = String::new();
    if !closed.is_empty() {
        out.push_str(&format!("; {} of {route} without a rule", closed.join(", ")));
    }
    if !open.is_empty() {
        out.push_str(&format!(" (but any token may use {} without one)", open.join(", ")));
    }
    out
}

fn limit(rule: &RateLimit) -> String {
    let whose = match &rule.by {
        LimitKey::User => "requests of a user",
        LimitKey::Tenant => "requests of a tenant",
        LimitKey::Address { failures_only: true, .. } => "failed sign-ins of an address",
        LimitKey::Address { failures_only: false, .. } => "requests of an address",
    };
    let window = if rule.window_ms.is_multiple_of(1_000) {
        format!("{} s", rule.window_ms / 1_000)
    } else {
        format!("{} ms", rule.window_ms)
    };
    let part =
        if rule.tools.is_some() || rule.route.is_some() { " on a part of the routes or tools" } else { "" };
    let over = if rule.shared.is_some() { " over all gateways" } else { "" };
    format!("{} {whose} in {window}{part}{over}", rule.max)
}

fn listed(all: &[String], nothing: &str) -> String {
    if all.is_empty() {
        return nothing.to_owned();
    }
    let shown = all.get(..MOST).unwrap_or(all).join(", ");
    if all.len() > MOST { format!("{shown}, and {} more", all.len() - MOST) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewaystack_core::config;
    use serde_json::{Value, json};

    fn of(routes: Value, limits: Option<Value>) -> [String; 3] {
        let mut policy = json!({
            "issuers": [{ "issuer": "https://idp.example/", "audiences": ["a"], "jwks_uri": "https://idp.example/keys" }],
            "upstreams": { "default": "http://127.0.0.1:3333" },
            "routes": routes,
        });
        if let Some(limits) = limits {
            policy["rate_limits"] = limits;
        }
        lines(&config::load_value(Some(policy), &config::Environment::new()).unwrap().0)
    }

    #[test]
    fn a_policy_that_says_little_denies_much() {
        let [open, denied, limits] = of(json!([{ "path": "/v1/*" }, { "path": "/mcp", "mcp": {} }]), None);
        assert_eq!(open, "open without a token: nothing of the policy's");
        assert_eq!(
            denied,
            "denied: every path without a route; tools, prompts, resources of /mcp without a rule"
        );
        assert_eq!(
            limits,
            "limits: 600 requests of a user in 60 s, 300 failed sign-ins of an address in 60 s"
        );
    }

    #[test]
    fn what_is_open_is_told_by_name_and_not_without_end() {
        let tools: Value = (0..20)
            .map(|at| (format!("t{at:02}"), json!("public")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let [open, denied, limits] = of(
            json!([
                { "path": "/status", "access": "public", "methods": ["GET"] },
                { "path": "/mcp", "mcp": { "tools": tools, "unlisted": "allow", "resources": { "a://*": "public" }, "lazy_auth": ["ping"] } },
            ]),
            Some(json!([{ "by": "tenant", "max": 5, "window": "1500ms", "route": "/mcp" }])),
        );
        assert!(open.starts_with("open without a token: /status (GET HEAD), tool t00 of /mcp, "), "{open}");
        assert!(open.ends_with(", and 13 more"), "{open}");
        assert_eq!(
            denied,
            "denied: every path without a route; prompts, resources of /mcp without a rule (but any token may use tools without one)"
        );
        assert_eq!(limits, "limits: 5 requests of a tenant in 1500 ms on a part of the routes or tools");
        assert_eq!(of(json!([{ "path": "/x" }]), Some(json!([])))[2], "limits: none");
    }
}
