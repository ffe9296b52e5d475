//! Refused calls by route, tool, decision and reason. A tool's name comes from a client; those that are
//! counted under their names are the policy's, so that the set is closed:
//!
//! | label `tool` | what |
//! |---|---|
//! | a name | one of the policy's first [`MAX_TOOLS`], by route and name |
//! | `(more)` | a listed tool after those |
//! | `unlisted` | a tool that the route doesn't list, however it is called |
//! | `(batch)` | a batch with calls of tools in it, which is refused as a whole |
//!
//! What a tool's own rule is the reason of is there from the start: Prometheus sees no growth in a counter
//! that begins with its first value. The rest is made at its first use, since a thousand tools with all
//! reasons would be eighty thousand statistics that stay at zero.

use super::names::{Kind, Names, label};
use crate::command::Statistic;
use gatewaystack_core::config::policy::{Mode, Policy};
use gatewaystack_core::record::{self, DecisionRecord, RefusedCall};

/// Tools that are counted under their names.
pub const MAX_TOOLS: usize = 1_000;

/// What a tool's rule or a limit refuses, and what having no rule does.
const OF_LISTED: [(&str, &str); 3] =
    [("deny", "no_token"), ("deny", "insufficient_scope"), ("limited", "rate_limited")];
const OF_UNLISTED: [(&str, &str); 1] = [("deny", "unlisted")];

/// The statistics of all MCP routes.
#[derive(Debug, Default)]
pub struct Tools {
    /// By the route's place in the policy, in order.
    routes: Vec<(usize, Route)>,
    ends: Vec<End>,
    /// Tools that are counted as `(more)`.
    pub(super) unnamed: usize,
}

/// The statistics whose names end alike: with tool and route.
#[derive(Debug)]
struct End {
    name: String,
    statistics: Vec<(Key, Statistic)>,
}

/// Places in [`Tools::ends`].
#[derive(Debug)]
struct Route {
    /// By name, in order.
    named: Vec<(String, usize)>,
    unlisted: usize,
    batch: usize,
}

/// Whether it is only watched, decision and reason.
type Key = (bool, &'static str, &'static str);

impl Tools {
    /// What is there from the start.
    pub fn new(policy: &Policy, names: &mut Names) -> Self {
        let mut all = Self::default();
        let mut left = MAX_TOOLS;
        for (at, route) in policy.routes.iter().enumerate() {
            let Some(mcp) = &route.mcp else { continue };
            let is_watched = route.mode == Mode::Shadow;
            let end = |tool: &str| format!("n.{tool}.t.{}", label(&route.name));
            let more = all.place(end("(more)"));
            let mut named: Vec<(String, usize)> = Vec::with_capacity(mcp.tools.named.len());
            for name in mcp.tools.named.iter().map(|(name, _)| record::cut(name)) {
                let place = if left > 0 { all.place(end(&label(name))) } else { more };
                all.unnamed += usize::from(left == 0);
                left = left.saturating_sub(1);
                all.prepare(place, is_watched, &OF_LISTED, names);
                // Names that were cut need not be in the order of whole ones, and may be alike, as their
                // labels are then.
                match named.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
                    Ok(_) => {}
                    Err(at) => named.insert(at, (name.to_owned(), place)),
                }
            }
            let unlisted = all.place(end("unlisted"));
            all.prepare(unlisted, is_watched, &OF_UNLISTED, names);
            let batch = all.place(end("(batch)"));
            all.routes.push((at, Route { named, unlisted, batch }));
        }
        all
    }

    /// The statistic of a refused call of the route at this place in the policy.
    pub fn find(
        &mut self,
        route: usize,
        call: RefusedCall<'_>,
        facts: &DecisionRecord,
        names: &mut Names,
    ) -> Option<Statistic> {
        let found = self.routes.binary_search_by_key(&route, |(at, _)| *at).ok()?;
        let (_, route) = self.routes.get(found)?;
        let place = match call {
            RefusedCall::Tool(name) => {
                let found = route.named.binary_search_by(|(other, _)| other.as_str().cmp(name));
                found.ok().and_then(|at| route.named.get(at)).map_or(route.unlisted, |(_, place)| *place)
            }
            RefusedCall::Batch => route.batch,
        };
        let observed = facts.observed();
        let (decision, reason) = observed.unwrap_or_else(|| facts.outcome());
        self.statistic(place, (observed.is_some(), decision, reason), names)
    }

    fn place(&mut self, name: String) -> usize {
        self.ends.push(End { name, statistics: Vec::new() });
        self.ends.len() - 1
    }

    fn prepare(
        &mut self,
        place: usize,
        is_watched: bool,
        reasons: &[(&'static str, &'static str)],
        names: &mut Names,
    ) {
        for (decision, reason) in reasons {
            self.statistic(place, (is_watched, *decision, *reason), names);
        }
    }

    fn statistic(&mut self, place: usize, key: Key, names: &mut Names) -> Option<Statistic> {
        let end = self.ends.get_mut(place)?;
        if let Some((_, statistic)) = end.statistics.iter().find(|(other, _)| *other == key) {
            return Some(*statistic);
        }
        let (is_watched, decision, reason) = key;
        let prefix = if is_watched { "shadow_" } else { "" };
        let name = format!("gatewaystack_tool_refusals_total.d.{prefix}{decision}.r.{reason}.{}", end.name);
        let statistic = names.add(Kind::Counter, name);
        end.statistics.push((key, statistic));
        Some(statistic)
    }
}
