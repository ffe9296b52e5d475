//! The filter as WebAssembly. In: the sources. Out: `target/gatewaystack.wasm`, and the targets that rustup has.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::remap::Remapped;
use crate::{
    progress::Step,
    run::{output, run},
    workspace::{Workspace, on_path},
};

/// The filter's target: Envoy runs it.
pub const WASI: &str = "wasm32-wasip1";
/// The bare target: the core needs nothing of a host.
pub const UNKNOWN: &str = "wasm32-unknown-unknown";

/// Adds the WebAssembly targets that are missing from the pinned toolchain.
pub fn targets(workspace: &Workspace) -> Result<()> {
    // Without rustup the toolchain is somebody else's work; cargo says so when a target is missing.
    let Some(rustup) = on_path("rustup") else { return Ok(()) };
    let installed =
        output(Command::new(&rustup).args(["target", "list", "--installed"]).current_dir(&workspace.root))?;
    for target in [WASI, UNKNOWN] {
        if !installed.lines().any(|line| line == target) {
            let step = Step::begin(target, "adding the target");
            run(Command::new(&rustup).args(["target", "add", target]).current_dir(&workspace.root))?;
            step.done("added");
        }
    }
    Ok(())
}

/// Builds the filter as it is shipped and gives its path. What the tests run are the bytes that a release has.
pub fn filter(workspace: &Workspace) -> Result<PathBuf> {
    targets(workspace)?;
    let step = Step::begin("filter", "building for wasm32-wasip1");
    let built = build(workspace)?;
    let artifact = workspace.target.join("gatewaystack.wasm");
    let size = fs::metadata(&built).with_context(|| format!("no {}", built.display()))?.len();
    // By rename, so that nobody who reads it at this moment sees half of it.
    let copy = workspace.target.join(format!("gatewaystack.wasm.{}", std::process::id()));
    fs::copy(&built, &copy).with_context(|| format!("can't write {}", copy.display()))?;
    // It is no program of this machine, though cargo says so.
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
    fs::rename(&copy, &artifact).with_context(|| format!("can't write {}", artifact.display()))?;
    step.done(&format!("{} KiB in {}", size / 1024, artifact.display()));
    Ok(artifact)
}

/// Builds it, without a name of this machine in it, and gives cargo's own file.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--package=gatewaystack-filter",
        "--profile=wasm",
        "--target",
        WASI,
        "--target-dir",
    ]);
    Remapped::of(workspace)?.apply(cargo.arg(&workspace.target));
    run(&mut cargo)?;
    Ok(workspace.target.join(WASI).join("wasm").join("gatewaystack_filter.wasm"))
}
