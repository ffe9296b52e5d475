//! Connections that hold a place and ask for nothing: each has an end, those in use outlive them, a caller
//! that asks meanwhile is answered, and one address can't take them all.
//!
//! What is shipped is a minute, or ten seconds for a handshake: each test looks for that in the bootstrap,
//! and has less of it.

use gatewaystack_tests::scripted::{Step, json_answer};
use gatewaystack_tests::*;
use rustls::pki_types::ServerName;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

const LISTENER: &str = "/static_resources/listeners/0";

/// The connection manager's place: connections are counted before it, where no proxy is in front.
fn manager(proxies: u32) -> String {
    format!("{LISTENER}/filter_chains/0/filters/{}/typed_config", u32::from(proxies == 0))
}

// What Envoy counts where a time-out ends a connection.
const BEFORE: &[&str] = &["listener.", "downstream_pre_cx_timeout"];
const HANDSHAKE: &[&str] = &["listener.", "downstream_cx_transport_socket_connect_timeout"];
const HEAD: &[&str] = &["http.gatewaystack.", "downstream_rq_header_timeout"];
const IDLE: &[&str] = &["http.gatewaystack.", "downstream_cx_idle_timeout"];

/// Waits for the other side's close; what came before it.
async fn closed(mut stream: impl AsyncRead + Unpin) -> String {
    let mut rest = Vec::new();
    // A reset is a close, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("a close");
    String::from_utf8_lossy(&rest).into_owned()
}

/// With so many proxies in front, and half a second for what is shipped as a minute, or as an hour between
/// proxies.
fn shortened(builder: gateway::Builder, proxies: u32) -> gateway::Builder {
    let manager = manager(proxies);
    let idle = format!("{manager}/common_http_protocol_options/idle_timeout");
    let builder = builder.env("TRUSTED_HOPS", &proxies.to_string()).instead_of(
        json!("10s"),
        &format!("{manager}/request_headers_timeout"),
        json!("0.5s"),
    );
    if proxies == 0 {
        return builder.instead_of(json!("60s"), &idle, json!("0.5s"));
    }
    builder.instead_of(json!("3600s"), &idle, json!("0.5s")).instead_of(
        json!("60s"),
        &format!("{LISTENER}/listener_filters_timeout"),
        json!("0.5s"),
    )
}

async fn stage(shape: impl FnOnce(gateway::Builder) -> gateway::Builder) -> (Scripted, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let policy =
        json!({"rate_limits": [], "routes": [{"path": "/open/*", "access": "public", "timeout": "600s"}]});
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).workers(2);
    (upstream, shape(builder).start().await)
}

/// A request whose answer the upstream has until it is told to give it.
async fn in_flight(upstream: &Scripted, gateway: &Gateway) -> TcpStream {
    upstream.answers([Step::Wait, Step::Send(json_answer("{}"))]);
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let request = b"GET /open/slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    eventually("a request in flight", || async { (!upstream.seen().is_empty()).then_some(()) }).await;
    upstream.answers([Step::Send(json_answer("{}"))]);
    stream
}

