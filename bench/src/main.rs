//! The servers and tokens of `cargo xtask bench`, on loopback only. In: `upstream PORT`, `authz PORT` or `tokens ISSUER AUDIENCE SCOPE COUNT
//! USERS`. Out: a server that runs until it is ended, or tokens on standard output, one a line.
//!
//! Each server has one thread, as the Envoy worker in front of it has: its CPU time is little, and is counted where it belongs to a chain.

mod authz;
mod tokens;
mod upstream;

use std::{env, io, process::ExitCode};

use tokio::runtime;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatewaystack-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    match words {
        ["upstream", port] => runtime.block_on(upstream::serve(number(port)?)),
        ["authz", port] => runtime.block_on(authz::serve(number(port)?)),
        ["tokens", issuer, audience, scope, count, users] => {
            let wanted = tokens::Wanted { issuer, audience, scope, users: number(users)? };
            tokens::print(&wanted, number(count)?)
        }
        _ => Err(io::Error::other("upstream PORT | authz PORT | tokens ISSUER AUDIENCE SCOPE COUNT USERS")),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> io::Result<N> {
    text.parse().map_err(|_| io::Error::other(format!("{text} is no number that fits")))
}
