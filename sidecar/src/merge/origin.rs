//! Where a member of a merged policy comes from: its path in, the document and its path there out.

use super::locked::LISTS;
use super::rules::Merged;
use gatewaystack_core::config::error::ConfigError;
use serde_json::Value;

/// The document that an error is about, and the error with its path there. What no document says is the
/// base's to say.
pub fn blame(documents: &[Value], merged: &Merged, error: ConfigError) -> (usize, ConfigError) {
    let error = ConfigError { message: told(merged, &error.message), ..error };
    for (name, elements) in LISTS.iter().zip(&merged.elements) {
        let Some((at, rest)) = index(&error.path, name) else { continue };
        if let Some((document, path)) = elements.get(at) {
            return (*document, ConfigError::new(format!("{path}{rest}"), error.message));
        }
    }
    let last = documents.iter().rposition(|document| says(document, &error.path));
    (last.unwrap_or(0), error)
}

/// A message that names another route has it as its document does, too.
fn told(merged: &Merged, message: &str) -> String {
    let [routes, _] = &merged.elements;
    let named = message.find("routes[").and_then(|start| {
        let (before, from) = message.split_at(start);
        let (at, rest) = index(from, "routes")?;
        let (document, path) = routes.get(at)?;
        Some(format!("{before}{path} of {}{rest}", whose(*document)))
    });
    named.unwrap_or_else(|| message.to_owned())
}

/// A document in a sentence.
pub fn whose(document: usize) -> String {
    if document == 0 { "the base".to_owned() } else { format!("override {document}") }
}

/// `routes[3].scopes[0]` of `routes`: 3, and what follows.
fn index<'p>(path: &'p str, list: &str) -> Option<(usize, &'p str)> {
    let (at, rest) = path.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    Some((at.parse().ok()?, rest))
}

/// Whether a document says what is at `path`: that very member, or something else in place of one around it.
fn says(document: &Value, path: &str) -> bool {
    let mut here = document;
    for name in path.split(['.', '[']).filter(|name| !name.is_empty()) {
        match here {
            Value::Object(members) => match members.get(name) {
                Some(member) => here = member,
                None => return false,
            },
            _ => return true,
        }
    }
    !path.is_empty()
}
