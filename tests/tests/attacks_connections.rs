//! Connections that say nothing, or little, from one address: others get in, and are answered.

use gatewaystack_tests::*;
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A connection from an address of this machine's.
async fn connect(from: &str, to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}

/// The status of a request over a connection; `None`: it was closed without an answer.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let request = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

/// Envoy divides connections among its workers, of which each counts its own.
#[tokio::test]
async fn workers_share_what_an_address_has() {
    const CAP: usize = 40;
    let issuer = TestIssuer::start().await;
    let policy = json!({"listen": {"connections_per_address": CAP}, "routes": [{"path": "/x"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).workers(4).start().await;
    // Each takes a quarter, and a quarter of it and eight more; all of it, before it knows of the others.
    let expect = 4 * (CAP / 4 + CAP / 16 + 8);
    eventually("workers that know of each other", || async {
        let mut open = Vec::new();
        for _ in 0..4 * CAP + 4 {
            open.push(connect("127.0.0.2", gateway.address()).await);
        }
        let mut served = 0;
        for stream in &mut open {
            served += usize::from(status(stream).await == Some(200));
        }
        assert!(served >= CAP, "{served}");
        (served == expect).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_address_can_not_take_the_connections_of_others() {
    const CAP: usize = 40;
    let issuer = TestIssuer::start().await;
    let policy = json!({"listen": {"connections_per_address": CAP}, "routes": [{"path": "/x"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).start().await;
    let mut open = Vec::new();
    for _ in 0..CAP + 20 {
        open.push(connect("127.0.0.2", gateway.address()).await);
    }
    eventually("those over the cap are closed", || async {
        (gateway.stat(&["gatewaystack_connections_refused_total"]).await == 20).then_some(())
    })
    .await;
    // Whoever has room is served, over connections that he has and over new ones.
    let mut other = connect("127.0.0.3", gateway.address()).await;
    assert_eq!(status(&mut other).await, Some(200));
    let mut served = 0;
    for stream in &mut open {
        served += usize::from(status(stream).await == Some(200));
    }
    assert_eq!(served, CAP);
    // Room comes back with each connection that is closed.
    open.clear();
    eventually("room for the address again", || async {
        let mut again = connect("127.0.0.2", gateway.address()).await;
        status(&mut again).await
    })
    .await;
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
