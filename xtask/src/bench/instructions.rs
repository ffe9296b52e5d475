//! `bench --instructions`. In: the core's hot functions (`bench/hot`), and `bench/instructions.json`, which
//! has what each cost when it was last accepted. Out: a table; a failure where one costs over 5 % more.
//! Instructions are counted by valgrind's callgrind, so the machine's noise isn't in them; they are those of
//! this processor's family, not of WebAssembly.

use std::{collections::BTreeMap, env::consts::ARCH, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    progress::Step,
    run::{output, run},
    test::tally::Suite,
    tools::debian,
    workspace::Workspace,
};

const CASES: [&str; 5] = ["known_token", "new_token", "mcp_call", "whole_request", "many_blocked"];
/// The difference of these runs leaves out what starting costs.
const COUNTS: [u64; 2] = [100, 600];
/// Growth of more than a twentieth, 5 %, fails.
const TOLERATED: u64 = 20;

type Costs = BTreeMap<String, u64>;

/// Instructions of one request, case by case; with `accept` they become what later runs are held to.
pub fn check(workspace: &Workspace, accept: bool) -> Result<Suite> {
    let path = workspace.root.join("bench/instructions.json");
    let baseline = read(&path)?;
    // Another processor family counts other instructions.
    let Some(accepted) = baseline.get(ARCH).or(accept.then_some(&Costs::new())).cloned() else {
        println!(
            "instructions: nothing was accepted for {ARCH} yet: cargo xtask bench --instructions --accept"
        );
        return Ok(Suite { skipped: 1, ..Suite::default() });
    };
    debian::require("valgrind", "valgrind")?;
    let step = Step::begin("hot functions", "building");
    run(workspace.cargo().args(["build", "--package=gatewaystack-hot", "--profile=wasm"]))?;
    step.done("built");
    let program = workspace.target.join("wasm/gatewaystack-hot");
    let mut costs = Costs::new();
    for case in CASES {
        costs.insert(case.to_owned(), cost(&program, case)?);
    }
    let (table, suite) = compare(&accepted, &costs);
    print!("{table}");
    if accept {
        write(&path, baseline, costs)?;
        return Ok(Suite { passed: CASES.len() as u64, ..Suite::default() });
    }
    Ok(suite)
}

fn read(path: &Path) -> Result<BTreeMap<String, Costs>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
        Err(_) => Ok(BTreeMap::new()),
    }
}

fn write(path: &Path, mut baseline: BTreeMap<String, Costs>, costs: Costs) -> Result<()> {
    baseline.insert(ARCH.to_owned(), costs);
    let text = serde_json::to_string_pretty(&baseline).context("the baseline")?;
    fs::write(path, text + "\n").with_context(|| path.display().to_string())
}

fn cost(program: &Path, case: &str) -> Result<u64> {
    let [few, many] = COUNTS;
    let (less, more) = (instructions(program, case, few)?, instructions(program, case, many)?);
    Ok(more.saturating_sub(less) / (many - few))
}

fn instructions(program: &Path, case: &str, count: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"]);
    let said = output(command.arg(program).args([case, &count.to_string()]))?;
    collected(&said).with_context(|| format!("callgrind said something else than expected: {said}"))
}

fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

/// A row each, and whether it holds.
fn compare(accepted: &Costs, costs: &Costs) -> (String, Suite) {
    let mut table = "| instructions | accepted | now | |\n|---|---:|---:|---|\n".to_owned();
    let mut suite = Suite::default();
    for (case, now) in costs {
        let before = accepted.get(case).copied();
        let growth = before.map_or(0.0, |before| (*now as f64 / before as f64 - 1.0) * 100.0);
        let verdict = if before.is_none() {
            suite.passed += 1;
            "new".to_owned()
        } else if before.is_some_and(|before| (*now).saturating_sub(before) > before / TOLERATED) {
            suite.failed += 1;
            format!(
                "{growth:+.1} %: too much; make it cheaper, or accept it with cargo xtask bench --instructions --accept"
            )
        } else {
            suite.passed += 1;
            format!("{growth:+.1} %")
        };
        let before = before.map_or("–".to_owned(), |before| before.to_string());
        let _ = writeln!(table, "| {case} | {before} | {now} | {verdict} |");
    }
    (table, suite)
}

#[cfg(test)]
mod tests {
    use super::{Costs, collected, compare};

    #[test]
    fn a_growth_over_five_percent_fails_and_less_does_not() {
        let costs = |now: u64| Costs::from([("a".to_owned(), now)]);
        for (now, failed) in [(1_000, 0), (1_050, 0), (1_051, 1), (500, 0)] {
            let (table, suite) = compare(&costs(1_000), &costs(now));
            assert_eq!((suite.failed, suite.passed), (failed, 1 - failed), "{table}");
        }
        assert_eq!(compare(&Costs::new(), &costs(7)).1.passed, 1);
    }

    #[test]
    fn what_callgrind_collected_is_read() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 51234\n"), Some(51_234));
        assert_eq!(collected("==7== nothing"), None);
    }
}
