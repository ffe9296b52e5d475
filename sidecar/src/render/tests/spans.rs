//! Spans: where they go, and what an older Envoy isn't given.

use super::{input, manager, policy, rendered};
use crate::render::render;
use serde_json::{Value, json};

#[test]
fn spans_go_to_the_collector_and_an_older_envoy_has_no_attributes_of_ours() {
    let none = "none";
    for (version, address, tags) in [
        (None, "full", 6),
        (Some("1.40.0"), none, 7),
        (Some("1.37.0"), "network", 7),
        (Some("1.36.4"), none, 1),
        (Some("1.36.4"), "full", 0),
    ] {
        let mut policy = policy(json!([{ "path": "/a" }]));
        policy["audit"] = json!({ "address": address });
        policy["telemetry"] = json!({ "otlp": "https://collector.example:4318/otlp/" });
        let variables: Vec<_> = version.iter().map(|version| ("ENVOY_VERSION", *version)).collect();
        let (_, bootstrap) = rendered(Some(policy), &variables);
        let tracing = &manager(&bootstrap)["tracing"];
        let uri = &tracing["provider"]["typed_config"]["http_service"]["http_uri"];
        assert_eq!(uri["uri"], "https://collector.example:4318/otlp/v1/traces");
        let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
        assert_eq!(clusters.iter().filter(|cluster| cluster["name"] == uri["cluster"]).count(), 1);
        assert_eq!(tracing["max_path_tag_length"], 0, "a query may have secrets");
        assert_eq!(tracing["custom_tags"].as_array().map_or(0, Vec::len), tags, "{version:?}");
    }
}

#[test]
fn without_a_collector_there_are_no_spans() {
    let (_, bootstrap) = rendered(Some(policy(json!([{ "path": "/a" }]))), &[]);
    assert_eq!(manager(&bootstrap)["tracing"], Value::Null);
}

#[test]
fn what_is_no_version_is_refused() {
    let refused = render(&input(None, &[("ENVOY_VERSION", "newest")])).unwrap_err();
    assert_eq!(refused[0].path, "ENVOY_VERSION");
}
