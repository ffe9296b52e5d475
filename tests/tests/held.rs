//! Requests that wait for keys: what comes after their headers waits with them, and is judged no less.

use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// So long a request waits for keys.
const FOR_KEYS: Duration = Duration::from_secs(5);

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    issuer.set_mood(Mood::Hangs);
    let policy = json!({"routes": [{"path": "/v1/*"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    (issuer, upstream, gateway)
}

/// Lets the keys come once the gateway holds a request for them.
async fn release(issuer: &TestIssuer, gateway: &Gateway) {
    eventually("a request that waits", || async {
        (gateway.stat(&["http.", "downstream_rq_active"]).await > 0 && issuer.fetches() > 0).then_some(())
    })
    .await;
    issuer.set_mood(Mood::Well);
}

#[tokio::test]
async fn trailers_that_come_before_the_keys_are_stripped_all_the_same() {
    in_time(FOR_KEYS, || async {
        let (issuer, upstream, gateway) = stage().await;
        let bearer = format!("Bearer {}", token().mint(&issuer));
        // Envoy speaks HTTP/2 with upstreams of gRPC, and passes trailers on there.
        let headers: &[(&str, &[u8])] =
            &[("authorization", bearer.as_bytes()), ("content-type", b"application/grpc")];
        let trailers = [("x-user-id", "evil"), ("authorization", "evil"), ("x-sum", "1")];
        let ask = client::http2(gateway.address(), "POST", "/v1/x", headers, Some("body"), &trailers);
        let (got, ()) = tokio::join!(ask, release(&issuer, &gateway));
        assert_eq!(got.status, 200, "{got:?}");
        let seen = upstream.seen().remove(0);
        assert!(!seen.to_string().contains("evil"), "{seen}");
        assert_eq!((&seen["trailers"], &seen["body"]), (&json!({"x-sum": ["1"]}), &json!("body")));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_comes_before_the_keys_arrives_whole() {
    in_time(FOR_KEYS, || async {
        let (issuer, upstream, gateway) = stage().await;
        let good = token().mint(&issuer);
        let body = "0123456789abcdef".repeat(60 * 1024);
        let ask = gateway.post("/v1/x", &body).bearer(&good).send();
        let (got, ()) = tokio::join!(ask, release(&issuer, &gateway));
        assert_eq!(got.status, 200, "{}", got.body.len());
        assert!(upstream.seen().remove(0)["body"] == body, "every byte, once, in order");
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_request_reaches_the_upstream_while_it_waits_or_after_it_is_refused() {
    in_time(FOR_KEYS, || async {
        let (issuer, upstream, gateway) = stage().await;
        let forged = token().signed_by(key_b().named("a")).mint(&issuer);
        let ask = gateway.post("/v1/x", "body").bearer(&forged).send();
        let (got, ()) = tokio::join!(ask, release(&issuer, &gateway));
        assert_eq!((got.status, got.json()["error"].as_str()), (401, Some("invalid_token")));
        assert_eq!(upstream.seen().len(), 0);
        assert_eq!(gateway.stat(&["cluster.", "upstream_rq_total", "default"]).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_body_too_large_to_wait_is_told_to_come_again() {
    in_time(FOR_KEYS, || async {
        let (issuer, upstream, gateway) = stage().await;
        let good = token().mint(&issuer);
        let body = "0123456789abcdef".repeat(256 * 1024);
        let got = gateway.post("/v1/x", &body).bearer(&good).send().await;
        assert_eq!(
            (got.status, got.json()["error"].as_str()),
            (503, Some("temporarily_unavailable")),
            "{got:?}"
        );
        assert!(got.header("retry-after").is_some());
        assert_eq!(gateway.records(1).await[0]["status"], 503, "what the client got, not Envoy's 413");
        release(&issuer, &gateway).await;
        eventually("its second try", || async {
            (gateway.post("/v1/x", &body).bearer(&good).send().await.status == 200).then_some(())
        })
        .await;
        assert!(upstream.seen().remove(0)["body"] == body, "every byte, once, in order");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_leaves_one_record_and_no_trace() {
    in_time(FOR_KEYS, || async {
        let (issuer, upstream, gateway) = stage().await;
        let good = token().mint(&issuer);
        let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        let request = format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        eventually("a request that waits", || async {
            (gateway.stat(&["http.", "downstream_rq_active"]).await > 0).then_some(())
        })
        .await;
        drop(stream);
        let record = gateway.records(1).await.remove(0);
        assert_eq!((&record["decision"], &record["reason"]), (&json!("error"), &json!("client_gone")));
        assert_eq!((&record["path"], &record["route"]), (&json!("/v1/x"), &json!("/v1/*")));
        assert_eq!(record["status"], 0, "nobody got an answer");
        issuer.set_mood(Mood::Well);
        assert_eq!(gateway.get("/v1/x").bearer(&good).send().await.status, 200, "{}", gateway.log());
        assert_eq!(upstream.seen().len(), 1, "the one that went away was not forwarded");
        assert_eq!(gateway.records(2).await.len(), 2);
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    })
    .await;
}
