//! Calls in a body. In: a body, who sends it and by which route. Out: whether the caller may what
//! `serde_json` finds in it, where everybody reads that alike; and a panic where a forwarded body has a call,
//! to any reader, that its caller may not.

use super::Case;
use crate::loose::{self, Loose, folded, values};
use crate::routes::Route;
use crate::rules::{Kind, OPEN_METHODS, Rule};
use crate::uris;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Methods whose handlers a sloppy server finds by their letters.
const KNOWN: [&str; 10] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "tools/list",
    "initialize",
    "ping",
    "logging/setLevel",
];

/// Names that decide.
const DECIDING: [&str; 16] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "uri",
    "ref",
    "type",
    "_meta",
    "taskId",
    "task",
    "notifications",
    "resourceSubscriptions",
    "io.modelcontextprotocol/protocolVersion",
];

/// Judges a body that is forwarded.
pub fn check(case: &Case, method: &str, route: &Route) {
    let body = &case.wire.body;
    if method != "POST" {
        return assert!(body.is_empty(), "a body that nobody judged");
    }
    assert!(std::str::from_utf8(body).is_ok(), "not UTF-8");
    assert!(serde_json::from_slice::<IgnoredAny>(body).is_ok(), "not JSON");
    let values = values(&loose::text(body));
    assert!(values.iter().all(|value| !value.has_double() && value.depth() <= 128), "readers differ");
    if case.wire.has_own_token() {
        return;
    }
    let messages: Vec<&Loose> = values.iter().flat_map(Loose::messages).collect();
    assert!(!messages.is_empty(), "no message");
    for message in messages {
        let methods: Vec<&str> = message.like("method").filter_map(Loose::text).collect();
        for method in &methods {
            look(case, route, message, method);
        }
        let is_known = case.caller.scopes().is_some();
        assert!(is_known || !methods.is_empty(), "an answer of nobody's");
    }
}

/// What a sloppy server does for a call.
fn look(case: &Case, route: &Route, message: &Loose, method: &str) {
    let is = |known: &str| letters(known) == letters(method);
    let is_open = OPEN_METHODS.contains(&method) || method == "notifications/initialized";
    let names = |member: &'static str| {
        message.like("params").flat_map(move |params| params.like(member)).filter_map(Loose::text)
    };
    if KNOWN.iter().any(|known| is(known)) {
        assert!(KNOWN.contains(&method), "{method} looks like another");
    }
    match method {
        "tools/call" => names("name").for_each(|name| may_use(case, route, Kind::Tool, name)),
        "prompts/get" => names("name").for_each(|name| may_use(case, route, Kind::Prompt, name)),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            names("uri").for_each(|uri| may_use(case, route, Kind::Resource, uri));
        }
        "completion/complete" => {
            for of in message.like("params").flat_map(|params| params.like("ref")) {
                of.like("uri")
                    .filter_map(Loose::text)
                    .for_each(|uri| may_use(case, route, Kind::Resource, uri));
                let prompts = of.like("name").filter(|_| of.like("uri").next().is_none());
                prompts.filter_map(Loose::text).for_each(|name| may_use(case, route, Kind::Prompt, name));
            }
        }
        method => assert!(is_open || case.caller.scopes().is_some(), "nobody may {method}"),
    }
}

fn letters(method: &str) -> String {
    method.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

fn may_use(case: &Case, route: &Route, kind: Kind, name: &str) {
    let sloppy = name.trim().to_lowercase();
    for name in [name, &sloppy] {
        let listed = name != sloppy || kind.rule(name).is_some();
        assert!(!listed || may(case, route, kind, name), "{kind:?} {name:?} isn't the caller's");
    }
}

/// Whether the caller may use what has this name.
fn may(case: &Case, route: &Route, kind: Kind, name: &str) -> bool {
    let scopes = case.caller.scopes();
    let by = |rule: Rule| rule == Rule::Public || (rule.allows(scopes) && route.rule.allows(scopes));
    match kind {
        Kind::Tool | Kind::Prompt => kind.shows(name, None) && kind.rule(name).is_some_and(by),
        Kind::Resource | Kind::Template => uris::allows(name, &by),
    }
}

/// Whether the caller may send this body; `None`: readers differ, or the reference doesn't know.
pub fn allowed(case: &Case, route: &Route) -> Option<bool> {
    let text = std::str::from_utf8(&case.wire.body).ok()?;
    let value: Value = serde_json::from_str(text).ok()?;
    let loose = values(text);
    let is_plain = |value: &Loose| value.is_plain() && has_no_lookalike(value) && value.depth() <= 100;
    if loose.len() != 1 || !loose.iter().all(is_plain) {
        return None;
    }
    match &value {
        Value::Array(messages) if case.speaks == super::Speaks::First => {
            if messages.is_empty() || messages.len() > 16 {
                return None;
            }
            let each: Option<Vec<bool>> =
                messages.iter().map(|message| of_message(case, route, message)).collect();
            each.map(|each| each.iter().all(|may| *may))
        }
        message => of_message(case, route, message),
    }
}

fn has_no_lookalike(value: &Loose) -> bool {
    let is_itself = |name: &String| {
        DECIDING.iter().all(|deciding| folded(name) != deciding.to_lowercase() || name == deciding)
    };
    value.members().iter().all(|(name, value)| is_itself(name) && has_no_lookalike(value))
        && value.items().iter().all(has_no_lookalike)
}

fn of_message(case: &Case, route: &Route, message: &Value) -> Option<bool> {
    let members = message.as_object()?;
    let method = members.get("method")?.as_str()?;
    let is_odd = |name: &str| members.contains_key(name);
    let id = members.get("id").unwrap_or(&Value::Null);
    let is_id = id.is_null() || id.as_i64().is_some() || id.as_str().is_some_and(|id| id.len() < 200);
    let empty = serde_json::Map::new();
    let params = match members.get("params") {
        None | Some(Value::Null) => &empty,
        Some(Value::Array(items)) if items.is_empty() => &empty,
        Some(Value::Object(params)) => params,
        Some(_) => return None,
    };
    // What a message belongs to goes by what was remembered.
    let names_task = params.contains_key("taskId") && !method.starts_with("tasks/");
    if is_odd("result") || is_odd("error") || is_odd("_meta") || !is_id || names_task {
        return None;
    }
    if params.contains_key("_meta") {
        return None;
    }
    let text =
        |name: &str| params.get(name).and_then(Value::as_str).filter(|text| super::wire::is_value(text));
    let resource = |uri: &str, is_template| {
        uris::is_plain(uri, is_template).then(|| may(case, route, Kind::Resource, uri))
    };
    let has_token = case.caller.scopes().is_some();
    match method {
        "tools/call" => Some(may(case, route, Kind::Tool, text("name")?)),
        "prompts/get" => Some(may(case, route, Kind::Prompt, text("name")?)),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => resource(text("uri")?, false),
        "completion/complete" => {
            let of = params.get("ref")?;
            let text =
                |name: &str| of.get(name).and_then(Value::as_str).filter(|text| super::wire::is_value(text));
            match text("type")? {
                "ref/prompt" => Some(may(case, route, Kind::Prompt, text("name")?)),
                "ref/resource" => resource(text("uri")?, true),
                _ => None,
            }
        }
        method if OPEN_METHODS.contains(&method) => Some(true),
        // A task has what its tool said, and doesn't name it.
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list" => Some(false),
        "logging/setLevel" | "notifications/cancelled" | "custom/method" => {
            Some(has_token && route.rule.allows(case.caller.scopes()))
        }
        _ => None,
    }
}