/// What a connection says before it says nothing more, and what counts its end.
type Way<'a> = (&'a str, &'a [u8], &'a [&'a str]);

/// A connection of each way: the gateway closes them all, each for its own reason.
async fn stand(gateway: &Gateway, ways: &[Way<'_>]) {
    let mut streams = Vec::new();
    for (_, bytes, _) in ways {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        streams.push(stream);
    }
    for stream in streams {
        closed(stream).await;
    }
    for (what, _, counted) in ways {
        let count = ways.iter().filter(|way| way.2 == *counted).count() as u64;
        // Whose headers didn't end may have been idle after that, too.
        let is_counted = || async { (gateway.stat(counted).await >= count).then_some(()) };
        eventually(&format!("who {what}, among others: {counted:?}"), is_counted).await;
    }
}

#[tokio::test]
async fn whoever_connects_and_asks_for_nothing_is_gone_when_the_time_is_over() {
    for proxies in [0, 1] {
        let (upstream, gateway) = stage(|builder| shortened(builder, proxies)).await;
        let waits = in_flight(&upstream, &gateway).await;
        let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        // A first block of headers, with neither END_HEADERS nor END_STREAM.
        let unended = [&http2[..], b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat();
        let silent = if proxies == 0 { IDLE } else { BEFORE };
        let ways: [Way<'_>; 8] = [
            ("says nothing", b"", silent),
            ("says one letter", b"G", if proxies == 0 { HEAD } else { BEFORE }),
            ("begins HTTP/2's preface", b"PRI * HTTP/2.0\r\n", silent),
            ("doesn't end its headers", b"GET /open/x HTTP/1.1\r\nhost: a\r\n", HEAD),
            ("doesn't end its headers in HTTP/2", &unended, HEAD),
            ("speaks HTTP/2 and asks for nothing", http2, IDLE),
            ("was answered", b"GET /open/x HTTP/1.1\r\nhost: a\r\n\r\n", IDLE),
            ("was refused", b"GET /closed HTTP/1.1\r\nhost: a\r\n\r\n", IDLE),
        ];
        stand(&gateway, &ways).await;
        upstream.signal();
        let answer = closed(waits).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "it was in use all the time: {answer}");
    }
}

#[tokio::test]
async fn over_tls_a_handshake_that_stands_still_ends_too() {
    let root = Root::new();
    for proxies in [0, 1] {
        let (_upstream, gateway) = stage(|builder| {
            let handshake = format!("{LISTENER}/filter_chains/0/transport_socket_connect_timeout");
            let builder = shortened(builder.tls(&root, "gateway.test"), proxies);
            builder.instead_of(json!("10s"), &handshake, json!("0.5s"))
        })
        .await;
        let name = || ServerName::try_from("gateway.test").unwrap();
        let mut hello = Vec::new();
        rustls::ClientConnection::new(root.client(), name()).unwrap().write_tls(&mut hello).unwrap();
        let silent = if proxies == 0 { HANDSHAKE } else { BEFORE };
        let ways: [Way<'_>; 3] = [
            ("says nothing", b"", silent),
            ("says half of its hello", &hello[..hello.len() / 2], silent),
            ("doesn't go on after its hello", &hello, HANDSHAKE),
        ];
        stand(&gateway, &ways).await;
        let stream = TcpStream::connect(gateway.address()).await.unwrap();
        let stream = TlsConnector::from(root.client()).connect(name(), stream).await.unwrap();
        closed(stream).await;
        eventually("a handshake and no request", || async { (gateway.stat(IDLE).await > 0).then_some(()) })
            .await;
    }
}

/// How much of the heap is taken, as the test says.
struct Pressure(tempfile::TempDir);

impl Pressure {
    fn new() -> Self {
        let pressure = Self(tempfile::tempdir().unwrap());
        pressure.is("0.1");
        pressure
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("pressure")
    }

    fn is(&self, share: &str) {
        // Envoy waits for a file that is moved there.
        let next = self.0.path().join("next");
        std::fs::write(&next, share).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    /// The heap's monitor gets its figure from the file; what is done about it stays as it is shipped.
    fn of(&self, builder: gateway::Builder) -> gateway::Builder {
        let shipped = json!({
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": 512 * 1024 * 1024 / 5 * 4,
        });
        let told = json!({
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
            "filename": self.file(),
        });
        builder.env("MEMORY_LIMIT", "512Mi").instead_of(
            shipped,
            "/overload_manager/resource_monitors/0/typed_config",
            told,
        )
    }
}

#[tokio::test]
async fn under_pressure_connections_with_nothing_in_flight_go_first() {
    let pressure = Pressure::new();
    let (upstream, gateway) = stage(|builder| {
        // Without pressure they would stay for longer than anybody waits here.
        let idle = format!("{}/common_http_protocol_options/idle_timeout", manager(0));
        pressure.of(builder).instead_of(json!("60s"), &idle, json!("3600s"))
    })
    .await;
    let waits = in_flight(&upstream, &gateway).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let request = b"GET /open/x HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(client::over(&mut stream, request).await.status, 200);
        idle.push(stream);
    }
    // Requests are taken, and connections kept, up to 90 %.
    pressure.is("0.86");
    for stream in idle {
        closed(stream).await;
    }
    assert_eq!(gateway.get("/open/x").send().await.status, 200);
    pressure.is("0.96");
    let got = eventually("the end of what is taken", || async {
        let got = gateway.get("/open/x").send().await;
        (got.status != 200).then_some(got)
    })
    .await;
    assert_eq!(got.status, 503, "{got:?}");
    pressure.is("0.1");
    eventually("requests again", || async {
        (gateway.get("/open/x").send().await.status == 200).then_some(())
    })
    .await;
    upstream.signal();
    let answer = closed(waits).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "what was begun is ended: {answer}");
}

/// As many files as this process may have open, and Envoy after it.
fn files() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.map_or(usize::MAX, |most| most.try_into().unwrap())
}

/// A connection from an address of this machine's.
async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Connections that say nothing, a hundred from each of many addresses; those that the gateway closes at once
/// are among them.
async fn crowd(address: &str, count: usize) -> Vec<TcpStream> {
    let to = address.parse().unwrap();
    let mut crowd = Vec::new();
    for at in 0..count {
        let [_, _, high, low] = u32::try_from(at / 100 + 2).unwrap().to_be_bytes();
        crowd.push(connect(Ipv4Addr::new(127, 1, high, low), to).await);
    }
    crowd
}

fn of_memory(memory: &str) -> impl FnOnce(gateway::Builder) -> gateway::Builder {
    move |builder| builder.env("MEMORY_LIMIT", memory)
}

async fn standing(gateway: &Gateway, count: u64) {
    eventually(&format!("{count} connections"), || async {
        (gateway.stat(&["http.gatewaystack.downstream_cx_active"]).await == count).then_some(())
    })
    .await;
}

