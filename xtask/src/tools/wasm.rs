//! The filter as WebAssembly. In: the sources. Out: `target/gatewaystack.wasm`, and the targets that rustup has.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

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

/// Builds the filter as it is shipped and gives its path.
pub fn filter(workspace: &Workspace) -> Result<PathBuf> {
    targets(workspace)?;
    let step = Step::begin("filter", "building for wasm32-wasip1");
    run(workspace.cargo().args([
        "build",
        "--package=gatewaystack-filter",
        "--profile=wasm",
        "--target",
        WASI,
    ]))?;
    let built = workspace.target.join(WASI).join("wasm").join("gatewaystack_filter.wasm");
    let artifact = workspace.target.join("gatewaystack.wasm");
    let size = fs::metadata(&built).with_context(|| format!("no {}", built.display()))?.len();
    // By rename, so that nobody who reads it at this moment sees half of it.
    let copy = workspace.target.join(format!("gatewaystack.wasm.{}", std::process::id()));
    fs::copy(&built, &copy).with_context(|| format!("can't write {}", copy.display()))?;
    fs::rename(&copy, &artifact).with_context(|| format!("can't write {}", artifact.display()))?;
    step.done(&format!("{} KiB in {}", size / 1024, artifact.display()));
    Ok(artifact)
}
