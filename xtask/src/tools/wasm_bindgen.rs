//! The runner for tests on `wasm32-unknown-unknown`, in Node. In: the version of `wasm-bindgen` in
//! `Cargo.lock`, which must be the runner's own. Out: the runner's path.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::cargo_tool::CargoTool;
use crate::workspace::{Workspace, on_path};

pub fn runner(workspace: &Workspace) -> Result<PathBuf> {
    on_path("node").context("node is missing; it runs the core's tests on WebAssembly: install Node 20 or newer (Debian: apt-get install nodejs)")?;
    let version = workspace.locked_version("wasm-bindgen")?;
    // Its own lock names a pre-release that is gone, so it is built without.
    let tool = CargoTool { name: "wasm-bindgen-cli", version: &version, locked: false, minutes: "3" };
    Ok(tool.install()?.join("wasm-bindgen-test-runner"))
}
