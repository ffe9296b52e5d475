//! Upgrades pass on the routes that name them, and nowhere else (contract §1.11).

use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = json!({"identity": {"user_query": "userId"}, "routes": [
        {"path": "/live", "upgrade": ["websocket"], "scopes": ["live"]},
        {"path": "/v1/*"},
    ]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    (issuer, upstream, gateway)
}

fn handshake(path: &str, token: &str, connection: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nx-user-id: evil\r\n\
         connection: {connection}\r\nupgrade: websocket\r\n\r\n"
    )
}

/// A WebSocket that is open.
async fn open(gateway: &Gateway, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(handshake(path, token, "upgrade").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

#[tokio::test]
async fn a_websocket_opens_as_its_user_and_carries_bytes_both_ways() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().claim("scope", "live").mint(&issuer);
    // With the keys there: a handshake that has to wait for them is the next test's.
    assert_eq!(gateway.get("/nowhere").bearer(&good).send().await.status, 403);
    let mut stream = open(&gateway, "/live?userId=evil&a=1", &good).await;
    for message in [&b"first"[..], &[0, 255, 13, 10]] {
        stream.write_all(message).await.unwrap();
        let mut back = vec![0; message.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, message);
    }
    let seen = upstream.seen();
    assert_eq!(seen[0]["headers"]["x-user-id"], json!(["ann"]));
    assert_eq!(seen[0]["headers"].get("authorization"), None);
    assert_eq!(seen[0]["target"], "/live?a=1&userId=ann");
    drop(stream);
    let record = gateway.records(2).await.remove(1);
    assert_eq!((&record["decision"], &record["status"]), (&json!("allow"), &json!(101)));
}

/// Before 1.39.1 Envoy keeps to itself what comes after a handshake that a filter has held:
/// docs/envoy-versions.md.
#[tokio::test]
async fn a_websocket_whose_handshake_waited_for_keys_carries_bytes_where_envoy_can() {
    let (issuer, upstream, gateway) = stage().await;
    issuer.set_mood(Mood::Hangs);
    let good = token().claim("scope", "live").mint(&issuer);
    let release = async {
        eventually("a handshake that waits", || async {
            (gateway.stat(&["http.gatewaystack.downstream_rq_active"]).await > 0).then_some(())
        })
        .await;
        issuer.set_mood(Mood::Well);
    };
    let (mut stream, ()) = tokio::join!(open(&gateway, "/live", &good), release);
    stream.write_all(b"first").await.unwrap();
    if gateway::envoy_version() < (1, 39, 1) {
        eventually("bytes that stay in Envoy", || async {
            (gateway.stat(&["http.gatewaystack.downstream_cx_rx_bytes_buffered"]).await == 5).then_some(())
        })
        .await;
    } else {
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"first");
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_upgrade_is_refused_without_a_route_a_token_a_scope_or_with_a_hidden_name() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().claim("scope", "live").mint(&issuer);
    let poor = token().mint(&issuer);
    for (path, token, connection, status, error) in [
        ("/v1/x", &*good, "upgrade", 403, "upgrade_not_allowed"),
        ("/live", "a.b.c", "upgrade", 401, "invalid_token"),
        ("/live", &*poor, "upgrade", 403, "insufficient_scope"),
        ("/live", &*good, "upgrade, x-user-id", 400, "invalid_request"),
        ("/live", &*good, "upgrade, authorization", 400, "invalid_request"),
    ] {
        let got = client::raw(gateway.address(), handshake(path, token, connection).as_bytes()).await;
        assert_eq!(
            (got.status, got.json()["error"].as_str()),
            (status, Some(error)),
            "{path} {connection}: {got:?}"
        );
        assert_eq!(got.header("cache-control"), Some("no-store"), "{path} {connection}");
    }
    let request = handshake("/live", &good, "upgrade").replacen("GET", "TRACE", 1);
    let got = client::raw(gateway.address(), request.as_bytes()).await;
    assert!((400..500).contains(&got.status), "{got:?}");
    assert_eq!(upstream.seen(), Vec::<Value>::new());
}

/// Java's best-known client asks for TLS with each request.
#[tokio::test]
async fn an_upgrade_that_a_server_may_ignore_is_ignored_and_http_1_0_is_served() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().claim("scope", "live").mint(&issuer);
    for (at, to) in
        ["TLS/1.2", "TLS/1.0, HTTP/1.1", "h2c", "IRC/6.9", "w", "websocke", "websockets"].iter().enumerate()
    {
        let request = handshake("/v1/x", &good, "upgrade, close")
            .replace("upgrade: websocket", &format!("upgrade: {to}"));
        let got = client::raw(gateway.address(), request.as_bytes()).await;
        assert_eq!(got.status, 200, "{to}: {got:?}");
        let seen = upstream.seen();
        assert_eq!((seen.len(), seen[at]["headers"].get("upgrade")), (at + 1, None), "{to}");
        assert_eq!(seen[at]["headers"]["x-user-id"], json!(["ann"]), "{to}");
    }
    for to in ["websocket", "WebSocket"] {
        let request =
            handshake("/v1/x", &good, "upgrade").replace("upgrade: websocket", &format!("upgrade: {to}"));
        let got = client::raw(gateway.address(), request.as_bytes()).await;
        assert_eq!((got.status, got.json()["error"].as_str()), (403, Some("upgrade_not_allowed")), "{to}");
    }
    let before = upstream.seen().len();
    let old = |host: &str, token: &str| {
        format!("GET /v1/x HTTP/1.0\r\n{host}authorization: Bearer {token}\r\nx-user-id: evil\r\n\r\n")
    };
    for (host, token, status) in
        [("host: a\r\n", &*good, 200), ("host: a\r\n", "a.b.c", 401), ("", &*good, 400)]
    {
        let got = client::raw(gateway.address(), old(host, token).as_bytes()).await;
        assert_eq!(got.status, status, "{host:?} {token}: {got:?}");
    }
    let seen = upstream.seen().split_off(before);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["headers"]["x-user-id"], json!(["ann"]));
}
