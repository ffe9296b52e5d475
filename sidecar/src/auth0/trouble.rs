//! What Auth0 says, and why a call came to nothing: the bytes of a response in; members, or words that may be
//! logged, out.

use crate::secret::Secret;
use serde_json::Value;
use std::time::Duration;

/// Longest message of Auth0's that we repeat.
const MAX_MESSAGE: usize = 200;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may go well later: no answer, a fault of Auth0's, or too many calls.
    Passing { why: String, after: Option<Duration> },
    /// It won't go well until somebody changes something.
    Lasting(String),
}

/// What isn't JSON has no members.
pub fn parse(body: &[u8]) -> Value {
    gatewaystack_core::json::parse(body, 64).unwrap_or(Value::Null)
}

/// `: error code, message` of an error's body, printable and short, and without our secret, should it be in
/// there.
pub fn message(body: &Value, secret: &Secret) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = text("errorCode").or_else(|| text("error"));
    let words = text("message").or_else(|| text("error_description"));
    let parts = code.into_iter().chain(words).map(|text| printable(&secret.out_of(text))).collect::<Vec<_>>();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}
