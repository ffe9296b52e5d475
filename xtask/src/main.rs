//! `cargo xtask`: the project's own commands, a closed set. In: a command line. Out: what the command prints,
//! and an exit code: 0 done, 1 failed, 2 not understood.

mod cli;
mod workspace;
mod run;
mod progress;
mod process;
mod http;
mod badge;
mod tools;
mod gateway;
mod demo;
mod up;
mod test;
mod bench;
mod fuzz;
mod mutants;
mod docs;
mod lint;
mod release;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
