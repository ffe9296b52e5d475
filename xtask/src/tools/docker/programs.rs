//! What the images hold. In: the sources. Out: a folder with the programs (without libraries), the filter and the roots of TLS,
//! as `deploy/images/Dockerfile` takes it for `PROGRAMS=prebuilt`.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::super::{debian, wasm};
use crate::{
    progress::Step,
    run::run,
    workspace::{Workspace, on_path},
};

const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub fn programs(workspace: &Workspace) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    debian::require("musl-gcc", "musl-tools")?;
    if let Some(rustup) = on_path("rustup") {
        run(Command::new(rustup).args(["--quiet", "target", "add", &target]).current_dir(&workspace.root))?;
    }
    let filter = wasm::filter(workspace)?;
    let step = Step::begin("programs of the images", "building");
    run(workspace.cargo().args([
        "build",
        "--package=gatewaystack",
        "--package=gatewaystack-demo",
        "--profile=image",
        "--target",
        &target,
    ]))?;
    let folder = workspace.target.join("images");
    fs::create_dir_all(folder.join("empty"))?;
    let built = workspace.target.join(&target).join("image");
    for (from, name) in [
        (built.join("gatewaystack"), "gatewaystack"),
        (built.join("gatewaystack-demo"), "gatewaystack-demo"),
        (filter, "gatewaystack.wasm"),
        (ROOTS.into(), "ca-certificates.crt"),
    ] {
        fs::copy(&from, folder.join(name)).with_context(|| format!("can't copy {}", from.display()))?;
    }
    step.done("built");
    Ok(folder)
}
