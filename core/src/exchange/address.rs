//! What is counted by the client's address while a request is judged.

use crate::config::policy::Route;
use crate::rate_limit::{LimitState, Outcome};
use crate::refusal::{Fault, Refusal};
use crate::tally::Tally;
use crate::world::World;

/// Counts a request by its address, where a limit says `on: all`.
pub(super) fn count(
    world: &World<'_>,
    route: Option<&Route>,
    tally: &mut Tally,
) -> Result<Option<LimitState>, Refusal> {
    if !world.counts_addresses() {
        return Ok(None);
    }
    match world.counters.count_address(world.policy, route, (world.address)(), world.now_ms, tally) {
        Ok(Outcome::Over(state)) => Err(Refusal::Limited(state)),
        Ok(Outcome::Within(state)) => Ok(Some(state)),
        Ok(Outcome::Unlimited) => Ok(None),
        Err(_) => Err(Refusal::Internal(Fault::SharedTable)),
    }
}

/// Counts a failed authentication against its address. The refusal stands, whatever counting says.
pub(super) fn count_failure(world: &World<'_>, refusal: Refusal, tally: &mut Tally) -> Refusal {
    if refusal.is_address_failure() && world.counts_failures() {
        let _ = world.counters.count_failure(world.policy, (world.address)(), world.now_ms, tally);
    }
    refusal
}
