//! Envoy statistics: all names are made from the policy and closed sets, never from what clients send; all but those of `tools` at configuration.

mod tools;

use crate::host::{self, Metric};
use gatewaystack_core::config::policy::{IssuerId, Mode, Policy, RouteId};
use gatewaystack_core::record::Facts;
use gatewaystack_core::refusal::kind::reasons;
use gatewaystack_core::tally::Tally;
use std::cell::{Cell, RefCell};
use tools::Tools;

/// Decisions and reasons beside the refusals', which come before those in all lists.
const ALLOWED: [(&str, &str); 4] =
    [("allow", "authorized"), ("allow", "public"), ("allow", "preflight"), ("allow", "metadata")];

/// What shadow mode can't know.
const UNKNOWN: [(&str, &str); 2] = [("unknown", "keys_pending"), ("unknown", "body_unread")];

/// Counters by decision and reason, one for each route; the last is for requests without one. What is allowed comes first, for it is looked for
/// most.
type Decisions = Vec<((&'static str, &'static str), Vec<u32>)>;

/// The metrics of one plugin.
#[derive(Debug, Default)]
pub struct Metrics {
    decisions: Decisions,
    /// What would have been decided, where it is only recorded.
    observed: Decisions,
    /// Refused calls, by tool.
    tools: Tools,
    keys_age: Vec<u32>,
    fetch_failures: Vec<u32>,
    cache_hits: u32,
    evictions: u32,
    uncounted: u32,
    /// Addresses that weren't counted since the last tick.
    lately: Cell<u32>,
    /// Questions to the rate limit service, and those that came to nothing.
    asked: [u32; 2],
    native: u32,
    hits: Cell<u32>,
    /// What was allowed since the last tick, by place in [`ALLOWED`] and route.
    allowed: [Vec<Cell<u32>>; ALLOWED.len()],
    /// Which of it isn't zero.
    touched: RefCell<Vec<(usize, usize)>>,
}

impl Metrics {
    /// Defines all metrics. One that can't be defined is only missing.
    pub fn define(policy: &Policy) -> Self {
        let mut routes: Vec<String> = policy.routes.iter().map(|r| label(&r.name)).collect();
        routes.push("none".to_owned());
        let define = |kind, name: &str| host::define_metric(kind, name).unwrap_or(u32::MAX);
        let decision = |prefix: &'static str| {
            let routes = &routes;
            move |(decision, reason): &(&'static str, &'static str)| {
                let name = format!("gatewaystack_decisions_total.d.{prefix}{decision}.r.{reason}.t.");
                let of_route = |route: &String| define(Metric::Counter, &format!("{name}{route}"));
                ((*decision, *reason), routes.iter().map(of_route).collect())
            }
        };
        let refused: Vec<_> = reasons().collect();
        let taken = ALLOWED.iter().chain(&refused).map(decision(""));
        // A policy that enforces everything has no use for these.
        let is_observed = policy.mode == Mode::Shadow || policy.routes.iter().any(|r| r.mode == Mode::Shadow);
        let observed = ALLOWED.iter().chain(&refused).chain(&UNKNOWN).filter(|_| is_observed);
        let per_issuer = |kind, name: &str| -> Vec<u32> {
            (0..policy.issuers.len()).map(|at| define(kind, &format!("{name}.i.{at}"))).collect()
        };
        Self {
            decisions: taken.collect(),
            observed: observed.map(decision("shadow_")).collect(),
            tools: Tools::define(policy),
            keys_age: per_issuer(Metric::Gauge, "gatewaystack_keys_age_seconds"),
            fetch_failures: per_issuer(Metric::Counter, "gatewaystack_key_fetch_failures_total"),
            cache_hits: define(Metric::Counter, "gatewaystack_token_cache_hits_total"),
            evictions: define(Metric::Counter, "gatewaystack_table_evictions_total"),
            uncounted: define(Metric::Counter, "gatewaystack_addresses_uncounted_total"),
            lately: Cell::new(0),
            asked: ["gatewaystack_limits_asked_total", "gatewaystack_limits_unanswered_total"].map(|name| {
                if policy.limit_service.is_some() { define(Metric::Counter, name) } else { u32::MAX }
            }),
            native: define(Metric::Gauge, "gatewaystack_native_verifier"),
            hits: Cell::new(0),
            allowed: ALLOWED.map(|_| vec![Cell::new(0); routes.len()]),
            touched: RefCell::default(),
        }
    }

    /// Counts a decision, or what would have been decided: one of both for each request. What is allowed is remembered until the next tick: a host
    /// call less on the way of most requests.
    pub fn count(&self, policy: &Policy, facts: &Facts) {
        let (decisions, remembered, outcome) = match facts.observed() {
            Some(outcome) => (&self.observed, &[][..], outcome),
            None => (&self.decisions, &self.allowed[..], facts.outcome()),
        };
        let route = facts.route.map_or(policy.routes.len(), |RouteId(at)| at);
        let Some(at) = decisions.iter().position(|(other, _)| *other == outcome) else { return };
        if let Some(since) = remembered.get(at).and_then(|routes| routes.get(route)) {
            if since.replace(since.get().saturating_add(1)) == 0 {
                self.touched.borrow_mut().push((at, route));
            }
            return;
        }
        if let Some(id) = decisions.get(at).and_then(|(_, ids)| ids.get(route)) {
            host::increment_metric(*id, 1);
        }
        if let Some(call) = facts.refused_call() {
            self.tools.count(route, call, facts);
        }
    }

    /// Counts what judging did besides. Cache hits are remembered until the next tick: a host call less on the way of every request.
    pub fn add(&self, tally: Tally) {
        self.hits.set(self.hits.get().saturating_add(tally.cache_hits));
        host::increment_metric(self.evictions, tally.evicted);
        self.lately.set(self.lately.get().saturating_add(tally.uncounted));
        host::increment_metric(self.uncounted, tally.uncounted);
    }

    /// Writes what was remembered.
    pub fn flush(&self) {
        host::increment_metric(self.cache_hits, self.hits.take());
        for (at, route) in self.touched.take() {
            let since = self.allowed.get(at).and_then(|routes| routes.get(route)).map_or(0, Cell::take);
            if let Some(id) = self.decisions.get(at).and_then(|(_, ids)| ids.get(route)) {
                host::increment_metric(*id, since);
            }
        }
        let lately = self.lately.take();
        if lately > 0 {
            log::warn!(
                "gatewaystack: the table of addresses is full: {lately} requests of others weren't counted by address"
            );
        }
    }

    /// The rate limit service was asked.
    pub fn count_asked(&self) {
        host::increment_metric(self.asked[0], 1);
    }

    /// It didn't answer, or nothing that can be used.
    pub fn count_unanswered(&self) {
        host::increment_metric(self.asked[1], 1);
    }

    /// A fetch failed.
    pub fn count_fetch_failure(&self, issuer: IssuerId) {
        if let Some(id) = self.fetch_failures.get(issuer.0) {
            host::increment_metric(*id, 1);
        }
    }

    /// Age of an issuer's keys.
    pub fn set_keys_age(&self, issuer: IssuerId, seconds: u64) {
        if let Some(id) = self.keys_age.get(issuer.0) {
            host::record_metric(*id, seconds);
        }
    }

    /// Which verifier is in use.
    pub fn set_native(&self, native: bool) {
        host::record_metric(self.native, u64::from(native));
    }
}

/// A route's name as a part of a statistic's name, where dots separate.
fn label(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '/' | '*' | '-') { c } else { '_' })
        .collect()
}
