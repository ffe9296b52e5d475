//! Metrics go to a collector, and nothing stops where it isn't there.

use super::*;
use axum::extract::State;
use axum::routing::post;
use std::sync::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;

type Got = Arc<Mutex<Vec<Value>>>;

/// A collector that answers this, under `/otlp`.
async fn collector(status: u16, answer: &'static str) -> (String, Got) {
    let got = Got::default();
    let take = move |State(got): State<Got>, body: String| async move {
        got.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        (StatusCode::from_u16(status).unwrap(), answer)
    };
    let router = Router::new().route("/otlp/v1/metrics", post(take)).with_state(Arc::clone(&got));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/otlp/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, got)
}

fn pushing(url: &str) -> (tempfile::TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let policy = json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "sidecar": { "data_dir": folder.path() },
        "routes": [{ "path": "/mcp", "mcp": { "tools": { "read": "public" } } }],
        "ledger": { "on": true },
        "telemetry": { "otlp": url },
    });
    let policy = Arc::new(config::load(Some(policy.to_string().as_bytes()), None).unwrap());
    let app = App::new(policy, Settings { secret: SECRET.into(), ..Settings::default() }).unwrap();
    (folder, app)
}

/// A metric of a request, by its name.
fn metric<'r>(request: &'r Value, name: &str) -> &'r Value {
    let metrics = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name} in {request:#}"))
}

#[tokio::test]
async fn what_is_scraped_is_pushed_when_the_process_ends() {
    let (url, got) = collector(200, "{}").await;
    let (folder, app) = pushing(&url);
    let called = json!({
        "status": 200, "route": "/mcp", "tool": "read", "operation": "tools/call", "decision": "allow",
        "reason": "authorized", "latency_us": 20_001,
    });
    std::fs::write(folder.path().join("decisions.jsonl"), format!("{called}\n{called}\n")).unwrap();
    let served = app.served();
    let (tell, told) = watch::channel(false);
    let reads = tokio::spawn(served.tail.clone().unwrap().run(told.clone()));
    while !call(Method::GET, "/metrics").text(&served.router).await.contains("records_total 2\n") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let pushes = tokio::spawn(served.push.clone().unwrap().run(told));
    tell.send_replace(true);
    reads.await.unwrap();
    pushes.await.unwrap();

    let request = got.lock().unwrap().pop().unwrap();
    let attributes = request["resourceMetrics"][0]["resource"]["attributes"].to_string();
    assert!(
        attributes.contains(r#"{"key":"service.name","value":{"stringValue":"gatewaystack"}}"#),
        "{attributes}"
    );
    let requests = &metric(&request, "gatewaystack_requests_total")["sum"];
    assert_eq!((&requests["aggregationTemporality"], &requests["isMonotonic"]), (&json!(2), &json!(true)));
    let point = &requests["dataPoints"][0];
    assert_eq!(point["asInt"], "2");
    assert_eq!(point["attributes"][1], json!({ "key": "decision", "value": { "stringValue": "allow" } }));
    let nanoseconds = |name: &str| point[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanoseconds("startTimeUnixNano") <= nanoseconds("timeUnixNano"));
    let operations = metric(&request, "mcp.server.operation.duration");
    assert_eq!(operations["unit"], "s");
    let point = &operations["histogram"]["dataPoints"][0];
    assert_eq!(point["attributes"].as_array().unwrap().len(), 2, "no error, so no error.type: {point}");
    assert_eq!((&point["count"], &point["sum"]), (&json!("2"), &json!(0.040_002)));
    assert_eq!(point["bucketCounts"].as_array().unwrap().len(), 15);
    assert_eq!((&point["bucketCounts"][2], &point["explicitBounds"][2]), (&json!("2"), &json!(0.05)));
    let lag = &metric(&request, "gatewaystack_ledger_lag_seconds")["gauge"]["dataPoints"][0];
    assert_eq!(lag.get("startTimeUnixNano"), None, "a gauge has no beginning");
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_said() {
    for (status, answer, expect) in [
        (200, "", None),
        (202, "no JSON", None),
        (200, r#"{"partialSuccess":{"rejectedDataPoints":"0"}}"#, None),
        (
            200,
            r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}"#,
            Some("refused 3 points"),
        ),
        (503, "", Some("answered 503")),
        (301, "", Some("answered 301")),
    ] {
        let (url, _) = collector(status, answer).await;
        let (_folder, app) = pushing(&url);
        let pushed = app.served().push.unwrap().push().await;
        match expect {
            None => assert_eq!(pushed, Ok(()), "{status} {answer}"),
            Some(text) => assert!(pushed.as_ref().unwrap_err().contains(text), "{pushed:?}"),
        }
    }
    let (_folder, app) = pushing("http://127.0.0.1:1");
    assert!(app.served().push.unwrap().push().await.unwrap_err().contains("didn't answer"));
}

#[tokio::test]
async fn a_url_with_a_place_for_secrets_is_refused() {
    for url in
        ["http://user:key@collector:4318", "https://collector/?key=1", "collector:4318", "ftp://collector"]
    {
        let policy = json!({ "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }], "telemetry": { "otlp": url } });
        let refused = config::load(Some(policy.to_string().as_bytes()), None).unwrap_err();
        assert_eq!(refused[0].path, "telemetry.otlp", "{url}");
    }
}
