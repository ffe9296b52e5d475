//! `gatewaystack smoke` against the real gateway: good where it is as the original's, failed or skipped row
//! by row where it isn't.

use gatewaystack::smoke::{Arguments, Outcome, Report, smoke};
use gatewaystack_tests::*;
use serde_json::json;
use std::collections::BTreeMap;

fn arguments(gateway: &Gateway) -> Arguments {
    Arguments {
        url: format!("http://{}/", gateway.address()),
        reader: None,
        writer: None,
        json: false,
        limit: None,
        proxy_path: "/proxy/echo".to_owned(),
    }
}

async fn original(upstream: &Upstream, max: &str) -> (TestIssuer, Gateway) {
    let issuer = TestIssuer::start().await;
    let gateway = gateway()
        .env("AUTH_ISSUER", &issuer.url)
        .env("AUTH_AUDIENCE", AUDIENCE)
        .env("ENABLE_TEST_ROUTES", "true")
        .env("PROXY_TARGET", &upstream.url)
        .env("RATE_LIMIT_MAX", max)
        // None ends while its requests are counted.
        .env("RATE_LIMIT_WINDOW_MS", "3600000")
        .start()
        .await;
    (issuer, gateway)
}

/// The rows by name: `ok`, `FAILED`, or why they were skipped. What the sidecar can't do yet isn't asked
/// here.
fn outcomes(report: &Report) -> BTreeMap<&str, &str> {
    let outcome = |outcome| match outcome {
        &Outcome::Good => "ok",
        &Outcome::Bad => "FAILED",
        Outcome::Skipped(why) => why.as_str(),
    };
    let rows = report.rows.iter().filter(|row| row.name != "GET /health/auth0");
    rows.map(|row| (row.name.as_str(), outcome(&row.outcome))).collect()
}

#[tokio::test]
async fn the_originals_gateway_passes_every_row_with_both_tokens() {
    let upstream = Upstream::start().await;
    let (issuer, gateway) = original(&upstream, "40").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reader.txt");
    std::fs::write(&file, format!("{}\n", token().subject("auth0|ann é").mint(&issuer))).unwrap();
    let writer = token().subject("bob").scope("tool:read tool:write").mint(&issuer);
    let arguments = Arguments {
        reader: Some(format!("@{}", file.display())),
        writer: Some(writer.clone()),
        limit: Some(60),
        ..arguments(&gateway)
    };
    let report = smoke(&arguments).await.unwrap();
    let rows = outcomes(&report);
    assert!(rows.len() == 14 && rows.values().all(|row| *row == "ok"), "{}", report.to_table());
    assert!(report.is_good() && report.to_json()["ok"] == json!(true));
    assert!(!format!("{}{}", report.to_table(), report.to_json()).contains(&writer));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1, "what is refused doesn't reach the upstream: {seen:?}");
    assert_eq!(seen[0]["headers"]["x-user-id"], json!(["auth0|ann%20%C3%A9"]));
}

#[tokio::test]
async fn rows_that_need_a_token_are_skipped_with_the_reason() {
    let upstream = Upstream::start().await;
    let (issuer, gateway) = original(&upstream, "60").await;
    let report = smoke(&arguments(&gateway)).await.unwrap();
    let rows = outcomes(&report);
    assert!(report.is_good(), "{}", report.to_table());
    assert_eq!(rows["GET /protected"], "ok");
    assert_eq!(rows["GET /protected as the reader"], "no --reader");
    assert_eq!(rows["POST /writer-only as the writer"], "no --writer");
    assert!(rows["the limit"].starts_with("no --limit"));
    let reader = Some(token().mint(&issuer));
    let report = smoke(&Arguments { reader, ..arguments(&gateway) }).await.unwrap();
    assert_eq!(outcomes(&report)["POST /writer-only as the writer"], "no --writer");
    assert_eq!(outcomes(&report)["POST /writer-only as the reader"], "ok");
}

#[tokio::test]
async fn what_is_not_as_it_should_be_fails_its_row() {
    let upstream = Upstream::start().await;
    let (issuer, gateway) = original(&upstream, "60").await;
    // A "reader" that may write, a "writer" that may not, and a limit that isn't reached.
    let reader = Some(token().scope("tool:read tool:write").mint(&issuer));
    let writer = Some(token().subject("bob").mint(&issuer));
    let report = smoke(&Arguments { reader, writer, limit: Some(3), ..arguments(&gateway) }).await.unwrap();
    let failed: Vec<&str> =
        outcomes(&report).into_iter().filter(|(_, row)| *row == "FAILED").map(|(name, _)| name).collect();
    let expected = [
        "GET /protected/ping as the reader, at most 3 times",
        "POST /__test__/echo as the reader, tool:write",
        "POST /__test__/echo as the writer, tool:write",
        "POST /writer-only as the reader",
        "POST /writer-only as the writer",
    ];
    assert_eq!(failed, expected, "{}", report.to_table());
    assert!(!report.is_good() && report.to_json()["ok"] == json!(false));
}

#[tokio::test]
async fn a_gateway_with_a_policy_of_its_own_skips_what_it_does_not_have() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = json!({"routes": [{"path": "/v1/notes", "scopes": ["notes:read"]}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let reader = Some(token().scope("notes:read").mint(&issuer));
    let arguments =
        Arguments { reader, limit: Some(3), proxy_path: "/v1/notes".to_owned(), ..arguments(&gateway) };
    let report = smoke(&arguments).await.unwrap();
    let rows = outcomes(&report);
    assert!(report.is_good(), "{}", report.to_table());
    assert_eq!(rows["GET /v1/notes?foo=bar as the reader"], "ok");
    assert_eq!(rows["GET /protected as the reader"], "the demo routes are off");
    let elsewhere = Arguments { proxy_path: "/proxy/echo".to_owned(), ..arguments };
    let rows = smoke(&elsewhere).await.unwrap();
    assert!(outcomes(&rows)["GET /proxy/echo?foo=bar as the reader"].contains("--proxy-path"));
}

#[tokio::test]
async fn nothing_at_the_url_is_said_at_once() {
    let upstream = Upstream::start().await;
    let (_issuer, gateway) = original(&upstream, "60").await;
    let nobody = Arguments { url: "http://127.0.0.1:1".to_owned(), ..arguments(&gateway) };
    assert!(smoke(&nobody).await.unwrap_err().contains("doesn't answer"));
    let missing = Arguments { reader: Some("@/none/such".to_owned()), ..arguments(&gateway) };
    assert!(smoke(&missing).await.unwrap_err().starts_with("--reader: "));
}
