//! What an operation needs: its calls and the route's rules in, "nothing", "a token with these scopes" or "no
//! rule allows it" out. The same answers decide what a list shows, so that what is seen is what may be
//! called.

use super::json_rpc::Call;
use super::operation::Operation;
use super::strict::BodyFault;
use super::target::Target;
use super::task::{Maker, Task, is_of_tasks};
use crate::challenge;
use crate::config::policy::{Mcp, McpRule, McpRules, Route, ScopeRule, Tasks};
use crate::evaluation::{Evaluation, Reason, Unknown};
use crate::jwt::Scopes;
use crate::{names, uri};
use std::borrow::Cow;

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

impl Need<'_> {
    /// What it comes to for a caller with these scopes; `None`: nobody has signed in.
    pub fn evaluate(self, route: &ScopeRule, scopes: Option<&Scopes>) -> Evaluation {
        match (self, scopes) {
            (Self::Open, _) => Evaluation::Allow,
            (Self::Unlisted, _) => Evaluation::Deny(Reason::Unlisted),
            (Self::Token(_), None) => Evaluation::Depends(Unknown::Caller),
            (Self::Token(rule), Some(scopes)) if rule.is_met(scopes) && route.is_met(scopes) => {
                Evaluation::Allow
            }
            (Self::Token(_), Some(_)) => Evaluation::Deny(Reason::Scopes),
        }
    }
}

/// A token is enough.
const NO_SCOPES: &ScopeRule = &ScopeRule { all: Vec::new(), any: Vec::new() };

/// What an operation needs in all.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    calls: &'a [Call],
    is_answer: bool,
    answers: &'a [Task],
    route: &'a ScopeRule,
    mcp: &'a Mcp,
}

impl<'a> Needs<'a> {
    /// The needs of `operation` on `route`.
    pub fn of(operation: &'a Operation, route: &'a Route, mcp: &'a Mcp) -> Self {
        let Operation { calls, is_answer, answers, .. } = operation;
        Self { calls, is_answer: *is_answer, answers, route: &route.scopes, mcp }
    }

