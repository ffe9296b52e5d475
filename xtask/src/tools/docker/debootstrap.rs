//! A small Debian as a tar file, from Debian's packages: what takes the place of the image
//! `debian:bookworm-slim` where no registry is in reach. Kept in the user's cache folder.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::super::{cache, debian};
use crate::{progress::Step, run::output};

const SUITE: &str = "bookworm";
/// What nobody reads in a container.
const UNREAD: [&str; 5] =
    ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"];

pub fn debian() -> Result<PathBuf> {
    let folder = cache::install(&format!("debian-{SUITE}-{}", env::consts::ARCH), |folder| {
        if !rustix::process::getuid().is_root() {
            bail!("only root can make the Debian of the tests' images (debootstrap)");
        }
        debian::require("debootstrap", "debootstrap")?;
        let step = Step::begin(format!("debian {SUITE}"), "debootstrap, once");
        let root = folder.join("root");
        let mut make = Command::new("debootstrap");
        make.args(["--variant=minbase", "--include=ca-certificates", SUITE]);
        output(make.arg(&root))?;
        for unread in UNREAD {
            let unread = root.join(unread);
            fs::remove_dir_all(&unread).with_context(|| format!("can't remove {}", unread.display()))?;
            fs::create_dir(&unread)?;
        }
        let mut pack = Command::new("tar");
        output(
            pack.args(["--numeric-owner", "-cf"]).arg(folder.join("image.tar")).arg("-C").arg(&root).arg("."),
        )?;
        fs::remove_dir_all(&root)?;
        step.done("made");
        Ok(())
    })?;
    Ok(folder.join("image.tar"))
}
