//! What the images hold. In: the sources. Out: a folder with the programs (without libraries), the filter and
//! the roots of TLS, as `deploy/images/Dockerfile` takes it for `PROGRAMS=prebuilt`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use super::super::{musl, wasm};
use crate::workspace::Workspace;

const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

pub fn programs(workspace: &Workspace) -> Result<PathBuf> {
    let filter = wasm::filter(workspace)?;
    let built = musl::programs(workspace)?;
    let folder = workspace.target.join("images");
    fs::create_dir_all(folder.join("empty"))?;
    for (from, name) in [
        (built.join("gatewaystack"), "gatewaystack"),
        (built.join("gatewaystack-demo"), "gatewaystack-demo"),
        (filter, "gatewaystack.wasm"),
        (ROOTS.into(), "ca-certificates.crt"),
    ] {
        fs::copy(&from, folder.join(name)).with_context(|| format!("can't copy {}", from.display()))?;
    }
    Ok(folder)
}
