//! `RATE_LIMIT_*`: the plain rules, those without a route (CONTRACT §6).

use super::Folded;
use super::reader::Reader;
use serde_json::{Map, Value, json};

/// Folds the limits.
pub fn fold(reader: &mut Reader<'_>, folded: &mut Folded) {
    let window = reader.number("RATE_LIMIT_WINDOW_MS");
    let max = reader.number("RATE_LIMIT_MAX");
    let tenant = reader.number("RATE_LIMIT_TENANT_MAX");
    let failures = reader.number("RATE_LIMIT_ADDRESS_FAILURES");
    if window.is_none() && max.is_none() && tenant.is_none() && failures.is_none() {
        return;
    }
    let absent = folded.value.get("rate_limits").is_none();
    if absent && let Some(list) = folded.list("rate_limits") {
        // What a policy without rules means, written out, so that a variable changes its own rule alone.
        list.push(json!({ "by": "user", "max": 60, "window": "60s" }));
        list.push(json!({ "by": "address", "max": 300, "window": "60s", "on": "failures" }));
    }
    if window.is_some() || max.is_some() {
        put(folded, &json!({ "by": "user" }), 60, max, window);
    }
    if tenant.is_some() {
        put(folded, &json!({ "by": "tenant" }), 60, tenant, window);
    }
    if failures.is_some() {
        put(folded, &json!({ "by": "address", "on": "failures" }), 300, failures, None);
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
