//! A browser for the tests. `$GATEWAYSTACK_CHROMIUM`, else `chromium` on `PATH`, else Debian's package. Out:
//! the program's absolute path.

use std::{
    env,
    path::{PathBuf, absolute},
};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::workspace::{is_program, on_path};

/// The variable that names a browser, for us and for the tests.
pub const VARIABLE: &str = "GATEWAYSTACK_CHROMIUM";

pub fn chromium() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = absolute(&named).context(VARIABLE)?;
        if !is_program(&path) {
            bail!("{VARIABLE}={} is not a program", path.display());
        }
        return Ok(path);
    }
    debian::require("chromium", "chromium")?;
    let found = on_path("chromium").context("chromium was installed, but isn't on PATH")?;
    absolute(found).context("the folder of chromium")
}
