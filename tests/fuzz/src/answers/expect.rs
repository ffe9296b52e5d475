//! What becomes of an answer that everybody reads alike. In: its JSON, as `serde_json` has it. Out: the same
//! after the rules, and a panic where the client sees something else. What readers differ about is
//! `found.rs`'s.

use super::Case;
use super::drive::{End, Seen};
use crate::loose::{Loose, folded, values};
use crate::rules::{KINDS, Kind, Rule};
use crate::uris;
use serde_json::{Map, Value, json};

/// What becomes of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Readers differ about it.
    Odd,
    /// It stays, byte for byte.
    Same,
    /// It isn't what was asked for, or no list although it says so.
    Refused,
    /// This instead, of at most so many bytes more.
    Changed(Value, usize),
}

/// Names that decide.
const DECIDING: [&str; 12] = [
    "id",
    "result",
    "content",
    "tools",
    "prompts",
    "resources",
    "resourceTemplates",
    "tasks",
    "taskId",
    "name",
    "uri",
    "uriTemplate",
];

/// Judges what is seen of an answer in JSON; how much it may have grown, where that is known.
pub fn check(case: &Case<'_>, seen: &Seen) -> Option<usize> {
    if case.answer.content_type.contains("latin1") {
        assert!(seen.end == End::Refused, "a charset that isn't read");
        return None;
    }
    let text = std::str::from_utf8(case.answer.text).ok()?;
    let (_, cap) = case.route;
    let is_asked = !case.question.lists.is_empty();
    match of(case, text) {
        Expected::Odd => None,
        Expected::Same if is_asked && text.len() > cap => {
            assert!(seen.end != End::Whole, "over the cap");
            Some(0)
        }
        Expected::Same => {
            assert!(seen.end == End::Whole && seen.body == text.as_bytes(), "no list, but {}", seen.shown());
            Some(0)
        }
        Expected::Refused => {
            assert!(seen.end != End::Whole, "not what was asked for, but {}", seen.shown());
            Some(0)
        }
        Expected::Changed(value, added) => {
            // Its headers have said how long it is.
            let is_late = !is_asked && !case.holds;
            let fits = text.len() <= cap && text.len() + added <= case.room && !is_late;
            assert!(seen.end == End::Whole || !fits, "a list that isn't shown: {}", seen.shown());
            if seen.end == End::Whole {
                let body = serde_json::from_slice::<Value>(&seen.body).ok();
                assert!(body.as_ref() == Some(&value), "expected {value}, but {}", seen.shown());
            }
            Some(added)
        }
    }
}

/// What becomes of one text.
pub fn of(case: &Case<'_>, text: &str) -> Expected {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Expected::Odd };
    let loose = values(text);
    if loose.len() != 1 || !loose.iter().all(|value| value.is_plain() && has_no_lookalike(value)) {
        return Expected::Odd;
    }
    let messages = match value.clone() {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    let mut shown = Vec::new();
    let mut added = 0;
    for message in messages {
        match of_message(case, message) {
            Ok((message, more)) => {
                shown.push(message);
                added += more;
            }
            Err(other) => return other,
        }
    }
    let shown = if value.is_array() { Value::Array(shown) } else { shown.pop().unwrap_or_default() };
    if shown == value { Expected::Same } else { Expected::Changed(shown, added) }
}

fn has_no_lookalike(value: &Loose) -> bool {
    let is_itself = |name: &String| {
        DECIDING.iter().all(|deciding| folded(name) != deciding.to_lowercase() || name == deciding)
    };
    value.members().iter().all(|(name, value)| is_itself(name) && has_no_lookalike(value))
        && value.items().iter().all(has_no_lookalike)
}

fn of_message(case: &Case<'_>, mut message: Value) -> Result<(Value, usize), Expected> {
    let Some(members) = message.as_object_mut() else { return Err(Expected::Odd) };
    let id = members.get("id").map(Value::to_string).unwrap_or_default();
    let asked = case.question.lists.iter().find(|(asked, _)| *asked == id).map(|(_, kind)| *kind);
    let Some(result) = members.get_mut("result") else { return Ok((message, 0)) };
    let Some(result) = result.as_object_mut() else {
        return if asked.is_some() { Err(Expected::Refused) } else { Ok((message, 0)) };
    };
    if asked.is_none() && result.contains_key("content") {
        return Ok((message, 0));
    }
    if asked.is_some_and(|kind| !result.contains_key(kind.member())) {
        return Err(Expected::Refused);
    }
    // Whose tasks are is in no answer.
    if result.contains_key("tasks") {
        return Err(Expected::Odd);
    }
    let mut added = 0;
    let mut has_list = false;
    for kind in KINDS {
        let Some(list) = result.get_mut(kind.member()) else { continue };
        let Value::Array(items) = list else { return Err(Expected::Refused) };
        added += keep(case, kind, items)?;
        has_list = true;
    }
    if has_list && case.question.is_new() {
        result.insert("cacheScope".to_owned(), json!("private"));
        added += r#","cacheScope":"private""#.len();
    }
    Ok((message, added))
}

/// Keeps what the caller is shown.
fn keep(case: &Case<'_>, kind: Kind, items: &mut Vec<Value>) -> Result<usize, Expected> {
    let mut added = 0;
    let mut kept = Vec::new();
    for item in std::mem::take(items) {
        let Value::Object(mut item) = item else { return Err(Expected::Refused) };
        let Some(Value::String(name)) = item.get(kind.name()).cloned() else { return Err(Expected::Refused) };
        let is_uri = matches!(kind, Kind::Resource | Kind::Template);
        if is_uri && !uris::is_plain(&name, kind == Kind::Template) {
            return Err(Expected::Odd);
        }
        if case.shows(kind, &name) {
            added += sign(case, kind, &name, &mut item);
            kept.push(Value::Object(item));
        }
    }
    *items = kept;
    Ok(added)
}

/// Says of a tool who may call it: one scheme for each way to have what route and tool need.
fn sign(case: &Case<'_>, kind: Kind, name: &str, item: &mut Map<String, Value>) -> usize {
    let Some(rule) = kind.rule(name).filter(|_| kind == Kind::Tool) else { return 0 };
    let schemes = if rule == Rule::Public {
        json!([{"type": "noauth"}])
    } else {
        let route = case.of_route().ways();
        let both = route
            .iter()
            .flat_map(|first| rule.ways().into_iter().map(move |then| [first.clone(), then].concat()));
        both.map(|scopes| json!({"type": "oauth2", "scopes": once(scopes)})).collect()
    };
    let added = schemes.to_string().len() + r#","securitySchemes":"#.len();
    item.insert("securitySchemes".to_owned(), schemes);
    added
}

fn once(scopes: Vec<&str>) -> Vec<&str> {
    let mut once = Vec::new();
    for scope in scopes {
        if !once.contains(&scope) {
            once.push(scope);
        }
    }
    once
}
