//! The loop in the real Envoy: a request is in the ledger, and what an operator says there reaches all
//! workers (contract §13).

use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// By the contract, from the change on.
const REACHES: Duration = Duration::from_secs(3);

/// How often a user is blocked and let in again; `GATEWAYSTACK_ROUNDS` says another number.
fn rounds() -> u64 {
    std::env::var("GATEWAYSTACK_ROUNDS").map_or(3, |text| text.parse().unwrap())
}

async fn remembering(issuer: &TestIssuer, upstream: &str, more: Value) -> Gateway {
    let mut policy = json!({
        "ledger": {"on": true},
        "audit": {"address": "full"},
        "routes": [{"path": "/open", "access": "public"}, {"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [],
    });
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway().policy(policy).issuer(issuer).upstream(upstream).workers(4).start().await
}

/// The records that `gatewaystack records` finds by this condition, once there are so many.
async fn ledger(gateway: &Gateway, condition: Value, count: usize) -> Vec<Value> {
    let condition = condition.to_string();
    eventually("records in the ledger", || async {
        let said = gateway.run(&["records", "--json", "--where", &condition]);
        let records: Vec<Value> = serde_json::from_str(&said).unwrap();
        (records.len() >= count).then_some(records)
    })
    .await
}

/// Asks on new connections until each of sixteen in a row has this status: they are spread over the workers.
async fn all_workers_say(gateway: &Gateway, token: &str, status: u16) -> Duration {
    let begun = Instant::now();
    let mut in_a_row = 0;
    let mut first = None;
    while in_a_row < 16 {
        let got = gateway.get("/v1/x").bearer(token).send().await.status;
        if got == status {
            first.get_or_insert_with(|| begun.elapsed());
            in_a_row += 1;
        } else {
            (in_a_row, first) = (0, None);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{got} where {status} was expected");
    }
    first.unwrap()
}

#[tokio::test]
async fn a_request_is_remembered_once_with_all_that_was_known_of_it() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = remembering(&issuer, &echo.url, json!({})).await;
    let ann = token().claim("client_id", "agent-1").mint(&issuer);
    let bob = token().claim("sub", "bob").claim("scope", "other").mint(&issuer);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for _ in 0..20 {
        let request = gateway.get("/v1/x?secret=1").bearer(&ann).header("traceparent", traceparent);
        assert_eq!(request.header("user-agent", "agent/1").send().await.status, 200);
    }
    assert_eq!(gateway.get("/v1/y").bearer(&bob).send().await.status, 403);
    // Envoy's own word.
    assert_eq!(gateway.get("/v1/z").header("x_underscore", "1").send().await.status, 400);

    let records = ledger(&gateway, json!({"path": {"is": "/v1/x"}}), 20).await;
    let of = |record: &Value, names: [&str; 7]| names.map(|name| record[name].clone());
    for record in &records {
        let members = ["status", "sub", "client", "user_agent", "address", "trace_id", "decision"];
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let expect = json!([200, "ann", "agent-1", "agent/1", "127.0.0.1", id, "allow"]);
        assert_eq!(json!(of(record, members)), expect);
    }
    let mut numbers: Vec<(String, u64)> = records
        .iter()
        .map(|record| (record["vm"].as_str().unwrap().to_owned(), record["seq"].as_u64().unwrap()))
        .collect();
    let seen = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert_eq!((seen, numbers.len()), (20, 20), "each once");
    let refused = ledger(&gateway, json!({"path": {"is": "/v1/y"}}), 1).await;
    assert_eq!(refused[0]["needed"], json!(["tool:read"]));
    assert_eq!(refused[0]["have"], json!(["other"]));
    let before = ledger(&gateway, json!({"status": {"is": 400}}), 1).await;
    assert_eq!((&before[0]["vm"], &before[0]["seq"]), (&Value::Null, &Value::Null));
    assert!(before[0]["reason"].as_str().unwrap().starts_with("envoy:"));
    // As they stand in the file.
    let file = gateway.records(22).await;
    let all: Vec<Value> = serde_json::from_str(&gateway.run(&["records", "--json"])).unwrap();
    let sorted = |mut records: Vec<Value>| {
        records.sort_by_key(|record| record["request_id"].to_string());
        records
    };
    assert_eq!(sorted(all), sorted(file));
    let counted = gateway.run(&["records", "--by", "decision,reason", "--json"]);
    let counted: Value = serde_json::from_str(&counted).unwrap();
    assert_eq!(counted[0], json!({"decision": "allow", "reason": "authorized", "count": 20}));
    assert!(!gateway.run(&["records", "--json"]).contains("secret=1"));
}

#[tokio::test]
async fn a_blocked_user_is_refused_by_all_workers_within_three_seconds_and_let_in_again() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = remembering(&issuer, &echo.url, json!({})).await;
    let (ann, bob) = (token().mint(&issuer), token().claim("sub", "bob").mint(&issuer));
    all_workers_say(&gateway, &ann, 200).await;
    let mut took = Vec::new();
    for round in 0..rounds() {
        // The workers look each second: at any moment between two looks.
        tokio::time::sleep(Duration::from_millis(round * 379 % 1_000)).await;
        let begun = Instant::now();
        gateway.run(&["block", "user", "ann", "--why", "lost her laptop"]);
        let said = begun.elapsed();
        let after = said + all_workers_say(&gateway, &ann, 403).await;
        assert!(after < REACHES, "{after:?} in round {round}");
        took.push(after);
        assert_eq!(gateway.get("/v1/x").bearer(&bob).send().await.status, 200, "bob isn't meant");
        assert_eq!(gateway.get("/open").bearer(&ann).send().await.status, 200, "nobody has to sign in");
        gateway.run(&["unblock", "user", "ann"]);
        let after = all_workers_say(&gateway, &ann, 200).await;
        assert!(after < REACHES, "{after:?} in round {round}");
    }
    took.sort();
    println!("{} blocks: median {:?}, worst {:?}", took.len(), took[took.len() / 2], took[took.len() - 1]);
    assert!(gateway.command(&["unblock", "user", "ann"]).output().unwrap().status.code() == Some(1));
    let blocked = ledger(&gateway, json!({"path": {"is": "/v1/x"}}), 1).await;
    assert!(blocked.iter().any(|record| record["reason"] == "blocked" && record["sub"] == "ann"));
    // By the token itself, and for a time.
    gateway.run(&["block", "token", &ann, "--for", "3s"]);
    all_workers_say(&gateway, &ann, 403).await;
    let other = token().claim("jti", "another").mint(&issuer);
    assert_eq!(gateway.get("/v1/x").bearer(&other).send().await.status, 200, "another token of hers");
    let blocks: Value = serde_json::from_str(&gateway.run(&["blocks", "--json"])).unwrap();
    assert_eq!((blocks.as_array().unwrap().len(), &blocks[0]["kind"]), (1, &json!("token")));
    assert!(!blocks.to_string().contains(&ann), "a token isn't kept");
    all_workers_say(&gateway, &ann, 200).await;
    assert_eq!(gateway.run(&["blocks", "--json"]).trim(), "[]");
}

/// A block that was made before a start holds for the first request after it.
#[tokio::test]
async fn a_gateway_that_has_just_been_started_knows_who_is_blocked() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let mut gateway = remembering(&issuer, &echo.url, json!({})).await;
    let (ann, bob) = (token().mint(&issuer), token().claim("sub", "bob").mint(&issuer));
    gateway.run(&["block", "user", "ann"]);
    for _ in 0..3 {
        gateway.restart_envoy().await;
        for at in 0..8 {
            assert_eq!(gateway.get("/v1/x").bearer(&ann).send().await.status, 403, "request {at}");
        }
        assert_eq!(gateway.get("/v1/x").bearer(&bob).send().await.status, 200);
    }
}

