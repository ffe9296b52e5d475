//! A row of `docs/mcp-support.md` for each client that went all the way.

use gatewaystack_tests::{node, support};
use serde_json::{Value, json};
use std::path::Path;

pub const KEEPS: &str = "it has the new scopes and the old ones";
pub const LOSES: &str = "it has the new scopes alone";

/// A client of this package (`npm`, `pypi` or `crates.io`, and its name) went all the way in this era.
pub fn went(package: &str, era: &str, then: &str) {
    let (registry, name) = package.split_once(' ').unwrap();
    let client = json!({
        "client": format!("`{name}` ({registry})"),
        "version": version(registry, name),
        "speaks": era,
        "then": then,
    });
    support::write(&format!("client-{}-{era}", name.replace('/', "-")), &client);
}

/// As it was installed.
fn version(registry: &str, name: &str) -> String {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let tests = gatewaystack_tests::sources();
    match registry {
        "npm" => {
            let about: Value =
                serde_json::from_str(&read(&node::modules().join(name).join("package.json"))).unwrap();
            about["version"].as_str().unwrap().to_owned()
        }
        "pypi" => after(&read(&tests.join("python/requirements.txt")), &format!("\n{name}=="), " "),
        _ => after(&read(&tests.join("../Cargo.lock")), &format!("name = \"{name}\"\nversion = \""), "\""),
    }
}

fn after(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0.to_owned()
}
