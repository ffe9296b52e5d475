//! The shape of JSON: a document in, each member's path with the types that its values have out. No value.
//!
//! A path is a JSON pointer (RFC 6901) in which `*` stands for all elements of a list, whose shapes are one;
//! a member named `*` is `~2`.

use super::mask::Mask;
use gatewaystack_core::json;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MAX_DEPTH: usize = 64;
const MAX_PATHS: usize = 2_000;
const MAX_PATH: usize = 1_000;

/// Path to types.
pub type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// The shape of a document.
///
/// # Errors
/// It isn't JSON (or JSON with two readings), or too large to be shown.
pub fn read(bytes: &[u8], mask: &Mask) -> Result<Shape, &'static str> {
    let value = json::parse(bytes, MAX_DEPTH).map_err(|_| "no JSON that means one thing")?;
    let mut shape = Shape::new();
    note(&mut shape, "", &value, mask)?;
    Ok(shape)
}

fn note(shape: &mut Shape, path: &str, value: &Value, mask: &Mask) -> Result<(), &'static str> {
    if path.len() > MAX_PATH || shape.len() > MAX_PATHS {
        return Err("too many members");
    }
    shape.entry(path.to_owned()).or_default().insert(kind(value));
    match value {
        Value::Array(items) => {
            items.iter().try_for_each(|item| note(shape, &format!("{path}/*"), item, mask))
        }
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            if name.len() > MAX_PATH {
                return Err("too long a name");
            }
            note(shape, &format!("{path}/{}", escaped(&mask.shown(name))), member, mask)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn escaped(name: &str) -> String {
    if name == "*" { "~2".to_owned() } else { name.replace('~', "~0").replace('/', "~1") }
}

/// Whether `path` is one that a shape could have.
pub fn is_pointer(path: &str) -> bool {
    let escapes = |segment: &str| {
        segment == "~2" || segment.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
    };
    path.is_empty() || (path.starts_with('/') && path.split('/').skip(1).all(escapes))
}

/// Where two shapes differ: the path, and what each has there. What is below a member that one side doesn't
/// have isn't told again.
pub fn differences(a: &Shape, b: &Shape) -> Vec<(String, Option<String>, Option<String>)> {
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differs = |path: &&String| {
        let (on_a, on_b) = (a.get(*path), b.get(*path));
        on_a != on_b && (on_a.is_some() || could_have(a, path)) && (on_b.is_some() || could_have(b, path))
    };
    let told = |path: &String| (path.clone(), a.get(path).map(types), b.get(path).map(types));
    paths.into_iter().filter(differs).map(told).collect()
}

/// Whether the place that would hold `path` is there. Where it isn't, that is the difference.
fn could_have(shape: &Shape, path: &str) -> bool {
    let Some((parent, last)) = path.rsplit_once('/') else { return true };
    let holder = if last == "*" { "array" } else { "object" };
    shape.get(parent).is_some_and(|types| types.contains(holder))
}

/// As a report shows them.
pub fn types(types: &BTreeSet<&'static str>) -> String {
    types.iter().copied().collect::<Vec<_>>().join(" or ")
}
