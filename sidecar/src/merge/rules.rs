//! The rules, as a function of values alone: a base policy, overrides and what they can't touch in; one
//! policy and where its lists come from out. The chart has the same rules in
//! `deploy/helm/templates/_merge.tpl`; `cases.yaml` next to this file holds the two together.
//!
//! 1. A member that the override doesn't name stays as the base has it.
//! 2. Objects are merged member by member; anything else replaces what the base has; `null` takes it out (RFC
//!    7396).
//! 3. `routes` of the override come before the base's, since the first match wins; its `rate_limits` come
//!    after the base's, since all count.
//! 4. `{ replace: […] }` in place of such a list takes the place of the base's.
//! 5. What is locked stays: an override that names it is refused. A locked list can only be added to, after
//!    the base's.
//! 6. `mode: enforce` passes every lock, for it only makes things stricter.
//! 7. Several overrides are merged one after the other.

use super::locked::{LISTS, Locked};
use gatewaystack_core::config::error::ConfigError;
use serde_json::{Map, Value};

/// What is wrong in one of the documents: the base is 0, the overrides follow.
pub type Blamed = (usize, ConfigError);

/// A merged policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The policy.
    pub value: Value,
    /// For each element of `routes` and of `rate_limits` the document that it comes from, and its path there.
    pub elements: [Vec<(usize, String)>; 2],
}

/// Merges `overrides` into `base`, in their order.
///
/// # Errors
/// Everything that isn't an override, or is locked.
pub fn merge(base: &Value, overrides: &[Value], locked: &Locked) -> Result<Merged, Vec<Blamed>> {
    let (merged, faults) = attempt(base, overrides, locked);
    if faults.is_empty() { Ok(merged) } else { Err(faults) }
}

/// The same with whatever came out of it, in which more may be wrong. It is a policy only where there is no
/// error.
pub fn attempt(base: &Value, overrides: &[Value], locked: &Locked) -> (Merged, Vec<Blamed>) {
    let mut faults = Vec::new();
    let mut members = base.as_object().cloned().unwrap_or_else(|| {
        faults.push((0, not_an_object()));
        Map::new()
    });
    let mut elements = LISTS.map(|name| match base.get(name) {
        Some(Value::Array(list)) => places(0, name, list.len()),
        Some(_) => {
            faults.push((0, ConfigError::new(name, "expected a list")));
            Vec::new()
        }
        None => Vec::new(),
    });
    for (at, document) in overrides.iter().enumerate() {
        let document_at = at + 1;
        let Value::Object(document) = document else {
            faults.push((document_at, not_an_object()));
            continue;
        };
        faults.extend(locked.refuses(document).into_iter().map(|error| (document_at, error)));
        let mut rest = document.clone();
        for (name, places) in LISTS.iter().zip(&mut elements) {
            let Some(given) = rest.remove(*name) else { continue };
            let is_first = *name == "routes" && !locked.has(name);
            if *name == "rate_limits" && locked.has(name) && given.is_array() && !members.contains_key(*name)
            {
                // Without a list the default limits hold; with one they don't any more.
                let message = "is locked, and the base has none to add to: write the limits that hold without any into the base \
                               (60 a minute of each user, 300 failures a minute of each address)";
                faults.push((document_at, ConfigError::new(*name, message)));
            }
            match list(name, given) {
                Ok(given) => join(&mut members, name, given, is_first, places, document_at),
                Err(error) => faults.push((document_at, error)),
            }
        }
        patch(&mut members, rest);
    }
    (Merged { value: Value::Object(members), elements }, faults)
}

fn not_an_object() -> ConfigError {
    ConfigError::new("", "expected an object with members of a policy, such as `routes`")
}

/// What an override says about one of the lists.
enum ListChange {
    Remove,
    Add(Vec<Value>),
    Replace(Vec<Value>),
}

fn list(name: &str, given: Value) -> Result<ListChange, ConfigError> {
    let form = || {
        ConfigError::new(
            name,
            "expected a list, which is added to the base's, or { replace: [ … ] } to take its place",
        )
    };
    match given {
        Value::Null => Ok(ListChange::Remove),
        Value::Array(list) => Ok(ListChange::Add(list)),
        Value::Object(mut members) if members.len() == 1 => match members.remove("replace") {
            Some(Value::Array(list)) => Ok(ListChange::Replace(list)),
            _ => Err(form()),
        },
        _ => Err(form()),
    }
}

fn join(
    members: &mut Map<String, Value>,
    name: &str,
    given: ListChange,
    is_first: bool,
    elements: &mut Vec<(usize, String)>,
    document: usize,
) {
    match given {
        ListChange::Remove => {
            members.remove(name);
            elements.clear();
        }
        ListChange::Replace(list) => {
            *elements = places(document, &format!("{name}.replace"), list.len());
            members.insert(name.to_owned(), Value::Array(list));
        }
        ListChange::Add(list) => {
            let mut joined = match members.remove(name) {
                Some(Value::Array(before)) => before,
                _ => Vec::new(),
            };
            let place = if is_first { 0 } else { joined.len().min(elements.len()) };
            elements.splice(place..place, places(document, name, list.len()));
            joined.splice(place..place, list);
            members.insert(name.to_owned(), Value::Array(joined));
        }
    }
}

fn places(document: usize, list: &str, count: usize) -> Vec<(usize, String)> {
    (0..count).map(|at| (document, format!("{list}[{at}]"))).collect()
}

/// RFC 7396 §2.
fn patch(target: &mut Map<String, Value>, members: Map<String, Value>) {
    for (name, value) in members {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let mut into = match target.remove(&name) {
                    Some(Value::Object(into)) => into,
                    _ => Map::new(),
                };
                patch(&mut into, inner);
                target.insert(name, Value::Object(into));
            }
            other => {
                target.insert(name, other);
            }
        }
    }
}
