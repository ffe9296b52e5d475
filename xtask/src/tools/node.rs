//! Packages of Node for the tests. In: a `package-lock.json`: that of `tests/node` (a foreign issuer, foreign
//! clients), or that of `tests/schemas` (what the Helm chart is held against). Out: a `node_modules` folder
//! in the cache, by the lock's content.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};

use super::cache;
use crate::{
    progress::Step,
    run::run,
    workspace::{Workspace, on_path},
};

/// The folder `node_modules` for `tests/node` or `tests/schemas`, or none while the tests name no packages.
pub fn modules(workspace: &Workspace, of: &str) -> Result<Option<PathBuf>> {
    let sources = workspace.root.join(of);
    let lock_path = sources.join("package-lock.json");
    let Ok(lock) = fs::read(&lock_path) else { return Ok(None) };
    on_path("node").context("node is missing; it runs the tests' foreign issuer: install Node 20 or newer (Debian: apt-get install nodejs)")?;
    let npm = on_path("npm").context(
        "npm is missing; it installs the tests' foreign issuer: install npm (Debian: apt-get install npm)",
    )?;
    // The key only tells one lock from another; what is installed is pinned by the lock itself.
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    let folder = cache::install(&format!("node-{:016x}", hasher.finish()), |folder| {
        let step = Step::begin("node packages", "installing");
        for name in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(name), folder.join(name)).with_context(|| format!("{of}/{name}"))?;
        }
        let mut install = Command::new(npm);
        install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
        run(install.current_dir(folder))?;
        step.done("installed");
        Ok(())
    })?;
    Ok(Some(folder.join("node_modules")))
}
