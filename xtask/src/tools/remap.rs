//! Flags of rustc that take this machine's folders out of what is built, so that the same sources give the
//! same bytes in every folder. `trim-paths`, cargo's own word for it, isn't stable yet. In: where the sources
//! are. Out: an environment variable for cargo.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::wasm::WASI;
use crate::{run::output, workspace::Workspace};

/// Wins over `RUSTFLAGS`: a flag of the reader's own would make other bytes.
const VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";
const SEPARATOR: &str = "\u{1f}";

/// Folders of this machine, and what stands for each in panics and debug information.
pub struct Remapped(Vec<(PathBuf, String)>);

impl Remapped {
    pub fn of(workspace: &Workspace) -> Result<Self> {
        // Reading them fetches what isn't there yet: the registry's folder has another name where a mirror
        // stands in for it.
        let mut metadata = workspace.cargo();
        metadata.args(["metadata", "--format-version=1", "--filter-platform", WASI]);
        let metadata: Value = serde_json::from_str(&output(&mut metadata)?).context("cargo metadata")?;
        let mut folders: Vec<_> =
            registries(&metadata).into_iter().map(|folder| (folder, "registry".to_owned())).collect();
        folders.push((workspace.root.clone(), "gatewaystack".to_owned()));
        folders.push(standard_library(&workspace.root)?);
        Ok(Self(folders))
    }

    pub fn apply(&self, command: &mut Command) {
        let flag = |(from, to): &(PathBuf, String)| format!("--remap-path-prefix={}={to}", from.display());
        command.env(VARIABLE, self.0.iter().map(flag).collect::<Vec<_>>().join(SEPARATOR));
    }

    /// Those of the folders that a file names all the same.
    pub fn named_in(&self, file: &[u8]) -> Vec<&Path> {
        let names = |folder: &Path| {
            let name = folder.as_os_str().as_encoded_bytes();
            file.windows(name.len()).any(|window| window == name)
        };
        self.0.iter().map(|(from, _)| from.as_path()).filter(|from| names(from)).collect()
    }
}

/// The folders that hold the sources of the packages that aren't ours.
fn registries(metadata: &Value) -> BTreeSet<PathBuf> {
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let foreign = packages.filter(|package| package.get("source").is_some_and(Value::is_string));
    let manifests = foreign.filter_map(|package| package.get("manifest_path")?.as_str());
    manifests.filter_map(|manifest| Some(Path::new(manifest).parent()?.parent()?.to_owned())).collect()
}

/// With the component `rust-src` rustc knows where the standard library's sources are on this machine;
/// without, it says what is said here.
fn standard_library(root: &Path) -> Result<(PathBuf, String)> {
    let rustc = |arguments: &[&str]| output(Command::new("rustc").args(arguments).current_dir(root));
    let version = rustc(&["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let commit = commit.context("rustc -vV names no commit")?;
    let sources = Path::new(rustc(&["--print", "sysroot"])?.trim()).join("lib/rustlib/src/rust");
    Ok((sources, format!("/rustc/{commit}")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::json;

    use super::{Remapped, VARIABLE, registries};

    #[test]
    fn folders_of_foreign_packages_are_found_and_ours_are_not() {
        let package = |source: Option<&str>, path: &str| json!({ "source": source, "manifest_path": path });
        let metadata = json!({ "packages": [
            package(Some("registry+x"), "/home/ann/.cargo/registry/src/a-1/rsa-0.10.0/Cargo.toml"),
            package(Some("registry+x"), "/home/ann/.cargo/registry/src/a-1/log-0.4.0/Cargo.toml"),
            package(None, "/home/ann/gateway/core/Cargo.toml"),
        ] });
        let found: Vec<_> = registries(&metadata).into_iter().collect();
        assert_eq!(found, [std::path::Path::new("/home/ann/.cargo/registry/src/a-1")]);
    }

    #[test]
    fn a_folder_is_replaced_and_found_where_it_isn_t() {
        let remapped = Remapped(vec![
            ("/home/ann/a b".into(), "gatewaystack".into()),
            ("/opt/rust".into(), "/rustc/1".into()),
        ]);
        let mut command = Command::new("cargo");
        remapped.apply(&mut command);
        let (name, flags) = command.get_envs().next().unwrap();
        assert_eq!(name, VARIABLE);
        assert_eq!(
            flags.unwrap(),
            "--remap-path-prefix=/home/ann/a b=gatewaystack\u{1f}--remap-path-prefix=/opt/rust=/rustc/1"
        );
        assert!(remapped.named_in(b"at gatewaystack/core/src/lib.rs").is_empty());
        assert_eq!(
            remapped.named_in(b"at /home/ann/a b/core/src/lib.rs"),
            [std::path::Path::new("/home/ann/a b")]
        );
    }
}
