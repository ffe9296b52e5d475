//! Tasks, by the answers that make them (`mcp/tasks.rs`): the one that a call of a tool was given is its caller's before the answer goes on.

use crate::exchange::making::Making;
use crate::exchange::rewrite::{Lists, What, refuse};
use crate::exchange::state::{Exchange, Forwarded};
use crate::mcp::session::Holder;
use crate::mcp::tasks;
use crate::reply::Reply;
use crate::world::World;

impl Exchange {
    /// Whether what has come of the answer makes a task, which must be kept before it goes on.
    pub fn makes_task(&self) -> bool {
        let what = self.rewrite().map(|rewrite| &rewrite.what);
        matches!(what, Some(What::Lists(Lists { making: Making::Made(_), .. })))
    }

    /// Keeps whose the task is that the answer makes. Where that can't be, or it was another's: the answer instead.
    pub fn on_task(&mut self, world: &World<'_>) -> Option<Reply> {
        let Self::Forwarded(Forwarded { facts, rewrite: Some(rewrite), .. }) = self else { return None };
        let What::Lists(Lists { making, .. }) = &mut rewrite.what else { return None };
        let Making::Made(made) = std::mem::replace(making, Making::Nothing) else { return None };
        let route = world.policy.routes.get(rewrite.route.0)?;
        let holder = Holder { route, claims: rewrite.claims.as_deref() };
        let refusal = tasks::bind(world, &holder, route.mcp.as_ref()?, &made.tool, &made.id).err()?;
        facts.refuse(&refusal);
        Some(refuse(world.policy, rewrite, facts.request_id.clone(), &refusal))
    }
}
