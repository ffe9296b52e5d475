//! Bodies that never end: who sends them without a token gets no room, and everybody else is answered.

use bytes::Bytes;
use gatewaystack_tests::wire::{BOTH, Http, post};
use gatewaystack_tests::*;
use h2::client::SendRequest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Connections of the attack.
const CONNECTIONS: usize = 24;
/// Bodies of each, as many as Envoy takes at once.
const STREAMS: usize = 92;
/// As long as the gateway has to hold out.
const LENGTH: Duration = Duration::from_secs(120);

async fn stage(hold: bool) -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let builder = gateway()
        .policy(json!({
            "rate_limits": [],
            "routes": [
                {"path": "/closed", "mcp": {"tools": {"whoami": []}}},
                {"path": "/lazy", "mcp": {"tools": {"whoami": []}, "lazy_auth": ["ping"]}},
                {"path": "/v1/*"},
            ],
        }))
        .issuer(&issuer)
        .upstream(&upstream.url);
    let builder = if hold { builder } else { builder.without_held_headers() };
    let gateway = builder.workers(2).start().await;
    (issuer, upstream, gateway)
}

/// Begins bodies over one connection and never ends one, until it is told to stop; a connection that ends is
/// made anew.
fn attack(
    address: String,
    token: Option<String>,
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicUsize>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let Ok(stream) = TcpStream::connect(&address).await else { continue };
            let Ok((sender, connection)) = h2::client::handshake(stream).await else { continue };
            let driver = tokio::spawn(async move {
                let _ = connection.await;
            });
            let mut bodies = Vec::new();
            while !stop.load(Ordering::Relaxed) && !driver.is_finished() {
                bodies.retain(|body: &JoinHandle<()>| !body.is_finished());
                if bodies.len() < STREAMS {
                    let path = if bodies.len() % 2 == 0 { "/lazy" } else { "/closed" };
                    bodies.push(tokio::spawn(begin(sender.clone(), path, token.clone(), Arc::clone(&begun))));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            bodies.iter().for_each(JoinHandle::abort);
            driver.abort();
        }
    })
}

/// One body of up to a mebibyte, except for its last byte.
async fn begin(sender: SendRequest<Bytes>, path: &str, token: Option<String>, begun: Arc<AtomicUsize>) {
    let mut request =
        http::Request::post(format!("http://gateway.test{path}")).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let Ok(mut sender) = sender.ready().await else { return };
    let Ok((answer, mut body)) = sender.send_request(request.body(()).unwrap(), false) else { return };
    begun.fetch_add(1, Ordering::Relaxed);
    let feed = async {
        for _ in 0..63 {
            body.reserve_capacity(16_384);
            let capacity = std::future::poll_fn(|context| body.poll_capacity(context)).await;
            let Some(Ok(size)) = capacity else { break };
            if body.send_data(Bytes::from(vec![b' '; size.min(16_384)]), false).is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { _ = feed => {}, _ = answer => {} }
}

fn peak_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn call(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string()
}

async fn holds_out(hold: bool) {
    let (issuer, _upstream, gateway) = stage(hold).await;
    let good = token().mint(&issuer);
    let (stop, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let attackers: Vec<_> = (0..CONNECTIONS)
        .map(|at| {
            // A token that is none is as good as no token.
            let token = (at % 3 == 2).then(|| format!("{}x", &good[..good.len() - 4]));
            attack(gateway.address().to_owned(), token, Arc::clone(&stop), Arc::clone(&begun))
        })
        .collect();
    let (start, mut answered) = (Instant::now(), 0u32);
    while start.elapsed() < LENGTH {
        let plain = gateway.get("/v1/x").bearer(&good).send().await;
        assert_eq!(plain.status, 200, "after {answered}: {plain:?}");
        let tool = call("tools/call", json!({"name": "whoami"}));
        for path in ["/closed", "/lazy"] {
            let ask = post(path, &tool).bearer(Some(&good));
            let got = ask.send(Http::One, gateway.address()).await;
            assert_eq!(got.status, 200, "after {answered}: {path} {got:?}");
        }
        // Without a token, and at once.
        let ping = post("/lazy", call("ping", json!({}))).send(Http::One, gateway.address()).await;
        assert_eq!(ping.status, 200, "after {answered}: {ping:?}");
        let nobody = post("/closed", &tool).send(Http::One, gateway.address()).await;
        assert_eq!(nobody.status, 401, "after {answered}: {nobody:?}");
        answered += 5;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (peak, begun) = (peak_kb(gateway.pid()) / 1024, begun.load(Ordering::Relaxed));
    println!("held {hold}: {begun} bodies begun, {answered} others answered, peak {peak} MB");
    attackers.iter().for_each(JoinHandle::abort);
    assert!(begun > CONNECTIONS * STREAMS, "the attack went on: {begun}");
    assert!(peak < 300, "{peak} MB");
    let plain = gateway.get("/v1/x").bearer(&good).send().await;
    assert_eq!(plain.status, 200, "{plain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies_without_a_token_leave_room_for_everybody_else() {
    holds_out(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_headers_leave_first_unfinished_bodies_leave_room_too() {
    holds_out(false).await;
}

#[tokio::test]
async fn without_a_token_the_answer_comes_before_the_body() {
    for hold in [true, false] {
        let (issuer, upstream, gateway) = stage(hold).await;
        for http in BOTH {
            // The length is announced, and nothing of it comes.
            let head = "POST /closed HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
            let got = match http {
                Http::One => client::raw(gateway.address(), head.as_bytes()).await,
                Http::Two => {
                    let mut open = post("/closed", "").trailer("x", "y");
                    open.pieces.clear();
                    open.send(http, gateway.address()).await
                }
            };
            assert_eq!(got.status, 401, "{http:?} {got:?}");
            assert!(got.header("www-authenticate").is_some());
        }
        let forged = format!("{}AAAA", token().mint(&issuer).trim_end_matches(|c| c != '.'));
        let got = post("/closed", call("tools/call", json!({"name": "whoami"}))).bearer(Some(&forged));
        let got = got.send(Http::One, gateway.address()).await;
        assert_eq!(
            (got.status, &got.json()["id"]),
            (401, &json!(7)),
            "with a token, errors carry the id: {got:?}"
        );
        assert!(!hold || upstream.seen().is_empty());
    }
}
