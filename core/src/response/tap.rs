//! What sees messages of an answer on their way: each that is shown, as the upstream sent it. A tap changes
//! nothing and refuses nothing; what it has found is asked for before the message goes on.

use crate::config::policy::Tasks;
use crate::mcp::form::Scan;
use crate::mcp::id;
use crate::mcp::target::Target;
use crate::mcp::tasks;

/// What looks for something in messages.
#[derive(Debug)]
pub enum Tap {
    /// The task that a call of a tool makes.
    Task(TaskTap),
}

impl Tap {
    /// Whether it wants to see a message that begins like this, which then is read whole.
    pub fn wants(&self, scan: &Scan) -> bool {
        match self {
            Self::Task(tap) => tap.id.is_none() && scan.names_task(),
        }
    }

    /// A message.
    pub fn see(&mut self, message: &str) {
        match self {
            // A call has one answer: the first.
            Self::Task(tap) if tap.id.is_none() => tap.id = tasks::made(message, &tap.call),
            Self::Task(_) => {}
        }
    }
}

/// The task that the answer to a call makes.
#[derive(Debug)]
pub struct TaskTap {
    /// The call's id, as JSON.
    call: String,
    /// The tool that was called.
    pub tool: String,
    /// The task, once it is made.
    pub id: Option<String>,
}

impl TaskTap {
    /// For a call that is alone in its request, which is taken; `None`: it makes no task.
    pub fn of(id: &str, target: Target, policy: Tasks) -> Option<Self> {
        match target {
            Target::Tool(tool) if policy != Tasks::Deny && id != id::NONE => {
                Some(Self { call: id.to_owned(), tool, id: None })
            }
            Target::Tool(_)
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Task(_)
            | Target::Listened(_) => None,
        }
    }
}
