//! Bills of materials. In: a package and the target that it is built for. Out: CycloneDX 1.5 as JSON: each
//! package that is linked in, with its licence and its hash, and the hash of what was built; no time but the
//! commit's and no folder of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{checkout::Checkout, source::Source};
use crate::{run::output, tools::cargo_tool::CargoTool};

const TOOL: CargoTool<'static> =
    CargoTool { name: "cargo-cyclonedx", version: "0.5.9", locked: true, minutes: "2" };
const FILE: &str = "bill";

pub fn tool() -> Result<PathBuf> {
    Ok(TOOL.install()?.join("cargo-cyclonedx"))
}

/// What is described.
pub struct Subject<'a> {
    /// The folder of the package.
    pub package: &'a str,
    pub target: &'a str,
    /// The SHA-256 of what was built.
    pub hash: &'a str,
}

pub fn of(tool: &Path, checkout: &Checkout, source: &Source, subject: &Subject<'_>) -> Result<String> {
    let root = checkout.workspace().root;
    let folder = root.join(subject.package);
    let mut command = Command::new(tool);
    // It writes next to each manifest of the workspace.
    command.args([
        "cyclonedx",
        "--quiet",
        "--format=json",
        "--spec-version=1.5",
        "--override-filename",
        FILE,
    ]);
    // What builds isn't in what is built.
    command.args(["--no-build-deps", "--target", subject.target, "--manifest-path"]);
    command.arg(folder.join("Cargo.toml")).current_dir(&root);
    output(command.env("SOURCE_DATE_EPOCH", source.epoch.to_string()))?;
    let written = fs::read_to_string(folder.join(FILE).with_extension("json"))
        .context("cargo-cyclonedx wrote nothing")?;
    described(&written.replace(&root.display().to_string(), "/gatewaystack"), subject.hash)
}

/// With the hash of what it describes.
fn described(bill: &str, hash: &str) -> Result<String> {
    let mut bill: Value = serde_json::from_str(bill).context("cargo-cyclonedx")?;
    let component = bill.pointer_mut("/metadata/component").and_then(Value::as_object_mut);
    let component = component.context("cargo-cyclonedx describes nothing")?;
    component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": hash }]));
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn a_bill_names_what_it_is_of() {
        let bill = described(r#"{"metadata":{"component":{"name":"filter"}}}"#, "ab12").unwrap();
        let bill: serde_json::Value = serde_json::from_str(&bill).unwrap();
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], "ab12");
        assert_eq!(bill["metadata"]["component"]["name"], "filter");
        assert!(described("{}", "ab12").is_err() && described("", "ab12").is_err());
    }
}
