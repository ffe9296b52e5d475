//! Rules: what is forbidden, what alone is allowed, and for what a caller has to sign in anew.

use super::Claim;
use super::condition::Condition;
use std::sync::Arc;

/// The rules of a policy.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// In the order of their ids.
    pub list: Vec<Rule>,
    /// Places of those that aren't narrowed to tools, in order.
    pub general: Vec<usize>,
    /// Places of those that are, by what sloppy servers take the tools' names for, in order.
    pub of_tools: Vec<(String, Vec<usize>)>,
    /// Claims that conditions ask for.
    pub claims: Vec<Claim>,
    /// Arguments that they ask for, by the unescaped tokens of their pointers.
    pub arguments: Vec<Vec<String>>,
    /// Headers that they ask for, in lower case.
    pub headers: Vec<String>,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What records and answers call it.
    pub id: Arc<str>,
    /// The routes that it is about, by their names; `None`: all.
    pub routes: Option<Vec<String>>,
    /// The tools that it is about; `None`: all, and what is no call of a tool.
    pub tools: Option<Vec<String>>,
    /// When a request is refused.
    pub deny: Option<Condition>,
    /// When it isn't, where some rule of its kind has such a condition.
    pub allow: Option<Condition>,
    /// How its caller must have signed in, where it isn't refused.
    pub step_up: Option<StepUp>,
    /// Whether it asks for arguments.
    pub asks_arguments: bool,
    /// Whether it is only recorded.
    pub is_watched: bool,
    /// What a refused client is told; empty: nothing but the rule's id.
    pub message: Arc<str>,
}

impl Rule {
    /// Whether it is narrowed: to what it names everything else is refused that no `allow` takes in.
    pub fn is_narrowed(&self) -> bool {
        self.routes.is_some() || self.tools.is_some()
    }
}

/// How a caller must have signed in (RFC 9470).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// So long ago at most, in seconds.
    pub max_age_s: Option<u64>,
    /// In one of these ways; empty: in any.
    pub acr: Vec<String>,
}
