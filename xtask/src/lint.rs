//! `cargo xtask lint`. In: the tree. Out: each step's own complaints, then the names of the steps that
//! failed; exit 1 when there is one. Every step runs, so that one run shows all.

mod imports;
mod links;
mod tidy;

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::{
    docs,
    progress::Step,
    run::run as succeed,
    test::DECIDING,
    tools::{
        cargo_tool::CargoTool,
        python,
        wasm::{self, UNKNOWN, WASI},
    },
    workspace::Workspace,
};

const CARGO_DENY: CargoTool<'static> =
    CargoTool { name: "cargo-deny", version: "0.20.2", locked: true, minutes: "3" };

pub fn run() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    wasm::targets(&workspace)?;
    let steps: [(&str, &dyn Fn() -> Result<()>); 8] = [
        ("format", &|| succeed(workspace.cargo().args(["fmt", "--all", "--check"]))),
        ("clippy", &|| clippy(&workspace)),
        ("dependencies", &|| dependencies(&workspace)),
        ("documents", &|| docs::check(&workspace.root)),
        ("workflows", &|| workflows(&workspace)),
        ("imports", &|| report(&imports::check(&workspace.root)?)),
        ("links", &|| report(&links::check(&workspace.root)?)),
        ("tidy", &|| report(&tidy::check(&workspace.root)?)),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let progress = Step::begin(name, "checking");
        match step() {
            Ok(()) => progress.done("good"),
            Err(error) => {
                eprintln!("error: {error:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        println!("lint: all good");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// On this machine, and for the targets on which a package runs, too.
fn clippy(workspace: &Workspace) -> Result<()> {
    let runs: [&[&str]; 3] = [
        &["--workspace", "--all-targets"],
        // And with it what decides.
        &["--package=gatewaystack-filter", "--target", WASI],
        &[DECIDING.as_slice(), &["--target", UNKNOWN]].concat(),
    ];
    for arguments in runs {
        succeed(workspace.cargo().arg("clippy").args(arguments).args(["--", "--deny=warnings"]))?;
    }
    Ok(())
}

/// As `deny.toml` has it, which also says why advisories aren't asked for here.
fn dependencies(workspace: &Workspace) -> Result<()> {
    let cargo_deny = CARGO_DENY.install()?.join("cargo-deny");
    let mut command = std::process::Command::new(cargo_deny);
    command.current_dir(&workspace.root).args(["--log-level=error", "--workspace", "check"]);
    succeed(command.args(["bans", "licenses", "sources"]))
}

/// Those of GitHub: their form, actions that aren't pinned, permissions that nothing needs, text of others in
/// a shell.
fn workflows(workspace: &Workspace) -> Result<()> {
    let zizmor = python::programs(workspace, "workflows", "zizmor")?.join("zizmor");
    let mut command = std::process::Command::new(zizmor);
    // What it can't read it would pass over.
    command.current_dir(&workspace.root).args([
        "--offline",
        "--quiet",
        "--no-progress",
        "--strict-collection",
    ]);
    succeed(command.arg(".github/workflows"))
}

fn report(complaints: &[String]) -> Result<()> {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        count => bail!("{count} found"),
    }
}

/// A path as the complaints show it: below the root.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
