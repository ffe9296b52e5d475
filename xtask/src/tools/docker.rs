//! What the tests of `docker-compose.yml` need. In: the sources. Out: a Docker engine, Compose and hadolint
//! (from PyPI), the programs that the images hold, and a Debian to make stand-ins of.

mod debootstrap;
mod engine;
mod programs;

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use self::engine::Engine;
use super::python;
use crate::workspace::Workspace;

/// All of it. The engine, where it is ours, ends with this value.
pub struct Containers {
    engine: Engine,
    /// The folder of Compose and hadolint.
    tools: PathBuf,
    programs: PathBuf,
    debian: PathBuf,
}

pub fn containers(workspace: &Workspace) -> Result<Containers> {
    let tools = python::programs(workspace, "containers", "docker compose, hadolint")?;
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
