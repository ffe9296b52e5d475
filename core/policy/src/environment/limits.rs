//! `RATE_LIMIT_*`: the plain rules, those without a route (contract §6), and the users' limit over machines.

use super::folded::Folded;
use super::reader::Reader;
use crate::policy::limits::{FAILURES_MAX, USER_MAX};
use serde_json::{Map, Value, json};

/// Requests a minute and user of the original.
const ORIGINAL: u32 = 60;

/// Folds the limits.
pub fn fold(reader: &mut Reader<'_>, folded: &mut Folded, alone: bool) {
    let window = reader.number("RATE_LIMIT_WINDOW_MS");
    let max = reader.number("RATE_LIMIT_MAX");
    let tenant = reader.number("RATE_LIMIT_TENANT_MAX");
    let failures = reader.number("RATE_LIMIT_ADDRESS_FAILURES");
    let shared = shared(reader, folded);
    if !alone
        && window.is_none()
        && max.is_none()
        && tenant.is_none()
        && failures.is_none()
        && shared.is_none()
    {
        return;
    }
    let absent = folded.value.get("rate_limits").is_none();
    if absent && let Some(list) = folded.list("rate_limits") {
        // What a policy without rules means, written out, so that a variable changes its own rule alone.
        list.push(json!({ "by": "user", "max": if alone { ORIGINAL } else { USER_MAX }, "window": "60s" }));
        list.push(json!({ "by": "address", "max": FAILURES_MAX, "window": "60s", "on": "failures" }));
    }
    if window.is_some() || max.is_some() {
        put(folded, &json!({ "by": "user" }), ORIGINAL.into(), max, window);
    }
    if tenant.is_some() {
        put(folded, &json!({ "by": "tenant" }), 60, tenant, window);
    }
    if failures.is_some() {
        put(folded, &json!({ "by": "address", "on": "failures" }), FAILURES_MAX.into(), failures, None);
    }
    if let Some((max, mode)) = shared {
        add_shared(folded, max, mode);
    }
}

/// A variable and what it says.
type Given<'e, T> = (&'e str, T);

/// The service and the users' limit over machines: how many a minute, and what happens without the service.
fn shared<'e>(
    reader: &mut Reader<'e>,
    folded: &mut Folded,
) -> Option<(Given<'e, u64>, Option<Given<'e, &'static str>>)> {
    if let Some((name, url)) = reader.text(&["RATE_LIMIT_SERVICE_URL"]) {
        folded.set("rate_limit_service.url", json!(url), name);
    }
    let mode = reader.word("RATE_LIMIT_FAILURE_MODE", &["allow", "deny"]);
    let max = reader.number("RATE_LIMIT_GLOBAL_MAX");
    if let (Some((name, _)), None) = (mode, max) {
        reader.error(name, "belongs to RATE_LIMIT_GLOBAL_MAX");
    }
    max.map(|max| (max, mode))
}

fn add_shared(folded: &mut Folded, max: Given<'_, u64>, mode: Option<Given<'_, &'static str>>) {
    let Some(list) = folded.list("rate_limits") else { return };
    let at = list.len();
    let mut rule = json!({ "by": "user", "max": max.1, "window": "60s", "scope": "global" });
    if let (Some((_, mode)), Some(rule)) = (mode, rule.as_object_mut()) {
        rule.insert("failure_mode".to_owned(), json!(mode));
    }
    list.push(rule);
    for (member, variable) in
        [("max", max.0), ("failure_mode", "RATE_LIMIT_FAILURE_MODE"), ("scope", "RATE_LIMIT_SERVICE_URL")]
    {
        folded.origin(&format!("rate_limits[{at}].{member}"), variable);
    }
}

/// Changes the plain rule that has these members, or adds it.
fn put(
    folded: &mut Folded,
    like: &Value,
    default: u64,
    max: Option<(&str, u64)>,
    window: Option<(&str, u64)>,
) {
    let Some(list) = folded.list("rate_limits") else { return };
    let at = list.iter().position(|rule| is_plain(rule, like)).unwrap_or_else(|| {
        list.push(like.clone());
        list.len().saturating_sub(1)
    });
    let Some(rule) = list.get_mut(at).and_then(Value::as_object_mut) else { return };
    write(rule, "max", max.map(|(_, n)| json!(n)), json!(default));
    write(rule, "window", window.map(|(_, n)| json!(format!("{n}ms"))), json!("60s"));
    for (member, variable) in [("max", max), ("window", window)] {
        if let Some((variable, _)) = variable {
            folded.origin(&format!("rate_limits[{at}].{member}"), variable);
        }
    }
}

fn write(rule: &mut Map<String, Value>, member: &str, given: Option<Value>, default: Value) {
    match given {
        Some(value) => rule.insert(member.to_owned(), value),
        None if !rule.contains_key(member) => rule.insert(member.to_owned(), default),
        None => None,
    };
}

fn is_plain(rule: &Value, like: &Value) -> bool {
    let special = ["route", "tools", "scope"].iter().any(|m| rule.get(m).is_some());
    !special
        && like.as_object().is_some_and(|like| like.iter().all(|(name, value)| rule.get(name) == Some(value)))
}
