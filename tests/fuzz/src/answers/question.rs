//! Questions whose answers are fuzzed. In: a question and who asks it. Out: what the core says of the
//! request.

use crate::gateway::{Caller, Gateway, Judged};
use crate::rules::Kind;

/// A request to an MCP route.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    method: &'static str,
    body: &'static str,
    /// The version, where the headers say it.
    version: Option<&'static str>,
    /// `Mcp-Method` and `Mcp-Name`.
    named: Option<(&'static str, Option<&'static str>)>,
    /// Ids of the lists that are asked for, as JSON.
    pub lists: &'static [(&'static str, Kind)],
}

const NEW: Option<&str> = Some("2026-07-28");
const OLD: Option<&str> = Some("2025-06-18");

const fn post(
    body: &'static str,
    version: Option<&'static str>,
    lists: &'static [(&'static str, Kind)],
) -> Question {
    Question { method: "POST", body, version, named: None, lists }
}

pub const QUESTIONS: [Question; 10] = [
    post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, OLD, &[("1", Kind::Tool)]),
    post(r#"{"jsonrpc":"2.0","id":"a","method":"prompts/list"}"#, OLD, &[("\"a\"", Kind::Prompt)]),
    post(r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, None, &[("1", Kind::Resource)]),
    post(r#"{"jsonrpc":"2.0","id":1,"method":"resources/templates/list"}"#, OLD, &[("1", Kind::Template)]),
    post(
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"prompts/list"}]"#,
        None,
        &[("1", Kind::Tool), ("2", Kind::Prompt)],
    ),
    post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"}}"#, OLD, &[]),
    post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, OLD, &[]),
    Question { method: "GET", body: "", version: OLD, named: None, lists: &[] },
    Question {
        named: Some(("tools/list", None)),
        ..post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, NEW, &[("1", Kind::Tool)])
    },
    Question {
        named: Some(("tools/call", Some("open"))),
        ..post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"}}"#, NEW, &[])
    },
];

impl Question {
    /// Whether lists say that they are one caller's own.
    pub fn is_new(&self) -> bool {
        self.version == NEW
    }

    /// Sends it.
    pub fn ask(&self, gateway: &Gateway, caller: Caller, path: &str) -> Judged {
        let token = caller.token().map(|token| format!("Bearer {token}"));
        let mut headers = vec![
            (":method", self.method),
            (":path", path),
            (":authority", "gateway.example.com"),
            ("content-type", "application/json"),
        ];
        headers.extend(token.as_deref().map(|token| ("authorization", token)));
        headers.extend(self.version.map(|version| ("mcp-protocol-version", version)));
        if let Some((method, name)) = self.named {
            headers.push(("mcp-method", method));
            headers.extend(name.map(|name| ("mcp-name", name)));
        }
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        gateway.ask(&headers, self.body.as_bytes())
    }
}
