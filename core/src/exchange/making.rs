//! Which task an answer may make, and which it has made.

use crate::config::policy::Tasks;
use crate::mcp::id;
use crate::mcp::json_rpc::Call;
use crate::mcp::target::Target;

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
    pub tool: String,
    pub id: String,
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
