//! JSON-RPC 2.0 (§4, §6): a body in, its messages out. What another reader could understand in another way is refused: duplicate members,
//! other encodings, trailing bytes.

use super::era::Era;
use crate::json::{self, Members, View};

/// Deepest nesting; the outermost object is 1.
pub const MAX_DEPTH: usize = 128;
/// Longest id in bytes.
const MAX_ID: usize = 256;
/// The member of `_meta` that repeats `MCP-Protocol-Version`.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Members of one batch.
const MAX_BATCH: usize = 100;

/// Why a body isn't what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Not JSON, or not unambiguous.
    Json,
    /// Not a request, notification or response of JSON-RPC.
    Message,
    /// A batch where there are none, or an empty or too long one.
    Batch,
    /// A member that decides (`params.name`, `params.uri`) is missing or no text.
    Target,
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

/// What a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing that a rule is about.
    None,
    /// A tool.
    Tool(String),
    /// A prompt.
    Prompt(String),
    /// A resource's URI.
    Resource(String),
}

impl Target {
    /// The name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Tool(name) | Self::Prompt(name) | Self::Resource(name) => Some(name),
        }
    }
}

/// Reads a body.
///
/// # Errors
/// The first fault.
pub fn parse(bytes: &[u8], era: Era) -> Result<Body, BodyFault> {
    match json::view(bytes, MAX_DEPTH).map_err(|_| BodyFault::Json)? {
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

fn message(value: &View<'_>, era: Era) -> Result<Message, BodyFault> {
    let members = value.as_object().ok_or(BodyFault::Message)?;
    unmistakable(members, &["jsonrpc", "id", "method", "params", "result", "error"])?;
    let Some(method) = members.get("method") else {
        // Since 2026-07-28 servers ask nothing, so there is nothing to answer.
        let is_answer = members.contains_key("result") != members.contains_key("error");
        return if is_answer && !era.has_headers() { Ok(Message::Response) } else { Err(BodyFault::Message) };
    };
    let method = method.as_str().filter(|method| is_name(method)).ok_or(BodyFault::Message)?;
    if members.contains_key("result") || members.contains_key("error") {
        return Err(BodyFault::Message);
    }
    let params = match members.get("params") {
        None => None,
        Some(params) => Some(params.as_object().ok_or(BodyFault::Message)?),
    };
    let param = |name: &str| params.and_then(|params| params.get(name));
    check_params(method, params)?;
    let version = param("_meta")
        .and_then(|meta| meta.get(VERSION))
        .map(|version| version.as_str().map(str::to_owned).ok_or(BodyFault::Message))
        .transpose()?;
    Ok(Message::Call(Call {
        id: id(members.get("id"))?,
        method: method.to_owned(),
        target: target(method, param, era)?,
        version,
    }))
}

/// Refuses lookalikes of the parameters that decide.
fn check_params(method: &str, params: Option<&Members<'_>>) -> Result<(), BodyFault> {
    let Some(params) = params else { return Ok(()) };
    let object = |name: &str| params.get(name).and_then(View::as_object);
    unmistakable(params, &["_meta"])?;
    if let Some(meta) = object("_meta") {
        unmistakable(meta, &[VERSION])?;
    }
    match method {
        "tools/call" | "prompts/get" => unmistakable(params, &["name"]),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => unmistakable(params, &["uri"]),
        "completion/complete" => {
            unmistakable(params, &["ref"])?;
            object("ref").map_or(Ok(()), |of| unmistakable(of, &["type", "name", "uri"]))
        }
        _ => Ok(()),
    }
}

/// Refuses members that some readers take for another: Go's folds case by Unicode's simple folding, and the last one wins; others end a
/// name at a NUL.
fn unmistakable(members: &Members<'_>, names: &[&str]) -> Result<(), BodyFault> {
    let lookalike = members.keys().any(|member| names.iter().any(|name| is_lookalike(member, name)));
    if lookalike { Err(BodyFault::Json) } else { Ok(()) }
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

/// A name that means the same to readers that end texts at a NUL or at the end of a line.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// A string or an integer; `null` and none are the same.
fn id(value: Option<&View<'_>>) -> Result<String, BodyFault> {
    let text = match value {
        None | Some(View::Null) => return Ok("null".to_owned()),
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

fn target<'v>(
    method: &str,
    param: impl Fn(&str) -> Option<&'v View<'v>>,
    era: Era,
) -> Result<Target, BodyFault> {
    let text = |name: &str| {
        let text = param(name).and_then(View::as_str).filter(|text| is_name(text));
        text.map(str::to_owned).ok_or(BodyFault::Target)
    };
    Ok(match method {
        "tools/call" => Target::Tool(text("name")?),
        "prompts/get" => Target::Prompt(text("name")?),
        // Gone since 2026-07-28: that there is no such method is the upstream's answer, whatever else the call lacks.
        "resources/subscribe" | "resources/unsubscribe" if era.has_headers() && param("uri").is_none() => {
            Target::None
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Target::Resource(text("uri")?),
        "completion/complete" => {
            let of = |name: &str| param("ref")?.get(name)?.as_str().filter(|text| is_name(text));
            match (of("type"), of("name"), of("uri")) {
                (Some("ref/prompt"), Some(name), _) => Target::Prompt(name.to_owned()),
                (Some("ref/resource"), _, Some(uri)) => Target::Resource(uri.to_owned()),
                _ => return Err(BodyFault::Target),
            }
        }
        _ => Target::None,
    })
}
