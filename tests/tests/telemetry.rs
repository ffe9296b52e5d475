//! Metrics of the ledger as they are scraped, and spans as a collector gets them, of the real Envoy.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use gatewaystack_core::protobuf::{Field, fields};
use gatewaystack_tests::gateway::envoy_version;
use gatewaystack_tests::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Spans = Arc<Mutex<Vec<BTreeMap<String, String>>>>;

/// The messages, or texts, that a message has under this tag.
fn all(message: &[u8], tag: u64) -> Vec<&[u8]> {
    let one = |field: Option<_>| match field.expect("a message") {
        (found, Field::Bytes(bytes)) if found == tag => Some(bytes),
        _ => None,
    };
    fields(message).filter_map(one).collect()
}

fn text(message: &[u8], tag: u64) -> String {
    all(message, tag).first().map_or(String::new(), |text| String::from_utf8(text.to_vec()).unwrap())
}

/// `ExportTraceServiceRequest`: each span's attributes that are texts, its name among them.
fn spans(request: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    for of_resource in all(request, 1) {
        for of_scope in all(of_resource, 2) {
            for span in all(of_scope, 2) {
                let attribute = |pair: &[u8]| (text(pair, 1), text(all(pair, 2)[0], 1));
                let mut attributes: BTreeMap<_, _> = all(span, 9).into_iter().map(attribute).collect();
                attributes.insert("name".to_owned(), text(span, 5));
                found.push(attributes);
            }
        }
    }
    found
}

/// A collector that takes spans.
async fn collector() -> (String, Spans) {
    let got = Spans::default();
    let take = |State(got): State<Spans>, body: Bytes| async move {
        got.lock().unwrap().extend(spans(&body));
    };
    let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&got));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, got)
}

#[tokio::test]
async fn a_request_is_counted_once_and_its_span_says_what_was_decided() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let (url, got) = collector().await;
    let policy = json!({
        "ledger": {"on": true},
        "telemetry": {"otlp": url},
        "routes": [
            {"path": "/v1/*", "scopes": ["tool:read"]},
            {"path": "/mcp", "mcp": {"tools": {"whoami": ["tool:read"], "purge": ["admin"]}}},
        ],
        "rate_limits": [],
    });
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let good = token().scope("tool:read").mint(&issuer);
    for _ in 0..3 {
        assert_eq!(gateway.get("/v1/x?secret=5ecre7").bearer(&good).send().await.status, 200);
    }
    // A client's trace goes on, and so does its wish for none.
    for (id, flags) in
        [("4bf92f3577b34da6a3ce929d0e0e4736", "01"), ("4bf92f3577b34da6a3ce929d0e0e4737", "00")]
    {
        let traceparent = format!("00-{id}-00f067aa0ba902b7-{flags}");
        let request = gateway.get("/v1/x").bearer(&good).header("traceparent", &traceparent);
        assert_eq!(request.send().await.status, 200);
        let seen = upstream.seen().pop().unwrap()["headers"]["traceparent"][0].to_string();
        assert!(seen.contains(&format!("00-{id}-")) && seen.ends_with(&format!("-{flags}\"")), "{seen}");
    }
    let bearer = format!("Bearer {good}");
    for (tool, status) in [("whoami", 200), ("purge", 403), ("made-up-by-a-client", 403)] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}});
        let headers = [("authorization", bearer.as_str()), ("accept", "application/json, text/event-stream")];
        let answer = client::post_json(gateway.address(), "/mcp", &headers, &body.to_string()).await;
        assert_eq!(answer.status, status, "{tool}");
    }

    let ask = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let scrape = eventually("eight records in the ledger", || async {
        let text = client::raw(&gateway.rendered.sidecar, ask).await.body;
        text.contains("\ngatewaystack_ledger_records_total 8\n").then_some(text)
    })
    .await;
    for line in [
        r#"gatewaystack_requests_total{route="/v1/*",decision="allow",reason="authorized",agent="none"} 5"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="whoami",decision="allow"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="purge",decision="deny"} 1"#,
        r#"gatewaystack_tool_calls_total{route="/mcp",tool="other",decision="deny"} 1"#,
        r#"gatewaystack_request_duration_seconds_count{route="/mcp"} 3"#,
    ] {
        assert!(scrape.lines().any(|other| other == line), "{line} in {scrape}");
    }
    assert!(!scrape.contains("made-up"), "{scrape}");

    // Envoy sends them each five seconds, or when there are enough.
    let spans = eventually("the spans of seven requests", || async {
        let spans = got.lock().unwrap().clone();
        (spans.len() >= 7).then_some(spans)
    })
    .await;
    assert!(spans.iter().all(|span| span.values().all(|value| !value.contains("5ecre7"))), "{spans:#?}");
    assert!(spans.iter().all(|span| span["peer.address"] == "-"), "nobody asked for addresses: {spans:#?}");
    assert!(spans.iter().all(|span| !span["guid:x-request-id"].is_empty()), "{spans:#?}");
    if envoy_version() < (1, 37, 0) {
        return;
    }
    let named = |route: &str, tool: Option<&str>| -> Vec<[String; 4]> {
        let is_it = |span: &&BTreeMap<String, String>| {
            span["gatewaystack.route"] == route && span.get("gen_ai.tool.name").map(String::as_str) == tool
        };
        let of = |span: &BTreeMap<String, String>| {
            ["gatewaystack.decision", "gatewaystack.reason", "url.path", "mcp.method.name"]
                .map(|name| span.get(name).cloned().unwrap_or_default())
        };
        spans.iter().filter(is_it).map(of).collect()
    };
    let expect = |words: [&str; 4]| words.map(str::to_owned);
    assert_eq!(named("/v1/*", None), vec![expect(["allow", "authorized", "/v1/x", ""]); 4], "{spans:#?}");
    let whoami = [expect(["allow", "authorized", "/mcp", "tools/call"])];
    assert_eq!(named("/mcp", Some("whoami")), whoami, "{spans:#?}");
    let purge = [expect(["deny", "insufficient_scope", "/mcp", "tools/call"])];
    assert_eq!(named("/mcp", Some("purge")), purge, "{spans:#?}");
}
