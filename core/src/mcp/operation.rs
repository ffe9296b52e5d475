//! What a request wants to do: its method, headers and body in, one operation out. Since 2026-07-28 the
//! headers say it before the body does; they are believed for a refusal only, and must agree with the body in
//! the end (SEP-2243).

use super::era::Era;
use super::id;
use super::json_rpc::{self, Body, Call, Message};
use super::kind::Kind;
use super::strict::BodyFault;
use super::target::{MAX_TASKS, Target};
use super::task::{self, Task};
use crate::request::Request;
use crate::uri::{self, Form};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Lists that one batch may ask for: their answers grow together by what the gateway adds to each tool.
const MAX_LISTS: usize = 16;

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What is called; empty for a stream (GET), the end of a session (DELETE), and answers to the server.
    pub calls: Vec<Call>,
    /// Whether the body is a batch.
    pub is_batch: bool,
    /// The era.
    pub era: Era,
    /// Whether it answers the server.
    pub is_answer: bool,
    /// The tasks that its answers to the server belong to.
    pub answers: Vec<Task>,
}

/// A body that can't be judged: why, and what an answer needs of it all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What is wrong with it.
    pub fault: BodyFault,
    /// The call's id as JSON, where it could be read.
    pub id: String,
    /// The version that it names, where nobody knows it.
    pub version: Option<String>,
}

impl Unread {
    /// A body that wasn't looked at.
    pub fn unseen(fault: BodyFault) -> Self {
        Self { fault, id: id::NONE.to_owned(), version: None }
    }

    /// A body that is refused for what it is.
    pub fn of(fault: BodyFault, body: &[u8]) -> Self {
        Self { fault, id: id::find(body), version: None }
    }
}

impl Operation {
    /// GET, DELETE or OPTIONS.
    pub fn without_body(era: Era) -> Self {
        Self::of_calls(Vec::new(), era)
    }

    /// One call.
    pub fn of_call(call: Call, era: Era) -> Self {
        Self::of_calls(vec![call], era)
    }

    fn of_calls(calls: Vec<Call>, era: Era) -> Self {
        Self { calls, is_batch: false, era, is_answer: false, answers: Vec::new() }
    }

    /// What the headers of a 2026-07-28 request say; `None`: nothing.
    pub fn of_headers(request: &Request<'_>, era: Era) -> Option<Self> {
        if !era.has_headers() {
            return None;
        }
        let method = text(request.mcp_method?)?;
        let name = request.mcp_name.map(decode);
        let target = match (method, name) {
            ("tools/call", Some(Some(name))) => Target::Tool(name),
            ("prompts/get", Some(Some(name))) => Target::Prompt(name),
            // One that can't be judged is refused with the body.
            ("resources/read", Some(Some(uri))) if uri::check(&uri, Form::Uri).is_ok() => {
                Target::Resource(uri)
            }
            (method, Some(Some(id))) if task::is_about_one(method) => {
                Target::Task(Box::new(Task::named(&id)?))
            }
            ("tools/call" | "prompts/get" | "resources/read", _) => return None,
            // What other methods name is in the body alone.
            (
                "resources/subscribe"
                | "resources/unsubscribe"
                | "completion/complete"
                | "subscriptions/listen",
                _,
            ) => return None,
            _ => Target::None,
        };
        Some(Self::of_call(Call::of(method, target), era))
    }

    /// What the body says, and whether the headers agree; `keeps`: with arguments.
    ///
    /// # Errors
    /// The first fault.
    pub fn of_body(request: &Request<'_>, era: Era, bytes: &[u8], keeps: bool) -> Result<Self, Unread> {
        let unread = |fault| Unread::of(fault, bytes);
        let Body { messages, is_batch } = json_rpc::parse(bytes, era, keeps).map_err(unread)?;
        let (mut calls, mut is_answer, mut answers) = (Vec::new(), false, Vec::new());
        for message in messages {
            match message {
                Message::Call(call) => calls.push(call),
                // No header names what an answer is to.
                Message::Response(_) if request.mcp_method.is_some() || request.mcp_name.is_some() => {
                    return Err(unread(BodyFault::Mismatch));
                }
                Message::Response(tasks) => {
                    is_answer = true;
                    answers.extend(tasks);
                }
            }
        }
        let era = spoken(request, era, &calls)
            .map_err(|version| Unread { version: Some(version), ..unread(BodyFault::Version) })?;
        if is_batch && !era.has_batches() {
            return Err(unread(BodyFault::Batch));
        }
        for call in &calls {
            agree(request, era, call).map_err(unread)?;
        }
        let operation = Self { is_batch, is_answer, answers, ..Self::of_calls(calls, era) };
        if operation.tasks().nth(MAX_TASKS).is_some() {
            return Err(unread(BodyFault::Target));
        }
        Ok(operation)
    }

    /// All tasks that it names.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.calls.iter().flat_map(Call::tasks).chain(&self.answers)
    }

    /// The same, to note who made them.
    pub fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.calls.iter_mut().flat_map(Call::tasks_mut).chain(&mut self.answers)
    }

    /// The id that an answer carries, as JSON: that of the only call.
    pub fn id(&self) -> &str {
        self.call().map_or(id::NONE, |call| &call.id)
    }

    /// Whether it is a batch that asks for more lists than one may.
    pub fn asks_too_much(&self) -> bool {
        self.calls.iter().filter(|call| Kind::of(&call.method).is_some()).count() > MAX_LISTS
    }

    /// The only call.
    pub fn call(&self) -> Option<&Call> {
        match self.calls.as_slice() {
            [call] if !self.is_batch => Some(call),
            _ => None,
        }
    }
}

/// The era that a body names where no header does: that of its version, the newest where several are named.
/// The error: one that nobody knows.
fn spoken(request: &Request<'_>, era: Era, calls: &[Call]) -> Result<Era, String> {
    if request.mcp_version.is_some() {
        return Ok(era);
    }
    calls.iter().filter_map(|call| call.version.as_deref()).try_fold(era, |era, version| {
        Era::of(Some(version)).map(|named| era.max(named)).ok_or_else(|| version.to_owned())
    })
}

/// Whether headers and body say the same.
fn agree(request: &Request<'_>, era: Era, call: &Call) -> Result<(), BodyFault> {
    let named = request.mcp_version.and_then(text);
    if let Some(version) = &call.version
        && named.is_some_and(|named| named != version)
    {
        return Err(BodyFault::Mismatch);
    }
    // A version that the body alone names lacks its header.
    if era.has_headers() && (named.is_none() || request.mcp_method.is_none()) {
        return Err(BodyFault::Mismatch);
    }
    // In older eras nobody has to send them, and what is behind us may go by them.
    if request.mcp_method.is_some_and(|method| text(method) != Some(call.method.as_str())) {
        return Err(BodyFault::Mismatch);
    }
    let in_body = match call.method.as_str() {
        "tools/call" | "prompts/get" | "resources/read" if era.has_headers() => call.target.name(),
        // Other methods have no such header, or (those about tasks) not every client sends it; one that is
        // there must name what the body names.
        _ if request.mcp_name.is_none() => return Ok(()),
        _ => call.target.name(),
    };
    let in_header = request.mcp_name.and_then(decode);
    if in_header.is_some() && in_header.as_deref() == in_body { Ok(()) } else { Err(BodyFault::Mismatch) }
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// A header's value; `=?base64?…?=` holds what isn't ASCII.
fn decode(value: &[u8]) -> Option<String> {
    let value = text(value)?;
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None if value.is_ascii() => Some(value.to_owned()),
        None => None,
    }
}
