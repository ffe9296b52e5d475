//! Statistics: all names are made from the policy and closed sets, never from what clients send. A counter of
//! decisions is made when it is first used: every reason of every route would be thousands that stay at zero.
//!
//! What is allowed, and what was found in the cache, is remembered until the next tick: a host call less on
//! the way of most requests.

mod names;
mod tools;

use crate::command::Statistic;
use gatewaystack_core::config::policy::{IssuerId, Mode, Policy, RouteId};
use gatewaystack_core::record::DecisionRecord;
use gatewaystack_core::refusal::kind::reasons;
use gatewaystack_core::tally::Tally;
use names::{Names, label};
use tools::Tools;

pub use names::Kind;
pub use tools::MAX_TOOLS;

/// Decisions and reasons besides the refusals', which come before those in all lists.
const ALLOWED: [(&str, &str); 4] =
    [("allow", "authorized"), ("allow", "public"), ("allow", "preflight"), ("allow", "metadata")];

/// What shadow mode can't know.
const UNKNOWN: [(&str, &str); 3] =
    [("unknown", "keys_pending"), ("unknown", "feed_pending"), ("unknown", "body_unread")];

/// Counters by decision and reason. What is allowed comes first, for it is looked for most.
type Decisions = Vec<(Outcome, Vec<Option<Statistic>>)>;

/// Decision and reason.
type Outcome = (&'static str, &'static str);

/// The statistics of one worker.
#[derive(Debug)]
pub struct Statistics {
    names: Names,
    /// The routes' names as parts of names; the last is for requests without one.
    routes: Vec<String>,
    /// Each with a place for each route, once it is used.
    decisions: Decisions,
    /// What would have been decided, where it is only recorded.
    observed: Decisions,
    /// Refused calls, by tool.
    tools: Tools,
    keys_age: Vec<Statistic>,
    feed_age: Option<Statistic>,
    fetch_failures: Vec<Statistic>,
    cache_hits: Statistic,
    evictions: Statistic,
    uncounted: Statistic,
    /// Questions to the rate limit service, and those that came to nothing.
    asked: Option<[Statistic; 2]>,
    /// Records that the ledger has, that were dropped, and batches that it didn't take.
    records: Option<[Statistic; 3]>,
    native: Statistic,
    /// Since the last tick.
    since: Since,
}

/// What is remembered until the next tick.
#[derive(Debug, Default)]
struct Since {
    hits: u32,
    /// Addresses that weren't counted.
    uncounted: u32,
    /// What was allowed, by place in [`ALLOWED`] and route.
    allowed: [Vec<u32>; ALLOWED.len()],
    /// Which of it isn't zero.
    touched: Vec<(usize, usize)>,
}

impl Statistics {
    /// All statistics of a policy.
    pub fn new(policy: &Policy) -> Self {
        let mut names = Names::default();
        let mut routes: Vec<String> = policy.routes.iter().map(|route| label(&route.name)).collect();
        routes.push("none".to_owned());
        let refused: Vec<_> = reasons().collect();
        let all = || ALLOWED.into_iter().chain(refused.iter().copied());
        let unused = |outcome: Outcome| (outcome, Vec::new());
        let decisions = all().map(unused).collect();
        // A policy that enforces everything has no use for these.
        let is_observed = policy.mode == Mode::Shadow || policy.routes.iter().any(|r| r.mode == Mode::Shadow);
        let observed = all().chain(UNKNOWN).filter(|_| is_observed).map(unused).collect();
        let tools = Tools::new(policy, &mut names);
        let issuers = names::issuers(policy);
        let mut of_issuer = |kind, name: &str| -> Vec<Statistic> {
            issuers.iter().map(|issuer| names.add(kind, format!("{name}.i.{issuer}"))).collect()
        };
        let keys_age = of_issuer(Kind::Gauge, "gatewaystack_keys_age_seconds");
        let fetch_failures = of_issuer(Kind::Counter, "gatewaystack_key_fetch_failures_total");
        let mut counter = |name: &str| names.add(Kind::Counter, name.to_owned());
        let [cache_hits, evictions, uncounted] = [
            "gatewaystack_token_cache_hits_total",
            "gatewaystack_table_evictions_total",
            "gatewaystack_addresses_uncounted_total",
        ]
        .map(&mut counter);
        let asked = policy.limit_service.is_some().then(|| {
            ["gatewaystack_limits_asked_total", "gatewaystack_limits_unanswered_total"].map(&mut counter)
        });
        let records = policy.posts_to.is_some().then(|| {
            [
                "gatewaystack_records_posted_total",
                "gatewaystack_records_dropped_total",
                "gatewaystack_record_posts_failed_total",
            ]
            .map(&mut counter)
        });
        let native = names.add(Kind::Gauge, "gatewaystack_native_verifier".to_owned());
        let feed_age = || names.add(Kind::Gauge, "gatewaystack_feed_age_seconds".to_owned());
        let feed_age = policy.feed.is_some().then(feed_age);
        let since = Since { allowed: ALLOWED.map(|_| vec![0; routes.len()]), ..Since::default() };
        Self {
            names,
            routes,
            decisions,
            observed,
            tools,
            keys_age,
            feed_age,
            fetch_failures,
            cache_hits,
            evictions,
            uncounted,
            asked,
            records,
            native,
            since,
        }
    }

