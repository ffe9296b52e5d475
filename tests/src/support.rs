//! What tests found out for `docs/mcp-support.md`: each writes a file, `cargo xtask test --all` makes the
//! document of them.

use serde_json::Value;

/// The folder is emptied before the tests start.
pub fn write(name: &str, found: &Value) {
    let folder = crate::root().join("target/support");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), found.to_string()).unwrap();
}
