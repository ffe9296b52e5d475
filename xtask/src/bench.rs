//! `cargo xtask bench`. In: the sources. Out: what the gateway costs compared with the same Envoy without the
//! filter, with its own filters, with a service: a table on standard output; `report.json`, `report.md` and
//! `report.svg` in `target/bench/`.
//!
//! Machines are shared and noisy: the chains take turns in many short rounds, and the ratios of each round
//! count.

pub mod instructions;
mod chain;
mod catalogue;
mod counted;
mod policies;
mod bootstrap;
mod parts;
mod tokens;
mod stand;
mod running;
mod script;
mod wrk;
mod h2load;
mod usage;
mod sample;
mod results;
mod memory;
mod ratio;
mod report;
mod table;
mod chart;
mod scale;
mod plot;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use self::{
    catalogue::CHAINS,
    chain::{Chain, Protocol},
    parts::Parts,
    report::Memory,
    results::Results,
    running::{Running, WARM_UP},
    sample::Sample,
    stand::Stand,
    tokens::Tokens,
};
use crate::{cli::BenchArguments, process::Stop, progress::Step, tools::debian, workspace::Workspace};

pub fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    if arguments.instructions {
        let suite = instructions::check(&Workspace::find()?, arguments.accept)?;
        return Ok(if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    debian::require("wrk", "wrk")?;
    if let Some(growing) = &arguments.scale {
        scale::run(&Workspace::find()?, growing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let chains = chosen(arguments)?;
    if arguments.counted {
        debian::require("valgrind", "valgrind")?;
        counted::run(&Workspace::find()?, &chains)?;
        return Ok(ExitCode::SUCCESS);
    }
    if chains.iter().any(|chain| chain.load.protocol == Protocol::Http2) {
        debian::require("h2load", "nghttp2-client")?;
    }
    let workspace = Workspace::find()?;
    let parts = Parts::build(&workspace)?;
    let folder = workspace.target.join("bench");
    let stop = Stop::on_signals()?;
    let mut stand = Stand::start(&parts, &folder, &stop)?;
    let (running, tokens) = stand.run(&chains)?;
    let rounds = rounds(arguments, &running, &tokens, &stop)?;
    let is_whole = !arguments.quick && arguments.only.is_empty();
    let memory = if is_whole { Some(memory::measure(&mut stand, &tokens)?) } else { None };
    stand.stack.stop();
    write(&folder, &Results { chains, rounds }, memory)?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, results: &Results, memory: Option<Memory>) -> Result<()> {
    let table = table::markdown(results, memory);
    print!("{table}");
    let report = format!("{:#}\n", report::json(results, memory)?);
    for (name, text) in [("report.md", table), ("report.json", report), ("report.svg", chart::svg(results))] {
        fs::write(folder.join(name), text).with_context(|| format!("can't write {name}"))?;
    }
    Ok(())
}

/// All, those of a quick run, or those that were named.
fn chosen(arguments: &BenchArguments) -> Result<Vec<&'static Chain>> {
    if let Some(name) = arguments.only.iter().find(|name| !CHAINS.iter().any(|chain| chain.name == **name)) {
        let names: Vec<_> = CHAINS.iter().map(|chain| chain.name).collect();
        bail!("no chain has the name {name}; there are {}", names.join(", "));
    }
    let is_named = |chain: &&Chain| arguments.only.iter().any(|name| name == chain.name);
    let uncountable = |chain: &&Chain| arguments.counted && !counted::can_count(chain);
    if let Some(chain) = CHAINS.iter().filter(is_named).find(uncountable) {
        bail!("{} can't be counted: that takes one Envoy with one worker, asked over HTTP/1.1", chain.name);
    }
    let is_chosen = |chain: &&Chain| match arguments.only.as_slice() {
        [] if arguments.counted => chain.quick && counted::can_count(chain),
        [] => chain.quick || !arguments.quick,
        _ => is_named(chain),
    };
    Ok(CHAINS.iter().filter(is_chosen).collect())
}

/// Every second round goes backwards, so that what one chain leaves behind doesn't always fall on the same
/// next one.
fn rounds(
    arguments: &BenchArguments,
    chains: &[Running],
    tokens: &Tokens,
    stop: &Stop,
) -> Result<Vec<Vec<Sample>>> {
    let (count, seconds) = if arguments.quick { (2, 1) } else { (arguments.rounds, 2) };
    warm_up(chains, tokens, stop)?;
    let mut rounds = Vec::new();
    for round in 1..=count {
        let step = Step::begin(format!("round {round} of {count}"), "measuring");
        let mut order: Vec<usize> = (0..chains.len()).collect();
        if round % 2 == 0 {
            order.reverse();
        }
        let mut samples = Vec::new();
        for at in order {
            ensure!(!stop.asked(), "stopped");
            let chain = chains.get(at).context("no such chain")?;
            samples.push((at, chain.measure(tokens, Duration::from_secs(seconds))?));
        }
        samples.sort_by_key(|(at, _)| *at);
        rounds.push(samples.into_iter().map(|(_, sample)| sample).collect());
        step.done("measured");
    }
    Ok(rounds)
}

fn warm_up(chains: &[Running], tokens: &Tokens, stop: &Stop) -> Result<()> {
    let step = Step::begin("warm-up", "a few hundred requests each");
    for chain in chains {
        for _ in 0..WARM_UP {
            ensure!(!stop.asked(), "stopped");
            chain.probe(tokens)?;
        }
    }
    step.done("done");
    Ok(())
}