/// Nobody answers for the ledger: what the policy says holds.
#[tokio::test]
async fn without_its_sidecar_a_gateway_keeps_what_it_knows_or_refuses() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let ann = token().mint(&issuer);
    for (on_stale, status) in [("keep", 200), ("deny", 503)] {
        let feed = json!({"feed": {"max_stale": "5s", "on_stale": on_stale}});
        let gateway = remembering(&issuer, &echo.url, feed).await;
        gateway.run(&["block", "user", "bob"]);
        let bob = token().claim("sub", "bob").mint(&issuer);
        all_workers_say(&gateway, &bob, 403).await;
        gateway.stop_sidecar();
        tokio::time::sleep(Duration::from_secs(6)).await;
        let got = gateway.get("/v1/x").bearer(&ann).send().await;
        assert_eq!(got.status, status, "{on_stale}");
        if status == 503 {
            assert_eq!(got.json()["error"], "temporarily_unavailable");
            assert_eq!(got.header("retry-after"), Some("1"));
        }
        let bobs = if on_stale == "keep" { 403 } else { 503 };
        assert_eq!(gateway.get("/v1/x").bearer(&bob).send().await.status, bobs);
        assert_eq!(gateway.get("/open").send().await.status, 200);
    }
}

/// The file of records has an end, and Envoy begins the next one without losing a line.
#[tokio::test]
async fn envoy_begins_another_file_of_records_when_one_has_been_read() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let small = json!({"ledger": {"on": true, "max_bytes": "1MiB"}});
    let gateway = remembering(&issuer, &echo.url, small).await;
    let (ann, agent) = (token().mint(&issuer), "a".repeat(256));
    let path = format!("/v1/{}", "p".repeat(250));
    let ask = async |count: usize| {
        for _ in 0..count {
            let request = gateway.get(&path).bearer(&ann).header("user-agent", &agent);
            assert_eq!(request.send().await.status, 200);
        }
    };
    // Over 256 KiB.
    ask(400).await;
    let file = gateway.rendered.data_dir.join("decisions.jsonl");
    let old = gateway.rendered.data_dir.join("decisions.jsonl.read");
    eventually("another file", || async {
        ask(1).await;
        let length = std::fs::metadata(&file).map_or(u64::MAX, |file| file.len());
        (length < 200 * 1024 && !old.exists()).then_some(())
    })
    .await;
    ask(20).await;
    let sent: u64 = gateway.stat(&["http.gatewaystack.downstream_rq_total"]).await;
    let totals = eventually("all records", || async {
        let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let metrics = client::raw(&gateway.rendered.sidecar, request).await.body;
        let total = |name: &str| -> u64 {
            let line = metrics.lines().find(|line| line.starts_with(&format!("gatewaystack_ledger_{name} ")));
            line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
        };
        let totals = ["records_total", "ignored_lines_total", "gaps_total"].map(total);
        (totals[0] >= sent).then_some(totals)
    })
    .await;
    assert_eq!(totals, [sent, 0, 0]);
    let counted: Value = serde_json::from_str(&gateway.run(&["records", "--by", "sub", "--json"])).unwrap();
    assert!(counted[0]["count"].as_u64().unwrap() > 100, "what has room is kept: {counted}");
}
