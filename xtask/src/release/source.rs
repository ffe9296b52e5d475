//! What is released. In: the workspace's manifest and git. Out: the version, the commit's time, and whether
//! the tree is that of the commit.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{run::output, workspace::Workspace};

pub struct Source {
    pub version: String,
    /// `SOURCE_DATE_EPOCH`: the commit's time, in seconds; no artifact has a later one in it.
    pub epoch: u64,
    /// Files that the commit has otherwise.
    changed: Vec<String>,
}

impl Source {
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let git = |arguments: &[&str]| {
            output(Command::new("git").args(arguments).current_dir(&workspace.root))
                .context("a release is made of a git repository")
        };
        let epoch = git(&["log", "-1", "--format=%ct"])?;
        let changed = git(&["status", "--porcelain"])?;
        Ok(Self {
            version: workspace.locked_version("gatewaystack")?,
            epoch: epoch.trim().parse().with_context(|| format!("git log's time: {epoch}"))?,
            changed: changed.lines().filter_map(|line| line.get(3..)).map(str::to_owned).collect(),
        })
    }

    pub fn require_tag(&self, tag: &str) -> Result<()> {
        match tag.strip_prefix('v') {
            Some(version) if version == self.version => Ok(()),
            _ => bail!(
                "the tag is {tag}, but Cargo.toml has the version {}: tag it v{}",
                self.version,
                self.version
            ),
        }
    }

    pub fn require_committed(&self) -> Result<()> {
        match self.changed.as_slice() {
            [] => Ok(()),
            files => bail!(
                "a release is what is committed, and these files aren't: {}; commit them, or say --allow-dirty",
                files.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn source(changed: &[&str]) -> Source {
        Source {
            version: "1.2.3".to_owned(),
            epoch: 0,
            changed: changed.iter().map(|&file| file.to_owned()).collect(),
        }
    }

    #[test]
    fn the_tag_is_the_versions() {
        assert!(source(&[]).require_tag("v1.2.3").is_ok());
        for tag in ["1.2.3", "v1.2", "v1.2.3-rc.1", ""] {
            let error = source(&[]).require_tag(tag).unwrap_err().to_string();
            assert!(error.ends_with("tag it v1.2.3"), "{error}");
        }
    }

    #[test]
    fn what_is_not_committed_is_named() {
        assert!(source(&[]).require_committed().is_ok());
        let error = source(&["core/src/lib.rs", "new"]).require_committed().unwrap_err().to_string();
        assert!(error.contains("core/src/lib.rs, new"), "{error}");
    }
}
