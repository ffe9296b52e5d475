//! Policy files: YAML (or JSON, by its name) in, a JSON value out. Members given twice are refused in both.

use super::fault::Fault;
use serde_json::Value;
use std::path::Path;

const MAX_FILE: u64 = 4 * 1024 * 1024;
const MAX_DEPTH: usize = 32;

/// Reads a policy.
pub fn read(file: &Path) -> Result<Value, Fault> {
    let size =
        std::fs::metadata(file).map_err(|e| Fault::in_file(file, format!("can't read it: {e}")))?.len();
    if size > MAX_FILE {
        return Err(Fault::in_file(file, format!("expected a policy of at most {MAX_FILE} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|e| Fault::in_file(file, format!("can't read it: {e}")))?;
    let json = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let value = if json { gatewaystack_core::json::parse(&bytes, MAX_DEPTH) } else { yaml(&bytes) };
    value.map_err(|message| Fault::in_file(file, message))
}

/// YAML 1.2 core: `yes` and `on` are texts, and `1_000` is one, too.
pub fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|e| one_line(&e.to_string()))?;
    if depth(&value) > MAX_DEPTH { Err("nested too deeply".to_owned()) } else { Ok(value) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
