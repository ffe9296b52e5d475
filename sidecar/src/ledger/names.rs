//! The labels under which records are counted: closed sets, whatever clients send. In: a policy, and a
//! record's words. Out: the policy's names, the gateway's own words, the methods of MCP; [`OTHER`] for all
//! else, and [`NONE`] where there is nothing.

use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::mcp::method;
use gatewaystack_core::record::cut;
use gatewaystack_core::refusal::kind::reasons;
use std::collections::{HashMap, HashSet};

/// What no set has.
pub const OTHER: &str = "other";
/// What isn't there.
pub const NONE: &str = "none";
/// Several calls at once.
pub const BATCH: &str = "(batch)";
/// What Envoy refused by itself: its own words are many.
const ENVOY: &str = "envoy";

const DECISIONS: [&str; 4] = ["allow", "deny", "limited", "error"];
/// Of what passed.
const PASSED: [&str; 5] = ["authorized", "public", "preflight", "metadata", "shadow"];

/// The names of one policy.
#[derive(Debug, Default)]
pub struct Names {
    /// Routes, and the tools that each lists.
    routes: HashMap<String, HashSet<String>>,
    reasons: HashSet<&'static str>,
}

impl Names {
    /// Those of a policy.
    pub fn of(policy: &Policy) -> Self {
        let tools = |route: &gatewaystack_core::config::policy::Route| {
            let named = route.mcp.iter().flat_map(|mcp| &mcp.tools.named);
            // Records have names cut.
            named.map(|(name, _)| cut(name).to_owned()).collect()
        };
        let routes = policy.routes.iter().map(|route| (route.name.clone(), tools(route))).collect();
        Self { routes, reasons: reasons().map(|(_, reason)| reason).chain(PASSED).collect() }
    }

    pub fn route<'a>(&self, name: Option<&'a str>) -> &'a str {
        match name {
            None => NONE,
            Some(name) if self.routes.contains_key(name) => name,
            Some(_) => OTHER,
        }
    }

    /// A tool that the route lists.
    pub fn tool<'a>(&self, route: Option<&str>, name: &'a str) -> &'a str {
        let tools = route.and_then(|route| self.routes.get(route));
        if tools.is_some_and(|tools| tools.contains(name)) { name } else { OTHER }
    }

    /// No policy names agents yet.
    #[allow(clippy::unused_self, reason = "a policy will name them")]
    pub fn agent(&self, name: Option<&str>) -> &'static str {
        if name.is_some() { OTHER } else { NONE }
    }

    pub fn reason<'a>(&self, reason: Option<&'a str>) -> &'a str {
        match reason {
            None => NONE,
            Some(reason) if self.reasons.contains(reason) => reason,
            Some(reason) if reason.starts_with("envoy:") => ENVOY,
            Some(_) => OTHER,
        }
    }
}

/// What was decided.
pub fn decision(word: &str) -> &str {
    if DECISIONS.contains(&word) { word } else { OTHER }
}

/// A method of MCP; methods with commas are those of a batch.
pub fn method(name: &str) -> &str {
    match name {
        name if method::is_known(name) => name,
        name if name.contains(',') => BATCH,
        _ => OTHER,
    }
}
