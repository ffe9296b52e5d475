//! Metrics in, the text that Prometheus reads out (exposition format 0.0.4).

use super::definition::{Family, Kind, Series, Value, seconds};
use std::fmt::Write as _;

/// The text.
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        let definition = family.definition;
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let name = definition.name;
        let help = definition.help.replace('\\', r"\\");
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        family.series.iter().for_each(|series| lines(&mut out, family, series));
    }
    out
}

fn lines(out: &mut String, family: &Family, series: &Series) {
    let name = family.definition.name;
    let labels = labels(family, series);
    let with = |more: &str| match (labels.is_empty(), more.is_empty()) {
        (true, true) => String::new(),
        (false, false) => format!("{{{labels},{more}}}"),
        _ => format!("{{{labels}{more}}}"),
    };
    let _ = match (&series.value, family.definition.kind) {
        (Value::Buckets { counts, sum_us }, Kind::Histogram(bounds)) => {
            let mut below = 0u64;
            let ends = bounds.iter().map(|us| seconds(us.unsigned_abs()).to_string());
            for (count, end) in counts.iter().zip(ends.chain(["+Inf".to_owned()])) {
                below = below.saturating_add(*count);
                let _ = writeln!(out, "{name}_bucket{} {below}", with(&format!("le=\"{end}\"")));
            }
            let (whole, all) = (with(""), counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count)));
            writeln!(out, "{name}_sum{whole} {}\n{name}_count{whole} {all}", seconds(*sum_us))
        }
        (Value::Whole(value), _) => writeln!(out, "{name}{} {value}", with("")),
        (Value::Real(value), _) => writeln!(out, "{name}{} {value:.3}", with("")),
        (Value::Buckets { .. }, _) => Ok(()),
    };
}

fn labels(family: &Family, series: &Series) -> String {
    let mut out = String::new();
    for ((name, _), value) in family.definition.labels.iter().zip(&series.labels) {
        if !value.is_empty() {
            let comma = if out.is_empty() { "" } else { "," };
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(out, "{comma}{name}=\"{value}\"");
        }
    }
    out
}
