//! Programs that Debian has. In: a program and its package. Out: the program is on `PATH`, installed where we
//! may, else one line that says what to install.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{progress::Step, run::run, workspace::on_path};

/// Makes sure that `program` can be started.
pub fn require(program: &str, package: &str) -> Result<()> {
    if on_path(program).is_some() {
        return Ok(());
    }
    let missing = || format!("{program}: not on PATH; install it (Debian: apt-get install {package})");
    if !rustix::process::getuid().is_root() || on_path("apt-get").is_none() {
        bail!(missing());
    }
    let step = Step::begin(program, "installing by apt-get");
    run(Command::new("apt-get").args(["update", "-qq"])).with_context(missing)?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", package]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive")).with_context(missing)?;
    step.done("installed");
    Ok(())
}
