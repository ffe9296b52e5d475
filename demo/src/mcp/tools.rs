//! The tools' descriptors. Which scopes they need isn't said here: the gateway's policy says it, and writes
//! it into the list.

use super::Descriptors;
use rmcp::model::{JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// A tool's name, title, what it does, its one argument, and whether it changes something.
type Row = (&'static str, &'static str, &'static str, Option<(&'static str, &'static str)>, Effect);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Adds,
    Removes,
}

const TOOLS: [Row; 5] = [
    ("whoami", "Who am I", "Says who is signed in.", None, Effect::Reads),
    ("list_notes", "My notes", "Lists your notes.", None, Effect::Reads),
    ("add_note", "Add a note", "Adds a note to yours.", Some(("text", "What to note")), Effect::Adds),
    ("purge", "Remove my notes", "Removes all notes of yours.", None, Effect::Removes),
    (
        "read_other_users_note",
        "Read another user's note",
        "Tries to read a note of another user, and finds nothing: a user has the user's own notes.",
        Some(("owner", "The other user")),
        Effect::Reads,
    ),
];

pub(super) fn all(descriptors: Descriptors) -> Vec<Tool> {
    TOOLS.iter().map(|row| tool(row, descriptors)).collect()
}

fn tool(&(name, title, description, argument, effect): &Row, descriptors: Descriptors) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(effect == Effect::Reads)
        .destructive(effect == Effect::Removes)
        .open_world(false);
    let tool = Tool::new(name, description, schema(argument)).with_title(title).with_annotations(annotations);
    match descriptors {
        Descriptors::Plain => tool,
        Descriptors::Apps => tool.with_meta(shown_meanwhile(title)),
    }
}

/// What ChatGPT shows while the tool works, and after.
fn shown_meanwhile(title: &str) -> MetaObject {
    let mut meta = MetaObject::default();
    meta.insert("openai/toolInvocation/invoking".to_owned(), json!(format!("{title} …")));
    meta.insert("openai/toolInvocation/invoked".to_owned(), json!(title));
    meta
}

fn schema(argument: Option<(&str, &str)>) -> JsonObject {
    let properties: JsonObject = argument
        .map(|(name, description)| (name.to_owned(), json!({ "type": "string", "description": description })))
        .into_iter()
        .collect();
    let required: Vec<&String> = properties.keys().collect();
    JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("required".to_owned(), json!(required)),
        ("properties".to_owned(), Value::Object(properties)),
        ("additionalProperties".to_owned(), json!(false)),
    ])
}
