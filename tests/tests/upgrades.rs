//! Upgrades pass on the routes that name them, and nowhere else (CONTRACT §1).

use gatewaystack_tests::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

#[tokio::test]
async fn a_websocket_opens_as_its_user_and_carries_bytes_both_ways() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().claim("scope", "live").mint(&issuer);
    let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(handshake("/live?userId=evil&a=1", &good, "upgrade").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
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
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["decision"], &record["status"]), (&json!("allow"), &json!(101)));
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
    for (method, to) in [("TRACE", "websocket"), ("GET", "other"), ("GET", "websocket, other")] {
        let request =
            handshake("/live", &good, "upgrade").replace("upgrade: websocket", &format!("upgrade: {to}"));
        let got = client::raw(gateway.address(), request.replacen("GET", method, 1).as_bytes()).await;
        assert!((400..500).contains(&got.status), "{method} {to}: {got:?}");
    }
    assert_eq!(upstream.seen(), Vec::<Value>::new());
}