/// Twenty thousand fit next to a few of everybody else's; fewer, where this process may not have as many
/// files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_thousands_of_connections_say_nothing_whoever_asks_is_answered() {
    let count = ((files() - 1_000) / 2).min(20_000) - 500;
    let (_upstream, gateway) = stage(of_memory("2560Mi")).await;
    let crowd = crowd(gateway.address(), count).await;
    standing(&gateway, count as u64).await;
    for at in 0..50 {
        let got = gateway.get("/open/x").send().await;
        assert_eq!(got.status, 200, "{at}: {got:?}");
    }
    println!("{count} connections that say nothing, and 50 requests answered meanwhile");
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_place_is_taken_who_was_there_is_served_and_the_others_when_time_is_over() {
    files();
    // So few places are for 192 MiB.
    const PLACES: usize = 192 * 1024 * 1024 / 5 * 4 / 65_536;
    let (_upstream, gateway) = stage(|builder| {
        let builder = of_memory("192Mi")(builder);
        let idle = format!("{}/common_http_protocol_options/idle_timeout", manager(0));
        builder.instead_of(json!("60s"), &idle, json!("5s"))
    })
    .await;
    let mut there = TcpStream::connect(gateway.address()).await.unwrap();
    let request = b"GET /open/x HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(client::over(&mut there, request).await.status, 200);
    let crowd = crowd(gateway.address(), PLACES + 500).await;
    let overflow = ["listener.", "downstream_global_cx_overflow"];
    eventually("the last place to be taken", || async { (gateway.stat(&overflow).await > 0).then_some(()) })
        .await;
    // The operator sees it all the same.
    assert_eq!(client::over(&mut there, request).await.status, 200, "who was there");
    eventually("a place", || async { (gateway.get("/open/x").send().await.status == 200).then_some(()) })
        .await;
    assert_eq!(client::over(&mut there, request).await.status, 200, "who was there");
    drop(crowd);
}

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

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

/// So many connections of one address are served at once, of more than four workers with a cap each would
/// take. None of them is there afterwards.
async fn served(gateway: &Gateway, cap: usize) -> usize {
    let active = || gateway.stat(&["http.gatewaystack.", "downstream_cx_active"]);
    let before = active().await;
    let mut open = Vec::new();
    for _ in 0..4 * cap + 4 {
        open.push(connect(ONE, gateway.address().parse().unwrap()).await);
    }
    let mut served = 0;
    for stream in &mut open {
        served += usize::from(status(stream).await == Some(200));
    }
    drop(open);
    eventually("those connections to be gone", || async { (active().await <= before).then_some(()) }).await;
    served
}

/// Envoy divides connections among its workers, of which each counts its own; and a new policy, whose old one
/// goes on for a while, makes no more of them.
#[tokio::test]
async fn workers_share_what_an_address_has_before_and_after_a_new_policy() {
    const CAP: usize = 40;
    let issuer = TestIssuer::start().await;
    let policy = json!({"listen": {"connections_per_address": CAP}, "routes": [{"path": "/x"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).workers(4).reloadable().start().await;
    // Each takes a quarter, and a quarter of it and eight more; all of it, before it knows of the others.
    let expect = 4 * (CAP / 4 + CAP / 16 + 8);
    let share = || async {
        let served = served(&gateway, CAP).await;
        assert!(served >= expect, "{served}");
        (served == expect).then_some(())
    };
    eventually("workers that know of each other", share).await;
    for realm in ["second", "third", "fourth"] {
        gateway.reload(|policy| policy["realm"] = json!(realm)).unwrap();
        eventually("the new policy", || async {
            let got = gateway.get("/x").send().await;
            got.header("www-authenticate")?.contains(realm).then_some(())
        })
        .await;
        for _ in 0..20 {
            share().await;
        }
    }
    eventually("workers that know of each other", share).await;
}

#[tokio::test]
async fn one_address_can_not_take_the_connections_of_others() {
    const CAP: usize = 40;
    let issuer = TestIssuer::start().await;
    let policy = json!({"listen": {"connections_per_address": CAP}, "routes": [{"path": "/x"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).start().await;
    let mut open = Vec::new();
    for _ in 0..CAP + 20 {
        open.push(connect(ONE, gateway.address().parse().unwrap()).await);
    }
    eventually("those over the cap are closed", || async {
        (gateway.stat(&["gatewaystack_connections_refused_total"]).await == 20).then_some(())
    })
    .await;
    // Anyone who has room is served, over connections that he has and over new ones.
    let mut other = connect(OTHER, gateway.address().parse().unwrap()).await;
    assert_eq!(status(&mut other).await, Some(200));
    let mut served = 0;
    for stream in &mut open {
        served += usize::from(status(stream).await == Some(200));
    }
    assert_eq!(served, CAP);
    // Room comes back with each connection that is closed.
    open.clear();
    eventually("room for the address again", || async {
        let mut again = connect(ONE, gateway.address().parse().unwrap()).await;
        status(&mut again).await
    })
    .await;
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}
