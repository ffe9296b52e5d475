//! Archives that are the same each time: names in order, one time, nobody's files. In: files and folders.
//! Out: a `.tar.gz`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{copy, remove};
use crate::{run::output, workspace::is_program};

/// An archive that is being filled: its only folder, next to what it will become.
pub struct Archive<'a> {
    folder: &'a Path,
    name: &'a str,
}

impl<'a> Archive<'a> {
    pub fn begin(folder: &'a Path, name: &'a str) -> Result<Self> {
        let archive = Self { folder, name };
        make(&archive.inside()).with_context(|| format!("can't make {name}"))?;
        Ok(archive)
    }

    fn inside(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// A file, or a folder with all that is in it.
    pub fn add(&self, from: &Path, name: &str) -> Result<()> {
        let to = self.inside().join(name);
        match from.is_dir() {
            true => tree(from, &to),
            false => file(from, &to),
        }
    }

    /// All that is in a folder.
    pub fn fill(&self, from: &Path) -> Result<()> {
        tree(from, &self.inside())
    }

    /// Writes it, in the seconds since 1970 that all its files have.
    pub fn close(self, name: &str, epoch: u64) -> Result<()> {
        let tar = self.folder.join(format!("{name}.tar"));
        let mut pack = Command::new("tar");
        pack.args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
        pack.arg(format!("--mtime=@{epoch}")).arg("--file").arg(&tar);
        output(pack.arg("--directory").arg(self.folder).arg(self.name)).context("packing needs GNU tar")?;
        output(Command::new("gzip").args(["--no-name", "--best", "--suffix=.gz"]).arg(&tar))?;
        fs::rename(self.folder.join(format!("{name}.tar.gz")), self.folder.join(name))?;
        remove(&self.inside())
    }
}

fn tree(from: &Path, to: &Path) -> Result<()> {
    make(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("no {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => tree(&entry.path(), &to)?,
            false => file(&entry.path(), &to)?,
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?)
}

/// With rights that don't depend on the reader's umask.
fn file(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)?;
    let mode = if is_program(from) { 0o755 } else { 0o644 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

    use super::Archive;
    use crate::run::output;

    /// A program and a folder, made with these rights.
    fn archive(modes: [u32; 3]) -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("units")).unwrap();
        for (name, mode) in ["units/a.service", "program", "LICENSE"].into_iter().zip(modes) {
            fs::write(from.join(name), name).unwrap();
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let archive = Archive::begin(folder.path(), "a-1").unwrap();
        for name in ["program", "LICENSE", "units"] {
            archive.add(&from.join(name), name).unwrap();
        }
        archive.close("a-1.tar.gz", 1_700_000_000).unwrap();
        let bytes = fs::read(folder.path().join("a-1.tar.gz")).unwrap();
        (folder, bytes)
    }

    fn listed(folder: &Path) -> String {
        output(
            Command::new("tar")
                .args(["-tvzf", "a-1.tar.gz"])
                .env("TZ", "UTC")
                .env("LC_ALL", "C")
                .current_dir(folder),
        )
        .unwrap()
    }

    #[test]
    fn an_archive_is_the_same_whoever_makes_it_when() {
        let (folder, first) = archive([0o600, 0o700, 0o640]);
        let (_, second) = archive([0o664, 0o775, 0o644]);
        assert!(first == second);
        let lines = listed(folder.path());
        let expect = [
            "drwxr-xr-x 0/0 2023-11-14 22:13 a-1/",
            "-rw-r--r-- 0/0 2023-11-14 22:13 a-1/LICENSE",
            "-rwxr-xr-x 0/0 2023-11-14 22:13 a-1/program",
            "drwxr-xr-x 0/0 2023-11-14 22:13 a-1/units/",
            "-rw-r--r-- 0/0 2023-11-14 22:13 a-1/units/a.service",
        ];
        let without_size = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            [&words[..2], &words[3..]].concat().join(" ")
        };
        assert_eq!(lines.lines().map(without_size).collect::<Vec<_>>(), expect, "{lines}");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "only what it is made of, and the archive"
        );
    }
}
