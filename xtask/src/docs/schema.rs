//! The JSON Schema of a policy (draft 7, which editors and Helm read). Out: the document for `gateway.yaml`,
//! and the definitions that the chart's values need.
//!
//! It is closed: a member that nobody knows is an error in the editor, too. It says what has a form and a
//! range; what fits together is what `gatewaystack check` tells. What a variable may supply isn't required
//! here.

use anyhow::{Context, Result, bail};
use gatewaystack_policy::{
    raw::{JOINED, RawPolicy},
    reference::{Absent, Facts, Member, Reader, Section, Shape, Text},
};
use serde_json::{Map, Value, json};

use super::json;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// What is written of a member besides its form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// What an editor shows: the sentence, the default, an example.
    All,
    /// Nothing.
    Form,
}

/// Which document a section is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A policy.
    Whole,
    /// What an override says: members of it, or `null` for none (RFC 7396).
    Patch,
}

/// How definitions are written, and where they stand.
struct Writer {
    told: Told,
    root: &'static str,
}

/// The schema of `gateway.yaml`.
pub fn document() -> Result<String> {
    let writer = Writer { told: Told::All, root: "#/definitions" };
    let mut policy = writer.section(&RawPolicy::SECTION, Use::Whole)?;
    let mut definitions = writer.definitions()?;
    definitions.remove(&key(&RawPolicy::SECTION, Use::Whole));
    for (name, value) in [
        ("$schema", json!(DRAFT)),
        ("title", json!("gateway.yaml, the policy of GatewayStack for Envoy")),
        ("description", json!("Written by `cargo xtask docs`. docs/policy.md tells each member")),
        ("definitions", Value::Object(definitions)),
    ] {
        policy.insert(name.to_owned(), value);
    }
    Ok(json::text(&Value::Object(policy), 0, 0) + "\n")
}

/// The definitions for a document that has them at `root`: whole sections, and `patch` with those below it.
pub fn definitions(root: &'static str) -> Result<Map<String, Value>> {
    let writer = Writer { told: Told::Form, root };
    let mut definitions = writer.definitions()?;
    for section in RawPolicy::SECTION.all().into_iter().filter(|section| is_merged(section)) {
        definitions.insert(key(section, Use::Patch), Value::Object(writer.section(section, Use::Patch)?));
    }
    Ok(definitions)
}

/// Lists are taken whole, and so are their elements; other objects are merged member by member.
fn is_merged(section: &Section) -> bool {
    !section.name.contains("[]")
}

/// The name of a definition: `routes.mcp`, `listen-patch`.
fn key(section: &Section, used: Use) -> String {
    let name = section.name.replace("[]", "").replace(".tools.*", ".rule");
    let name = if name.is_empty() { "policy" } else { &name };
    if used == Use::Patch { format!("{name}-patch") } else { name.to_owned() }
}

impl Writer {
    fn definitions(&self) -> Result<Map<String, Value>> {
        let all = RawPolicy::SECTION.all().into_iter();
        all.map(|section| {
            let written = self.section(section, Use::Whole)?;
            Ok((key(section, Use::Whole), Value::Object(written)))
        })
        .collect()
    }

    fn section(&self, section: &Section, used: Use) -> Result<Map<String, Value>> {
        let mut members = Map::new();
        for member in section.members {
            let written = self.member(member, used).with_context(|| section.path(member.name))?;
            members.insert(member.name.to_owned(), written);
        }
        let mut written = object(json!({ "type": "object", "additionalProperties": false }));
        written.insert("properties".to_owned(), Value::Object(members));
        let needed: Vec<_> =
            section.members.iter().filter(|m| m.facts.absent == Absent::Required).map(|m| m.name).collect();
        if used == Use::Whole && !needed.is_empty() {
            written.insert("required".to_owned(), json!(needed));
        }
        Ok(written)
    }

