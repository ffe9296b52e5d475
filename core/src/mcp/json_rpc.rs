//! JSON-RPC 2.0 (§4, §6): a body in, its messages out. What another reader could understand in another way is refused: duplicate members,
//! other encodings, trailing bytes.

use super::era::Era;
use crate::json;
use serde_json::Value;

/// Deepest nesting; the outermost object is 1.
pub const MAX_DEPTH: usize = 128;
/// Longest id in bytes.
const MAX_ID: usize = 256;
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
    let value = json::parse(bytes, MAX_DEPTH).map_err(|_| BodyFault::Json)?;
    match value {
        Value::Array(items) => {
            if !era.has_batches() || items.is_empty() || items.len() > MAX_BATCH {
                return Err(BodyFault::Batch);
            }
            let messages = items.iter().map(|item| message(item, era)).collect::<Result<_, _>>()?;
            Ok(Body { messages, is_batch: true })
        }
        one => Ok(Body { messages: vec![message(&one, era)?], is_batch: false }),
    }
}

fn message(value: &Value, era: Era) -> Result<Message, BodyFault> {
    let members = value.as_object().ok_or(BodyFault::Message)?;
    let Some(method) = members.get("method") else {
        // Since 2026-07-28 servers ask nothing, so there is nothing to answer.
        let is_answer = members.contains_key("result") != members.contains_key("error");
        return if is_answer && !era.has_headers() { Ok(Message::Response) } else { Err(BodyFault::Message) };
    };
    let method = method.as_str().filter(|method| !method.is_empty()).ok_or(BodyFault::Message)?;
    if members.contains_key("result") || members.contains_key("error") {
        return Err(BodyFault::Message);
    }
    let params = match members.get("params") {
        None => None,
        Some(params) => Some(params.as_object().ok_or(BodyFault::Message)?),
    };
    let param = |name: &str| params.and_then(|params| params.get(name));
    let version = param("_meta")
        .and_then(|meta| meta.get("io.modelcontextprotocol/protocolVersion"))
        .map(|version| version.as_str().map(str::to_owned).ok_or(BodyFault::Message))
        .transpose()?;
    Ok(Message::Call(Call {
        id: id(members.get("id"))?,
        method: method.to_owned(),
        target: target(method, param)?,
        version,
    }))
}

/// A string or an integer; `null` and none are the same.
fn id(value: Option<&Value>) -> Result<String, BodyFault> {
    let text = match value {
        None | Some(Value::Null) => return Ok("null".to_owned()),
        Some(Value::String(text)) if text.len() <= MAX_ID => {
            let mut out = String::new();
            json::write_string(&mut out, text, MAX_ID);
            out
        }
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        Some(_) => return Err(BodyFault::Message),
    };
    Ok(text)
}

fn target<'v>(method: &str, param: impl Fn(&str) -> Option<&'v Value>) -> Result<Target, BodyFault> {
    let text = |name: &str| {
        let text = param(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or(BodyFault::Target)
    };
    Ok(match method {
        "tools/call" => Target::Tool(text("name")?),
        "prompts/get" => Target::Prompt(text("name")?),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Target::Resource(text("uri")?),
        "completion/complete" => {
            let of = |name: &str| param("ref")?.get(name)?.as_str();
            match (of("type"), of("name"), of("uri")) {
                (Some("ref/prompt"), Some(name), _) => Target::Prompt(name.to_owned()),
                (Some("ref/resource"), _, Some(uri)) => Target::Resource(uri.to_owned()),
                _ => return Err(BodyFault::Target),
            }
        }
        _ => Target::None,
    })
}
