//! Limits: a principal or an address in, one counted request and the headers that tell of it out (contract
//! §6).

pub mod table;
pub mod address;
pub mod service;

use crate::config::overlap;
use crate::config::policy::{IssuerId, LimitKey, Policy, RateLimit, Route};
use crate::hash::{self, Secret};
use crate::principal::Principal;
use crate::shared::{SharedTable, TableFault};
use crate::tally::Tally;
use std::cmp::Reverse;
use std::net::IpAddr;
use table::{Counted, Kind};

/// State of the limit with the fewest requests left, for the draft-6 headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Requests per window.
    pub limit: u32,
    /// Window in seconds, rounded up.
    pub window_s: u64,
    /// Requests left.
    pub remaining: u32,
    /// Seconds until the window ends, rounded up.
    pub reset_s: u64,
}

impl LimitState {
    /// Of several limits the one with the least of this is the tightest: the fewest requests left, then the
    /// longest reset.
    pub fn tightness(&self) -> (u32, Reverse<u64>) {
        (self.remaining, Reverse(self.reset_s))
    }
}

/// Outcome of counting a request against all limits that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// None applies.
    Unlimited,
    /// Counted; the limit with the fewest requests left.
    Within(LimitState),
    /// Over this limit.
    Over(LimitState),
}

/// The counters: shared cells and the secret that keys are hashed with.
pub struct Counters<'a> {
    /// Shared cells.
    pub table: &'a dyn SharedTable,
    /// The process's secret.
    pub secret: Secret,
}

impl Counters<'_> {
    /// Counts a request of a verified caller, each rule as much as `weight` says (0: not at all). A caller
    /// over its own limit doesn't use up its tenant's.
    ///
    /// # Errors
    /// The shared table failed: the request must be refused.
    pub fn count_caller(
        &self,
        policy: &Policy,
        route: &Route,
        caller: &Principal,
        weight: &dyn Fn(&RateLimit) -> u32,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Outcome, TableFault> {
        let place = |id: Option<IssuerId>| id.map_or(usize::MAX, |id| id.0).to_le_bytes();
        let (of_user, of_tenant) = (place(caller.user_issuer()), place(Some(caller.issuer())));
        let mut outcome = Outcome::Unlimited;
        for by_tenant in [false, true] {
            for rule in policy.rate_limits.iter().filter(|r| r.shared.is_none() && applies(r, route)) {
                let (tag, issuer, key) = match (&rule.by, by_tenant, caller.tenant()) {
                    (LimitKey::User, false, _) => (b"u", &of_user, caller.user()),
                    (LimitKey::Tenant, true, Some(tenant)) => (b"t", &of_tenant, tenant),
                    (LimitKey::User, true, _)
                    | (LimitKey::Tenant, false, _)
                    | (LimitKey::Tenant, true, None) => {
                        continue;
                    }
                    // Counted where it comes in, whoever calls.
                    (LimitKey::Address { .. }, _, _) => continue,
                };
                let weight = weight(rule);
                if weight == 0 {
                    continue;
                }
                let key = hash::keyed(self.secret, &[&rule.id.to_le_bytes(), tag, issuer, key.as_bytes()]);
                outcome = tighter(outcome, self.count(Kind::Callers, rule, key, weight, now, tally)?);
                if matches!(outcome, Outcome::Over(_)) {
                    return Ok(outcome);
                }
            }
        }
        Ok(outcome)
    }

    /// Counts a request of an address that is for `route` (`on: all`).
    ///
    /// # Errors
    /// The shared table failed.
    pub fn count_address(
        &self,
        policy: &Policy,
        route: Option<&Route>,
        address: IpAddr,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Outcome, TableFault> {
        self.each_address_rule(policy, address, false, |rule, key| match (&rule.route, route) {
            (Some(_), None) => Ok(Outcome::Unlimited),
            (Some(_), Some(route)) if !applies(rule, route) => Ok(Outcome::Unlimited),
            _ => self.count(Kind::Addresses, rule, key, 1, now, tally),
        })
    }

    /// Counts a failed authentication of an address, whatever it was for.
    ///
    /// # Errors
    /// The shared table failed.
    pub fn count_failure(
        &self,
        policy: &Policy,
        address: IpAddr,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Outcome, TableFault> {
        self.each_address_rule(policy, address, true, |rule, key| {
            self.count(Kind::Addresses, rule, key, 1, now, tally)
        })
    }

    /// Whether an address is over its limit of failures, without counting.
    ///
    /// # Errors
    /// The shared table failed.
    pub fn peek_failures(&self, policy: &Policy, address: IpAddr, now: u64) -> Result<Outcome, TableFault> {
        self.each_address_rule(policy, address, true, |rule, key| {
            let counted = table::peek(self.table, Kind::Addresses, key, rule.max, now)?;
            Ok(outcome(rule, counted, now))
        })
    }

    fn each_address_rule(
        &self,
        policy: &Policy,
        address: IpAddr,
        failure: bool,
        mut count: impl FnMut(&RateLimit, u64) -> Result<Outcome, TableFault>,
    ) -> Result<Outcome, TableFault> {
        let mut all = Outcome::Unlimited;
        for rule in &policy.rate_limits {
            let LimitKey::Address { failures_only, except } = &rule.by else { continue };
            if *failures_only != failure || except.iter().any(|range| address::contains(range, address)) {
                continue;
            }
            let key = hash::keyed(self.secret, &[&rule.id.to_le_bytes(), b"a", &address::key(address)]);
            all = tighter(all, count(rule, key)?);
        }
        Ok(all)
    }

    fn count(
        &self,
        kind: Kind,
        rule: &RateLimit,
        key: u64,
        weight: u32,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Outcome, TableFault> {
        let counted = table::count(self.table, kind, key, rule.max, weight, rule.window_ms, now)?;
        tally.evicted = tally.evicted.saturating_add(u32::from(counted.evicted_live));
        tally.uncounted = tally.uncounted.saturating_add(u32::from(counted.no_room));
        Ok(outcome(rule, counted, now))
    }
}

fn applies(rule: &RateLimit, route: &Route) -> bool {
    // A route within the rule's is no way around it.
    rule.route.as_ref().is_none_or(|pattern| overlap::covers(pattern, &route.pattern))
}

fn outcome(rule: &RateLimit, counted: Counted, now: u64) -> Outcome {
    let state = LimitState {
        limit: rule.max,
        window_s: rule.window_ms.div_ceil(1000),
        remaining: rule.max.saturating_sub(counted.count),
        reset_s: counted.ends.saturating_sub(now).div_ceil(1000).max(1),
    };
    if counted.over { Outcome::Over(LimitState { remaining: 0, ..state }) } else { Outcome::Within(state) }
}

/// Over before within; then the fewest requests left; then the longest reset.
fn tighter(a: Outcome, b: Outcome) -> Outcome {
    let rank = |o: &Outcome| match o {
        Outcome::Over(s) => (0, Some(s.tightness())),
        Outcome::Within(s) => (1, Some(s.tightness())),
        Outcome::Unlimited => (2, None),
    };
    if rank(&b) < rank(&a) { b } else { a }
}

#[cfg(test)]
mod tests;
