//! What a message says besides what it calls: `_meta`, and parameters that are no one method's own. A message
//! in, the version and the tasks that it names out.
//!
//! A message belongs to a task by `_meta["io.modelcontextprotocol/related-task"]` (MCP 2025-11-25 Tasks):
//! servers make what it causes a part of the task, and give its answers to anyone who asks for that.

use super::id;
use super::strict::{BodyFault, is_lookalike, string};
use super::task::{Mention, Task, is_about_one, is_of_tasks};
use crate::json::Text;

/// The member of `_meta` that repeats `MCP-Protocol-Version`.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Its member that names the task which a message belongs to.
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The same in drafts of the specification.
const DRAFTED: &str = "modelcontextprotocol.io/related-task";

/// What parameters have besides what their method wants.
#[derive(Default)]
pub(super) struct Besides<'t> {
    meta: Meta<'t>,
    task_id: Option<Text<'t>>,
    task: Option<Text<'t>>,
}

#[derive(Default)]
struct Meta<'t> {
    version: Option<Text<'t>>,
    related: [Option<Text<'t>>; 2],
}

impl<'t> Besides<'t> {
    /// Reads it in one look.
    ///
    /// # Errors
    /// A sloppy reader takes another member for one of these.
    pub fn of(params: Option<Text<'t>>) -> Result<Self, BodyFault> {
        let Some(params) = params else { return Ok(Self::default()) };
        let [meta, task_id, task] = pick(params, ["_meta", "taskId", "task"])?;
        Ok(Self { meta: Meta::of(meta)?, task_id, task })
    }

    /// The version that it names.
    pub fn version(&self) -> Result<Option<String>, BodyFault> {
        let Some(version) = self.meta.version else { return Ok(None) };
        string(version)?.map(|version| Some(version.into_owned())).ok_or(BodyFault::Message)
    }

    /// Whether it has the server make a task. In methods of a server's own, what isn't an object may be
    /// something else of that name.
    pub fn asks_for_task(&self, method: &str) -> bool {
        self.task.is_some_and(|task| task.is_object() || method == "tools/call" && !task.is_null())
    }

    /// The tasks that a call names besides its target; `outer`: the message's own `_meta`.
    pub fn tasks(&self, method: &str, id: &str, outer: Option<Text<'t>>) -> Result<Vec<Task>, BodyFault> {
        let is_notice = id == id::NONE && method.starts_with("notifications/");
        let mention = if is_notice { Mention::Related } else { Mention::Asked };
        let mut tasks = Vec::new();
        for meta in [&Meta::of(outer)?, &self.meta] {
            meta.add_tasks(mention, &mut tasks)?;
        }
        if !is_about_one(method) {
            tasks.extend(self.task_id.map(|id| named_aside(method, id)).transpose()?.flatten());
        }
        Ok(tasks)
    }
}

/// The tasks that an answer to the server belongs to, by the `_meta` of the message and of what it has.
pub(super) fn of_answer(message: Text<'_>) -> Result<Vec<Task>, BodyFault> {
    let [meta, result, error, params] = pick(message, ["_meta", "result", "error", "params"])?;
    let data = error.and_then(|error| error.get("data"));
    let mut tasks = Vec::new();
    Meta::of(meta)?.add_tasks(Mention::Related, &mut tasks)?;
    for member in [result, error, data, params].into_iter().flatten() {
        let [meta] = pick(member, ["_meta"])?;
        Meta::of(meta)?.add_tasks(Mention::Related, &mut tasks)?;
    }
    Ok(tasks)
}

impl<'t> Meta<'t> {
    fn of(meta: Option<Text<'t>>) -> Result<Self, BodyFault> {
        let Some(meta) = meta else { return Ok(Self::default()) };
        let [version, related, drafted] = pick(meta, [VERSION, RELATED, DRAFTED])?;
        Ok(Self { version, related: [related, drafted] })
    }

    fn add_tasks(&self, mention: Mention, tasks: &mut Vec<Task>) -> Result<(), BodyFault> {
        for related in self.related.into_iter().flatten() {
            let [id] = pick(related, ["taskId"])?;
            tasks.push(named(id.ok_or(BodyFault::Target)?)?.mentioned(mention));
        }
        Ok(())
    }
}

/// A task by `params.taskId` of a method that isn't the specification's: others about tasks mean one,
/// whatever else has such a parameter may.
fn named_aside(method: &str, id: Text<'_>) -> Result<Option<Task>, BodyFault> {
    if is_of_tasks(method) {
        return named(id).map(Some);
    }
    let is_number = id.raw().starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let task = match is_number {
        true => Task::named(id.raw()),
        false if id.raw().starts_with('"') => Some(named(id)?),
        false => None,
    };
    Ok(task.map(|task| task.mentioned(Mention::Aside)))
}

fn named(id: Text<'_>) -> Result<Task, BodyFault> {
    string(id)?.and_then(|id| Task::named(&id)).ok_or(BodyFault::Target)
}

/// Members of an object by these names, found in one look; what some reader takes for one of them is refused.
/// What is no object has none.
fn pick<'t, const N: usize>(object: Text<'t>, names: [&str; N]) -> Result<[Option<Text<'t>>; N], BodyFault> {
    let mut found = [None; N];
    for (member, value) in object.members() {
        for (name, place) in names.iter().zip(&mut found) {
            if member == *name {
                *place = Some(value);
            } else if is_lookalike(&member, name) {
                return Err(BodyFault::Doubled);
            }
        }
    }
    Ok(found)
}
