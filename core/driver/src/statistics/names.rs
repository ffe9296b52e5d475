//! The names of statistics, in the order of their making.

use crate::command::Statistic;
use gatewaystack_core::config::policy::Policy;

/// What a statistic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows.
    Counter,
    /// It is what it is now.
    Gauge,
}

/// All names so far.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(Kind, String)>);

impl Names {
    pub(super) fn add(&mut self, kind: Kind, name: String) -> Statistic {
        self.0.push((kind, name));
        Statistic(self.0.len() - 1)
    }

    pub(super) fn get(&self, Statistic(at): Statistic) -> Option<(Kind, &str)> {
        self.0.get(at).map(|(kind, name)| (*kind, name.as_str()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A route's or tool's name as a part of a statistic's name, where dots separate.
pub(super) fn label(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '/' | '*' | '-') { c } else { '_' })
        .collect()
}

/// The issuers of a policy as the last part of a statistic's name, without their scheme. One that can't be
/// told from another by that has its place in the policy behind it.
pub(super) fn issuers(policy: &Policy) -> Vec<String> {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.');
    let mut labels: Vec<String> = Vec::with_capacity(policy.issuers.len());
    for (at, issuer) in policy.issuers.iter().enumerate() {
        let name = issuer.issuer.split_once("://").map_or(issuer.issuer.as_ref(), |(_, rest)| rest);
        let name = name.strip_suffix('/').unwrap_or(name);
        let label: String = name.chars().map(|c| if is_kept(c) { c } else { '_' }).collect();
        labels.push(if labels.contains(&label) { format!("{label}_{at}") } else { label });
    }
    labels
}
