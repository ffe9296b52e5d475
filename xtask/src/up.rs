//! `cargo xtask up`. In: an env file and a policy. Out: `ready http://127.0.0.1:PORT` on standard output when
//! the gateway answers; then it runs until SIGINT or SIGTERM, exit 0. A bad configuration prints every error,
//! exit 1.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;

use crate::{
    cli::UpArguments,
    gateway::{Configuration, build},
    process::{Stack, Stop},
    tools::envoy::envoy,
    workspace::Workspace,
};

pub fn run(arguments: &UpArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let built = build(&workspace)?;
    let configuration =
        Configuration { env_file: arguments.env_file.clone(), policy: arguments.policy.clone(), only: None };
    // Before Envoy is fetched, so that a bad configuration is said at once.
    let Some(rendered) = built.render(&configuration)? else { return Ok(ExitCode::FAILURE) };
    envoy()?;
    let stop = Stop::on_signals()?;
    let mut stack = Stack::default();
    if rendered.start(&mut stack, &stop)? {
        let mut out = io::stdout();
        // Nobody reads it any more: the gateway runs all the same.
        let _ = writeln!(out, "ready {}", rendered.url()).and_then(|()| out.flush());
        stack.supervise(&stop)?;
    }
    stack.stop();
    Ok(ExitCode::SUCCESS)
}
