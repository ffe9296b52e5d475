//! Tasks, by the answers that make them (`mcp/tasks.rs`): the one that a call of a tool was given is its
//! caller's before the answer goes on.

use crate::exchange::state::{Exchange, Forwarded};
use crate::mcp::session::Holder;
use crate::mcp::tasks;
use crate::reply::Reply;
use crate::response::tap::TaskTap;
use crate::world::World;

impl Exchange {
    /// Whether what has come of the answer makes a task, which must be kept before it goes on.
    pub fn makes_task(&self) -> bool {
        self.pipeline().is_some_and(|pipeline| pipeline.task().is_some())
    }

    /// Keeps whose the task is that the answer makes. Where that can't be, or it was another's: the answer
    /// instead.
    pub fn on_task(&mut self, world: &World<'_>) -> Option<Reply> {
        let Self::Forwarded(Forwarded { facts, pipeline: Some(pipeline), .. }) = self else { return None };
        let TaskTap { tool, id, .. } = pipeline.take_task()?;
        let route = world.policy.routes.get(pipeline.route.0)?;
        let holder = Holder { route, principal: pipeline.principal.as_deref() };
        let refusal = tasks::bind(world, &holder, route.mcp.as_ref()?, &tool, &id?).err()?;
        facts.refuse(&refusal);
        Some(pipeline.refuse(world.policy, facts.request_id.clone(), &refusal))
    }
}
