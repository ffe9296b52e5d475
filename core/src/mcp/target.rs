//! What a call names: its method and parameters in, the tool, prompt, resources or tasks that a rule may be
//! about out. What another server could read as another one is refused.

use super::era::Era;
use super::strict::{BodyFault, string, unmistakable};
use super::task::{self, Task};
use crate::json::Text;
use crate::uri::{self, Form};

/// What a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing that a rule is about.
    None,
    /// A tool.
    Tool(String),
    /// A prompt.
    Prompt(String),
    /// A resource's URI, or a template of such.
    Resource(String),
    /// A task.
    Task(Box<Task>),
    /// What a stream is to tell of.
    Listened(Box<Listened>),
}

/// What a stream is to tell of, possibly nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listened {
    uris: Vec<String>,
    tasks: Vec<Task>,
}

/// Resources that one call may name: each is held against all rules.
const MAX_RESOURCES: usize = 1_000;
/// Tasks that one body may name: each is looked for in the shared table.
pub(super) const MAX_TASKS: usize = 100;

impl Target {
    /// The name, where it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None | Self::Listened(_) => None,
            Self::Tool(name) | Self::Prompt(name) | Self::Resource(name) => Some(name),
            Self::Task(task) => Some(task.id()),
        }
    }

    /// What a record may show of it: of a task the tool that made it.
    pub fn shown(&self) -> Option<&str> {
        match self {
            Self::Task(task) => task.tool(),
            Self::None | Self::Tool(_) | Self::Prompt(_) | Self::Resource(_) | Self::Listened(_) => {
                self.name()
            }
        }
    }

    /// The URIs.
    pub fn uris(&self) -> &[String] {
        match self {
            Self::Resource(uri) => std::slice::from_ref(uri),
            Self::Listened(listened) => &listened.uris,
            Self::None | Self::Tool(_) | Self::Prompt(_) | Self::Task(_) => &[],
        }
    }

    /// The tasks.
    pub fn tasks(&self) -> &[Task] {
        match self {
            Self::Task(task) => std::slice::from_ref(task),
            Self::Listened(listened) => &listened.tasks,
            Self::None | Self::Tool(_) | Self::Prompt(_) | Self::Resource(_) => &[],
        }
    }

    /// The tasks, to note who made them.
    pub fn tasks_mut(&mut self) -> &mut [Task] {
        match self {
            Self::Task(task) => std::slice::from_mut(task),
            Self::Listened(listened) => &mut listened.tasks,
            Self::None | Self::Tool(_) | Self::Prompt(_) | Self::Resource(_) => &mut [],
        }
    }
}

/// Reads what a call names.
///
/// # Errors
/// It is missing, no text, or could be read as another.
pub(super) fn read(method: &str, params: Option<Text<'_>>, era: Era) -> Result<Target, BodyFault> {
    check(method, params)?;
    let param = |name: &str| params?.get(name);
    let text = |name: &str| self::name(param(name))?.ok_or(BodyFault::Target);
    Ok(match method {
        "tools/call" => Target::Tool(text("name")?),
        "prompts/get" => Target::Prompt(text("name")?),
        // Gone since 2026-07-28: that there is no such method is the upstream's answer, whatever else the
        // call lacks.
        "resources/subscribe" | "resources/unsubscribe" if era.has_headers() && param("uri").is_none() => {
            Target::None
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Target::Resource(resource(param("uri"), Form::Uri)?)
        }
        "completion/complete" => completed(param("ref"))?,
        "subscriptions/listen" => Target::Listened(Box::new(listened(param("notifications"))?)),
        method if task::is_about_one(method) => Target::Task(Box::new(task(param("taskId"))?)),
        _ => Target::None,
    })
}

fn completed(of: Option<Text<'_>>) -> Result<Target, BodyFault> {
    let member = |name: &str| of?.get(name);
    let kind = name(member("type"))?;
    match (kind.as_deref(), name(member("name"))?) {
        (Some("ref/prompt"), Some(name)) => Ok(Target::Prompt(name)),
        (Some("ref/resource"), _) => Ok(Target::Resource(resource(member("uri"), Form::Template)?)),
        _ => Err(BodyFault::Target),
    }
}

/// `SubscriptionFilter` of 2026-07-28, with what the extension for tasks adds (whose notifications carry
/// results); without one there is nothing to listen to.
fn listened(filter: Option<Text<'_>>) -> Result<Listened, BodyFault> {
    let Some(filter) = filter else { return Ok(Listened { uris: Vec::new(), tasks: Vec::new() }) };
    if !filter.is_object() {
        return Err(BodyFault::Target);
    }
    unmistakable(filter, &["resourceSubscriptions", "taskIds"])?;
    Ok(Listened {
        uris: each(filter.get("resourceSubscriptions"), MAX_RESOURCES, |uri| resource(uri, Form::Uri))?,
        tasks: each(filter.get("taskIds"), MAX_TASKS, task)?,
    })
}

/// The members of a list, at most so many; without one there are none.
fn each<'t, T>(
    list: Option<Text<'t>>,
    max: usize,
    read: impl Fn(Option<Text<'t>>) -> Result<T, BodyFault>,
) -> Result<Vec<T>, BodyFault> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if !list.is_array() || list.items().take(max + 1).count() > max {
        return Err(BodyFault::Target);
    }
    list.items().map(|item| read(Some(item))).collect()
}

fn task(id: Option<Text<'_>>) -> Result<Task, BodyFault> {
    let id = id.map(string).transpose()?.flatten();
    id.and_then(|id| Task::named(&id)).ok_or(BodyFault::Target)
}

fn resource(uri: Option<Text<'_>>, form: Form) -> Result<String, BodyFault> {
    let text = uri.map(string).transpose()?.flatten().filter(|text| !text.is_empty());
    let text = text.ok_or(BodyFault::Target)?;
    uri::check(&text, form).map_err(BodyFault::Uri)?;
    Ok(text.into_owned())
}

/// A name that means the same to readers that end texts at a NUL or at the end of a line.
fn name(text: Option<Text<'_>>) -> Result<Option<String>, BodyFault> {
    let text = text.map(string).transpose()?.flatten();
    Ok(text.filter(|text| !text.is_empty() && !text.contains(char::is_control)).map(|text| text.into_owned()))
}

/// Refuses lookalikes of the parameters that decide; those of `taskId` are refused in every method
/// (`mcp/related.rs`).
fn check(method: &str, params: Option<Text<'_>>) -> Result<(), BodyFault> {
    let Some(params) = params else { return Ok(()) };
    match method {
        "tools/call" | "prompts/get" => unmistakable(params, &["name"]),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => unmistakable(params, &["uri"]),
        "subscriptions/listen" => unmistakable(params, &["notifications"]),
        "completion/complete" => {
            unmistakable(params, &["ref"])?;
            params.get("ref").map_or(Ok(()), |of| unmistakable(of, &["type", "name", "uri"]))
        }
        _ => Ok(()),
    }
}