    fn member(&self, member: &Member, used: Use) -> Result<Value> {
        let form = match used {
            Use::Whole => self.form(&member.shape, &member.facts)?,
            Use::Patch => self.patch(member)?,
        };
        if self.told == Told::Form {
            return Ok(form);
        }
        // Next to `$ref` draft 7 has nothing else.
        let mut written =
            if form.get("$ref").is_some() { object(json!({ "allOf": [form] })) } else { object(form) };
        written.insert("description".to_owned(), json!(described(member)));
        written.insert("examples".to_owned(), json!([yaml(member.facts.example)?]));
        if let Absent::Is(default) | Absent::IsIn(default, _) = member.facts.absent {
            written.insert("default".to_owned(), yaml(default)?);
        }
        Ok(Value::Object(written))
    }

    fn form(&self, shape: &Shape, facts: &Facts) -> Result<Value> {
        let mut form = match shape {
            Shape::Flag => object(json!({ "type": "boolean" })),
            Shape::Number => number(facts),
            Shape::Duration => duration(facts),
            Shape::Size => size(facts),
            Shape::Scalar => object(json!({ "type": ["string", "integer", "boolean"] })),
            Shape::Text if !facts.words.is_empty() => object(json!({ "enum": facts.words })),
            Shape::Text => text(facts.text),
            Shape::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
                object(json!({ "enum": words }))
            }
            Shape::List(inner) => object(json!({ "type": "array", "items": self.form(inner, facts)? })),
            Shape::Map(inner) => self.map(inner, facts)?,
            Shape::Object(section) => object(self.reference(section, Use::Whole)),
            Shape::Condition => object(json!({ "type": "object", "minProperties": 1 })),
            Shape::Rule(section) => {
                let scopes = text(section.members.first().and_then(|member| member.facts.text));
                let scopes = json!({ "type": "array", "items": scopes });
                let whole = self.reference(section, Use::Whole);
                object(json!({ "anyOf": [{ "const": "public" }, scopes, whole] }))
            }
        };
        form.extend(counted(shape, facts));
        Ok(Value::Object(form))
    }

    fn map(&self, inner: &Shape, facts: &Facts) -> Result<Map<String, Value>> {
        let mut form = object(json!({ "type": "object" }));
        form.insert("additionalProperties".to_owned(), self.form(inner, &Facts { count: None, ..*facts })?);
        let mut keys = text(facts.keys);
        keys.remove("type");
        form.insert("propertyNames".to_owned(), Value::Object(keys));
        if matches!(inner, Shape::Rule(_)) {
            form.insert("properties".to_owned(), json!({ "unlisted": { "enum": ["deny", "allow"] } }));
        }
        Ok(form)
    }

    /// What an override may say of a member of a merged object.
    fn patch(&self, member: &Member) -> Result<Value> {
        let whole = self.form(&member.shape, &member.facts)?;
        Ok(match &member.shape {
            Shape::Object(section) => either_null(self.reference(section, Use::Patch)),
            Shape::Map(inner) => {
                let values = self.form(inner, &member.facts)?;
                json!({ "type": ["object", "null"], "additionalProperties": either_null(values) })
            }
            Shape::List(Shape::Object(_)) if JOINED.contains(&member.name) => {
                let list = json!({ "type": "array", "items": whole.get("items") });
                let mut instead = object(json!({ "type": "object", "additionalProperties": false }));
                instead.insert("required".to_owned(), json!(["replace"]));
                instead.insert("properties".to_owned(), json!({ "replace": list }));
                either_null(json!({ "anyOf": [list, instead] }))
            }
            _ => either_null(whole),
        })
    }

    fn reference(&self, section: &Section, used: Use) -> Value {
        json!({ "$ref": format!("{}/{}", self.root, key(section, used)) })
    }
}

