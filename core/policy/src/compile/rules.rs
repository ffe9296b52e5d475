//! Rules: what each is about, and its conditions.

use super::common::Errors;
use super::condition::Conditions;
use crate::Place;
use crate::bounds;
use crate::policy::{Agents, Issuer, Route, Rule, Rules, StepUp};
use crate::raw::{RawCondition, RawPolicy, RawRule, RawRuleMode, RawStepUp};
use crate::values::{duration, name};
use gatewaystack_text::{names, sorted};

/// Headers that carry credentials, which no condition may ask for.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "dpop"];

/// Compiles `rules` and `rule_headers`; `routes` are all, built-in and own.
pub fn compile(
    raw: &RawPolicy,
    routes: &[Route],
    issuers: &[Issuer],
    agents: Option<&Agents>,
    place: Place,
    errors: &mut Errors,
) -> Rules {
    let headers = headers(raw, errors);
    let Some(list) = &raw.rules else { return Rules::default() };
    let most = bounds::POLICY_RULES.most;
    if list.len() > most {
        errors.push("rules", format!("expected at most {most} rules"));
    }
    let ids = list.iter().enumerate().filter_map(|(at, rule)| Some((rule.id.as_deref()?, at)));
    let ids = sorted::sorted(ids.collect());
    for pair in ids.windows(2) {
        if let [(id, first), (same, at)] = pair
            && id == same
        {
            errors.push(format!("rules[{at}].id"), format!("expected another id than rules[{first}]'s"));
        }
    }
    let mut rules = Rules { headers, ..Rules::default() };
    for (_, at) in ids {
        let Some(raw) = list.get(at) else { continue };
        let rule = one(&format!("rules[{at}]"), raw, (routes, issuers, agents), &mut rules, errors);
        rules.list.push(rule);
    }
    // A body can only be waited for where headers are.
    if !rules.arguments.is_empty() && place == Place::Filter && raw.hold_headers != Some(true) {
        errors.push(
            "rules",
            "expected `hold_headers: true`, since a rule asks for arguments, which are in bodies",
        );
    }
    for (at, _) in list.iter().enumerate().filter(|(_, rule)| rule.id.is_none()) {
        errors.push(format!("rules[{at}].id"), "required: what records and answers call the rule");
    }
    index(&mut rules);
    rules
}

fn headers(raw: &RawPolicy, errors: &mut Errors) -> Vec<String> {
    let list = raw.rule_headers.as_deref().unwrap_or_default();
    let mut headers = Vec::with_capacity(list.len());
    for (at, text) in list.iter().enumerate() {
        let path = format!("rule_headers[{at}]");
        let lower = text.to_ascii_lowercase();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte);
        if !(1..=128).contains(&lower.len()) || !lower.bytes().all(is_name) {
            errors.push(&path, "expected a header name such as X-Department");
        }
        if CREDENTIALS.contains(&lower.as_str()) {
            errors.push(&path, "expected a header without credentials: what a token says is in `claim:`");
        }
        headers.push(lower);
    }
    headers
}

fn one(
    path: &str,
    raw: &RawRule,
    around: (&[Route], &[Issuer], Option<&Agents>),
    rules: &mut Rules,
    errors: &mut Errors,
) -> Rule {
    let (all, issuers, agents) = around;
    if let Some(id) = &raw.id {
        errors.keep(format!("{path}.id"), name::check_text(id, 128));
    }
    let routes = raw.routes.as_ref().map(|list| routes(path, list, all, errors));
    let is_about = |route: &&Route| {
        route.builtin.is_none() && routes.as_ref().is_none_or(|routes| routes.contains(&route.name))
    };
    let about: Vec<&Route> = all.iter().filter(is_about).collect();
    let tools = raw.tools.as_ref().map(|list| tools(path, list, &about, errors));
    let mut conditions = Conditions {
        issuers,
        agents,
        routes: &about,
        headers: std::mem::take(&mut rules.headers),
        claims: std::mem::take(&mut rules.claims),
        arguments: std::mem::take(&mut rules.arguments),
        asks_arguments: false,
        errors,
    };
    let mut read = |member: &str, raw: &Option<RawCondition>| {
        raw.as_ref().map(|raw| conditions.read(&format!("{path}.{member}"), &raw.0))
    };
    let (deny, allow) = (read("deny", &raw.deny), read("allow", &raw.allow));
    let asks_arguments = conditions.asks_arguments;
    (rules.headers, rules.claims) = (conditions.headers, conditions.claims);
    rules.arguments = conditions.arguments;
    let step_up = raw.step_up.as_ref().and_then(|raw| step_up(&format!("{path}.step_up"), raw, errors));
    let is_narrowed = routes.is_some() || tools.is_some();
    if allow.is_some() && !is_narrowed {
        errors.push(
            format!("{path}.allow"),
            "expected `routes` or `tools` beside it: else everything that it doesn't take in would be refused",
        );
    }
    if raw.deny.is_none() && raw.allow.is_none() && raw.step_up.is_none() {
        errors.push(path, "expected `deny`, `allow` or `step_up`: without one the rule says nothing");
    }
    let message = raw.message.clone().unwrap_or_default();
    if raw.message.is_some() {
        errors.keep(format!("{path}.message"), name::check_text(&message, 256));
    }
    Rule {
        id: raw.id.clone().unwrap_or_default().into(),
        routes,
        tools,
        deny,
        allow,
        step_up,
        is_watched: raw.mode == Some(RawRuleMode::Watch),
        message: message.into(),
        asks_arguments,
    }
}

