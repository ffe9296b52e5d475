//! What is counted of records: under closed sets of labels, and for good.

use super::*;
use crate::ledger::counted::families;
use crate::metrics::text::text;
use gatewaystack_core::config;
use serde_json::json;

fn counting(folder: &Path, tools: &[&str], limits: Limits) -> Reading {
    let tools: serde_json::Map<_, _> =
        tools.iter().map(|name| ((*name).to_owned(), json!("public"))).collect();
    let policy = json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "routes": [{ "path": "/mcp", "mcp": { "tools": tools } }, { "path": "/v1/*" }],
    });
    let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
    Reading::new(Ledger::open(folder, limits).unwrap().naming(&policy), nobody())
}

/// What a scrape shows of these metrics.
fn shown(folder: &Path, names: &[&str]) -> Vec<String> {
    let text = text(&families(&Home::from(folder).open(Use::Desk).unwrap()).unwrap());
    let is_asked = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}{{")));
    text.lines().filter(is_asked).map(str::to_owned).collect()
}

const COUNTERS: [&str; 2] = ["gatewaystack_requests_total", "gatewaystack_tool_calls_total"];

fn called(tool: &str, decision: &str, reason: &str, us: i64) -> String {
    let record = json!({
        "status": if decision == "allow" { 200 } else { 403 }, "path": "/mcp", "route": "/mcp", "tool": tool,
        "operation": "tools/call", "decision": decision, "reason": reason, "latency_us": us, "agent": null,
    });
    format!("{record}\n")
}

#[test]
fn records_are_counted_by_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = counting(folder.path(), &["purge"], LIMITS);
    let rest = [
        json!({"decision": "deny", "reason": "no_route", "route": null, "latency_us": 5_000}),
        json!({"decision": "error", "reason": "envoy:unexpected_underscore{x}", "route": null}),
        json!({"status": 502, "decision": "allow", "reason": "authorized", "route": "/mcp", "tool": "a,b",
            "operation": "tools/call,tools/call", "latency_us": 301_000_000}),
        json!({"decision": "allow", "reason": "authorized", "route": "/mcp", "operation": "resources/read",
            "tool": "file:///a", "latency_us": 1}),
    ];
    let text =
        called("purge", "allow", "authorized", 20_001) + &called("purge", "deny", "insufficient_scope", 7);
    append(folder.path(), &(text + &rest.map(|record| format!("{record}\n")).concat()));
    take(&mut reading, NOW);
    let expect = [
        r#"gatewaystack_requests_total{route="/mcp",decision="allow",reason="authorized",agent="none"} 3"#,
        r#"gatewaystack_requests_total{route="/mcp",decision="deny",reason="insufficient_scope",agent="none"} 1"#,
        r#"gatewaystack_requests_total{route="none",decision="deny",reason="no_route",agent="none"} 1"#,
        r#"gatewaystack_requests_total{route="none",decision="error",reason="envoy",agent="none"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="(batch)",decision="allow"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="purge",decision="allow"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="purge",decision="deny"} 1"#,
    ];
    assert_eq!(shown(folder.path(), &COUNTERS), expect);
    let durations =
        ["gatewaystack_request_duration_seconds_count", "gatewaystack_request_duration_seconds_sum"];
    let expect = [
        r#"gatewaystack_request_duration_seconds_sum{route="/mcp"} 301.020009"#,
        r#"gatewaystack_request_duration_seconds_count{route="/mcp"} 4"#,
        r#"gatewaystack_request_duration_seconds_sum{route="none"} 0.005"#,
        r#"gatewaystack_request_duration_seconds_count{route="none"} 1"#,
    ];
    assert_eq!(shown(folder.path(), &durations), expect);
    let buckets = shown(folder.path(), &["mcp_server_operation_duration_seconds_bucket"]);
    let series = |labels: &str| -> Vec<u64> {
        let of = buckets.iter().filter(|line| line.contains(&format!("{{{labels},le=")));
        of.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    };
    let allowed = series(r#"mcp_method_name="tools/call",gen_ai_tool_name="purge""#);
    assert_eq!(allowed, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "20.001 ms are in the third");
    let refused = r#"mcp_method_name="tools/call",gen_ai_tool_name="purge",error_type="insufficient_scope""#;
    assert_eq!(series(refused), [1; 15]);
    let batch = series(r#"mcp_method_name="(batch)",gen_ai_tool_name="(batch)",error_type="502""#);
    assert_eq!((batch[13], batch[14]), (0, 1), "longer than all bounds");
    assert_eq!(series(r#"mcp_method_name="resources/read""#), [1; 15], "no tool, and no error");
}

#[test]
fn what_clients_invent_makes_one_series() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = counting(folder.path(), &["purge"], LIMITS);
    let mut text = String::new();
    for n in 0..10_000 {
        let record = json!({
            "status": 404, "path": format!("/x{n}"), "method": format!("M{n}"), "route": format!("/r{n}"),
            "tool": format!("t{n}"), "operation": format!("o{n}"), "agent": format!("a{n}"), "sub": format!("s{n}"),
            "decision": format!("d{n}"), "reason": format!("r{n}"), "latency_us": 1,
        });
        text += &format!("{record}\n{}", called(&format!("t{n}"), "deny", "unlisted", 1));
    }
    append(folder.path(), &text);
    take(&mut reading, NOW);
    let expect = [
        r#"gatewaystack_requests_total{route="/mcp",decision="deny",reason="unlisted",agent="none"} 10000"#,
        r#"gatewaystack_requests_total{route="other",decision="other",reason="other",agent="other"} 10000"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="other",decision="deny"} 10000"#,
    ];
    assert_eq!(shown(folder.path(), &COUNTERS), expect);
    let operations = [
        r#"mcp_server_operation_duration_seconds_count{mcp_method_name="other",error_type="other"} 10000"#,
        r#"mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="other",error_type="unlisted"} 10000"#,
    ];
    assert_eq!(shown(folder.path(), &["mcp_server_operation_duration_seconds_count"]), operations);
    assert_eq!(rows(folder.path(), "SELECT count(*), 0, 0 FROM aggregate"), [(7, 0, 0)]);
}

#[test]
fn sums_stay_over_ends_and_what_is_forgotten_and_over_another_policy() {
    let folder = tempfile::tempdir().unwrap();
    let mut seq = 0;
    let mut numbered = |tool: &str| {
        seq += 1;
        let numbers =
            format!("{{\"ts\":\"2026-10-01T00:00:00.000000Z\",\"vm\":\"{:016x}\",\"seq\":{seq},", 1);
        called(tool, "allow", "authorized", 1).replacen('{', &numbers, 1)
    };
    let first = numbered("purge");
    append(folder.path(), &(first.clone() + &numbered("read")));
    take(&mut counting(folder.path(), &["purge"], LIMITS), NOW);
    assert_eq!(records(folder.path()).len(), 0, "too old");
    // The same record again doesn't count, and what was undone is counted anew.
    append(folder.path(), &(first + &numbered("read")));
    let mut reading = counting(folder.path(), &["read"], LIMITS);
    let undone: sql::Result<()> =
        reading.ledger.writer().with(|db| db.batch("ALTER TABLE aggregate RENAME TO away").map(drop));
    undone.unwrap();
    assert!(reading.step(NOW).is_err());
    let again: sql::Result<()> =
        reading.ledger.writer().with(|db| db.batch("ALTER TABLE away RENAME TO aggregate").map(drop));
    again.unwrap();
    take(&mut reading, NOW);
    let expect = [
        r#"gatewaystack_requests_total{route="/mcp",decision="allow",reason="authorized",agent="none"} 3"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="other",decision="allow"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="purge",decision="allow"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="read",decision="allow"} 1"#,
    ];
    assert_eq!(shown(folder.path(), &COUNTERS), expect);
}

#[test]
fn a_metric_has_a_bounded_number_of_series() {
    let folder = tempfile::tempdir().unwrap();
    let small = Limits { max_bytes: 1 << 20, ..LIMITS };
    // Policy after policy.
    for round in 0..30 {
        let tools: Vec<String> = (0..20).map(|n| format!("t{round}-{n}")).collect();
        let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
        let mut reading = counting(folder.path(), &tools, small);
        let calls: String = tools.iter().map(|tool| called(tool, "allow", "authorized", 1)).collect();
        append(folder.path(), &calls);
        take(&mut reading, NOW);
    }
    let lines = shown(folder.path(), &["gatewaystack_tool_calls_total"]);
    assert_eq!(lines.len(), 129);
    let rest = r#"gatewaystack_tool_calls_total{route="other",tool="other",decision="allow"} 472"#;
    assert!(lines.iter().any(|line| line == rest), "{lines:#?}");
}
