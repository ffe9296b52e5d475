//! `gatewaystack`: arguments in, an exit code out. All else is in the library.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    gatewaystack::cli::run(gatewaystack::cli::Arguments::parse())
}
