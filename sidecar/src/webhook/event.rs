//! Auth0's log stream (contract §9.2): a body in, the registrations of new clients among its events out.
//!
//! `{"log_id":"1","data":{"type":"sapi","description":"Dynamic client registration",…}}` is one; a sign-in is
//! none.

use super::frame;
use gatewaystack_core::json;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An event may nest what the client sent in its registration; a log stream's own events are at most 10 deep.
const MAX_DEPTH: usize = 64;
const MAX_ID: usize = 256;

/// A registration that the stream tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The log's id, by which a repeated event is known.
    pub log_id: String,
    /// The new client; `None`: the event names none that could be one.
    pub client_id: Option<String>,
}

/// What a body tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    /// The registrations among its events.
    pub registrations: Vec<Registration>,
    /// Events that aren't JSON which is read: with a lone surrogate, a member twice, nested too deeply. One
    /// of them hides no other, for the stream sends what was refused once more as a whole.
    pub skipped: usize,
}

/// Reads a body: an event, an array of them, `{"logs":[…]}`, or one JSON text a line.
///
/// # Errors
/// It can't be divided into events.
pub fn read(body: &[u8]) -> Result<Events, &'static str> {
    let mut events = Events::default();
    for text in frame::events(body)? {
        let Some(event) = json::parse(text, MAX_DEPTH).ok().filter(Value::is_object) else {
            events.skipped += 1;
            continue;
        };
        // An event may wrap itself.
        let inner = event.get("data").filter(|data| data.is_object()).unwrap_or(&event);
        if is_registration(inner) {
            let log_id = log_id(&event).or_else(|| log_id(inner)).unwrap_or_else(|| digest(&event));
            events.registrations.push(Registration { log_id, client_id: client_id(inner) });
        }
    }
    Ok(events)
}

/// A success (`sapi`) that says so, a path of registration, or a client made through the Management API.
fn is_registration(event: &Value) -> bool {
    if has_failed(event) {
        return false;
    }
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let is_success = text("/type") == "sapi";
    if is_success && text("/description").to_ascii_lowercase().contains("dynamic client registration") {
        return true;
    }
    [
        ("/details/request/path", "/details/request/method"),
        ("/request/path", "/request/method"),
        ("/path", "/method"),
    ]
    .into_iter()
    .any(|(path, method)| {
        let path = text(path);
        let bare = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        path.contains("/oidc/register")
            || bare == "/api/v2/clients" && text(method).eq_ignore_ascii_case("post")
    })
}

/// Anyone who sends bad registrations makes events, too; they have no client to promote, and must not fill
/// the list of parked ones.
fn has_failed(event: &Value) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let status = event.pointer("/details/response/statusCode").and_then(Value::as_u64);
    kind.starts_with('f') || status.is_some_and(|status| status >= 400)
}

fn log_id(event: &Value) -> Option<String> {
    let named = |name: &str| event.get(name).and_then(Value::as_str);
    let id = named("log_id").or_else(|| named("_id"))?;
    let good = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    good.then(|| id.to_owned())
}

/// Members are in their order here, whatever order they came in.
fn digest(event: &Value) -> String {
    let hash = Sha256::digest(event.to_string().as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From the response's body, the event, or the request's body; the first that has one decides.
fn client_id(event: &Value) -> Option<String> {
    let body = |pointer: &str| match event.pointer(pointer) {
        // Some streams carry bodies as texts.
        Some(Value::String(text)) => json::parse(text.as_bytes(), MAX_DEPTH)
            .ok()?
            .get("client_id")
            .and_then(Value::as_str)
            .map(str::to_owned),
        Some(body) => body.get("client_id").and_then(Value::as_str).map(str::to_owned),
        None => None,
    };
    let named = body("/details/response/body")
        .or_else(|| body("/response/body"))
        .or_else(|| body(""))
        .or_else(|| body("/details/request/body"))
        .or_else(|| body("/request/body"))?;
    is_client_id(&named).then_some(named)
}

/// What can be in a path of the Management API without meaning something else.
pub fn is_client_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests;
