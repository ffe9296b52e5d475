//! Rules (contract §15). In: a policy's rules, and what is known of a request and its caller. Out: nothing
//! against it, or the rule that refuses it; and which rules would, that are only watched.

mod condition;
pub mod facts;
mod truth;

use crate::config::policy::{Rule, Rules, StepUp};
use condition::evaluate;
use facts::{Asked, Facts, Name};
use std::sync::Arc;
use truth::Truth;

/// What rules come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is against it.
    pub against: Option<Against>,
    /// Rules that are only watched, and would be against it.
    pub watched: Vec<Arc<str>>,
}

/// What is against a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A rule refuses it.
    Rule(Arc<str>, Arc<str>),
    /// Its caller has to sign in anew.
    StepUp(Arc<str>, StepUp),
}

/// What each rule says, as far as one is looked at.
#[derive(Default)]
struct Found<'r> {
    denies: Option<&'r Rule>,
    /// The first of those of which one must allow it.
    allows: Option<&'r Rule>,
    is_allowed: bool,
    step_up: Option<&'r Rule>,
    /// That are only watched, and would refuse it.
    watched: Vec<&'r Rule>,
    /// That are only watched, and would where no other rule allows it.
    wary: Vec<&'r Rule>,
}

/// Judges a request by rules.
pub fn judge(facts: &Facts<'_>) -> Verdict {
    let mut found = Found::default();
    let rules = facts.rules;
    for at in &rules.general {
        if let Some(rule) = rules.list.get(*at) {
            look(rule, Truth::TRUE, facts, &mut found);
        }
    }
    if let Asked::Tool(name, _) = facts.asked {
        of_tool(rules, name, &mut |rule, is_about| look(rule, is_about, facts, &mut found));
    }
    found.verdict()
}

/// Rules that are narrowed to this tool, or to one that a sloppy reader takes it for.
fn of_tool<'r>(rules: &'r Rules, name: Name<'_>, each: &mut dyn FnMut(&'r Rule, Truth)) {
    if rules.of_tools.is_empty() {
        return;
    }
    let is_exact = |rule: &Rule| rule.tools.iter().flatten().any(|tool| tool == name.text);
    let folded = name.folded();
    let group = rules.of_tools.binary_search_by(|(key, _)| key.as_str().cmp(&folded));
    let group = group.ok().and_then(|at| rules.of_tools.get(at));
    for at in group.iter().flat_map(|(_, places)| places) {
        if let Some(rule) = rules.list.get(*at) {
            each(rule, if is_exact(rule) { Truth::TRUE } else { Truth::UNKNOWN });
        }
    }
    if !name.is_clear() {
        // It may be read as any.
        for rule in rules.list.iter().filter(|rule| rule.tools.is_some() && !is_exact(rule)) {
            each(rule, Truth::UNKNOWN);
        }
    }
}

fn look<'r>(rule: &'r Rule, is_about: Truth, facts: &Facts<'_>, found: &mut Found<'r>) {
    if rule.routes.as_ref().is_some_and(|routes| !routes.contains(&facts.route.name)) {
        return;
    }
    let denies = rule.deny.as_ref().is_some_and(|deny| is_about.and(evaluate(deny, facts)).cannot_fail());
    let allows = rule.allow.as_ref().map(|allow| is_about.and(evaluate(allow, facts)));
    // For a list it is enough that it may be so when the tool is called.
    let is_allowed = |allows: Truth| if facts.is_list() { allows.may_hold() } else { allows.holds() };
    let lacks =
        rule.step_up.as_ref().filter(|_| !facts.is_list() && allows.unwrap_or(is_about) != Truth::FALSE);
    let lacks = lacks.is_some_and(|step_up| !is_met(step_up, facts));
    if rule.is_watched {
        if denies || lacks {
            found.watched.push(rule);
        } else if allows.is_some_and(|allows| !is_allowed(allows)) {
            found.wary.push(rule);
        }
        return;
    }
    // Of several the lexically first is named.
    let first = |other: &mut Option<&'r Rule>| match other {
        Some(other) if other.id <= rule.id => {}
        other => *other = Some(rule),
    };
    if denies {
        first(&mut found.denies);
    }
    if let Some(allows) = allows {
        first(&mut found.allows);
        found.is_allowed |= is_allowed(allows);
    }
    if lacks {
        first(&mut found.step_up);
    }
}

/// Whether the caller has signed in as the rule wants it. What the token doesn't say isn't so.
fn is_met(step_up: &StepUp, facts: &Facts<'_>) -> bool {
    let is_young = step_up.max_age_s.is_none_or(|most| {
        #[allow(clippy::cast_precision_loss, reason = "a policy's durations are short")]
        facts.auth_age().is_some_and(|age| age <= most as f64)
    });
    let acr = facts.caller.acr.as_deref();
    let is_fit = step_up.acr.is_empty() || acr.is_some_and(|acr| step_up.acr.iter().any(|one| one == acr));
    is_young && is_fit
}

impl Found<'_> {
    fn verdict(self) -> Verdict {
        let refuses = |rule: &Rule| Against::Rule(Arc::clone(&rule.id), Arc::clone(&rule.message));
        let against = match (self.denies, self.allows, self.step_up) {
            (Some(rule), ..) => Some(refuses(rule)),
            (None, Some(rule), _) if !self.is_allowed => Some(refuses(rule)),
            (None, _, Some(rule)) => {
                rule.step_up.clone().map(|step_up| Against::StepUp(Arc::clone(&rule.id), step_up))
            }
            (None, _, None) => None,
        };
        let wary = self.wary.iter().filter(|_| !self.is_allowed);
        let mut watched: Vec<_> = self.watched.iter().chain(wary).map(|rule| Arc::clone(&rule.id)).collect();
        watched.sort_unstable();
        Verdict { against, watched }
    }
}
