//! Records that the filter posts, for no file leads from the proxy to the ledger, as in a mesh (contract
//! §13.7).

use gatewaystack::render::Rendered;
use gatewaystack_tests::sidecar::LedgerProcess;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Nothing is written to a file: what is in the ledger was posted.
async fn posting(issuer: &TestIssuer, upstream: &str, workers: usize, is_reloadable: bool) -> Gateway {
    let policy = json!({
        "ledger": {"on": true},
        "sidecar": {"cluster": "gatewaystack_sidecar"},
        "audit": {"to": ["stdout"]},
        "routes": [{"path": "/open/*", "access": "public"}, {"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [],
    });
    let builder = gateway().policy(policy).issuer(issuer).upstream(upstream).workers(workers);
    if is_reloadable { builder.reloadable().start().await } else { builder.start().await }
}

/// `gatewaystack serve`, in the place of the sidecar that the gateway began with.
async fn serving(gateway: &Gateway) -> LedgerProcess {
    let Rendered { policy_json, secret, sidecar, data_dir, .. } = &gateway.rendered;
    LedgerProcess::start(policy_json, secret, sidecar, data_dir).await
}

/// Asks for these paths, each on a connection of its own, so that all workers get some.
async fn ask(gateway: &Gateway, prefix: &str, count: usize) {
    for at in 0..count {
        assert_eq!(gateway.get(&format!("/open/{prefix}/{at}")).send().await.status, 200, "{prefix} {at}");
    }
}

fn ledger(gateway: &Gateway) -> Vec<Value> {
    let condition = json!({"path": {"glob": "/open/*"}}).to_string();
    serde_json::from_str(&gateway.run(&["records", "--json", "--where", &condition])).unwrap()
}

/// Once there are so many: each is there once, and none of a VM's numbers is missing.
async fn has_each_once(gateway: &Gateway, count: usize) -> Vec<Value> {
    let records = eventually("records in the ledger", || async {
        let records = ledger(gateway);
        (records.len() >= count).then_some(records)
    })
    .await;
    let paths: BTreeSet<&str> = records.iter().map(|record| record["path"].as_str().unwrap()).collect();
    assert_eq!((records.len(), paths.len()), (count, count));
    let mut vms: std::collections::BTreeMap<&str, Vec<u64>> = std::collections::BTreeMap::new();
    for record in &records {
        vms.entry(record["vm"].as_str().unwrap()).or_default().push(record["seq"].as_u64().unwrap());
        assert_eq!((&record["status"], &record["decision"]), (&json!(200), &json!("allow")));
    }
    for (vm, mut numbers) in vms {
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{vm}");
    }
    records
}

#[tokio::test]
async fn each_of_a_thousand_records_is_posted_once_and_a_block_holds() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = posting(&issuer, &echo.url, 2, false).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ask(&gateway, "first", 1).await;
    let late = Instant::now();
    eventually("the first record", || async { (!ledger(&gateway).is_empty()).then_some(()) }).await;
    // A second, and what it takes to ask.
    assert!(late.elapsed() < Duration::from_secs(3), "{:?}", late.elapsed());
    ask(&gateway, "more", 999).await;
    has_each_once(&gateway, 1_000).await;
    assert!(!gateway.rendered.data_dir.join("decisions.jsonl").exists());
    assert_eq!(gateway.stat(&["gatewaystack_records_dropped_total"]).await, 0);
    assert_eq!(gateway.stat(&["gatewaystack_record_posts_failed_total"]).await, 0);
    assert_eq!(gateway.stat(&["gatewaystack_records_posted_total"]).await, 1_000);
    // What comes back by the feed.
    let ann = token().mint(&issuer);
    assert_eq!(gateway.get("/v1/x").bearer(&ann).send().await.status, 200);
    gateway.run(&["block", "user", "ann"]);
    eventually("the block", || async {
        (gateway.get("/v1/x").bearer(&ann).send().await.status == 403).then_some(())
    })
    .await;
    let refused = json!({"reason": {"is": "blocked"}}).to_string();
    eventually("the refusal's record", || async {
        let said = gateway.run(&["records", "--json", "--where", &refused]);
        let records: Vec<Value> = serde_json::from_str(&said).unwrap();
        records.iter().any(|record| record["sub"] == "ann" && record["status"] == 403).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_record_is_lost_or_doubled_by_a_sidecar_that_is_killed_again_and_again() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = posting(&issuer, &echo.url, 2, false).await;
    gateway.stop_sidecar();
    let mut sidecar = serving(&gateway).await;
    for round in 0..4 {
        ask(&gateway, &format!("before-{round}"), 100).await;
        sidecar.kill();
        ask(&gateway, &format!("without-{round}"), 50).await;
        sidecar = serving(&gateway).await;
    }
    has_each_once(&gateway, 600).await;
    assert_eq!(gateway.stat(&["gatewaystack_records_dropped_total"]).await, 0);
    assert_eq!(sidecar.total("gatewaystack_ledger_records_total").await, 600);
    assert_eq!(sidecar.total("gatewaystack_ledger_ignored_lines_total").await, 0);
}

#[tokio::test]
async fn what_was_decided_while_the_sidecar_was_away_comes_when_it_is_back() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = posting(&issuer, &echo.url, 1, true).await;
    ask(&gateway, "before", 10).await;
    has_each_once(&gateway, 10).await;
    gateway.stop_sidecar();
    ask(&gateway, "away", 200).await;
    eventually("a failure", || async {
        (gateway.stat(&["gatewaystack_record_posts_failed_total"]).await > 1).then_some(())
    })
    .await;
    assert!(gateway.log().contains("records wait for the ledger"), "{}", gateway.log());
    assert!(!gateway.log().contains(&gateway.rendered.secret));
    // A new policy meanwhile, and with it another VM, whose first record is 1.
    gateway.reload(|policy| policy["realm"] = json!("another")).unwrap();
    let _sidecar = serving(&gateway).await;
    let records = eventually("records of two VMs", || async {
        let at = ledger(&gateway).len();
        ask(&gateway, &format!("after-{at}-{}", Instant::now().elapsed().as_nanos()), 1).await;
        let records = ledger(&gateway);
        let vms: BTreeSet<String> = records.iter().map(|record| record["vm"].to_string()).collect();
        (vms.len() > 1).then_some(records)
    })
    .await;
    let away = eventually("all that was decided", || async {
        let away: Vec<Value> =
            ledger(&gateway).into_iter().filter(|r| r["path"].as_str().unwrap().contains("/away/")).collect();
        (away.len() >= 200).then_some(away)
    })
    .await;
    assert_eq!(away.len(), 200);
    assert!(records.len() > 10);
    for vm in records.iter().map(|record| &record["vm"]) {
        assert!(ledger(&gateway).iter().any(|record| record["vm"] == *vm && record["seq"] == 1), "{vm}");
    }
    assert_eq!(gateway.stat(&["gatewaystack_records_dropped_total"]).await, 0);
}

/// The connection manager, wherever it stands.
fn manager(value: &mut Value) -> Option<&mut Value> {
    if value.get("access_log").is_some() && value.get("http_filters").is_some() {
        return Some(value);
    }
    match value {
        Value::Array(items) => items.iter_mut().find_map(manager),
        Value::Object(members) => members.values_mut().find_map(manager),
        _ => None,
    }
}

/// Envoy's own logger, as docs/records.md has it.
#[tokio::test]
async fn each_of_a_thousand_records_comes_once_by_envoys_logger_of_otlp() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let port = free_port();
    let document = std::fs::read_to_string(root().join("docs/records.md")).unwrap();
    let logger =
        document.split("```yaml\n").find(|part| part.contains("envoy.access_loggers.open_telemetry"));
    let logger = logger.unwrap().split("```").next().unwrap().to_owned();
    let policy = json!({
        "ledger": {"on": true, "otlp_port": port},
        "audit": {"to": ["stdout"]},
        "routes": [{"path": "/open/*", "access": "public"}],
        "rate_limits": [],
    });
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&echo.url).workers(2);
    let gateway = builder
        .editing(move |bootstrap, rendered| {
            let logger = logger.replace("SECRET", &rendered.secret);
            let logger: Value = serde_saphyr::from_str(&logger).unwrap();
            let manager = manager(bootstrap).unwrap();
            manager["access_log"].as_array_mut().unwrap().extend(logger["access_log"].as_array().unwrap().clone());
            let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
            let http2 = json!({
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            });
            let cluster = json!({
                "name": "gatewaystack_ledger",
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
                "load_assignment": {"cluster_name": "gatewaystack_ledger", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address}}]},
                ]},
            });
            bootstrap["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        })
        .start()
        .await;
    ask(&gateway, "otlp", 1_000).await;
    has_each_once(&gateway, 1_000).await;
    assert!(!gateway.rendered.data_dir.join("decisions.jsonl").exists());
    assert_eq!(gateway.stat(&["gatewaystack_records_posted_total"]).await, 0);
}
