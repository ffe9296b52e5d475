//! The ledger in the sidecar: the feed, what is counted, and that it stays open over a new policy.

use super::*;
use crate::ledger::Tail;
use crate::ledger::database::testing;
use crate::ledger::operate;
use gatewaystack_core::config::policy::Policy;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::watch;

fn policy(folder: &Path, keep: &str) -> Arc<Policy> {
    let policy = json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "sidecar": { "data_dir": folder },
        "ledger": { "on": true, "keep": keep }
    });
    Arc::new(config::load(Some(policy.to_string().as_bytes()), None).unwrap())
}

fn settings() -> Settings {
    Settings { secret: SECRET.into(), ..Settings::default() }
}

fn keeping() -> (TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let app = App::new(policy(folder.path(), "30d"), settings()).unwrap();
    (folder, app)
}

fn asked(query: &str) -> Call {
    call(Method::GET, &format!("/internal/feed{query}")).header("x-gatewaystack-secret", SECRET)
}

#[tokio::test]
async fn the_feed_answers_to_envoy_alone() {
    // What waits for a file, in a runtime.
    if testing::is_on() {
        return;
    }
    let (folder, app) = keeping();
    let router = app.served.router.clone();
    assert!(!call(Method::GET, "/metrics").text(&router).await.contains("feed_age"), "nobody has asked");
    let open = call(Method::GET, "/internal/feed?after=0");
    assert_eq!(open.send(&router).await.0, StatusCode::FORBIDDEN);
    let wrong = call(Method::GET, "/internal/feed?after=0").header("x-gatewaystack-secret", "5ecre8");
    assert_eq!(wrong.send(&router).await.0, StatusCode::FORBIDDEN);
    let (status, first) = asked("").send(&router).await;
    let epoch = first["epoch"].as_str().unwrap().to_owned();
    let expect = |version: u64, reset: bool, changes: Value| json!({ "epoch": epoch, "version": version, "reset": reset, "more": false, "changes": changes });
    assert_eq!((status, &first), (StatusCode::OK, &expect(0, true, json!([]))));
    assert_eq!(asked("?after=x").send(&router).await.1, first, "whoever can't say what it has gets all");
    assert!(call(Method::GET, "/metrics").text(&router).await.contains("\ngatewaystack_feed_age_seconds 0."));
    let policy = policy(folder.path(), "30d");
    operate::block(&policy, "user", "alice", None, Some("a test")).unwrap();
    let (_, page) = asked(&format!("?after=0&epoch={epoch}")).send(&router).await;
    assert_eq!(page, expect(1, false, json!([{ "block": ["user", "alice", 0] }])));
    operate::unblock(&policy, "user", "alice").unwrap();
    assert!(operate::unblock(&policy, "user", "alice").is_err());
    let (_, page) = asked(&format!("?after=1&epoch={epoch}")).send(&router).await;
    assert_eq!(page, expect(2, false, json!([{ "lift": ["user", "alice"] }])));
}

#[tokio::test]
async fn without_a_ledger_there_is_no_feed() {
    let app = app(&[]);
    assert_eq!(asked("?after=0").send(&app).await.0, StatusCode::NOT_FOUND);
    assert!(!call(Method::GET, "/metrics").text(&app).await.contains("ledger"));
}

