//! `cargo xtask bench --counted`. In: the sources. Out: how many instructions a request costs the whole Envoy
//! in each chain, by valgrind's callgrind: a table on standard output, `counted.md` and `counted.json` in
//! `target/bench/`.
//!
//! Unlike CPU time this is the same with every neighbour, to within a few percent. What it can't see is the
//! kernel's work, and that instructions differ in what they take.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    chain::{Chain, Protocol},
    parts::Parts,
    ratio::RATIOS,
    running::Running,
    sample::Sample,
    stand::Stand,
    tokens::Tokens,
    wrk,
};
use crate::{process::Stop, progress::Step, run::output, workspace::Workspace};

/// Requests until V8 has compiled for speed what it will.
const WARM_UP: u64 = 1_000;
/// Requests between switching the count on and what is counted.
const SETTLE: u64 = 50;
/// Requests that are counted: so many that Envoy's timers and the one under way when the count ends don't
/// weigh.
const COUNTED: u64 = 500;
/// Load goes on for so long, again and again until there were enough: under valgrind everything takes many
/// times as long.
const ROUND: Duration = Duration::from_secs(2);

/// Where the counts of a chain's Envoy go: callgrind adds a number to the name for each dump.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("callgrind.out")
}

/// Whether a chain's cost lies in one Envoy with one worker that answers over HTTP/1.1.
pub fn can_count(chain: &Chain) -> bool {
    chain.load.protocol == Protocol::Http1 && chain.setup.workers == 1 && !chain.asks_a_service()
}

struct Counted {
    chain: &'static Chain,
    instructions: u64,
}

pub fn run(workspace: &Workspace, chains: &[&'static Chain]) -> Result<()> {
    let parts = Parts::build(workspace)?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).context("the bench's folder")?;
    let stop = Stop::on_signals()?;
    let mut stand = Stand::start(&parts, &folder, &stop)?;
    stand.counts = true;
    let tokens = Tokens::make(&parts.program, stand.upstream, &folder)?;
    let counted: Result<Vec<_>> = chains.iter().map(|chain| count(&mut stand, chain, &tokens)).collect();
    stand.stack.stop();
    let counted = counted?;
    let table = markdown(&counted);
    print!("{table}");
    for (name, text) in [("counted.md", table), ("counted.json", report(&counted))] {
        fs::write(folder.join(name), text).with_context(|| format!("can't write {name}"))?;
    }
    Ok(())
}

fn count(stand: &mut Stand<'_>, chain: &'static Chain, tokens: &Tokens) -> Result<Counted> {
    ensure!(!stand.stop.asked(), "stopped");
    let step = Step::begin(chain.name, "counting");
    let folder = stand.folder.join(chain.name);
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    for old in dumps(&folder)? {
        fs::remove_file(&old).with_context(|| format!("can't remove {}", old.display()))?;
    }
    let running = stand.envoy(chain)?;
    running.write_script(&tokens.of(chain.load.bearer))?;
    stand.wait_for(&running, tokens)?;
    running.verify(tokens)?;
    load(stand.stop, &running, WARM_UP)?;
    control(&running, "instrumentation on")?;
    let state = control(&running, "instrumentation")?;
    ensure!(state.contains("instrumentation: on"), "callgrind doesn't count: {}", state.trim());
    load(stand.stop, &running, SETTLE)?;
    control(&running, "zero")?;
    let known = running.known()?;
    let requests = load(stand.stop, &running, COUNTED)?;
    control(&running, "dump")?;
    running.check_known(known, requests)?;
    // What is left to write at the end is little then, and the process ends in time.
    control(&running, "instrumentation off")?;
    running.empty_log()?;
    let dump = dumps(&folder)?.pop().context("callgrind has written nothing")?;
    let text = fs::read_to_string(&dump).with_context(|| format!("can't read {}", dump.display()))?;
    let total = total(&text).with_context(|| format!("{} has no total", dump.display()))?;
    stand.stack.stop_one(chain.name);
    ensure!(total > 0, "callgrind has counted nothing of {}", chain.name);
    let instructions = total / requests;
    step.done(&format!("{} thousand instructions a request", instructions / 1_000));
    Ok(Counted { chain, instructions })
}

/// At least so many requests; how many there were. One connection: how requests meet in time makes no
/// difference then.
fn load(stop: &Stop, running: &Running, least: u64) -> Result<u64> {
    let Chain { name, load, status, .. } = running.chain;
    let url = format!("http://{}{}", running.address, load.path);
    let mut requests = 0;
    while requests < least {
        ensure!(!stop.asked(), "stopped");
        let load = wrk::run(&url, &running.script, 1, ROUND, *status).with_context(|| (*name).to_owned())?;
        requests += load.requests;
    }
    Ok(requests)
}

