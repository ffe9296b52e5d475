//! What is told of metrics, and that the documents tell the same.

use super::Metrics;
use super::catalogue::{ALL, MCP_DURATION, TOOL_CALLS};
use super::definition::{Definition, Family, Kind, Series, Value};
use super::text::text;

fn family(definition: &'static Definition, labels: &[&str], value: Value) -> Family {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Family { definition, since_ms: 1, series: vec![Series { labels, value }] }
}

#[test]
fn a_metric_says_what_it_is() {
    for family in Metrics::default().families() {
        let text = text(std::slice::from_ref(&family));
        let Definition { name, help, .. } = family.definition;
        assert!(
            text.starts_with(&format!("# HELP {name} {help}\n# TYPE {name} counter\n{name}{{")),
            "{text}"
        );
    }
}

#[test]
fn labels_are_escaped_and_empty_ones_left_out() {
    let calls = family(&TOOL_CALLS, &["/mcp", "a\"b\\c\nd", ""], Value::Whole(1));
    let line = text(&[calls]).lines().last().map(str::to_owned);
    assert_eq!(line.unwrap(), r#"gatewaystack_tool_calls_total{route="/mcp",tool="a\"b\\c\nd"} 1"#);
}

#[test]
fn buckets_are_told_with_all_below_them() {
    let mut counts = vec![0; 15];
    (counts[0], counts[13], counts[14]) = (1, 2, 3);
    let text = text(&[family(&MCP_DURATION, &["ping"], Value::Buckets { counts, sum_us: 1_500_000 })]);
    let mut lines: Vec<&str> = text.lines().skip(2).collect();
    lines.drain(1..13);
    let name = "mcp_server_operation_duration_seconds";
    let expect = [
        format!("{name}_bucket{{mcp_method_name=\"ping\",le=\"0.01\"}} 1"),
        format!("{name}_bucket{{mcp_method_name=\"ping\",le=\"300\"}} 3"),
        format!("{name}_bucket{{mcp_method_name=\"ping\",le=\"+Inf\"}} 6"),
        format!("{name}_sum{{mcp_method_name=\"ping\"}} 1.5"),
        format!("{name}_count{{mcp_method_name=\"ping\"}} 6"),
    ];
    assert_eq!(lines, expect);
}

/// The table of docs/telemetry.md.
fn table() -> String {
    let row = |definition: &&Definition| {
        let Definition { name, kind, labels, help, .. } = definition;
        let labels: Vec<String> = labels.iter().map(|(name, _)| format!("`{name}`")).collect();
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
    };
    let rows: String = ALL.iter().map(row).collect();
    format!("| metric | kind | labels | what |\n|---|---|---|---|\n{rows}")
}

#[test]
fn the_documents_have_each_metric_as_it_is() {
    let page = include_str!("../../../docs/telemetry.md");
    let table = table();
    assert!(page.contains(&format!("\n{table}\n")), "docs/telemetry.md needs this table:\n{table}");
}
