//! Tasks (MCP 2025-11-25 Tasks; the extension `io.modelcontextprotocol/tasks` of 2026-07-28, SEP-2663): what
//! asks for a task gets its tool's result, and names an id that says nothing of the tool. So an answer that
//! makes a task is remembered, by keyed hashes: the tool's rule decides who may ask, and nobody but its
//! caller.
//!
//! `{"result":{"task":{"taskId":"t-1"}}}` and `{"result":{"resultType":"task","taskId":"t-1"}}` make a task.
//! A result with `content` makes none, whatever else it has.

mod finder;

use super::kind::KINDS;
use super::operation::Operation;
use super::owners::{self, Kind};
use super::session::Holder;
use super::strict::{MAX_DEPTH, unmistakable};
use super::task::Maker;
use super::task::spelling::is_plain;
use super::{form, id};
use crate::config::policy::{Mcp, Tasks};
use crate::json::{self, Bounds, Text};
use crate::refusal::{Fault, Refusal};
use crate::world::World;
pub use finder::Finder;

/// Longest id in bytes that is remembered.
const MAX_ID: usize = 256;

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
        task.maker = match finder.maker(task.id())? {
            // Where nothing passes that isn't known, it is refused as what isn't.
            Maker::Another if mcp.tasks == Tasks::Allow && holder.principal.is_some() => {
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

/// The task that an answer to the call with this id makes, as every reader finds it: strict JSON, one
/// message, each member once and spelled right.
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
        (Some(task), None, None | Some(true)) => {
            unmistakable(task, &["taskId"]).ok()?;
            task.get("taskId")?
        }
        (None, Some(id), Some(true)) => id,
        _ => return None,
    };
    id.as_str().filter(|id| id.len() <= MAX_ID && is_plain(id)).map(std::borrow::Cow::into_owned)
}
