//! `cargo xtask test [FILTER] [--all | --envoy-matrix]`. In: the sources. Out: every suite's own output, then
//! one line that sums them all; exit 1 when any test failed or any suite couldn't run.

mod matrix;
mod support;
pub mod tally;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use self::{
    matrix::Form,
    tally::{Suite, Tally},
};
use crate::{
    bench,
    cli::TestArguments,
    demo, fuzz,
    progress::Step,
    release,
    run::{run as build, tee},
    tools::{chromium, debian, docker, envoy, helm, nextest, node, postgres, python, wasm, wasm_bindgen},
    workspace::Workspace,
};

/// For so many seconds each target is fuzzed.
const FUZZED: u64 = 30;

pub fn run(arguments: &TestArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut tally = Tally::default();
    if arguments.envoy_matrix {
        let wasm = artifacts(&workspace)?;
        matrix::run(&workspace, Form::Whole, &wasm, &mut tally)?;
        return Ok(close(&tally));
    }
    support::clear(&workspace.target)?;
    native(&workspace, arguments, &mut tally)?;
    if arguments.all && arguments.filter.is_none() {
        tally.add("docs/mcp-support.md", &supported(&workspace));
    }
    // A filter is for the one who works on a test: the suites that know no names of tests stay out.
    if arguments.filter.is_none() {
        core_on_wasm(&workspace, &mut tally)?;
    }
    if arguments.all {
        suite(workspace.cargo().args(["test", "--doc"]).args(DECIDING), "core documentation", &mut tally)?;
        tally.add("demo --check", &demo::check(&workspace)?);
        tally.add("instructions", &bench::instructions::check(&workspace, false)?);
        for (name, suite) in fuzz::suites(&workspace, FUZZED)? {
            tally.add(&name, &suite);
        }
    }
    if arguments.all && arguments.filter.is_none() {
        // Built already.
        matrix::run(&workspace, Form::Brief, &workspace.target.join("gatewaystack.wasm"), &mut tally)?;
        tally.add("release", &released(&workspace));
    }
    Ok(close(&tally))
}

fn close(tally: &Tally) -> ExitCode {
    println!("{tally}");
    if tally.all_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What every end-to-end test starts: the filter, whose path is given, and the native binaries.
fn artifacts(workspace: &Workspace) -> Result<PathBuf> {
    let wasm = wasm::filter(workspace)?;
    let step = Step::begin("native binaries", "building");
    build(workspace.cargo().args(["build", "--package=gatewaystack", "--package=gatewaystack-demo"]))?;
    step.done("built");
    Ok(wasm)
}

/// The whole workspace on this machine, with the real Envoy; with `--all` also the foreign clients, the
/// browser, the containers and the Helm chart, which are ignored else.
fn native(workspace: &Workspace, arguments: &TestArguments, tally: &mut Tally) -> Result<()> {
    // What says at once that something is missing comes before what takes minutes.
    let envoy = envoy::envoy()?;
    let modules = node::modules(workspace, "tests/node")?;
    let clients = arguments.all.then(|| python::environment(workspace)).transpose()?;
    let browser = arguments.all.then(chromium::chromium).transpose()?;
    let chart = arguments.all.then(|| Chart::tools(workspace)).transpose()?;
    if arguments.all {
        debian::require("redis-server", "redis-server")?;
        debian::require("systemd-analyze", "systemd")?;
        debian::require("promtool", "prometheus")?;
    }
    let postgres = arguments.all.then(postgres::programs).transpose()?;
    let containers = arguments.all.then(|| docker::containers(workspace)).transpose()?;
    let runner = nextest::runner();
    let wasm = artifacts(workspace)?;
    let mut command = workspace.cargo();
    runner.arguments(&mut command, arguments.filter.as_deref(), arguments.all);
    command.env("ENVOY_BIN", envoy).env("GATEWAYSTACK_WASM", wasm);
    command.env("GATEWAYSTACK_BIN", workspace.binary("gatewaystack"));
    match modules {
        Some(folder) => command.env("GATEWAYSTACK_NODE_MODULES", folder),
        None => {
            eprintln!("node packages: skipped, tests/node/package-lock.json isn't there");
            &mut command
        }
    };
    if let Some(python::Environment { python, node }) = clients {
        command.env("GATEWAYSTACK_PYTHON", python).env("GATEWAYSTACK_NODE", node);
    }
    if let Some(browser) = browser {
        command.env(chromium::VARIABLE, browser);
    }
    if let Some(Chart { helm, schemas }) = chart {
        command.env(helm::VARIABLE, helm).env("GATEWAYSTACK_SCHEMAS", schemas);
    }
    if let Some(containers) = &containers {
        containers.apply(&mut command)?;
    }
    if let Some(programs) = &postgres {
        command.env(postgres::VARIABLE, programs);
    }
    suite(&mut command, "native", tally)?;
    match postgres {
        Some(programs) => in_postgres(workspace, &runner, &programs, tally),
        None => Ok(()),
    }
}

/// The ledger's own tests once more, with PostgreSQL under it.
fn in_postgres(
    workspace: &Workspace,
    runner: &nextest::Runner,
    programs: &std::path::Path,
    tally: &mut Tally,
) -> Result<()> {
    let server = postgres::Server::start(programs)?;
    let mut command = workspace.cargo();
    runner.arguments(&mut command, Some("ledger::"), false);
    suite(command.env("GATEWAYSTACK_TEST_POSTGRES", &server.url), "ledger in PostgreSQL", tally)
}

/// What the tests of the Helm chart need.
struct Chart {
    helm: PathBuf,
    /// The packages that `tests/schemas` names.
    schemas: PathBuf,
}

impl Chart {
    fn tools(workspace: &Workspace) -> Result<Self> {
        let schemas =
            node::modules(workspace, "tests/schemas")?.context("tests/schemas/package-lock.json")?;
        Ok(Self { helm: helm::helm()?, schemas })
    }
}

/// Writes what the tests found to the document and its badge. One that changes is a failure: it has to be
/// committed.
fn supported(workspace: &Workspace) -> Suite {
    match support::write(&workspace.root, &workspace.target) {
        Ok(changed) if changed.is_empty() => return Suite { passed: 1, ..Suite::default() },
        Ok(changed) => changed.iter().for_each(|name| println!("docs/{name} has changed: commit it")),
        Err(error) => println!("docs/mcp-support.md: {error:#}"),
    }
    Suite { failed: 1, ..Suite::default() }
}

/// A whole release, and its filter twice.
fn released(workspace: &Workspace) -> Suite {
    match release::check(workspace) {
        Ok(()) => Suite { passed: 1, ..Suite::default() },
        Err(error) => {
            println!("release: {error:#}");
            Suite { failed: 1, ..Suite::default() }
        }
    }
}

/// What decides, and what it stands on.
pub const DECIDING: [&str; 3] =
    ["--package=gatewaystack-core", "--package=gatewaystack-policy", "--package=gatewaystack-text"];

/// The core's own tests once more, on the bare WebAssembly target.
fn core_on_wasm(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let runner = wasm_bindgen::runner(workspace)?;
    let mut command = workspace.cargo();
    command.arg("test").args(DECIDING).args(["--no-fail-fast", "--target", wasm::UNKNOWN, "--lib"]);
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    suite(&mut command, "core on wasm32", tally)
}

fn suite(command: &mut Command, name: &str, tally: &mut Tally) -> Result<()> {
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let (status, text) = tee(command)?;
    tally.add(name, &Suite::read(&text, status.success()));
    Ok(())
}
