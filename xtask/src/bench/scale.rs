//! `cargo xtask bench --scale`. In: the sources. Out: how CPU time, latency and memory of the gateway's Envoy
//! grow with tokens and users, with routes, with issuers: tables on standard output; `scale-routes.json`,
//! `.md` and `.svg` and so on in `target/bench/`.
//!
//! Each point is an Envoy of its own that has served nothing else.

use std::{fmt::Write as _, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    catalogue::{GET, NEW, OURS},
    chain::{Chain, Load, Policy, Setup},
    parts::Parts,
    plot,
    report::{COLUMNS, machine},
    running::{Running, WARM_UP},
    sample::{Sample, Spread},
    stand::Stand,
    tokens::{File, Sent, Tokens},
};
use crate::{cli::Growing, process::Stop, progress::Step, run::output, workspace::Workspace};

/// What grows.
pub struct Curve {
    pub name: &'static str,
    pub about: &'static str,
    pub points: Vec<(usize, Sample)>,
}

/// Rounds of a point whose requests may repeat.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Fewer tokens than this are sent again and again.
const LEAST_REQUESTS: usize = 20_000;

const fn chain(name: &'static str, setup: Setup, load: Load) -> Chain {
    Chain { name, about: "", setup, load, status: 200, hides: None, quick: false }
}

const fn users(name: &'static str) -> Chain {
    chain(name, OURS, GET)
}

const fn routes(name: &'static str, count: usize, path: &'static str) -> Chain {
    chain(name, Setup { policy: Policy::Routes(count), ..OURS }, Load { path, ..GET })
}

const fn issuers(name: &'static str, count: usize) -> Chain {
    chain(name, Setup { policy: Policy::Issuers(count), ..OURS }, NEW)
}

type Points<const N: usize> = [(usize, Chain); N];

static USERS: Points<6> = [
    (10, users("users_10")),
    (100, users("users_100")),
    (1_000, users("users_1k")),
    (10_000, users("users_10k")),
    (100_000, users("users_100k")),
    (1_000_000, users("users_1m")),
];

static ROUTES: Points<5> = [
    (1, routes("routes_1", 1, "/r/1/x")),
    (10, routes("routes_10", 10, "/r/10/x")),
    (100, routes("routes_100", 100, "/r/100/x")),
    (1_000, routes("routes_1k", 1_000, "/r/1000/x")),
    (10_000, routes("routes_10k", 10_000, "/r/10000/x")),
];

static ISSUERS: Points<3> =
    [(1, issuers("issuers_1", 1)), (10, issuers("issuers_10", 10)), (100, issuers("issuers_100", 100))];

/// Lets these grow; all, where none is named.
pub fn run(workspace: &Workspace, growing: &[Growing]) -> Result<()> {
    let parts = Parts::build(workspace)?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).context("the bench's folder")?;
    let stop = Stop::on_signals()?;
    let mut stand = Stand::start(&parts, &folder, &stop)?;
    let tokens = Tokens::make(&parts.program, stand.upstream, &folder)?;
    let all = [Growing::Routes, Growing::Issuers, Growing::Users];
    for one in all.into_iter().filter(|one| growing.is_empty() || growing.contains(one)) {
        write(&folder, &curve(&mut stand, one, &tokens)?)?;
    }
    stand.stack.stop();
    Ok(())
}

fn curve(stand: &mut Stand<'_>, growing: Growing, tokens: &Tokens) -> Result<Curve> {
    let mut repeated =
        |(count, chain): &'static (usize, Chain)| Ok((*count, repeated(stand, chain, tokens)?));
    let (name, about, points) = match growing {
        Growing::Routes => {
            let points: Result<_> = ROUTES.iter().map(&mut repeated).collect();
            ("routes", "the same token each time, for the last route", points)
        }
        Growing::Issuers => {
            let points: Result<_> = ISSUERS.iter().map(&mut repeated).collect();
            ("issuers", "every token verified, of the last issuer", points)
        }
        Growing::Users => {
            let point = |(count, chain): &'static (usize, Chain)| {
                Ok((*count, distinct(stand, chain, *count, tokens)?))
            };
            ("users", "a token for each, all sent in turn", USERS.iter().map(point).collect())
        }
    };
    Ok(Curve { name, about, points: points? })
}

/// Requests that may repeat: medians of some rounds.
fn repeated(stand: &mut Stand<'_>, chain: &'static Chain, tokens: &Tokens) -> Result<Sample> {
    let step = Step::begin(chain.name, "measuring");
    let running = stand.envoy(chain)?;
    running.write_script(&tokens.of(chain.load.bearer))?;
    stand.wait_for(&running, tokens)?;
    for _ in 0..WARM_UP {
        running.probe(tokens)?;
    }
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        ensure!(!stand.stop.asked(), "stopped");
        samples.push(running.measure(tokens, ROUND)?);
    }
    stand.stack.stop_one(chain.name);
    step.done("measured");
    median(&samples).context("nothing was measured")
}

