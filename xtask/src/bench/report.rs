//! The report. In: rounds of samples. Out: medians of each chain, the ratios' spread, as a table and as JSON.

use std::{env::consts::ARCH, fmt::Write, fs, path::Path, process::Command, thread};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::chain::Kind;
use crate::{run::output, tools::envoy::envoy};

/// One chain in one round.
#[derive(Clone, Copy)]
pub struct Sample {
    pub cpu_us: f64,
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub rss_mb: f64,
}

/// Least, median and greatest.
#[derive(Debug, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

pub struct Report<'a> {
    rounds: &'a [Vec<Sample>],
}

/// A column: its name in the report, its title in the table, and its value.
type Column = (&'static str, &'static str, fn(&Sample) -> f64);
const COLUMNS: [Column; 5] = [
    ("cpu_us", "CPU µs per request", |s| s.cpu_us),
    ("rps", "requests per second", |s| s.rps),
    ("p50_us", "p50 µs", |s| s.p50_us),
    ("p99_us", "p99 µs", |s| s.p99_us),
    ("rss_mb", "resident MB", |s| s.rss_mb),
];

/// Ratios of the known token's chain to the bare one, each within one round.
const RATIOS: [Ratio; 2] =
    [("known_token_cpu_vs_bare", |s| s.cpu_us), ("known_token_rps_vs_bare", |s| s.rps)];
type Ratio = (&'static str, fn(&Sample) -> f64);

impl<'a> Report<'a> {
    pub fn new(rounds: &'a [Vec<Sample>]) -> Self {
        Self { rounds }
    }

    fn column(&self, chain: usize, value: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.rounds.iter().filter_map(|round| round.get(chain)).map(value).collect())
    }

    fn ratio(&self, value: fn(&Sample) -> f64) -> Spread {
        let both = |round: &Vec<Sample>| Some(value(round.get(1)?) / value(round.first()?));
        Spread::of(self.rounds.iter().filter_map(both).collect())
    }

    pub fn table(&self) -> String {
        let titles: Vec<&str> = COLUMNS.iter().map(|(_, title, _)| *title).collect();
        let mut out =
            format!("\n| chain | {} |\n|---|{}\n", titles.join(" | "), "---:|".repeat(titles.len()));
        for (at, kind) in Kind::ALL.iter().enumerate() {
            let cells = COLUMNS.iter().map(|(_, _, value)| format!("{:.0}", self.column(at, *value).median));
            let _ = writeln!(out, "| {} | {} |", kind.name(), cells.collect::<Vec<_>>().join(" | "));
        }
        let _ = writeln!(out, "\n| ratio | min | median | max |\n|---|---:|---:|---:|");
        for (name, value) in RATIOS {
            let Spread { min, median, max } = self.ratio(value);
            let _ = writeln!(out, "| {name} | {min:.2} | {median:.2} | {max:.2} |");
        }
        out
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut chains = Map::new();
        for (at, kind) in Kind::ALL.iter().enumerate() {
            let columns = COLUMNS
                .iter()
                .map(|(name, _, value)| ((*name).to_owned(), Value::from(self.column(at, *value).median)));
            chains.insert(kind.name().to_owned(), columns.collect::<Map<_, _>>().into());
        }
        let ratios = RATIOS.iter().map(|(name, value)| {
            let Spread { min, median, max } = self.ratio(*value);
            ((*name).to_owned(), json!({ "min": min, "median": median, "max": max }))
        });
        let report = json!({
            "machine": format!("{ARCH}, {} cores", thread::available_parallelism().map_or(1, usize::from)),
            "envoy": envoy_version()?,
            "rounds": self.rounds.len(),
            "chains": chains,
            "ratios": ratios.collect::<Map<_, _>>(),
        });
        let file = folder.join("report.json");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, format!("{report:#}\n")))
            .with_context(|| format!("can't write {}", file.display()))
    }
}

/// As Envoy says it: commit, version, state of its sources, kind of build, library of cryptography.
fn envoy_version() -> Result<String> {
    let said = output(Command::new(envoy()?).arg("--version"))?;
    Ok(said.rsplit("version: ").next().unwrap_or_default().trim().to_owned())
}

impl Spread {
    /// Of nothing: NaN.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, max: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Sample, Spread};

    #[test]
    fn the_median_lies_in_the_middle() {
        let check = |values: &[f64], min, median, max| {
            assert_eq!(Spread::of(values.to_vec()), Spread { min, median, max });
        };
        check(&[3.0, 1.0, 2.0], 1.0, 2.0, 3.0);
        check(&[4.0, 1.0], 1.0, 2.5, 4.0);
        check(&[5.0], 5.0, 5.0, 5.0);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let sample = |cpu_us| Sample { cpu_us, rps: 1.0, p50_us: 1.0, p99_us: 1.0, rss_mb: 1.0 };
        let rounds = [[10.0, 20.0], [100.0, 150.0], [10.0, 30.0]].map(|r| r.map(sample).to_vec());
        let report = Report::new(&rounds);
        assert_eq!(report.ratio(|s| s.cpu_us), Spread { min: 1.5, median: 2.0, max: 3.0 });
        assert!(report.table().contains("| known_token_cpu_vs_bare | 1.50 | 2.00 | 3.00 |"));
    }
}
