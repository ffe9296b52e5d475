//! A request as the operations read it: decoded path and query, the bearer token, and the body.

use super::answer::Answer;
use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value};

pub struct Request {
    pub method: String,
    /// The path with its query, as it came.
    pub target: String,
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub authorization: Option<String>,
    content_type: String,
    body: Bytes,
}

impl Request {
    pub fn new(parts: &Parts, body: Bytes) -> Self {
        let header =
            |name: &str| Some(String::from_utf8_lossy(parts.headers.get(name)?.as_bytes()).into_owned());
        let path = parts.uri.path().trim_matches('/');
        Self {
            method: parts.method.to_string(),
            target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            segments: path.split('/').map(|s| decoded(s, false)).collect(),
            query: pairs(parts.uri.query().unwrap_or_default()),
            authorization: header("authorization"),
            content_type: header("content-type").unwrap_or_default(),
            body,
        }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The JSON body; hapi, which Auth0 runs on, says these.
    pub fn json(&self) -> Result<Value, Answer> {
        if !self.content_type.starts_with("application/json") {
            return Err(Answer::refused(415, "Unsupported Media Type", ""));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| Answer::refused(400, "Invalid request payload JSON format", ""))
    }

    /// The body's members where a form will do as well; HTTP Basic fills in the client (RFC 6749 §2.3.1).
    pub fn form(&self) -> Map<String, Value> {
        let mut members = match self.json() {
            Ok(Value::Object(members)) => members,
            _ => {
                pairs(&String::from_utf8_lossy(&self.body)).into_iter().map(|(n, v)| (n, v.into())).collect()
            }
        };
        let basic = self.authorization.as_deref().and_then(|a| a.strip_prefix("Basic "));
        let basic = basic.and_then(|b| base64::engine::general_purpose::STANDARD.decode(b).ok());
        if let Some((id, secret)) = basic.as_deref().and_then(|b| str::from_utf8(b).ok()?.split_once(':')) {
            members.insert("client_id".to_owned(), decoded(id, true).into());
            members.insert("client_secret".to_owned(), decoded(secret, true).into());
        }
        members
    }

    /// The body to show to a test.
    pub fn shown_body(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        super::observation::without_secrets(self.json().unwrap_or_else(|_| Value::Object(self.form())))
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |p: &str| {
        let (name, value) = p.split_once('=').unwrap_or((p, ""));
        (decoded(name, true), decoded(value, true))
    };
    text.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

fn decoded(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if form => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