fn median(samples: &[Sample]) -> Option<Sample> {
    let of = |value: fn(&Sample) -> f64| Some(Spread::of(samples.iter().map(value).collect())?.median);
    Some(Sample {
        cpu_us: of(|s| s.cpu_us)?,
        rps: of(|s| s.rps)?,
        p50_us: of(|s| s.p50_us)?,
        p99_us: of(|s| s.p99_us)?,
        rss_mb: of(|s| s.rss_mb)?,
    })
}

/// As many tokens as there are users. Those that the filter remembers are all sent once before; more than
/// that are new each time anyway.
fn distinct(stand: &mut Stand<'_>, chain: &'static Chain, count: usize, tokens: &Tokens) -> Result<Sample> {
    let step = Step::begin(chain.name, "signing tokens");
    let file =
        File::sign(stand.folder.join("distinct-tokens.txt"), &stand.parts.program, stand.upstream, count)?;
    step.done("signed");
    let step = Step::begin(chain.name, "measuring");
    let running = stand.envoy(chain)?;
    running.write_script(&Sent::InTurn(&file))?;
    stand.wait_for(&running, tokens)?;
    for _ in 0..WARM_UP {
        running.probe(tokens)?;
    }
    if count < LEAST_REQUESTS {
        ask(&stand.parts.program, &running, &file, count)?;
    }
    let sample = ask(&stand.parts.program, &running, &file, count.max(LEAST_REQUESTS))?;
    stand.stack.stop_one(chain.name);
    fs::remove_file(&file.path).with_context(|| format!("can't remove {}", file.path.display()))?;
    step.done("measured");
    Ok(sample)
}

/// What our own load generator says.
#[derive(Deserialize)]
struct Said {
    requests: f64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
}

fn ask(program: &Path, running: &Running, file: &File, requests: usize) -> Result<Sample> {
    let before = running.cpu()?;
    let load = &running.chain.load;
    let mut command = Command::new(program);
    command.args(["ask", &running.address.to_string(), load.path]).arg(&file.path);
    let said = output(command.args([load.connections.to_string(), requests.to_string()]))?;
    let said: Said = serde_json::from_str(&said).context("what the load gave")?;
    let cpu = running.cpu()?.saturating_sub(before);
    running.empty_log()?;
    Ok(Sample {
        cpu_us: cpu.as_secs_f64() * 1e6 / said.requests,
        rps: said.requests / said.seconds,
        p50_us: said.p50_us,
        p99_us: said.p99_us,
        rss_mb: running.resident_mb()?,
    })
}

fn write(folder: &Path, curve: &Curve) -> Result<()> {
    let table = markdown(curve);
    print!("{table}");
    let report = format!("{:#}\n", report(curve));
    for (kind, text) in [("md", table), ("json", report), ("svg", plot::svg(curve))] {
        let name = format!("scale-{}.{kind}", curve.name);
        fs::write(folder.join(&name), text).with_context(|| format!("can't write {name}"))?;
    }
    Ok(())
}

fn markdown(curve: &Curve) -> String {
    let titles: Vec<&str> = COLUMNS.iter().map(|(_, title, _)| *title).collect();
    let mut out =
        format!("| {} | {} |\n|---:|{}\n", curve.name, titles.join(" | "), "---:|".repeat(titles.len()));
    for (count, sample) in &curve.points {
        let cells: Vec<_> = COLUMNS.iter().map(|(_, _, value)| format!("{:.0}", value(sample))).collect();
        let _ = writeln!(out, "| {count} | {} |", cells.join(" | "));
    }
    out
}

fn report(curve: &Curve) -> Value {
    let point = |(count, sample): &(usize, Sample)| {
        let columns = COLUMNS.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value(sample))));
        let mut point: serde_json::Map<_, _> = columns.collect();
        point.insert("count".to_owned(), json!(count));
        Value::Object(point)
    };
    let points: Value = curve.points.iter().map(point).collect();
    json!({"machine": machine(), "name": curve.name, "about": curve.about, "points": points})
}

#[cfg(test)]
pub mod tests {
    use super::{Curve, markdown, report};
    use crate::bench::sample::Sample;

    pub fn curve() -> Curve {
        let sample =
            |us: f64| Sample { cpu_us: us, rps: 1e6 / us, p50_us: us, p99_us: 2.0 * us, rss_mb: 140.0 };
        let points = vec![(10, sample(50.0)), (100, sample(60.0)), (1_000, sample(80.0))];
        Curve { name: "routes", about: "the last one", points }
    }

    #[test]
    fn every_point_is_a_row_and_an_object() {
        let table = markdown(&curve());
        assert!(table.contains("| 1000 | 80 | 12500 | 80 | 160 | 140 |"), "{table}");
        let report = report(&curve());
        assert_eq!(report["points"][2]["cpu_us"], 80.0);
        assert_eq!(report["points"][0]["count"], 10);
    }
}
