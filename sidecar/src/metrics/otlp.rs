//! Metrics in, a request of OTLP out, as JSON (OpenTelemetry Protocol, "JSON Protobuf Encoding": names in
//! camel case, 64-bit numbers as strings, enums as numbers). All sums are cumulative.

use super::definition::{Family, Kind, Series, Value as Measured, seconds};
use serde_json::{Value, json};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u8 = 2;

/// An `ExportMetricsServiceRequest` of what `instance` has measured.
pub fn request(families: &[Family], instance: &str, now_ms: i64) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let resource =
        [("service.name", "gatewaystack"), ("service.version", version), ("service.instance.id", instance)];
    let metrics: Vec<Value> = families
        .iter()
        .filter(|family| !family.series.is_empty())
        .filter_map(|family| metric(family, now_ms))
        .collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": resource.map(|(name, value)| attribute(name, value)) },
        "scopeMetrics": [{ "scope": { "name": "gatewaystack", "version": version }, "metrics": metrics }],
    }]})
}

fn metric(family: &Family, now_ms: i64) -> Option<Value> {
    let definition = family.definition;
    let points = family.series.iter().filter_map(|series| point(family, series, now_ms));
    let points: Vec<Value> = points.collect();
    let (kind, data) = match definition.kind {
        Kind::Counter => (
            "sum",
            json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points }),
        ),
        Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
        Kind::Histogram(_) => {
            ("histogram", json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points }))
        }
    };
    let mut metric = json!({
        "name": definition.convention.unwrap_or(definition.name),
        "description": definition.help,
        "unit": if definition.name.ends_with("_seconds") { "s" } else { "1" },
    });
    metric.as_object_mut()?.insert(kind.to_owned(), data);
    Some(metric)
}

fn point(family: &Family, series: &Series, now_ms: i64) -> Option<Value> {
    let definition = family.definition;
    let labels = definition.labels.iter().zip(&series.labels).filter(|(_, value)| !value.is_empty());
    let attributes: Vec<Value> = labels.map(|((_, name), value)| attribute(name, value)).collect();
    let mut point = json!({ "attributes": attributes, "timeUnixNano": nanoseconds(now_ms) });
    let members = point.as_object_mut()?;
    if definition.kind != Kind::Gauge {
        members.insert("startTimeUnixNano".to_owned(), json!(nanoseconds(family.since_ms)));
    }
    match (&series.value, definition.kind) {
        (Measured::Whole(value), _) => {
            members.insert("asInt".to_owned(), json!(value.to_string()));
        }
        (Measured::Real(value), _) => {
            members.insert("asDouble".to_owned(), json!(value));
        }
        (Measured::Buckets { counts, sum_us }, Kind::Histogram(bounds)) => {
            let all = counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
            let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
            let bounds: Vec<f64> = bounds.iter().map(|us| seconds(us.unsigned_abs())).collect();
            members.insert("count".to_owned(), json!(all.to_string()));
            members.insert("sum".to_owned(), json!(seconds(*sum_us)));
            members.insert("bucketCounts".to_owned(), json!(counts));
            members.insert("explicitBounds".to_owned(), json!(bounds));
        }
        (Measured::Buckets { .. }, _) => return None,
    }
    Some(point)
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

fn nanoseconds(ms: i64) -> String {
    ms.max(0).saturating_mul(1_000_000).to_string()
}
