//! The report as Markdown. In: the results. Out: a table of the chains, one of the ratios with their targets,
//! one of the memory.

use std::fmt::Write;

use super::{
    ratio::{RATIOS, Ratio, Target},
    report::{COLUMNS, Memory},
    results::Results,
    sample::Spread,
};

pub fn markdown(results: &Results, memory: Option<Memory>) -> String {
    let mut out = chains(results);
    out.push_str(&ratios(results));
    if let Some(Memory { idle_mb, users_1m_mb }) = memory {
        out.push_str("\n| resident memory of the gateway's Envoy | MB |\n|---|---:|\n");
        let _ = writeln!(out, "| idle | {idle_mb:.0} |\n| after a million counters | {users_1m_mb:.0} |");
    }
    out
}

fn chains(results: &Results) -> String {
    let titles: Vec<&str> = COLUMNS.iter().map(|(_, title, _)| *title).collect();
    let mut out =
        format!("| chain | what | {} |\n|---|---|{}\n", titles.join(" | "), "---:|".repeat(titles.len()));
    for chain in &results.chains {
        let median = |value| results.column(chain.name, value).map_or(f64::NAN, |spread| spread.median);
        let cells: Vec<_> = COLUMNS.iter().map(|(_, _, value)| format!("{:.0}", median(*value))).collect();
        let _ = writeln!(out, "| {} | {} | {} |", chain.name, chain.about, cells.join(" | "));
    }
    out
}

fn ratios(results: &Results) -> String {
    let mut out = "\n| ratio | min | median | max | target | |\n|---|---:|---:|---:|---|---|\n".to_owned();
    for ratio in &RATIOS {
        if let Some(spread) = results.ratio(ratio) {
            out.push_str(&row(ratio, &spread));
        }
    }
    out
}

fn row(ratio: &Ratio, spread: &Spread) -> String {
    let Spread { min, median, max } = spread;
    let target = match ratio.target {
        Target::AtMost(most) => format!("≤ {most}"),
        Target::AtLeast(least) => format!("≥ {least}"),
        Target::None => String::new(),
    };
    let verdict = match ratio.target.is_met(spread) {
        Some(true) => "met",
        Some(false) => "not met",
        None => "",
    };
    format!("| {} | {min:.2} | {median:.2} | {max:.2} | {target} | {verdict} |\n", ratio.name)
}

#[cfg(test)]
mod tests {
    use super::{Memory, Target, markdown, row};
    use crate::bench::{ratio::Ratio, results::tests::results, sample::Spread};

    #[test]
    fn the_tables_show_what_was_measured_and_nothing_else() {
        let table = markdown(&results(), Some(Memory { idle_mb: 100.4, users_1m_mb: 133.0 }));
        assert!(table.contains("| bare | Envoy's router alone, no log | 10 | 1 | 1 | 1 | 1 |"), "{table}");
        assert!(table.contains("| after a million counters | 133 |"), "{table}");
        assert!(!table.contains("native") && !table.contains("NaN"), "{table}");
    }

    #[test]
    fn a_missed_target_is_said_to_be_missed() {
        let spread = Spread { min: 0.5, median: 0.8, max: 0.9 };
        let check = |target, expect: &str| {
            let ratio = Ratio { name: "r", of: |s| s.cpu_us, chains: ["a", "b"], factor: 1.0, target };
            assert_eq!(row(&ratio, &spread), format!("| r | 0.50 | 0.80 | 0.90 | {expect} |\n"));
        };
        check(Target::AtMost(0.8), "≤ 0.8 | met");
        check(Target::AtMost(0.7), "≤ 0.7 | not met");
        check(Target::AtLeast(0.85), "≥ 0.85 | not met");
        check(Target::None, " | ");
    }
}
