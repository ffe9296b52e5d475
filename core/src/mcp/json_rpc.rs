//! JSON-RPC 2.0 (§4, §6): a body in, its messages out. What another reader could understand in another way is refused: duplicate members,
//! other encodings, trailing bytes. Of values that nobody judges nothing is asked but that they are JSON.

use super::era::Era;
use super::related::{self, Besides};
use super::target::{self, Target};
use super::task::Task;
use super::{id, method};
use crate::json::{self, Bounds, Fault, Text};
use crate::uri::UriFault;
use std::borrow::Cow;

/// Deepest nesting; the outermost object is 1.
pub const MAX_DEPTH: usize = 128;
/// Longest id in bytes.
pub(super) const MAX_ID: usize = 256;
/// Members of one batch.
const MAX_BATCH: usize = 100;
/// A body is bounded by its bytes, and nothing is built of it.
const BOUNDS: Bounds = Bounds::of(MAX_DEPTH);

/// Why a body isn't what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Not JSON, or in another encoding.
    Json,
    /// A member twice, or one that a sloppy reader takes for another.
    Doubled,
    /// A text with half a surrogate pair, which isn't Unicode.
    Surrogate,
    /// Not a request, notification or response of JSON-RPC.
    Message,
    /// A batch where there are none, or an empty or too long one.
    Batch,
    /// A member that decides (`params.name`, `params.uri`) is missing or no text.
    Target,
    /// A method that a sloppy server takes for another.
    Method,
    /// A URI that has another spelling.
    Uri(UriFault),
    /// A URI that differs by its case, slashes or blanks alone from one that has a rule.
    Lookalike,
    /// `_meta` names a version that nobody knows, where no header names one.
    Version,
    /// Headers and body disagree, or a header is missing.
    Mismatch,
    /// Over the cap.
    TooLarge,
    /// Not `application/json` in UTF-8, or encoded.
    MediaType,
}

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
}

impl Call {
    /// A call that says nothing else.
    pub fn of(method: &str, target: Target) -> Self {
        let (id, method) = (id::NONE.to_owned(), method.to_owned());
        Self { id, method, target, version: None, besides: Vec::new(), asks_for_task: false }
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

/// Reads a body.
///
/// # Errors
/// The first fault.
pub fn parse(bytes: &[u8], era: Era) -> Result<Body, BodyFault> {
    let text = json::check(bytes, BOUNDS).map_err(fault)?;
    if !text.is_array() {
        return Ok(Body { messages: vec![message(text, era)?], is_batch: false });
    }
    let count = text.items().take(MAX_BATCH + 1).count();
    if !era.has_batches() || count == 0 || count > MAX_BATCH {
        return Err(BodyFault::Batch);
    }
    let messages = text.items().map(|item| message(item, era)).collect::<Result<_, _>>()?;
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

fn message(text: Text<'_>, era: Era) -> Result<Message, BodyFault> {
    if !text.is_object() {
        return Err(BodyFault::Message);
    }
    // Each look at an object reads all of it: most of a message is its parameters, which are passed over once.
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
        id,
        method: method.into_owned(),
    }))
}

/// Some clients write null, or PHP's empty array, where they have none.
fn params(params: Option<Text<'_>>) -> Result<Option<Text<'_>>, BodyFault> {
    let Some(params) = params else { return Ok(None) };
    if params.is_null() || (params.is_array() && params.items().next().is_none()) {
        return Ok(None);
    }
    if params.is_object() { Ok(Some(params)) } else { Err(BodyFault::Message) }
}

/// A text that is judged; `None`: it is none.
pub(super) fn string(text: Text<'_>) -> Result<Option<Cow<'_, str>>, BodyFault> {
    match text.as_str() {
        None if text.raw().starts_with('"') => Err(BodyFault::Surrogate),
        text => Ok(text),
    }
}

/// Refuses members that some readers take for another: Go's folds case by Unicode's simple folding, and the last one wins; others end a
/// name at a NUL.
pub(super) fn unmistakable(object: Text<'_>, names: &[&str]) -> Result<(), BodyFault> {
    let is_one = |member: &str| names.iter().any(|name| is_lookalike(member, name));
    let lookalike = object.members().any(|(member, _)| is_one(&member));
    if lookalike { Err(BodyFault::Doubled) } else { Ok(()) }
}

/// Whether a sloppy reader takes `member` for `name`, which it isn't.
pub(super) fn is_lookalike(member: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    // Most names differ at once.
    let first = member.as_bytes().first().zip(name.as_bytes().first());
    let differ = |(a, b): (&u8, &u8)| a.is_ascii() && b.is_ascii() && !a.eq_ignore_ascii_case(b);
    if first.is_some_and(differ) {
        return false;
    }
    member != name && member.chars().take_while(|c| *c != '\0').map(fold).eq(name.chars().map(fold))
}

/// A string or an integer; `null` and none are the same.
fn id(value: Option<Text<'_>>) -> Result<String, BodyFault> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(id::NONE.to_owned()) };
    id::read(value.raw().as_bytes()).ok_or(BodyFault::Message)
}
