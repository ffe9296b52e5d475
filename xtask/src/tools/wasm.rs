//! The filter as WebAssembly. In: the sources. Out: `target/gatewaystack.wasm`, and the targets that rustup
//! has.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

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

/// The largest module that is built, in bytes. Each worker of each Envoy compiles it, and a mesh loads it
/// over the network.
const LARGEST: u64 = 1_200_000;

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

/// Builds the filter as it is shipped and gives its path. What the tests run are the bytes that a release
/// has.
pub fn filter(workspace: &Workspace) -> Result<PathBuf> {
    targets(workspace)?;
    let step = Step::begin("filter", "building for wasm32-wasip1");
    let built = build(workspace)?;
    let artifact = workspace.target.join("gatewaystack.wasm");
    let size = fs::metadata(&built).with_context(|| format!("no {}", built.display()))?.len();
    check_size(size)?;
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

fn check_size(size: u64) -> Result<()> {
    ensure!(
        size <= LARGEST,
        "the filter has {size} bytes, over {LARGEST}: \"The module's size\" in docs/performance.md says how to see which functions they are and \
         what has made it smaller; what is worth its bytes raises LARGEST in xtask/src/tools/wasm.rs, with the reason in the commit"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, check_size};

    #[test]
    fn a_module_that_has_grown_is_not_built_in_silence() {
        assert!(check_size(LARGEST).is_ok());
        let said = check_size(LARGEST + 1).expect_err("over the limit").to_string();
        assert!(said.contains("docs/performance.md"), "{said}");
    }
}
