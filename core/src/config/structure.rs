//! Form: a JSON value in, the raw policy and every error of form out. Each member that doesn't fit is reported with its path,
//! taken out, and the rest read again, so that one run shows all.

use super::error::ConfigError;
use super::raw::RawPolicy;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// Errors reported at most; a file with more is not a policy.
const MAX_ERRORS: usize = 100;

/// Reads the form.
pub fn read(value: &Value) -> (RawPolicy, Vec<ConfigError>) {
    let mut errors = Vec::new();
    if !value.is_object() {
        errors.push(ConfigError::new("", "expected a policy: one object with `issuers`, `routes` and so on"));
        return (RawPolicy::default(), errors);
    }
    let mut value = value.clone();
    take_nulls(&mut value, "", &mut errors);
    while errors.len() < MAX_ERRORS {
        match serde_path_to_error::deserialize::<_, RawPolicy>(&value) {
            Ok(raw) => return (raw, errors),
            Err(error) => {
                errors.push(ConfigError::new(text(error.path()), error.inner().to_string()));
                if !take_out(&mut value, error.path()) {
                    break;
                }
            }
        }
    }
    (serde_json::from_value(value).unwrap_or_default(), errors)
}

/// An empty member is a mistake more often than a wish: `tenants:` with nothing after it must not mean "any tenant".
fn take_nulls(value: &mut Value, path: &str, errors: &mut Vec<ConfigError>) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| {
                let empty = member.is_null();
                if empty && errors.len() < MAX_ERRORS {
                    errors.push(ConfigError::new(
                        join(path, name),
                        "has no value: give it one, or leave it out",
                    ));
                }
                !empty
            });
            for (name, member) in members {
                take_nulls(member, &join(path, name), errors);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                take_nulls(item, &format!("{path}[{at}]"), errors);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path in our spelling: `routes[3].scopes[0]`.
fn text(path: &Path) -> String {
    let mut out = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => out.push_str(&format!("[{index}]")),
            Segment::Map { key } => out = join(&out, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    out
}

/// Takes the faulty member out: the element itself becomes an empty object, so that the others keep their places; where it
/// was one already, the member that holds the list goes.
fn take_out(value: &mut Value, path: &Path) -> bool {
    let steps: Vec<&Segment> =
        path.iter().filter(|s| matches!(s, Segment::Seq { .. } | Segment::Map { .. })).collect();
    let empty = Value::Object(serde_json::Map::new());
    if let (Some(Segment::Seq { .. }), Some(element)) = (steps.last(), descend(value, &steps))
        && *element != empty
    {
        *element = empty;
        return true;
    }
    let Some(at) = steps.iter().rposition(|s| matches!(s, Segment::Map { .. })) else { return false };
    let (around, rest) = steps.split_at(at);
    let (Some(Value::Object(members)), Some(Segment::Map { key })) = (descend(value, around), rest.first())
    else {
        return false;
    };
    members.remove(key).is_some()
}

fn descend<'v>(value: &'v mut Value, steps: &[&Segment]) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Segment::Seq { index } => value.get_mut(*index),
        Segment::Map { key } => value.get_mut(key.as_str()),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}
