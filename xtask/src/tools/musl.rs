//! Programs that need no library of the machine that they run on. In: the sources. Out: the folder with the
//! programs, built with musl for this machine's architecture.

use std::{env, path::PathBuf, process::Command};

use anyhow::Result;

use super::{debian, remap::Remapped};
use crate::{
    progress::Step,
    run::run,
    workspace::{Workspace, on_path},
};

/// Always together, since one build gives both the same features: what the images hold, the tests run and a
/// release has are the same bytes.
const PACKAGES: [&str; 2] = ["gatewaystack", "gatewaystack-demo"];

/// rustc's name of what they are built for.
pub fn target() -> String {
    format!("{}-unknown-linux-musl", env::consts::ARCH)
}

pub fn programs(workspace: &Workspace) -> Result<PathBuf> {
    let target = target();
    debian::require("musl-gcc", "musl-tools")?;
    if let Some(rustup) = on_path("rustup") {
        run(Command::new(rustup).args(["--quiet", "target", "add", &target]).current_dir(&workspace.root))?;
    }
    let step = Step::begin(PACKAGES.join(", "), &format!("building for {target}"));
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--profile=image", "--target", &target]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    Remapped::of(workspace)?.apply(&mut cargo);
    run(&mut cargo)?;
    step.done("built");
    Ok(workspace.target.join(target).join("image"))
}
