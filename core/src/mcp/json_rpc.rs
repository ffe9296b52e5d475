//! JSON-RPC 2.0 (§4, §6): a body in, its messages out. What another reader could understand in another way is refused: duplicate members,
//! other encodings, trailing bytes.

use super::era::Era;
use super::target::{self, Target};
use super::{id, method};
use crate::json::{self, Members, View};
use crate::uri::UriFault;

/// Deepest nesting; the outermost object is 1.
pub const MAX_DEPTH: usize = 128;
/// Longest id in bytes.
pub(super) const MAX_ID: usize = 256;
/// The member of `_meta` that repeats `MCP-Protocol-Version`.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Members of one batch.
const MAX_BATCH: usize = 100;

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
    /// An answer to the server.
    Response,
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
}

/// Reads a body.
///
/// # Errors
/// The first fault.
pub fn parse(bytes: &[u8], era: Era) -> Result<Body, BodyFault> {
    match json::view(bytes, MAX_DEPTH).map_err(|message| fault(&message))? {
        View::Array(items) => {
            if !era.has_batches() || items.is_empty() || items.len() > MAX_BATCH {
                return Err(BodyFault::Batch);
            }
            let messages = items.iter().map(|item| message(item, era)).collect::<Result<_, _>>()?;
            Ok(Body { messages, is_batch: true })
        }
        one => Ok(Body { messages: vec![message(&one, era)?], is_batch: false }),
    }
}

/// What is wrong with a text, by the reader's words.
fn fault(message: &str) -> BodyFault {
    if message.contains("duplicate member") {
        BodyFault::Doubled
    } else if message.contains("hex escape") {
        BodyFault::Surrogate
    } else {
        BodyFault::Json
    }
}

fn message(value: &View<'_>, era: Era) -> Result<Message, BodyFault> {
    let members = value.as_object().ok_or(BodyFault::Message)?;
    unmistakable(members, &["jsonrpc", "id", "method", "params", "result", "error"])?;
    let Some(method) = members.get("method") else {
        // Since 2026-07-28 servers ask nothing, so there is nothing to answer.
        let is_answer = members.contains_key("result") != members.contains_key("error");
        return if is_answer && !era.has_headers() { Ok(Message::Response) } else { Err(BodyFault::Message) };
    };
    let method = method.as_str().ok_or(BodyFault::Message)?;
    if !method::is_unmistakable(method) {
        return Err(BodyFault::Method);
    }
    if members.contains_key("result") || members.contains_key("error") {
        return Err(BodyFault::Message);
    }
    let params = params(members.get("params"))?;
    Ok(Message::Call(Call {
        id: id(members.get("id"))?,
        method: method.to_owned(),
        target: target::read(method, params, era)?,
        version: version(params)?,
    }))
}

/// Some clients write null, or PHP's empty array, where they have none.
fn params<'v, 'a>(params: Option<&'v View<'a>>) -> Result<Option<&'v Members<'a>>, BodyFault> {
    match params {
        None | Some(View::Null) => Ok(None),
        Some(View::Array(items)) if items.is_empty() => Ok(None),
        Some(params) => params.as_object().map(Some).ok_or(BodyFault::Message),
    }
}

fn version(params: Option<&Members<'_>>) -> Result<Option<String>, BodyFault> {
    let Some(params) = params else { return Ok(None) };
    unmistakable(params, &["_meta"])?;
    let Some(meta) = params.get("_meta") else { return Ok(None) };
    if let Some(meta) = meta.as_object() {
        unmistakable(meta, &[VERSION])?;
    }
    meta.get(VERSION).map(|version| version.as_str().map(str::to_owned).ok_or(BodyFault::Message)).transpose()
}

/// Refuses members that some readers take for another: Go's folds case by Unicode's simple folding, and the last one wins; others end a
/// name at a NUL.
pub(super) fn unmistakable(members: &Members<'_>, names: &[&str]) -> Result<(), BodyFault> {
    let lookalike = members.keys().any(|member| names.iter().any(|name| is_lookalike(member, name)));
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
fn id(value: Option<&View<'_>>) -> Result<String, BodyFault> {
    let text = match value {
        None | Some(View::Null) => return Ok(id::NONE.to_owned()),
        Some(View::String(text)) if text.len() <= MAX_ID => {
            let mut out = String::new();
            json::write_string(&mut out, text, MAX_ID);
            out
        }
        Some(View::Number(number)) => match (number.as_u64(), number.as_i64()) {
            (Some(id), _) => id.to_string(),
            (_, Some(id)) => id.to_string(),
            _ => return Err(BodyFault::Message),
        },
        Some(_) => return Err(BodyFault::Message),
    };
    Ok(text)
}
