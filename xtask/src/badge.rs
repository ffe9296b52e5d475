//! Badges and the documents next to them. In: what the tests found. Out: a file in the form of a shields.io
//! endpoint; the same findings give the same bytes.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;

/// What is known of a badge's subject: so many of all are good.
pub struct Badge<'a> {
    pub label: &'a str,
    pub good: u64,
    pub all: u64,
    /// What is counted, and what else there is to say.
    pub of: &'a str,
}

impl Badge<'_> {
    /// As <https://shields.io/badges/endpoint-badge> reads it. Nothing counted is nothing shown to be good.
    pub fn text(&self) -> String {
        let Self { label, good, all, of } = self;
        let color = if good == all && *all > 0 { "brightgreen" } else { "red" };
        let message = format!("{good}/{all} {of}");
        let members = json!({ "schemaVersion": 1, "label": label, "message": message, "color": color });
        format!("{members:#}\n")
    }
}

/// Writes a document of `docs`; whether it had to change.
pub fn write(root: &Path, name: &str, text: &str) -> Result<bool> {
    let path = root.join("docs").join(name);
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Badge, write};

    fn badge(good: u64, all: u64) -> Value {
        serde_json::from_str(&Badge { label: "l", good, all, of: "checks" }.text()).unwrap()
    }

    #[test]
    fn a_badge_is_an_endpoint_of_shields_and_green_where_all_is_good() {
        let expect =
            json!({ "schemaVersion": 1, "label": "l", "message": "2/2 checks", "color": "brightgreen" });
        assert_eq!(badge(2, 2), expect);
        assert_eq!((&badge(1, 2)["message"], &badge(1, 2)["color"]), (&json!("1/2 checks"), &json!("red")));
        assert_eq!(badge(0, 0)["color"], "red");
    }

    #[test]
    fn a_document_changes_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        let changed =
            [write(folder.path(), "a.json", "x").unwrap(), write(folder.path(), "a.json", "x").unwrap()];
        assert_eq!(changed, [true, false]);
        assert!(write(folder.path(), "a.json", "y").unwrap());
    }
}
