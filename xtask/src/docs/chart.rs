//! The schema of the chart's values: a part of it is a policy's, and one is about the names that may be
//! locked. In: the schema, the rest of which is written by hand. Out: the schema with these parts.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{between, json, locks, schema};

/// Where the definitions stand, all in one, so that anyone who reads the rest can leave them out.
const ROOT: &str = "#/definitions/written/definitions";
const LOCKED: &str = "\n    \"locked\": {";
const BEGIN: &str = "\n    \"written\": ";

pub fn written(before: &str) -> Result<String> {
    let mut definitions = schema::definitions(ROOT)?;
    spelled(&mut definitions);
    let definitions = json!({
        "$comment": "By `cargo xtask docs`, out of core/policy/src/raw.rs",
        "definitions": definitions,
    });
    let text = json::text(&definitions, 4, BEGIN.len());
    let text = between(before, BEGIN, "\n  }\n}\n", &text)?;
    let pattern = Value::from(locks::pattern()).to_string();
    let (head, rest) = text.split_once(LOCKED).context("no value `locked`")?;
    Ok(format!("{head}{LOCKED}{}", between(rest, "\"pattern\": ", "\n", &pattern)?))
}

/// Helm reads values as YAML 1.1, to which `on` is a truth value: what is written `on: true` is `true: true`
/// here, and the chart's template (`gatewaystack.spelled`) puts it right.
fn spelled(definitions: &mut Map<String, Value>) {
    for definition in definitions.values_mut() {
        let members = definition.get_mut("properties").and_then(Value::as_object_mut);
        if let Some((members, on)) = members.and_then(|m| m.get("on").cloned().map(|on| (m, on))) {
            members.insert("true".to_owned(), on);
        }
    }
}