fn either_null(form: Value) -> Value {
    let mut members = object(form);
    if let Some(Value::Array(words)) = members.get_mut("enum") {
        words.push(Value::Null);
    } else if let Some(Value::String(name)) = members.get("type") {
        members.insert("type".to_owned(), json!([name, "null"]));
    } else {
        return json!({ "anyOf": [members, { "type": "null" }] });
    }
    Value::Object(members)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// How many elements a list, or members a map has.
fn counted(shape: &Shape, facts: &Facts) -> Map<String, Value> {
    let names = match shape {
        Shape::List(_) => ["minItems", "maxItems"],
        Shape::Map(_) => ["minProperties", "maxProperties"],
        _ => return Map::new(),
    };
    let count = facts.count.into_iter();
    let bounds = count.flat_map(|count| [(count.least, 0), (count.most, usize::MAX)]).zip(names);
    let given = bounds.filter(|((bound, none), _)| bound != none);
    given.map(|((bound, _), name)| (name.to_owned(), json!(bound))).collect()
}

fn number(facts: &Facts) -> Map<String, Value> {
    let mut form = object(json!({ "type": "integer" }));
    if let Some(span) = facts.span {
        form.insert("minimum".to_owned(), json!(span.least));
        form.insert("maximum".to_owned(), json!(span.most));
    }
    form
}

/// `0` needs no unit, nor quotes. How long one is no pattern can say.
fn duration(facts: &Facts) -> Map<String, Value> {
    if facts.span.is_some_and(|span| span.least > 0) {
        return object(json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }));
    }
    let pattern = "^(0|[0-9]+(ms|s|m|h|d))$";
    object(json!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0, "maximum": 0 }))
}

/// How many they are no pattern can say, where they have a unit.
fn size(facts: &Facts) -> Map<String, Value> {
    let mut form = number(facts);
    form.insert("type".to_owned(), json!(["string", "integer"]));
    form.insert("pattern".to_owned(), json!("^[0-9]+([KMGT]iB)?$"));
    form
}

fn text(text: Option<Text>) -> Map<String, Value> {
    let mut form = object(json!({ "type": "string" }));
    if let Some(text) = text {
        form.insert("pattern".to_owned(), json!(text.pattern));
        if text.most < usize::MAX {
            // Characters; the gateway counts bytes, which are as many or more.
            form.insert("maxLength".to_owned(), json!(text.most));
        }
    }
    form
}

/// As an editor shows it: without the links, which lead nowhere there.
fn described(member: &Member) -> String {
    let mut shown = String::new();
    let mut rest = member.what.trim();
    while let Some((before, link)) = rest.split_once('[') {
        let Some((words, after)) =
            link.split_once("](").and_then(|(words, url)| Some((words, url.split_once(')')?.1)))
        else {
            break;
        };
        shown.push_str(before);
        shown.push_str(words);
        rest = after;
    }
    shown.push_str(rest);
    if member.facts.reader == Reader::Own {
        shown.push_str(" An own gateway alone reads it.");
    }
    match member.facts.absent {
        Absent::Means(words) => shown.push_str(&format!(" Default: {words}.")),
        Absent::IsIn(_, mesh) => shown.push_str(&format!(" Default in a mesh: {mesh}.")),
        Absent::RequiredOr(variable) => shown.push_str(&format!(" Required, or the variable {variable}.")),
        Absent::Required | Absent::Is(_) => {}
    }
    shown
}

fn yaml(text: &str) -> Result<Value> {
    match serde_saphyr::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => bail!("`{text}` isn't YAML: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use gatewaystack_policy::raw::{RawMcp, RawPolicy};

    use super::{described, key};

    #[test]
    fn an_editor_is_shown_no_link() {
        let tasks = RawMcp::SECTION.members.iter().find(|member| member.name == "tasks").unwrap();
        let shown = described(tasks);
        assert!(shown.contains("their tool's rule (how), and others") && !shown.contains("]("), "{shown}");
        let mode = RawMcp::SECTION.members.iter().find(|member| member.name == "challenge_mode").unwrap();
        assert!(described(mode).contains("_meta[\"mcp/www_authenticate\"]"), "{}", described(mode));
    }

    #[test]
    fn no_two_sections_have_one_definition() {
        let all = RawPolicy::SECTION.all();
        let names: std::collections::BTreeSet<String> =
            all.iter().map(|s| key(s, super::Use::Whole)).collect();
        assert_eq!(names.len(), all.len());
    }
}
