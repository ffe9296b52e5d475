//! The report as JSON. In: the results. Out: medians of each chain, the ratios' spread, the machine.

use std::{env::consts::ARCH, process::Command, thread};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{ratio::RATIOS, results::Results, sample::Sample};
use crate::{run::output, tools::envoy::envoy};

/// A column: its name in the report, its title in the table, and its value.
pub type Column = (&'static str, &'static str, fn(&Sample) -> f64);
pub const COLUMNS: [Column; 5] = [
    ("cpu_us", "CPU µs per request", |s| s.cpu_us),
    ("rps", "requests per second", |s| s.rps),
    ("p50_us", "p50 µs", |s| s.p50_us),
    ("p99_us", "p99 µs", |s| s.p99_us),
    ("rss_mb", "resident MB", |s| s.rss_mb),
];

/// Resident memory of the gateway's Envoy.
#[derive(Clone, Copy)]
pub struct Memory {
    pub idle_mb: f64,
    /// When a million counters were asked for.
    pub users_1m_mb: f64,
}

pub fn json(results: &Results, memory: Option<Memory>) -> Result<Value> {
    let chain = |name: &str| -> Map<String, Value> {
        let median = |(column, _, value): &Column| {
            Some(((*column).to_owned(), json!(results.column(name, *value)?.median)))
        };
        COLUMNS.iter().filter_map(median).collect()
    };
    let chains: Map<_, _> =
        results.chains.iter().map(|one| (one.name.to_owned(), chain(one.name).into())).collect();
    let ratios: Map<_, _> = RATIOS
        .iter()
        .filter_map(|ratio| {
            let spread = results.ratio(ratio)?;
            let spread = json!({"min": spread.min, "median": spread.median, "max": spread.max});
            Some((ratio.name.to_owned(), spread))
        })
        .collect();
    let mut report = json!({
        "machine": machine(),
        "envoy": envoy_version()?,
        "rounds": results.rounds.len(),
        "chains": chains,
        "ratios": ratios,
    });
    if let (Some(memory), Some(report)) = (memory, report.as_object_mut()) {
        let memory = json!({"idle_mb": memory.idle_mb, "users_1m_mb": memory.users_1m_mb});
        report.insert("memory".to_owned(), memory);
    }
    Ok(report)
}

pub fn machine() -> String {
    format!("{ARCH}, {} cores", thread::available_parallelism().map_or(1, usize::from))
}

/// As Envoy says it: commit, version, state of its sources, kind of build, library of cryptography.
fn envoy_version() -> Result<String> {
    let said = output(Command::new(envoy()?).arg("--version"))?;
    Ok(said.rsplit("version: ").next().unwrap_or_default().trim().to_owned())
}
