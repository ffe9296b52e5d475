//! What tests found out for `docs/mcp-support.md`: each writes a file, `cargo xtask test --all` makes the document of them.

use serde_json::Value;
use std::path::Path;

/// The folder is emptied before the tests start.
pub fn write(name: &str, found: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/support");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), found.to_string()).unwrap();
}
