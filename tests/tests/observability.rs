//! What others read: Prometheus and OpenTelemetry each metric, `deploy/observe` those that there are; and
//! each alert has what makes it fire.

use gatewaystack::metrics::catalogue;
use gatewaystack::metrics::definition::{Definition, Family, Kind, Series, Value};
use gatewaystack::metrics::otlp;
use gatewaystack::metrics::text::text;
use gatewaystack_tests::gateway::from_environment;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn folder() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../deploy/observe")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap()
}

fn yaml(file: &str) -> Json {
    serde_saphyr::from_str(&read(file)).unwrap()
}

fn list<'v>(value: &'v Json, member: &str) -> &'v [Json] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// All expressions of a dashboard, or of the rules.
fn expressions(value: &Json) -> Vec<String> {
    match value {
        Json::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Json::String(text) if name == "expr" => vec![text.clone()],
                value => expressions(value),
            })
            .collect(),
        Json::Array(all) => all.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// The metrics of an expression: no labels, and without what histograms add.
fn metrics(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let prefixes = ["gatewaystack_", "mcp_server_"];
    let words = expression.split(|c| !is_part(c)).filter(|word| prefixes.iter().any(|p| word.starts_with(p)));
    let bare = |word: &str| {
        let ends = ["_bucket", "_count", "_sum"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    };
    words.map(bare).collect()
}

#[test]
fn dashboards_and_alerts_have_metrics_that_there_are() {
    let envoys = std::fs::read_to_string(folder().join("../../docs/operations.md")).unwrap();
    let (_, envoys) = envoys.split_once("## What to watch").unwrap();
    let of_sidecar: Vec<&str> = catalogue::ALL.iter().map(|definition| definition.name).collect();
    let mut seen = BTreeSet::new();
    for file in ["alerts.yml", "dashboard.json", "ledger.json", "audit.json"] {
        let found = expressions(&yaml(file));
        assert!(found.len() > 4, "{file}: {found:?}");
        seen.extend(found.iter().flat_map(|expression| metrics(expression)));
    }
    let unknown: Vec<_> = seen
        .iter()
        .filter(|name| !of_sidecar.contains(&name.as_str()) && !envoys.contains(&format!("`{name}")))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // What is only about what runs needs no picture; all else of the ledger has one, or an alert.
    for name in ["gatewaystack_requests_total", "gatewaystack_tool_calls_total"] {
        assert!(seen.contains(name), "{name}");
    }
}

#[test]
fn each_alert_has_a_test_that_makes_it_fire_and_one_that_does_not() {
    let (rules, tests) = (yaml("alerts.yml"), yaml("alerts_test.yml"));
    let alerts = list(&rules["groups"][0], "rules").iter();
    let alerts: BTreeSet<&str> = alerts.map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert!(alerts.len() > 10);
    let cases = || list(&tests, "tests").iter().flat_map(|test| list(test, "alert_rule_test"));
    let named = |fires: bool| -> BTreeSet<&str> {
        let is_it = |case: &&Json| list(case, "exp_alerts").is_empty() != fires;
        cases().filter(is_it).map(|case| case["alertname"].as_str().unwrap()).collect()
    };
    assert_eq!(named(true), alerts);
    assert_eq!(named(false), alerts);
    let page = std::fs::read_to_string(folder().join("../../docs/telemetry.md")).unwrap();
    let told = page.lines().filter_map(|line| line.strip_prefix("| `GatewayStack")?.split_once('`'));
    let told: BTreeSet<String> = told.map(|(name, _)| format!("GatewayStack{name}")).collect();
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), alerts, "docs/telemetry.md");
}

/// Something of each metric, with a label that has to be escaped.
fn families() -> Vec<Family> {
    let family = |definition: &&'static Definition| {
        let value = match definition.kind {
            Kind::Histogram(bounds) => Value::Buckets { counts: vec![1; bounds.len() + 1], sum_us: 7 },
            _ => Value::Whole(7),
        };
        let labels = definition.labels.iter().map(|_| "a\"b\\c\nd".to_owned()).collect();
        Family { definition, since_ms: 1, series: vec![Series { labels, value }] }
    };
    catalogue::ALL.iter().map(family).collect()
}

#[test]
#[ignore = "Prometheus' promtool: cargo xtask test --all installs it"]
fn prometheus_reads_each_metric_and_finds_nothing_wrong_with_it() {
    let said = said(Command::new("promtool").args(["check", "metrics"]), &text(&families()));
    assert!(said.is_empty(), "{said}");
}

/// What a program that reads this says.
fn said(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

/// Names that the definitions don't have are errors.
const READS: &str = "
import json, sys
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
request = Parse(sys.stdin.read(), ExportMetricsServiceRequest())
[resource] = request.resource_metrics
[scope] = resource.scope_metrics
found = {}
for metric in scope.metrics:
    kind = metric.WhichOneof('data')
    [point] = getattr(metric, kind).data_points
    attributes = {one.key: one.value.string_value for one in point.attributes}
    value = [point.count, list(point.bucket_counts)] if kind == 'histogram' else point.as_int
    times = [point.start_time_unix_nano, point.time_unix_nano]
    found[metric.name] = [kind, value, len(attributes), sorted(set(attributes.values())), times]
json.dump(found, sys.stdout)
";

#[test]
#[ignore = "OpenTelemetry's package: cargo xtask test --all installs it"]
fn opentelemetry_reads_each_metric_that_is_pushed() {
    let request = otlp::request(&families(), "a ledger", 2).to_string();
    let mut python = Command::new(from_environment("GATEWAYSTACK_PYTHON"));
    let read: Json = serde_json::from_str(&said(python.args(["-c", READS]), &request)).unwrap();
    assert_eq!(read.as_object().unwrap().len(), catalogue::ALL.len());
    for Definition { name, convention, kind, labels, .. } in catalogue::ALL {
        let values: &[&str] = if labels.is_empty() { &[] } else { &["a\"b\\c\nd"] };
        let (kind, value, start) = match kind {
            Kind::Counter => ("sum", json!(7), 1_000_000),
            Kind::Gauge => ("gauge", json!(7), 0),
            Kind::Histogram(_) => ("histogram", json!([15, vec![1; 15]]), 1_000_000),
        };
        let expect = json!([kind, value, labels.len(), values, [start, 2_000_000]]);
        assert_eq!(read[convention.unwrap_or(name)], expect, "{name}");
    }
}

#[test]
#[ignore = "Prometheus' promtool: cargo xtask test --all installs it"]
fn alerts_fire_when_they_should() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(folder()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}
