//! Whose a session is, by the answers that name one (`mcp/session.rs`).

use crate::config::policy::{Policy, Sessions};
use crate::exchange::state::{Exchange, Forwarded};
use crate::mcp::session::{Holder, Session};
use crate::reply::Reply;
use crate::response::pipeline::Pipeline;
use crate::world::World;

impl Exchange {
    /// Whether an answer that names this session, or none, changes whose a session is.
    pub fn moves_session(&self, policy: &Policy, id: Option<&[u8]>) -> bool {
        let Some((pipeline, session)) = self.in_session() else { return false };
        let mcp = policy.routes.get(pipeline.route.0).and_then(|route| route.mcp.as_ref());
        let is_new = id.is_some_and(|id| session.id.as_deref() != Some(id));
        mcp.is_some_and(|mcp| mcp.sessions == Sessions::Bind)
            && (is_new || session.ends && session.id.is_some())
    }

    /// Keeps whose the session is that an answer names, or that it ends. Where that can't be kept: the answer
    /// instead.
    pub fn on_session(&mut self, world: &World<'_>, status: u16, id: Option<&[u8]>) -> Option<Reply> {
        let (pipeline, session) = self.in_session()?;
        let route = world.policy.routes.get(pipeline.route.0)?;
        let holder = Holder { route, principal: pipeline.principal.as_deref() };
        if let Some(ended) = session.id.as_ref().filter(|_| session.ends && (200..300).contains(&status)) {
            holder.release(world, ended);
        }
        let id = id.filter(|id| session.id.as_deref() != Some(*id))?;
        let refusal = holder.bind(world, id).err()?;
        let Self::Forwarded(Forwarded { facts, pipeline: Some(pipeline), .. }) = self else { return None };
        facts.refuse(&refusal);
        Some(pipeline.refuse(world.policy, facts.request_id.clone(), &refusal))
    }

    fn in_session(&self) -> Option<(&Pipeline, &Session)> {
        let pipeline = self.pipeline()?;
        Some((pipeline, pipeline.session()?))
    }
}
