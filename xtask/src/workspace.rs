//! Where things are. In: `cargo metadata` and `Cargo.lock`. Out: the root, the target folder, versions that
//! the lock names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::output;

/// The workspace that this command is run in. Not that which the binary was built from: clones may share a
/// target folder.
pub struct Workspace {
    pub root: PathBuf,
    /// As cargo sees it: `CARGO_TARGET_DIR` and its configuration count.
    pub target: PathBuf,
}

impl Workspace {
    pub fn find() -> Result<Self> {
        let mut metadata = cargo();
        metadata.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]);
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let current = env::current_dir().context("the current folder")?;
        metadata.arg(root(package.as_deref(), &current)?.join("Cargo.toml"));
        let metadata: Value = serde_json::from_str(&output(&mut metadata)?).context("cargo metadata")?;
        let folder = |name: &str| {
            metadata
                .get(name)
                .and_then(Value::as_str)
                .map(PathBuf::from)
                .with_context(|| format!("cargo metadata has no {name}"))
        };
        Ok(Self { root: folder("workspace_root")?, target: folder("target_directory")? })
    }

    /// Cargo, run in the root.
    pub fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// A native binary that `cargo build` has made.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// The version of a package as `Cargo.lock` has it; an error where there are none or several.
    pub fn locked_version(&self, package: &str) -> Result<String> {
        let lock = fs::read_to_string(self.root.join("Cargo.lock")).context("Cargo.lock")?;
        let versions = locked_versions(&lock, package);
        match versions.as_slice() {
            [version] => Ok(version.clone()),
            [] => bail!("Cargo.lock has no {package}"),
            several => bail!("Cargo.lock has several {package}: {}", several.join(", ")),
        }
    }
}

/// The root around the package that cargo runs (`cargo xtask`, from every folder below the root), else around
/// the current folder.
fn root(package: Option<&Path>, current: &Path) -> Result<PathBuf> {
    let around = package.into_iter().chain([current]).flat_map(Path::ancestors);
    let mut roots = around.filter(|folder| folder.join("xtask/Cargo.toml").is_file());
    let found = roots.next().map(Path::to_owned);
    found.with_context(|| format!("{} is in no clone of this repository", current.display()))
}

/// The cargo that runs us, so that the pinned toolchain is used throughout. What it says of us isn't handed
/// on: build scripts that look at it would run again each time, with all that stands on them.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let is_ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Every existing program of this name on `PATH`: the first one.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| is_program(candidate))
}

/// A file that somebody may execute.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn locked_versions(lock: &str, package: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    let mut versions = Vec::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if line == name {
            let version = lines.next().and_then(|next| next.strip_prefix("version = \""));
            versions.extend(version.and_then(|version| version.strip_suffix('"')).map(str::to_owned));
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::{locked_versions, root};
    use std::{fs, path::Path};

    #[test]
    fn the_root_is_that_of_the_clone_in_which_the_command_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let clones = ["one", "two"].map(|name| folder.path().join(name));
        for clone in &clones {
            for below in ["xtask/src", "docs/decisions"] {
                fs::create_dir_all(clone.join(below)).unwrap();
            }
            fs::write(clone.join("xtask/Cargo.toml"), "").unwrap();
        }
        let [one, two] = &clones;
        for (package, current, expect) in [
            (None, two.join("docs/decisions"), Some(two)),
            (None, one.clone(), Some(one)),
            (Some(two.join("xtask")), one.join("docs"), Some(two)),
            (Some(folder.path().join("elsewhere")), one.join("docs"), Some(one)),
            (None, folder.path().to_owned(), None),
        ] {
            let found = root(package.as_deref(), Path::new(&current)).ok();
            assert_eq!(found.as_ref(), expect, "{package:?}, {}", current.display());
        }
    }

    #[test]
    fn the_lock_names_a_version_for_the_whole_name_only() {
        let lock = "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n\n[[package]]\nname = \"wasm-bindgen-test\"\nversion = \"0.3.80\"\n";
        assert_eq!(locked_versions(lock, "wasm-bindgen"), ["0.2.130"]);
        assert!(locked_versions(lock, "wasm").is_empty());
    }

    #[test]
    fn several_versions_of_one_package_are_all_found() {
        let lock = "name = \"a\"\nversion = \"1.0.0\"\nname = \"a\"\nversion = \"2.0.0\"\n";
        assert_eq!(locked_versions(lock, "a"), ["1.0.0", "2.0.0"]);
    }
}