    /// What each call needs; without one, and for an answer to the server, a token.
    fn each(self) -> impl Iterator<Item = Need<'a>> {
        let none = (self.calls.is_empty() || self.is_answer).then_some(Need::Token(NO_SCOPES));
        let answers = self.answers.iter().map(move |task| of_task(self.mcp, "", task));
        self.calls.iter().flat_map(move |call| of_call(self.mcp, call)).chain(none).chain(answers)
    }

    /// Whether a caller with these scopes may do all of it; `None`: nobody has signed in.
    pub fn evaluate(self, scopes: Option<&Scopes>) -> Evaluation {
        self.each().fold(Evaluation::Allow, |all, need| all.and(need.evaluate(self.route, scopes)))
    }

    /// Whether no token is fine.
    pub fn is_open(self) -> bool {
        self.each().all(|need| need == Need::Open)
    }

    /// Whether there is something that nothing allows.
    pub fn has_unlisted(self) -> bool {
        self.each().any(|need| need == Need::Unlisted)
    }

    /// The smallest set of scopes that is enough, for a challenge; empty where something is unlisted: no
    /// scope would help.
    pub fn scopes(self) -> Vec<String> {
        if self.has_unlisted() || self.is_open() {
            return Vec::new();
        }
        let mut all = challenge::needed(self.route);
        for need in self.each() {
            match need {
                Need::Token(rule) => all.extend(challenge::needed(rule)),
                Need::Open | Need::Unlisted => {}
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
fn of_call<'a>(mcp: &'a Mcp, call: &'a Call) -> impl Iterator<Item = Need<'a>> {
    let itself = match &call.target {
        Target::Tool(name) => Some(of_name(&mcp.tools, name)),
        Target::Prompt(name) => Some(of_name(&mcp.prompts, name)),
        Target::Resource(_) | Target::Task(_) => None,
        Target::None if mcp.tasks != Tasks::Allow && is_of_tasks(&call.method) => Some(Need::Unlisted),
        Target::None | Target::Listened(_) => Some(of_method(mcp, &call.method)),
    };
    let uris = call.target.uris().iter().flat_map(|uri| of_uri(&mcp.resources, uri));
    let tasks = call.tasks().map(|task| of_task(mcp, &call.method, task));
    // Nobody could ask for what the server would keep.
    let made = (call.asks_for_task && mcp.tasks == Tasks::Deny).then_some(Need::Unlisted);
    itself.into_iter().chain(uris).chain(tasks).chain(made)
}

/// Whether nobody has to sign in for a call.
pub fn is_open(mcp: &Mcp, call: &Call) -> bool {
    of_call(mcp, call).all(|need| need == Need::Open)
}

/// What a method needs that names nothing.
fn of_method<'a>(mcp: &Mcp, method: &str) -> Need<'a> {
    if mcp.lazy_auth.iter().any(|open| open == method) { Need::Open } else { Need::Token(NO_SCOPES) }
}

/// What a task needs: as much as the tool that made it.
pub fn of_task<'a>(mcp: &'a Mcp, method: &str, task: &Task) -> Need<'a> {
    match (&task.maker, mcp.tasks) {
        // It may be no task at all, or one that the client made for a request of the server's.
        (Maker::Unknown, tasks) if task.mention.is_loose(tasks) => Need::Open,
        (_, Tasks::Deny) | (Maker::Unknown | Maker::Another, Tasks::Known) => Need::Unlisted,
        (Maker::Tool(name), _) => by_rule(&mcp.tools, name),
        (Maker::Unlisted, _) => unruled(&mcp.tools),
        (Maker::Unknown, Tasks::Allow) => of_method(mcp, method),
        // Anyone who signs in may find it to be his.
        (Maker::Another, Tasks::Allow) => Need::Token(NO_SCOPES),
    }
}

/// What a tool or prompt needs. One that isn't listed, but that a sloppy server takes for one that is, is
/// never allowed.
pub fn of_name<'a>(rules: &'a McpRules, name: &str) -> Need<'a> {
    let is_open = rules.allow_unlisted && rules.find(name).is_none();
    if is_open && rules.is_mistakable(name, names::folded(name).as_deref()) {
        return Need::Unlisted;
    }
    by_rule(rules, name)
}

/// What a resource needs: as its URI is written, and as a server that decodes reads it.
pub fn of_uri<'a>(rules: &'a McpRules, uri: &str) -> impl Iterator<Item = Need<'a>> + use<'a> {
    let decoded = uri::decoded(uri).map(|other| by_rule(rules, &other));
    [Some(by_rule(rules, uri)), decoded].into_iter().flatten()
}

/// Whether a sloppy server takes a URI for another one, which has a rule of its own.
pub fn is_mistakable(rules: &McpRules, uri: &str) -> bool {
    let read = uri::decoded(uri).map_or(Cow::Borrowed(uri), Cow::Owned);
    let has_rules = !(rules.named.is_empty() && rules.patterns.is_empty());
    has_rules && rules.is_mistakable(&read, Some(&uri::folded(&read)))
}

/// Refuses calls of resources that a sloppy server takes for others.
///
/// # Errors
/// There is one.
pub fn check_uris(mcp: &Mcp, operation: &Operation) -> Result<(), BodyFault> {
    let mut uris = operation.calls.iter().flat_map(|call| call.target.uris());
    if uris.any(|uri| is_mistakable(&mcp.resources, uri)) { Err(BodyFault::Lookalike) } else { Ok(()) }
}

/// What `name` needs by these rules, as it stands.
fn by_rule<'a>(rules: &'a McpRules, name: &str) -> Need<'a> {
    match rules.find(name) {
        Some(McpRule::Public) => Need::Open,
        Some(McpRule::Token(rule)) => Need::Token(rule),
        None => unruled(rules),
    }
}

/// What has no rule needs.
fn unruled<'a>(rules: &McpRules) -> Need<'a> {
    if rules.allow_unlisted { Need::Token(NO_SCOPES) } else { Need::Unlisted }
}
