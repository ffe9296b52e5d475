//! A copy of the sources in a folder of its own, with a name that no other has. In: what git tracks, as it is
//! now. Out: the folder, until it is dropped.

use std::{env, fs, path::PathBuf, process, process::Command};

use anyhow::{Context, Result};

use super::remove;
use crate::{run::output, workspace::Workspace};

pub struct Checkout(PathBuf);

impl Checkout {
    pub fn make(workspace: &Workspace) -> Result<Self> {
        let folder = env::temp_dir().join(format!("gatewaystack-checkout-{}", process::id()));
        remove(&folder)?;
        let checkout = Self(folder);
        let files = output(
            Command::new("git")
                .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
                .current_dir(&workspace.root),
        )?;
        for file in files.split_terminator('\0') {
            let (from, to) = (workspace.root.join(file), checkout.0.join(file));
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
            }
            // What was removed and isn't committed is tracked all the same.
            if from.exists() {
                fs::copy(&from, &to).with_context(|| format!("can't copy {}", from.display()))?;
            }
        }
        Ok(checkout)
    }

    pub fn workspace(&self) -> Workspace {
        Workspace { root: self.0.clone(), target: self.0.join("target") }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            eprintln!("{error:#}");
        }
    }
}
