//! `cargo xtask bench`. In: the sources. Out: what the gateway costs beside the same Envoy without the filter, as CPU time per
//! request: a table on standard output and `target/bench/report.json`.
//!
//! Machines are shared and noisy: the chains take turns in many short rounds, and the ratios of each round count.

mod chain;
mod report;
mod wrk;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};

use self::{
    chain::{Chain, Kind},
    report::{Report, Sample},
};
use crate::{
    cli::BenchArguments,
    demo::{Place, Servers, loopback},
    gateway::{Configuration, build},
    http::Request,
    process::{Stack, Stop},
    progress::Step,
    tools::debian,
    workspace::Workspace,
};

/// Limits are counted, and never reached.
const NO_LIMIT: (&str, &str) = ("RATE_LIMIT_MAX", "4294967295");

pub fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    debian::require("wrk", "wrk")?;
    let workspace = Workspace::find()?;
    let built = build(&workspace)?;
    let folder = workspace.target.join("bench");
    let place = Place::free()?;
    let stop = Stop::on_signals()?;
    let mut stack = Stack::default();
    let servers = Servers { place: &place, program: &workspace.binary("gatewaystack-demo") };
    servers.start(&mut stack, &stop)?;
    let bearer = bearer(&place)?;
    let mut chains = Vec::new();
    for kind in Kind::ALL {
        let data = folder.join(kind.name());
        let place = Place { issuer: place.issuer, echo: place.echo, ..Place::free()? };
        let only = Some(place.environment(&data, &[NO_LIMIT]));
        let configuration = Configuration { only, ..Configuration::default() };
        chains.push(Chain::start(kind, &built, &configuration, &mut stack, &stop, bearer.clone())?);
    }
    let rounds = rounds(arguments, &chains, &stop)?;
    let report = Report::new(&rounds);
    print!("{}", report.table());
    report.write(&folder)?;
    stack.stop();
    Ok(ExitCode::SUCCESS)
}

/// Each round has one sample of each chain, in the order of `Kind::ALL`.
fn rounds(arguments: &BenchArguments, chains: &[Chain], stop: &Stop) -> Result<Vec<Vec<Sample>>> {
    let (count, time) = if arguments.quick { (3, 2) } else { (arguments.rounds, 5) };
    let step = Step::begin("warm-up", "one second each");
    for chain in chains {
        chain.measure(Duration::from_secs(1))?;
    }
    step.done("done");
    let mut rounds = Vec::new();
    for round in 1..=count {
        ensure!(!stop.asked(), "stopped");
        let step = Step::begin(format!("round {round} of {count}"), "measuring");
        let measured = chains.iter().map(|chain| chain.measure(Duration::from_secs(time)));
        rounds.push(measured.collect::<Result<_>>()?);
        step.done("measured");
    }
    Ok(rounds)
}

fn bearer(place: &Place) -> Result<String> {
    let mut request = Request::get("/mint?sub=bench&scope=tool:read");
    request.headers.push(("Accept", "text/plain".to_owned()));
    let token = request.send(loopback(place.issuer)).context("the issuer")?.body;
    Ok(format!("Bearer {}", String::from_utf8(token).context("the issuer's token")?))
}
