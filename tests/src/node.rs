//! Scripts of `tests/node`, in a folder where Node finds their packages. `cargo xtask test --all` sets what
//! they need.

use crate::gateway::from_environment;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// A copy of one folder of scripts; it goes with this value.
pub struct Scripts(TempDir);

impl Scripts {
    /// The scripts of `tests/node/{name}`.
    pub fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(modules(), folder.path().join("node_modules")).unwrap();
        // Node looks for a module's packages next to the module.
        let sources = crate::sources().join("node").join(name);
        for entry in std::fs::read_dir(sources).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self(folder)
    }

    /// `program`, Node, in this folder; it ends with the value.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).kill_on_drop(true);
        command
    }
}

/// The folder with the packages of `tests/node/package-lock.json`.
pub fn modules() -> PathBuf {
    from_environment("GATEWAYSTACK_NODE_MODULES")
}

/// A Node of version 22 or later, which not every system has.
pub fn newer() -> PathBuf {
    from_environment("GATEWAYSTACK_NODE")
}
