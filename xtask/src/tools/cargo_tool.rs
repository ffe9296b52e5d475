//! Tools that crates.io has. In: a crate and its version. Out: the folder of its binaries in the cache.

use std::path::PathBuf;

use anyhow::Result;

use super::cache;
use crate::{progress::Step, run::run, workspace::cargo};

/// A crate to install with `cargo install`.
pub struct CargoTool<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// With the versions that its author locked. False where that lock names a release that is gone.
    pub locked: bool,
    /// What a reader should expect.
    pub minutes: &'a str,
}

impl CargoTool<'_> {
    pub fn install(&self) -> Result<PathBuf> {
        let Self { name, version, locked, minutes } = self;
        let folder = cache::install(&format!("{name}-{version}"), |folder| {
            let step =
                Step::begin(format!("{name} {version}"), &format!("building, once: about {minutes} minutes"));
            let mut command = cargo();
            command.args(["install", name, "--version", version, "--root"]).arg(folder);
            command.args(locked.then_some("--locked"));
            // Its artifacts are of no use to us: cargo then builds in a folder of its own and removes it.
            run(command.env_remove("CARGO_TARGET_DIR"))?;
            step.done("installed");
            Ok(())
        })?;
        Ok(folder.join("bin"))
    }
}
