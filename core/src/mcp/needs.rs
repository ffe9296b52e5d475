//! What an operation needs: its calls and the route's rules in, "nothing", "a token with these scopes" or "no rule allows it" out. The same answers
//! decide what a list shows, so that what is seen is what may be called.

use super::json_rpc::{Call, Target};
use super::operation::Operation;
use crate::challenge;
use crate::config::policy::{Mcp, McpRule, McpRules, Route, ScopeRule};
use crate::jwt::Scopes;

/// What one call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// Nothing: no token is fine.
    Open,
    /// A token, and these scopes besides the route's own.
    Token(&'a ScopeRule),
    /// Nothing allows it.
    Unlisted,
}

/// A token is enough.
const NO_SCOPES: &ScopeRule = &ScopeRule { all: Vec::new(), any: Vec::new() };

/// What an operation needs in all.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    calls: &'a [Call],
    route: &'a ScopeRule,
    mcp: &'a Mcp,
}

impl<'a> Needs<'a> {
    /// The needs of `operation` on `route`.
    pub fn of(operation: &'a Operation, route: &'a Route, mcp: &'a Mcp) -> Self {
        Self { calls: &operation.calls, route: &route.scopes, mcp }
    }

    /// What each call needs; without one, a token.
    fn each(self) -> impl Iterator<Item = Need<'a>> {
        let none = self.calls.is_empty().then_some(Need::Token(NO_SCOPES));
        self.calls.iter().map(move |call| need(self.mcp, call)).chain(none)
    }

    /// Whether no token is fine.
    pub fn is_open(self) -> bool {
        self.each().all(|need| need == Need::Open)
    }

    /// Whether there is something that nothing allows.
    pub fn has_unlisted(self) -> bool {
        self.each().any(|need| need == Need::Unlisted)
    }

    /// Whether these scopes are enough.
    pub fn are_met(self, scopes: &Scopes) -> bool {
        self.each().all(|need| is_met(need, self.route, Some(scopes)))
    }

    /// The smallest set of scopes that is enough, for a challenge; empty where something is unlisted: no scope would help.
    pub fn scopes(self) -> Vec<String> {
        if self.has_unlisted() || self.is_open() {
            return Vec::new();
        }
        let mut all = challenge::needed(self.route);
        for need in self.each() {
            if let Need::Token(rule) = need {
                all.extend(challenge::needed(rule));
            }
        }
        let mut seen = Vec::new();
        all.retain(|scope| {
            let new = !seen.contains(scope);
            seen.push(scope.clone());
            new
        });
        all
    }
}

/// What a call needs.
pub fn need<'a>(mcp: &'a Mcp, call: &Call) -> Need<'a> {
    match &call.target {
        Target::Tool(name) => by_rule(&mcp.tools, name),
        Target::Prompt(name) => by_rule(&mcp.prompts, name),
        Target::Resource(uri) => by_rule(&mcp.resources, uri),
        Target::None if !mcp.allow_tasks && is_of_tasks(&call.method) => Need::Unlisted,
        Target::None if mcp.lazy_auth.contains(&call.method) => Need::Open,
        Target::None => Need::Token(NO_SCOPES),
    }
}

/// A task's state has the result of its tool in it, and what names it is an id that says nothing of the tool (MCP 2025-11-25 Tasks; the extension
/// `io.modelcontextprotocol/tasks` of 2026-07-28).
fn is_of_tasks(method: &str) -> bool {
    method.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("tasks/"))
}

/// What `name` needs by these rules.
pub fn by_rule<'a>(rules: &'a McpRules, name: &str) -> Need<'a> {
    match rules.find(name) {
        Some(McpRule::Public) => Need::Open,
        Some(McpRule::Token(rule)) => Need::Token(rule),
        None if rules.allow_unlisted => Need::Token(NO_SCOPES),
        None => Need::Unlisted,
    }
}

/// Whether a caller with these scopes may; without a token (`None`) only what is open.
pub fn is_met(need: Need<'_>, route: &ScopeRule, scopes: Option<&Scopes>) -> bool {
    match (need, scopes) {
        (Need::Open, _) => true,
        (Need::Unlisted, _) | (Need::Token(_), None) => false,
        (Need::Token(rule), Some(scopes)) => rule.is_met(scopes) && route.is_met(scopes),
    }
}