/// A command to callgrind in the process, and what it says. (`callgrind_control` says the same, but never
/// that it failed.)
fn control(running: &Running, command: &str) -> Result<String> {
    let process = running.processes.first().context("no process")?;
    let mut vgdb = Command::new("vgdb");
    vgdb.arg(format!("--pid={process}")).args(command.split(' '));
    output(&mut vgdb)
        .context("callgrind can't be told what to count: vgdb has to be allowed to trace processes (ptrace)")
}

/// What callgrind has written, in order.
fn dumps(folder: &Path) -> Result<Vec<PathBuf>> {
    let out = file(folder);
    let start = format!("{}.", out.file_name().unwrap_or_default().to_string_lossy());
    let entries = fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut dumps: Vec<_> = paths
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
        .collect();
    dumps.sort();
    Ok(dumps)
}

fn total(dump: &str) -> Option<u64> {
    dump.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

/// The ratios of CPU time that these chains have, taken of instructions.
fn ratios(counted: &[Counted]) -> Vec<(&'static str, f64)> {
    let of =
        |name: &str| counted.iter().find(|one| one.chain.name == name).map(|one| one.instructions as f64);
    let cpu_alone =
        Sample { cpu_us: 1.0, rps: f64::NAN, p50_us: f64::NAN, p99_us: f64::NAN, rss_mb: f64::NAN };
    let is_of_cpu = |of: fn(&Sample) -> f64| !of(&cpu_alone).is_nan();
    let ratios = RATIOS.iter().filter(|ratio| is_of_cpu(ratio.of));
    ratios
        .filter_map(|ratio| {
            let [above, below] = ratio.chains;
            Some((ratio.name, of(above)? / of(below)? * ratio.factor))
        })
        .collect()
}

fn markdown(counted: &[Counted]) -> String {
    let mut out = "| chain | what | instructions per request |\n|---|---|---:|\n".to_owned();
    for Counted { chain, instructions } in counted {
        let _ = writeln!(out, "| {} | {} | {instructions} |", chain.name, chain.about);
    }
    out.push_str("\n| ratio | of instructions |\n|---|---:|\n");
    for (name, ratio) in ratios(counted) {
        let _ = writeln!(out, "| {name} | {ratio:.2} |");
    }
    out
}

fn report(counted: &[Counted]) -> String {
    let chains: serde_json::Map<_, _> =
        counted.iter().map(|one| (one.chain.name.to_owned(), json!(one.instructions))).collect();
    let ratios: serde_json::Map<_, _> =
        ratios(counted).into_iter().map(|(name, ratio)| (name.to_owned(), json!(ratio))).collect();
    format!("{:#}\n", json!({ "instructions": chains, "ratios": ratios }))
}

#[cfg(test)]
mod tests {
    use super::{Counted, can_count, dumps, file, markdown, total};
    use crate::bench::catalogue::CHAINS;

    #[test]
    fn the_total_of_a_dump_is_read() {
        assert_eq!(total("summary: 5\nfn=(1)\n+3 7\n\ntotals: 67212641\n"), Some(67_212_641));
        assert_eq!(total("summary: 5\n"), None);
    }

    #[test]
    fn dumps_are_told_from_what_callgrind_writes_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: String| std::fs::write(folder.path().join(name), "").unwrap();
        let out = file(folder.path()).file_name().unwrap().to_string_lossy().into_owned();
        [out.clone(), format!("{out}.1"), "load.lua".to_owned()].into_iter().for_each(write);
        assert_eq!(dumps(folder.path()).unwrap(), [folder.path().join(format!("{out}.1"))]);
    }

    #[test]
    fn only_ratios_of_cpu_time_are_told() {
        let counted: Vec<_> = CHAINS
            .iter()
            .zip(1u64..)
            .map(|(chain, at)| Counted { chain, instructions: at * 100_000 })
            .collect();
        let table = markdown(&counted);
        assert!(table.contains("| known_token_vs_bare | 3.00 |"), "{table}");
        assert!(!table.contains("rps") && !table.contains("p99") && !table.contains("NaN"), "{table}");
    }

    #[test]
    fn what_more_than_one_process_or_worker_does_is_not_counted() {
        let names: Vec<_> = CHAINS.iter().filter(|chain| !can_count(chain)).map(|chain| chain.name).collect();
        assert!(names.contains(&"ext_authz") && names.contains(&"four_workers"), "{names:?}");
        assert!(names.contains(&"http2_bare") && !names.contains(&"mcp_body"), "{names:?}");
    }
}
