//! MCP routes: which of them a question is about, and which of its tools a caller may call.

use super::call::{Call, lacks};
use super::judge::{Judge, asked_host};
use super::lines::{line, list, shown};
use super::question::Question;
use gatewaystack_core::config::policy::{Mcp, McpRule, Policy, Route};
use gatewaystack_core::mcp::era::Era;
use gatewaystack_core::mcp::json_rpc::Call as Message;
use gatewaystack_core::mcp::operation::Operation;
use gatewaystack_core::mcp::target::Target;
use gatewaystack_core::path;
use gatewaystack_core::principal::Principal;
use gatewaystack_core::refusal::Refusal;
use gatewaystack_core::route::{self, Match};
use std::collections::BTreeSet;

/// An MCP route's rules.
#[derive(Clone, Copy)]
pub struct McpRoute<'p> {
    route: &'p Route,
    pub mcp: &'p Mcp,
}

/// The MCP route that a request would come to; `None`: another route, or none.
///
/// # Errors
/// What to ask instead.
pub fn find<'p>(policy: &'p Policy, question: &Question, path: &str) -> Result<Option<McpRoute<'p>>, String> {
    // The core says why it can't be judged.
    let Ok(target) = path::parse(path.as_bytes()) else { return Ok(None) };
    let found = route::find(policy, question.method(), asked_host(policy, question), &target.path);
    let route = match found {
        Match::Route(id) | Match::WrongMethod(id) => policy.routes.get(id.0),
        Match::Ambiguous => return Ok(None),
        Match::None => None,
    };
    let mcp = route.and_then(|route| route.mcp.as_ref().map(|mcp| McpRoute { route, mcp }));
    match (&question.call, mcp) {
        (Some(call), None) => Err(format!(
            "{}: {} is no MCP route of this policy; {}",
            call.option(),
            shown(path),
            there_are(policy)
        )),
        (None, Some(_)) if question.method() == "POST" => Err(format!(
            "--method POST: what a call on the MCP route {} needs depends on what it calls: say it by --tool, --prompt, --resource or --rpc",
            shown(path)
        )),
        (_, mcp) => Ok(mcp),
    }
}

/// The path of a call that names none: the only MCP route's.
///
/// # Errors
/// There is none, or more than one.
pub fn only_path(policy: &Policy, call: &Call) -> Result<String, String> {
    match paths(policy).as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("{}: say by --path which route it is for; {}", call.option(), there_are(policy))),
    }
}

fn there_are(policy: &Policy) -> String {
    match paths(policy).as_slice() {
        [] => "it has none: a route becomes one by its mcp rules".to_owned(),
        paths => format!("its MCP routes: {}", shown(&paths.join(", "))),
    }
}

fn paths(policy: &Policy) -> Vec<String> {
    let routes = policy.routes.iter().filter(|route| route.mcp.is_some());
    // The same path may have other rules on another host.
    routes.map(|route| route.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

impl McpRoute<'_> {
    /// What the caller has and may call here; nothing where the route doesn't take the token.
    pub fn tools(&self, judge: &Judge, token: &str) -> String {
        let Some(principal) = judge.caller(self.route, token) else { return String::new() };
        let (mut may, mut may_not) = (Vec::new(), Vec::new());
        for (name, rule) in &self.mcp.tools.named {
            match self.check(judge, &principal, name) {
                Ok(()) => may.push(shown(name)),
                Err(refusal) => {
                    may_not.push(format!("{} ({})", shown(name), self.why(&principal, rule, &refusal)))
                }
            }
        }
        let others = if self.mcp.tools.allow_unlisted { &mut may } else { &mut may_not };
        others.push(if others.is_empty() { "any" } else { "any other" }.to_owned());
        let mut text = String::new();
        if principal.scopes() != principal.consented_scopes() {
            let have = list(principal.consented_scopes().names());
            line(
                &mut text,
                "counts",
                &format!("{have} (permissions don't, next to a claim that says what was consented to)"),
            );
        }
        let joined =
            |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        line(&mut text, "may call", &joined(&may));
        line(&mut text, "may not", &joined(&may_not));
        text
    }

    fn check(&self, judge: &Judge, principal: &Principal, name: &str) -> Result<(), Refusal> {
        let call = Message::of("tools/call", Target::Tool(name.to_owned()));
        let operation = Operation::of_call(call, Era::V2025_11_25);
        judge.operation((self.route, self.mcp), principal, &operation)
    }

    fn why(&self, principal: &Principal, rule: &McpRule, refusal: &Refusal) -> String {
        let have = principal.consented_scopes().names();
        let own = match rule {
            McpRule::Token(rule) => lacks(rule, have),
            McpRule::Public => None,
        };
        let lacks: Vec<String> = lacks(&self.route.scopes, have).into_iter().chain(own).collect();
        match refusal {
            Refusal::Scope { .. } => format!("needs {}", lacks.join(", ")),
            other => other.reason().to_owned(),
        }
    }
}
