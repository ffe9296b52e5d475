//! The servers and tokens of `cargo xtask bench`, on loopback only. In: `upstream PORT`, `authz PORT`,
//! `tokens ISSUER AUDIENCE SCOPE COUNT USERS` or `ask ADDRESS PATH TOKENS CONNECTIONS REQUESTS`. Out: a
//! server that runs until it is ended; tokens on standard output, one a line; what a load gave.
//!
//! Each server has one thread, as the Envoy worker in front of it has: its CPU time is little, and is counted
//! where it belongs to a chain.

mod ask;
mod authz;
mod tokens;
mod upstream;

use std::{env, io, process::ExitCode};

use tokio::runtime;

const USAGE: &str = "upstream PORT | authz PORT | tokens ISSUER AUDIENCE SCOPE COUNT USERS | ask ADDRESS PATH TOKENS CONNECTIONS REQUESTS";

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
        ["ask", address, path, tokens, connections, requests] => {
            let (connections, requests) = (number(connections)?, number(requests)?);
            let wanted = ask::Wanted { address: number(address)?, path, tokens, connections, requests };
            println!("{}", runtime.block_on(ask::run(&wanted))?);
            Ok(())
        }
        _ => Err(io::Error::other(USAGE)),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> io::Result<N> {
    text.parse().map_err(|_| io::Error::other(format!("{text} is not what fits")))
}
