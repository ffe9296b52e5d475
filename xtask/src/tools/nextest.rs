//! The test runner. `cargo nextest` where it is there, else installed once; where that fails, plain `cargo
//! test`.

use std::{path::PathBuf, process::Command};

use crate::{run::output, tools::cargo_tool::CargoTool, workspace::cargo};

const VERSION: &str = "0.9.143";

/// How to run the native tests.
pub enum Runner {
    /// `cargo nextest`, with the folder to put on `PATH` where it is ours.
    Nextest(Option<PathBuf>),
    CargoTest,
}

pub fn runner() -> Runner {
    if output(cargo().args(["nextest", "--version"])).is_ok() {
        return Runner::Nextest(None);
    }
    let tool = CargoTool { name: "cargo-nextest", version: VERSION, locked: true, minutes: "6" };
    match tool.install() {
        Ok(folder) => Runner::Nextest(Some(folder)),
        Err(error) => {
            eprintln!("cargo-nextest: not to be had ({error:#}); going on with cargo test");
            Runner::CargoTest
        }
    }
}

impl Runner {
    /// The arguments of cargo that run these test binaries of a package, without the tests whose names
    /// contain one of `left_out`.
    pub fn binaries(&self, command: &mut Command, package: &str, names: &[&str], left_out: &[&str]) {
        match self {
            Self::Nextest(folder) => {
                if let Some(folder) = folder {
                    prepend_path(command, folder);
                }
                command.args(["nextest", "run", "--no-fail-fast"]);
            }
            Self::CargoTest => {
                command.args(["test", "--no-fail-fast"]);
            }
        }
        command.args(["--package", package]);
        command.args(names.iter().flat_map(|name| ["--test", *name]));
        // Both understand it.
        command.arg("--").args(left_out.iter().flat_map(|part| ["--skip", *part]));
    }

    /// The arguments of cargo that run the workspace's tests, or those whose name contains `filter`; with
    /// `ignored` also those that are left out otherwise.
    pub fn arguments(&self, command: &mut Command, filter: Option<&str>, ignored: bool) {
        match self {
            Self::Nextest(folder) => {
                if let Some(folder) = folder {
                    prepend_path(command, folder);
                }
                command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
                command.args(ignored.then_some("--run-ignored=all"));
                command.args(filter);
            }
            Self::CargoTest => {
                command.args(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
                command.args(filter);
                command.args(ignored.then_some(["--", "--include-ignored"]).into_iter().flatten());
            }
        }
    }
}

/// Cargo finds its subcommands on `PATH`: ours, or what was made of it for this command before.
pub fn prepend_path(command: &mut Command, folder: &std::path::Path) {
    let made =
        command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path.map(Into::into));
    let path: std::ffi::OsString = made.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    // A folder whose name holds a colon can't be put on PATH: then cargo says that the subcommand is missing.
    if let Ok(joined) = std::env::join_paths(folders) {
        command.env("PATH", joined);
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use super::prepend_path;

    #[test]
    fn each_folder_comes_before_those_that_were_put_there_earlier() {
        let mut command = Command::new("cargo");
        for folder in ["/one", "/two"] {
            prepend_path(&mut command, Path::new(folder));
        }
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap();
        assert!(path.to_str().unwrap().starts_with("/two:/one:"), "{path:?}");
    }
}
