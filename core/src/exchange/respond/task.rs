//! Tasks, by the answers that make them (`mcp/task.rs`): the one that a call of a tool was given is its caller's before the answer goes on.

use super::{Exchange, Forwarded, Lists, Rewrite, What, World, refuse};
use crate::config::policy::Tasks;
use crate::mcp::id;
use crate::mcp::json_rpc::Call;
use crate::mcp::session::Holder;
use crate::mcp::target::Target;
use crate::mcp::task;
use crate::reply::Reply;

/// Whether an answer may make a task.
#[derive(Debug)]
pub(super) enum Making {
    /// What was asked for makes none, or not one alone.
    Nothing,
    /// This tool was called.
    ByTool(String),
    /// It has made this task, which isn't kept yet.
    Made(Box<Made>),
}

/// A task that a tool has made.
#[derive(Debug)]
pub(super) struct Made {
    tool: String,
    id: String,
}

impl Making {
    /// What the only call may make, and its id.
    pub fn by(call: Call, tasks: Tasks) -> (String, Self) {
        let making = match call.target {
            Target::Tool(name) if tasks != Tasks::Deny && call.id != id::NONE => Self::ByTool(name),
            Target::Tool(_)
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Task(_)
            | Target::Listened(_) => Self::Nothing,
        };
        (call.id, making)
    }
}

impl Rewrite {
    /// The id of the call whose answer may make a task.
    pub(super) fn calling(&self) -> Option<&str> {
        match &self.what {
            What::Lists(Lists { id, making: Making::ByTool(_), .. }) => Some(id),
            What::Lists(_) | What::Owner => None,
        }
    }

    /// Notes the task that a whole answer makes, if it makes one.
    pub(super) fn note_task_in(&mut self, answer: &[u8]) {
        let made = self.calling().and_then(|call| task::made(std::str::from_utf8(answer).ok()?, call));
        if let Some(id) = made {
            self.note_task(id);
        }
    }

    /// Notes the task that the answer has made: the first, since a call has one answer.
    pub(super) fn note_task(&mut self, id: String) {
        if let What::Lists(Lists { making, .. }) = &mut self.what
            && let Making::ByTool(tool) = making
        {
            *making = Making::Made(Box::new(Made { tool: std::mem::take(tool), id }));
        }
    }
}

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
        let refusal = task::bind(world, &holder, route.mcp.as_ref()?, &made.tool, &made.id).err()?;
        facts.refuse(&refusal);
        Some(refuse(world.policy, rewrite, facts.request_id.clone(), &refusal))
    }
}
