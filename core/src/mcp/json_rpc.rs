//! JSON-RPC 2.0 (§4, §6): a body in, its messages out. What another reader could understand in another way is
//! refused: duplicate members, other encodings, trailing bytes. Of values that nobody judges nothing is asked
//! but that they are JSON.

use super::era::Era;
use super::related::{self, Besides};
use super::strict::{BodyFault, MAX_DEPTH, is_lookalike, string, unmistakable};
use super::target::{self, Target};
use super::task::Task;
use super::{id, method};
use crate::json::{self, Bounds, Fault, Text};
use std::borrow::Cow;

/// Members of one batch.
const MAX_BATCH: usize = 100;
/// A body is bounded by its bytes, and nothing is built of it.
const BOUNDS: Bounds = Bounds::of(MAX_DEPTH);

/// A body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Its messages.
    pub messages: Vec<Message>,
    /// Whether it is a batch.
    pub is_batch: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request or a notification.
    Call(Call),
    /// An answer to the server, which belongs to these tasks.
    Response(Vec<Task>),
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The id as JSON; `null` where there is none.
    pub id: String,
    /// The method.
    pub method: String,
    /// What it names.
    pub target: Target,
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`.
    pub version: Option<String>,
    /// The tasks that it names besides its target.
    pub besides: Vec<Task>,
    /// Whether it has the server make a task.
    pub asks_for_task: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// They weren't read.
    Unread,
    /// There are none.
    None,
    /// As the body has them.
    Given(Box<str>),
}

impl Call {
    /// A call that says nothing else.
    pub fn of(method: &str, target: Target) -> Self {
        let (id, method) = (id::NONE.to_owned(), method.to_owned());
        Self {
            id,
            method,
            target,
            version: None,
            besides: Vec::new(),
            asks_for_task: false,
            arguments: Arguments::Unread,
        }
    }

    /// All tasks that it names.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.target.tasks().iter().chain(&self.besides)
    }

    /// The same, to note who made them.
    pub fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.target.tasks_mut().iter_mut().chain(&mut self.besides)
    }
}

/// Reads a body; `keeps`: with arguments.
///
/// # Errors
/// The first fault.
pub fn parse(bytes: &[u8], era: Era, keeps: bool) -> Result<Body, BodyFault> {
    let text = json::check(bytes, BOUNDS).map_err(fault)?;
    if !text.is_array() {
        return Ok(Body { messages: vec![message(text, era, keeps)?], is_batch: false });
    }
    let count = text.items().take(MAX_BATCH + 1).count();
    if !era.has_batches() || count == 0 || count > MAX_BATCH {
        return Err(BodyFault::Batch);
    }
    let messages = text.items().map(|item| message(item, era, keeps)).collect::<Result<_, _>>()?;
    Ok(Body { messages, is_batch: true })
}

fn fault(fault: Fault) -> BodyFault {
    match fault {
        Fault::Duplicate => BodyFault::Doubled,
        Fault::Surrogate => BodyFault::Surrogate,
        Fault::Encoding | Fault::Syntax | Fault::Depth | Fault::Values => BodyFault::Json,
    }
}

/// What decides in a message.
const MEMBERS: [&str; 7] = ["jsonrpc", "id", "method", "params", "result", "error", "_meta"];

fn message(text: Text<'_>, era: Era, keeps: bool) -> Result<Message, BodyFault> {
    if !text.is_object() {
        return Err(BodyFault::Message);
    }
    // Each look at an object reads all of it: most of a message is its parameters, which are passed over
    // once.
    let members: Vec<(Cow<'_, str>, Text<'_>)> = text.members().collect();
    let get = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, value)| *value);
    if members.iter().any(|(member, _)| MEMBERS.iter().any(|name| is_lookalike(member, name))) {
        return Err(BodyFault::Doubled);
    }
    let (has_result, has_error) = (get("result").is_some(), get("error").is_some());
    let Some(method) = get("method") else {
        // Since 2026-07-28 servers ask nothing, so there is nothing to answer.
        let is_answer = has_result != has_error;
        let is_fit = is_answer && !era.has_headers();
        return if is_fit {
            related::of_answer(text).map(Message::Response)
        } else {
            Err(BodyFault::Message)
        };
    };
    let method = string(method)?.ok_or(BodyFault::Message)?;
    if !method::is_unmistakable(&method) {
        return Err(BodyFault::Method);
    }
    if has_result || has_error {
        return Err(BodyFault::Message);
    }
    let params = params(get("params"))?;
    let (id, besides) = (id(get("id"))?, Besides::of(params)?);
    Ok(Message::Call(Call {
        target: target::read(&method, params, era)?,
        version: besides.version()?,
        besides: besides.tasks(&method, &id, get("_meta"))?,
        asks_for_task: besides.asks_for_task(&method),
        arguments: if keeps { arguments(&method, params)? } else { Arguments::Unread },
        id,
        method: method.into_owned(),
    }))
}

/// The arguments of a tool or a prompt, where no reader can take others for them.
fn arguments(method: &str, params: Option<Text<'_>>) -> Result<Arguments, BodyFault> {
    let Some(params) = params.filter(|_| matches!(method, "tools/call" | "prompts/get")) else {
        return Ok(Arguments::None);
    };
    unmistakable(params, &["arguments"])?;
    let given = params.get("arguments").filter(|arguments| !arguments.is_null());
    Ok(given.map_or(Arguments::None, |arguments| Arguments::Given(arguments.raw().into())))
}

/// Some clients write null, or PHP's empty array, where they have none.
fn params(params: Option<Text<'_>>) -> Result<Option<Text<'_>>, BodyFault> {
    let Some(params) = params else { return Ok(None) };
    if params.is_null() || (params.is_array() && params.items().next().is_none()) {
        return Ok(None);
    }
    if params.is_object() { Ok(Some(params)) } else { Err(BodyFault::Message) }
}

/// A string or an integer; `null` and none are the same.
fn id(value: Option<Text<'_>>) -> Result<String, BodyFault> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(id::NONE.to_owned()) };
    id::read(value.raw().as_bytes()).ok_or(BodyFault::Message)
}