#[tokio::test]
async fn records_are_counted_while_it_serves_and_the_sums_stay() {
    // What waits for a file, in a runtime.
    if testing::is_on() {
        return;
    }
    let (folder, app) = keeping();
    let file = folder.path().join("decisions.jsonl");
    std::fs::write(&file, "{\"decision\":\"deny\"}\nno record\n").unwrap();
    let (tell, told) = watch::channel(false);
    let tail: Tail = app.served.tail.clone().unwrap();
    let task = tokio::spawn(tail.run(told));
    let expect = [
        "# TYPE gatewaystack_ledger_records_total counter\ngatewaystack_ledger_records_total 1\n",
        "\ngatewaystack_requests_total{route=\"none\",decision=\"deny\",reason=\"none\",agent=\"none\"} 1\n",
        "\ngatewaystack_ledger_ignored_lines_total 1\n",
        "\ngatewaystack_ledger_gaps_total 0\n",
        "\ngatewaystack_ledger_lag_seconds 0.000\n",
    ];
    let has_all = |text: &str| expect.iter().all(|part| text.contains(part));
    while !has_all(&call(Method::GET, "/metrics").text(&app.served.router).await) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(call(Method::GET, "/ready").send(&app.served.router).await.0, StatusCode::OK);
    tell.send_replace(true);
    task.await.unwrap();
    drop(app);
    let again = App::new(policy(folder.path(), "30d"), settings()).unwrap();
    assert!(has_all(&call(Method::GET, "/metrics").text(&again.served.router).await));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_is_not_ready() {
    // What waits for a file, in a runtime.
    if testing::is_on() {
        return;
    }
    let (folder, app) = keeping();
    let db = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    db.execute_batch("DROP TABLE note").unwrap();
    let (status, body) = call(Method::GET, "/ready").send(&app.served.router).await;
    assert_eq!((status, &body["ok"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert!(body["reason"].as_str().unwrap().contains("the ledger"), "{body}");
}

#[tokio::test]
async fn one_ledger_stays_open_over_a_new_policy() {
    let (folder, app) = keeping();
    assert!(
        App::new(policy(folder.path(), "30d"), settings()).err().unwrap().contains("another gatewaystack")
    );
    let renewed = app.renewed(policy(folder.path(), "1d"), settings()).unwrap();
    let keep_ms = |app: &App| app.ledger.as_ref().unwrap().limits().keep_ms;
    assert_eq!((keep_ms(&app), keep_ms(&renewed)), (30 * 86_400_000, 86_400_000));
    drop(app);
    assert_eq!(asked("").send(&renewed.served.router).await.0, StatusCode::OK);
    assert!(App::new(policy(folder.path(), "30d"), settings()).is_err(), "it is locked as before");
}

fn posted(body: impl Into<Body>) -> Call {
    call(Method::POST, "/internal/records").header("x-gatewaystack-secret", SECRET).body(body)
}

fn line(seq: u64) -> String {
    format!("{{\"status\":200,\"vm\":\"00000000000000aa\",\"seq\":{seq},\"decision\":\"allow\"}}\n")
}

#[tokio::test]
async fn records_are_taken_from_filters_alone_and_once() {
    let (folder, app) = keeping();
    let router = app.served.router.clone();
    let open = call(Method::POST, "/internal/records").body(line(1));
    assert_eq!(open.send(&router).await.0, StatusCode::FORBIDDEN);
    let wrong = call(Method::POST, "/internal/records").header("x-gatewaystack-secret", "5ecre8");
    assert_eq!(wrong.body(line(1)).send(&router).await.0, StatusCode::FORBIDDEN);
    let get = call(Method::GET, "/internal/records").header("x-gatewaystack-secret", SECRET);
    assert_eq!(get.send(&router).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let large = posted(vec![b' '; (1 << 20) + 1]);
    assert_eq!(large.send(&router).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    for _ in 0..3 {
        let (status, said) = posted(line(1) + &line(2) + "no record\n").send(&router).await;
        assert_eq!((status, said), (StatusCode::OK, json!({"ok": true, "records": 2, "ignored": 1})));
    }
    drop((router, app));
    let again = App::new(policy(folder.path(), "30d"), settings()).unwrap();
    assert_eq!(posted(line(2) + &line(3)).send(&again.served.router).await.0, StatusCode::OK);
    let metrics = call(Method::GET, "/metrics").text(&again.served.router).await;
    for expect in [
        "\ngatewaystack_ledger_records_total 3\n",
        "\ngatewaystack_ledger_ignored_lines_total 3\n",
        "\ngatewaystack_record_posts_total{result=\"taken\"} 1\n",
    ] {
        assert!(metrics.contains(expect), "{expect}: {metrics}");
    }
}

#[tokio::test]
async fn records_are_to_be_sent_again_while_the_ledger_cannot_take_them() {
    let (folder, app) = keeping();
    let db = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    db.execute_batch("ALTER TABLE record RENAME TO elsewhere").unwrap();
    let router = &app.served.router;
    let response = router.clone().oneshot({
        let Call(builder, body) = posted(line(1));
        builder.body(body).unwrap()
    });
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    db.execute_batch("ALTER TABLE elsewhere RENAME TO record").unwrap();
    assert_eq!(posted(line(1)).send(router).await.0, StatusCode::OK);
}

#[tokio::test]
async fn bodies_of_records_are_held_by_the_dozen_at_most() {
    let (_folder, app) = keeping();
    let router = app.served.router.clone();
    // Senders that stall.
    let stalled = || {
        let (sender, body) = tokio::sync::mpsc::channel::<Result<axum::body::Bytes, std::io::Error>>(1);
        let stream =
            futures_util::stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
        (sender, Body::from_stream(stream))
    };
    let (mut senders, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..16 {
        let (sender, body) = stalled();
        let router = router.clone();
        waiting.push(tokio::spawn(async move { posted(body).send(&router).await.0 }));
        senders.push(sender);
    }
    // One thread runs them all: each gets as far as its body.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(posted(line(1)).send(&router).await.0, StatusCode::SERVICE_UNAVAILABLE);
    drop(senders);
    for one in waiting {
        assert_eq!(one.await.unwrap(), StatusCode::OK, "an empty body is no record");
    }
    assert_eq!(posted(line(1)).send(&router).await.0, StatusCode::OK);
}