    /// The statistic's kind and name; new ones follow the old.
    pub fn name(&self, statistic: Statistic) -> Option<(Kind, &str)> {
        self.names.get(statistic)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.len() == 0
    }

    /// How many tools have no name in the statistics.
    pub fn unnamed_tools(&self) -> usize {
        self.tools.unnamed
    }

    /// Counts a decision, or what would have been decided: one of both for each request.
    pub fn count(&mut self, policy: &Policy, facts: &DecisionRecord, count: &mut dyn FnMut(Statistic, u32)) {
        let (decisions, prefix, outcome) = match facts.observed() {
            Some(outcome) => (&mut self.observed, "shadow_", outcome),
            None => (&mut self.decisions, "", facts.outcome()),
        };
        let route = facts.route.map_or(policy.routes.len(), |RouteId(at)| at);
        let Some(at) = decisions.iter().position(|(other, _)| *other == outcome) else { return };
        let since = self.since.allowed.get_mut(at).filter(|_| prefix.is_empty());
        if let Some(since) = since.and_then(|routes| routes.get_mut(route)) {
            if *since == 0 {
                self.since.touched.push((at, route));
            }
            *since = since.saturating_add(1);
            return;
        }
        if let Some(statistic) = used(decisions, at, prefix, (&self.routes, route), &mut self.names) {
            count(statistic, 1);
        }
        if let Some(call) = facts.refused_call()
            && let Some(statistic) = self.tools.find(route, call, facts, &mut self.names)
        {
            count(statistic, 1);
        }
    }

    /// Counts what judging did besides deciding.
    pub fn add(&mut self, tally: Tally, count: &mut dyn FnMut(Statistic, u32)) {
        self.since.hits = self.since.hits.saturating_add(tally.cache_hits);
        self.since.uncounted = self.since.uncounted.saturating_add(tally.uncounted);
        for (statistic, more) in [(self.evictions, tally.evicted), (self.uncounted, tally.uncounted)] {
            if more > 0 {
                count(statistic, more);
            }
        }
    }

    /// Tells what was remembered; answers how many requests' addresses weren't counted.
    pub fn flush(&mut self, count: &mut dyn FnMut(Statistic, u32)) -> u32 {
        let hits = std::mem::take(&mut self.since.hits);
        if hits > 0 {
            count(self.cache_hits, hits);
        }
        for (at, route) in std::mem::take(&mut self.since.touched) {
            let since = self.since.allowed.get_mut(at).and_then(|routes| routes.get_mut(route));
            let since = since.map_or(0, std::mem::take);
            let place = (self.routes.as_slice(), route);
            if let Some(statistic) = used(&mut self.decisions, at, "", place, &mut self.names) {
                count(statistic, since);
            }
        }
        std::mem::take(&mut self.since.uncounted)
    }

    /// The rate limit service was asked.
    pub fn asked(&self) -> Option<Statistic> {
        self.asked.map(|[asked, _]| asked)
    }

    /// It didn't answer, or nothing that can be used.
    pub fn unanswered(&self) -> Option<Statistic> {
        self.asked.map(|[_, unanswered]| unanswered)
    }

    /// Records that were posted, those that were dropped, and posts that failed; `None`: none are posted.
    pub fn records(&self) -> Option<[Statistic; 3]> {
        self.records
    }

    /// Failed fetches of an issuer's keys.
    pub fn fetch_failures(&self, issuer: IssuerId) -> Option<Statistic> {
        self.fetch_failures.get(issuer.0).copied()
    }

    /// The age of an issuer's keys in seconds.
    pub fn keys_age(&self, issuer: IssuerId) -> Option<Statistic> {
        self.keys_age.get(issuer.0).copied()
    }

    /// The time since the sidecar last said who is blocked, or since it was first asked, in seconds.
    pub fn feed_age(&self) -> Option<Statistic> {
        self.feed_age
    }

    /// Whether the host verifies signatures.
    pub fn native(&self) -> Statistic {
        self.native
    }
}

/// The counter of the outcome at this place, for a route by its place; it is made where there is none yet.
fn used(
    decisions: &mut Decisions,
    at: usize,
    prefix: &str,
    (routes, route): (&[String], usize),
    names: &mut Names,
) -> Option<Statistic> {
    let ((decision, reason), counters) = decisions.get_mut(at)?;
    if counters.is_empty() {
        counters.resize(routes.len(), None);
    }
    let (counter, route) = (counters.get_mut(route)?, routes.get(route)?);
    let make = || {
        let name = format!("gatewaystack_decisions_total.d.{prefix}{decision}.r.{reason}.t.{route}");
        names.add(Kind::Counter, name)
    };
    Some(*counter.get_or_insert_with(make))
}
