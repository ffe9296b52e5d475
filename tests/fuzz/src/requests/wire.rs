//! A request as Envoy shows it to the filter. In: a text. Out: its parts, with what the host's codecs
//! wouldn't let pass left out.

use crate::gateway::Caller;
use serde_json::Value;

/// How a call is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// As the text says.
    AsWritten,
    /// JSON, in the first version.
    First,
    /// JSON in the newest version: headers name what the body calls.
    Newest,
}

pub const SPEAKS: [Speaks; 3] = [Speaks::AsWritten, Speaks::First, Speaks::Newest];

/// A request.
#[derive(Debug)]
pub struct Wire {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// So many of the headers are the text's own.
    pub own: usize,
    pub body: Vec<u8>,
}

impl Wire {
    /// Reads `METHOD target`, lines of headers, an empty line, and the body.
    pub fn read(text: &[u8], caller: Caller, speaks: Speaks) -> Option<Self> {
        let (first, mut rest) = line(text);
        let at = first.iter().position(|byte| *byte == b' ')?;
        let (method, target) = first.split_at(at);
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let (header, after) = line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            headers.extend(self::header(header));
        }
        let own = headers.len();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value.into_bytes()));
        if let Some(token) = caller.token() {
            add("authorization", format!("Bearer {token}"));
        }
        if speaks != Speaks::AsWritten {
            add("content-type", "application/json".to_owned());
        }
        if speaks == Speaks::Newest {
            add("mcp-protocol-version", "2026-07-28".to_owned());
            named(rest).into_iter().for_each(|(name, value)| add(name, value));
        }
        let target = target.get(1..).unwrap_or_default().to_vec();
        Some(Self { method: method.to_vec(), target, headers, own, body: rest.to_vec() })
    }

    /// As the core takes it.
    pub fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        let first: [(&[u8], &[u8]); 3] =
            [(b":method", &self.method), (b":path", &self.target), (b":authority", b"gateway.example.com")];
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        first.into_iter().chain(headers).collect()
    }

    /// Whether the text brings a token of its own.
    pub fn has_own_token(&self) -> bool {
        self.headers.iter().take(self.own).any(|(name, _)| name == "authorization")
    }

    /// For people.
    pub fn shown(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {}\n", text(value)));
        let headers: String = headers.collect();
        format!("{} {}\n{headers}\n{}", text(&self.method), text(&self.target), text(&self.body))
    }
}

fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
}

/// A header that a codec lets pass.
fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(at);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let name = String::from_utf8(name.to_vec())
        .ok()
        .filter(|name| !name.is_empty() && name.bytes().all(|b| is_token(&b)))?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    (!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'))
        .then(|| (name.to_ascii_lowercase(), value.to_vec()))
}

/// What a client of the newest version says of its call in headers.
fn named(body: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(Value::Object(call)) = serde_json::from_slice(body) else { return Vec::new() };
    let Some(method) = call.get("method").and_then(Value::as_str).filter(|text| is_value(text)) else {
        return Vec::new();
    };
    let mut headers = vec![("mcp-method", method.to_owned())];
    let member = if method == "resources/read" { "uri" } else { "name" };
    if ["tools/call", "prompts/get", "resources/read"].contains(&method) {
        let name = call.get("params").and_then(|params| params.get(member)).and_then(Value::as_str);
        headers.extend(name.filter(|name| is_value(name)).map(|name| ("mcp-name", name.to_owned())));
    }
    headers
}

/// Whether a text goes into a header as it is.
pub fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text
}
