//! Tasks (MCP 2025-11-25 Tasks; the extension `io.modelcontextprotocol/tasks` of 2026-07-28, SEP-2663): what asks for a task gets its tool's result, and names an
//! id that says nothing of the tool. So an answer that makes a task is remembered, by keyed hashes: the tool's rule decides who may ask, and nobody but its caller.
//!
//! `{"result":{"task":{"taskId":"t-1"}}}` and `{"result":{"resultType":"task","taskId":"t-1"}}` make a task. A result with `content` makes none, whatever else it has.

mod finder;
mod spelling;

use super::json_rpc::{MAX_DEPTH, unmistakable};
use super::list::KINDS;
use super::operation::Operation;
use super::owners::{self, Kind};
use super::session::Holder;
use super::{form, id};
use crate::config::policy::{Mcp, Tasks};
use crate::json::{self, Bounds, Text};
use crate::refusal::{Fault, Refusal};
use crate::world::World;
pub use finder::Finder;
use spelling::is_plain;

/// Longest id in bytes that is remembered.
const MAX_ID: usize = 256;

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

/// Finds out who made the tasks that an operation names.
///
/// # Errors
/// One is another caller's, or that can't be found out.
pub fn find(
    world: &World<'_>,
    holder: &Holder<'_>,
    mcp: &Mcp,
    operation: &mut Operation,
) -> Result<(), Refusal> {
    if mcp.tasks == Tasks::Deny {
        return Ok(());
    }
    let finder = Finder::new(world, *holder, mcp);
    for task in operation.tasks_mut() {
        task.maker = match finder.maker(&task.id)? {
            // Where nothing passes that isn't known, it is refused as what isn't.
            Maker::Another if mcp.tasks == Tasks::Allow && holder.claims.is_some() => {
                return Err(Refusal::NoTask);
            }
            maker => maker,
        };
    }
    Ok(())
}

/// The caller's answer names a task that `tool` has made: it is the caller's, by that tool's rule.
///
/// # Errors
/// It was somebody else's or another tool's, and is nobody's from now on; or that can't be kept.
pub fn bind(world: &World<'_>, holder: &Holder<'_>, mcp: &Mcp, tool: &str, id: &str) -> Result<(), Refusal> {
    let rule = mcp.tools.named.iter().any(|(name, _)| name == tool).then_some(tool);
    let owner = finder::owner(world, holder.caller(world), rule);
    match owners::claim(
        world.counters.table,
        Kind::Tasks,
        finder::key(world, holder, id),
        owner,
        world.now_ms,
    ) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::NotFilterable),
        Err(_) => Err(Refusal::Internal(Fault::SharedTable)),
    }
}

/// The task that an answer to the call with this id makes, as every reader finds it: strict JSON, one message, each member once and spelled right.
pub fn made(answer: &str, call: &str) -> Option<String> {
    let message = json::check(answer.as_bytes(), Bounds::of(MAX_DEPTH)).ok().filter(Text::is_object)?;
    unmistakable(message, &["id", "result", "error", "method"]).ok()?;
    if message.get("error").is_some() || message.get("method").is_some() {
        return None;
    }
    let is_ours = id::read(message.get("id")?.raw().as_bytes()).is_some_and(|id| id == call);
    let result = message.get("result").filter(|result| is_ours && result.is_object())?;
    unmistakable(result, &["task", "taskId", "resultType"]).ok()?;
    unmistakable(result, &form::OF_OTHERS).ok()?;
    let has = |member: &str| result.get(member).is_some();
    if form::OF_OTHERS.into_iter().chain(KINDS.map(|kind| kind.member())).any(has) {
        return None;
    }
    let kind = result.get("resultType").map(|kind| kind.as_str());
    let is_task = kind.as_ref().map(|kind| kind.as_deref() == Some("task"));
    let id = match (result.get("task"), result.get("taskId"), is_task) {
        (Some(task), None, None | Some(true)) if task.is_object() => {
            unmistakable(task, &["taskId"]).ok()?;
            task.get("taskId")?
        }
        (None, Some(id), Some(true)) => id,
        _ => return None,
    };
    id.as_str().filter(|id| id.len() <= MAX_ID && is_plain(id)).map(std::borrow::Cow::into_owned)
}