/// The routes of a rule, by the paths that the policy gives them.
fn routes(path: &str, list: &[String], all: &[Route], errors: &mut Errors) -> Vec<String> {
    if list.is_empty() {
        errors.push(format!("{path}.routes"), "expected at least one route, or no `routes`");
    }
    for (at, text) in list.iter().enumerate() {
        if !all.iter().any(|route| route.builtin.is_none() && route.name == *text) {
            errors.push(format!("{path}.routes[{at}]"), "expected the path of a route, as `routes` has it");
        }
    }
    list.to_vec()
}

fn tools(path: &str, list: &[String], about: &[&Route], errors: &mut Errors) -> Vec<String> {
    if list.is_empty() {
        errors.push(format!("{path}.tools"), "expected at least one tool, or no `tools`");
    }
    if !about.iter().any(|route| route.mcp.is_some()) {
        errors.push(format!("{path}.tools"), "expected a rule about an MCP route: no other one has tools");
    }
    for (at, tool) in list.iter().enumerate() {
        let path = format!("{path}.tools[{at}]");
        errors.keep(&path, name::check_text(tool, 1_024));
        let is_known = about
            .iter()
            .filter_map(|route| route.mcp.as_ref())
            .any(|mcp| mcp.tools.allow_unlisted || mcp.tools.find(tool).is_some());
        if !is_known {
            errors.push(path, "expected a tool that a route of this rule has");
        }
    }
    list.to_vec()
}

fn step_up(path: &str, raw: &RawStepUp, errors: &mut Errors) -> Option<StepUp> {
    let max_age_s = raw
        .max_age
        .as_ref()
        .and_then(|age| errors.keep(format!("{path}.max_age"), duration::within(&age.0, bounds::STEP_UP_MS)));
    let acr = raw.acr.clone().unwrap_or_default();
    for (at, one) in acr.iter().enumerate() {
        let path = format!("{path}.acr[{at}]");
        errors.keep(&path, name::check_text(one, 256));
        if one.contains([' ', '"', '\\']) || !one.is_ascii() {
            errors.push(path, "expected a name that stands in a challenge: ASCII without blanks and quotes");
        }
    }
    if raw.max_age.is_none() && acr.is_empty() {
        errors.push(path, "expected `max_age` or `acr`: without one it asks for nothing");
        return None;
    }
    Some(StepUp { max_age_s: max_age_s.map(|ms| ms / 1_000), acr })
}

/// Which rules are looked at for what.
fn index(rules: &mut Rules) {
    let mut of_tools: Vec<(String, usize)> = Vec::new();
    for (at, rule) in rules.list.iter().enumerate() {
        match &rule.tools {
            None => rules.general.push(at),
            Some(tools) => of_tools.extend(
                tools.iter().map(|tool| (tool.trim().chars().filter_map(names::plain).collect(), at)),
            ),
        }
    }
    let order = sorted::sorted(of_tools.iter().map(|(key, at)| (key.as_str(), *at)).collect());
    for (key, at) in order {
        match rules.of_tools.last_mut() {
            Some((last, places)) if last == key => {
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
            _ => rules.of_tools.push((key.to_owned(), vec![at])),
        }
    }
}

/// Notes on which routes arguments are asked for.
pub fn complete(rules: &Rules, routes: &mut [Route]) {
    for route in routes.iter_mut().filter(|route| route.builtin.is_none()) {
        let name = &route.name;
        let is_about = |rule: &Rule| rule.routes.as_ref().is_none_or(|routes| routes.contains(name));
        let keeps = rules.list.iter().any(|rule| rule.asks_arguments && is_about(rule));
        if let Some(mcp) = &mut route.mcp {
            mcp.keeps_arguments = keeps;
        }
    }
}
