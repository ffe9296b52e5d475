//! A task that a message names (MCP 2025-11-25 Tasks): what is known of it. Whose it is, and what makes one,
//! is in `mcp/tasks.rs`.

pub(super) mod spelling;

use crate::config::policy::Tasks;
use spelling::is_plain;

/// A task that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    id: String,
    /// By which tool it was made.
    pub maker: Maker,
    /// As what it is named.
    pub mention: Mention,
}

/// As what a task is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mention {
    /// It is asked for, or a request is made a part of it.
    Asked,
    /// A notification or an answer belongs to it. It may be one that the client has made.
    Related,
    /// By a method that isn't about tasks, as far as the gateway knows.
    Aside,
}

impl Mention {
    /// Whether nothing is against a task that nobody knows of.
    pub fn is_loose(self, tasks: Tasks) -> bool {
        match self {
            Self::Asked => false,
            Self::Related => tasks != Tasks::Deny,
            Self::Aside => true,
        }
    }
}

/// What is known of the tool that made a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Nothing: the gateway may have been started since, or another one has passed the answer.
    Unknown,
    /// It is the caller's, of the tool that has this rule.
    Tool(String),
    /// It is the caller's, of a tool without a rule.
    Unlisted,
    /// It is somebody else's.
    Another,
}

impl Task {
    /// A task by its id; `None`: readers may differ about the id, which no server makes.
    pub fn named(id: &str) -> Option<Self> {
        let (id, maker, mention) = (id.to_owned(), Maker::Unknown, Mention::Asked);
        is_plain(&id).then_some(Self { id, maker, mention })
    }

    /// The same, named so.
    pub fn mentioned(self, mention: Mention) -> Self {
        Self { mention, ..self }
    }

    /// Its id. No log may have it: there are servers to whom it is as good as a password.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The tool that made it.
    pub fn tool(&self) -> Option<&str> {
        match &self.maker {
            Maker::Tool(name) => Some(name),
            Maker::Unknown | Maker::Unlisted | Maker::Another => None,
        }
    }
}

/// Whether a method's `params.taskId` names a task.
pub fn is_about_one(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel")
}

/// Whether a method is about tasks, of whatever version: their states have the results of tools in them.
pub fn is_of_tasks(method: &str) -> bool {
    method.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("tasks/"))
}
