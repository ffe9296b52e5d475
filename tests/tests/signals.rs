//! What an identity provider tells of its users, in the real Envoy: old tokens end, a disabled account is
//! blocked, and answers that stream to them end, too (contract §13.3, §13.4).

use gatewaystack_tests::scripted::{Step, chunked_head, chunks};
use gatewaystack_tests::token::now_s;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// By the contract, from the change on.
const REACHES: Duration = Duration::from_secs(3);
const GATEWAY: &str = "https://gateway.example";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

async fn listening(issuer: &TestIssuer, upstream: &str) -> Gateway {
    let policy = json!({
        "public_url": GATEWAY,
        "ledger": {"on": true},
        "routes": [{"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [],
    });
    gateway().policy(policy).issuer(issuer).upstream(upstream).workers(4).start().await
}

/// A SET of the issuer's about this user, of now.
fn set(issuer: &TestIssuer, jti: &str, user: &str, event: &str, members: Value) -> token::Token {
    let subject = json!({"format": "iss_sub", "iss": issuer.url, "sub": user});
    let claims = json!({
        "iss": issuer.url, "aud": GATEWAY, "iat": now_s(), "jti": jti, "sub_id": subject, "events": {(event): members},
    });
    token().header("typ", "secevent+jwt").raw_claims(claims.to_string())
}

async fn push(gateway: &Gateway, set: &str) -> Response {
    gateway.post("/ssf/events", set).header("content-type", "application/secevent+jwt").send().await
}

/// Asks on new connections until each of sixteen in a row has this status: they are spread over the workers.
async fn all_workers_say(gateway: &Gateway, token: &str, status: u16) -> Duration {
    let begun = Instant::now();
    let (mut in_a_row, mut first) = (0, begun.elapsed());
    while in_a_row < 16 {
        let got = gateway.get("/v1/x").bearer(token).send().await.status;
        in_a_row = if got == status { in_a_row + 1 } else { 0 };
        if in_a_row == 1 {
            first = begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{got} where {status} was expected");
    }
    first
}

#[tokio::test]
async fn old_tokens_of_a_user_end_within_three_seconds_and_new_ones_pass() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let mut gateway = listening(&issuer, &echo.url).await;
    let issued = |ago: u64, user: &str| token().subject(user).claim("iat", now_s() - ago).mint(&issuer);
    let (old, new, bobs) = (issued(60, "ann"), issued(0, "ann"), issued(60, "bob"));
    all_workers_say(&gateway, &old, 200).await;
    let event = json!({"event_timestamp": now_s() - 30});
    let revoked = set(&issuer, "1", "ann", &format!("{CAEP}session-revoked"), event).mint(&issuer);
    for _ in 0..2 {
        let got = push(&gateway, &revoked).await;
        assert_eq!((got.status, got.body.as_str()), (202, ""));
    }
    let after = all_workers_say(&gateway, &old, 401).await;
    assert!(after < REACHES, "{after:?}");
    let got = gateway.get("/v1/x").bearer(&old).send().await;
    assert_eq!(got.json()["error"], "invalid_token");
    assert!(got.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    for token in [&new, &bobs] {
        assert_eq!(gateway.get("/v1/x").bearer(token).send().await.status, 200);
    }
    // A start doesn't forget it.
    gateway.restart_envoy().await;
    assert_eq!(gateway.get("/v1/x").bearer(&old).send().await.status, 401);
    let said = eventually("a record in the ledger", || async {
        let found = gateway.run(&["records", "--json", "--where", "{reason: {is: revoked}}"]);
        let records: Vec<Value> = serde_json::from_str(&found).unwrap();
        records.first().cloned()
    })
    .await;
    assert_eq!((&said["sub"], &said["status"]), (&json!("ann"), &json!(401)));
}

#[tokio::test]
async fn a_disabled_account_is_blocked_until_its_issuer_enables_it() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = listening(&issuer, &echo.url).await;
    let ann = token().mint(&issuer);
    let say = async |jti: &str, event: &str| {
        let said = set(&issuer, jti, "ann", &format!("{RISC}{event}"), json!({})).mint(&issuer);
        assert_eq!(push(&gateway, &said).await.status, 202);
    };
    all_workers_say(&gateway, &ann, 200).await;
    say("1", "account-disabled").await;
    let after = all_workers_say(&gateway, &ann, 403).await;
    assert!(after < REACHES, "{after:?}");
    let blocks: Value = serde_json::from_str(&gateway.run(&["blocks", "--json"])).unwrap();
    let block = ["kind", "value", "by", "why"].map(|name| blocks[0][name].clone());
    assert_eq!(json!(block), json!(["user", "ann", issuer.url, "account-disabled"]));
    say("2", "account-enabled").await;
    let after = all_workers_say(&gateway, &ann, 200).await;
    assert!(after < REACHES, "{after:?}");
    say("3", "account-purged").await;
    all_workers_say(&gateway, &ann, 403).await;
    gateway.run(&["unblock", "user", "ann"]);
    all_workers_say(&gateway, &ann, 200).await;
}

#[tokio::test]
async fn what_no_issuer_has_signed_for_this_gateway_changes_nothing() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let gateway = listening(&issuer, &echo.url).await;
    let ann = token().mint(&issuer);
    let revoked = || set(&issuer, "1", "ann", &format!("{CAEP}session-revoked"), json!({}));
    let other = TestIssuer::start().await;
    for (text, code) in [
        (revoked().signed_by(key_b().named("a")).mint(&issuer), "invalid_key"),
        (revoked().signed_by(key_b()).mint(&issuer), "invalid_key"),
        (
            set(&other, "1", "ann", &format!("{CAEP}session-revoked"), json!({})).mint(&other),
            "invalid_issuer",
        ),
        (revoked().header("typ", "JWT").mint(&issuer), "invalid_request"),
        (token().header("typ", "secevent+jwt").mint(&issuer), "invalid_audience"),
        (ann.clone(), "invalid_request"),
        ("x".to_owned(), "invalid_request"),
    ] {
        let got = push(&gateway, &text).await;
        assert_eq!((got.status, &got.json()["err"]), (400, &json!(code)), "{text}");
        assert_eq!(got.header("content-language"), Some("en"));
    }
    let good = revoked().mint(&issuer);
    assert_eq!(gateway.post("/ssf/events", &good).send().await.status, 400, "without its type");
    assert_eq!(gateway.get("/ssf/events").send().await.status, 405);
    // Nor does a SET open anything.
    assert_eq!(gateway.get("/v1/x").bearer(&good).send().await.status, 401);
    assert_eq!(gateway.get("/v1/x").bearer(&ann).send().await.status, 200);
    // A secret of the transmitter's that nobody asked for is no token.
    let told = gateway.post("/ssf/events", &good).header("content-type", "application/secevent+jwt");
    assert_eq!(told.bearer("not-a-token").send().await.status, 202);
    all_workers_say(&gateway, &ann, 401).await;
}

/// Opens a stream, and reads its first event.
async fn open(gateway: &Gateway, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let request = format!(
        "GET /v1/x HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n",
        gateway.address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, b"data: first\n\n").await;
    stream
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut got = Vec::new();
    let read = async {
        while !got.windows(end.len()).any(|part| part == end) {
            assert!(
                stream.read_buf(&mut got).await.unwrap() > 0,
                "it ended: {}",
                String::from_utf8_lossy(&got)
            );
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an event in time");
}

/// Streams of one connection over HTTP/2.
struct Shared {
    sender: h2::client::SendRequest<bytes::Bytes>,
    address: String,
}

impl Shared {
    async fn connect(gateway: &Gateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender, address: gateway.address().to_owned() }
    }

    /// Opens a stream, and reads its first event.
    async fn open(&mut self, token: &str) -> h2::RecvStream {
        let request = http::Request::get(format!("http://{}/v1/x", self.address));
        let request = request.header("authorization", format!("Bearer {token}")).body(()).unwrap();
        self.sender = self.sender.clone().ready().await.unwrap();
        let (answer, _) = self.sender.send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(&body.data().await.unwrap().unwrap()[..], b"data: first\n\n");
        body
    }
}

/// Until there is nothing more to read.
async fn end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = async { while stream.read_buf(&mut rest).await.is_ok_and(|n| n > 0) {} };
    tokio::time::timeout(PATIENCE, read).await.expect("the stream's end");
    rest
}

#[tokio::test]
async fn silent_streams_of_a_blocked_caller_end_within_three_seconds_and_others_go_on() {
    let issuer = TestIssuer::start().await;
    let upstream = Scripted::start().await;
    let event = |text: &str| Step::Send(chunks(format!("data: {text}\n\n").as_bytes(), 1_000));
    let head = Step::Send(chunked_head("content-type: text/event-stream\r\n"));
    upstream.answers([head, event("first"), Step::Wait, event("second"), Step::Send(b"0\r\n\r\n".to_vec())]);
    let gateway = listening(&issuer, &upstream.url).await;
    let (ann, bob) = (token().mint(&issuer), token().subject("bob").mint(&issuer));
    let dan = token().subject("dan").claim("iat", now_s() - 60).mint(&issuer);

    // Two of each, so that they are of several workers.
    let mut anns = [open(&gateway, &ann).await, open(&gateway, &ann).await];
    let mut dans = [open(&gateway, &dan).await, open(&gateway, &dan).await];
    let mut bobs = open(&gateway, &bob).await;
    let mut shared = Shared::connect(&gateway).await;
    let mut many = Vec::new();
    for _ in 0..40 {
        many.push(shared.open(&ann).await);
    }
    let mut bobs_too = shared.open(&bob).await;

    let changed = Instant::now();
    gateway.run(&["block", "user", "ann"]);
    for stream in &mut anns {
        let rest = end(stream).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it isn't shown as a whole answer");
        assert!(changed.elapsed() < REACHES, "{:?}", changed.elapsed());
    }
    for stream in &mut many {
        let ended = tokio::time::timeout(PATIENCE, stream.data()).await.unwrap();
        assert!(ended.is_some_and(|part| part.is_err()), "it isn't shown as a whole answer");
    }
    assert!(changed.elapsed() < REACHES, "{:?}", changed.elapsed());

    let changed = Instant::now();
    let revoked = set(&issuer, "1", "dan", &format!("{CAEP}session-revoked"), json!({})).mint(&issuer);
    assert_eq!(push(&gateway, &revoked).await.status, 202);
    for stream in &mut dans {
        end(stream).await;
        assert!(changed.elapsed() < REACHES, "{:?}", changed.elapsed());
    }

    // Nobody else's has ended: the rest of it comes.
    (0..100).for_each(|_| upstream.signal());
    read_until(&mut bobs, b"data: second\n\n").await;
    let second = tokio::time::timeout(PATIENCE, bobs_too.data()).await.unwrap().unwrap().unwrap();
    assert_eq!(&second[..], b"data: second\n\n", "on the connection of those that have ended");
    let records = gateway.records(45).await;
    let of = |sub: &str| -> Vec<Value> {
        let own = records.iter().filter(|record| record["sub"] == sub && record["path"] == "/v1/x");
        own.map(|record| json!([record["decision"], record["reason"], record["status"]])).collect()
    };
    assert_eq!(of("ann"), vec![json!(["deny", "blocked", 200]); 42]);
    assert_eq!(of("dan"), vec![json!(["deny", "revoked", 200]); 2]);
}

/// Reads an answer's head, or all of it where it has a length.
async fn status(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let read =
        async { while !got.ends_with(b"}") && stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) {} };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer");
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test]
async fn a_request_that_has_no_answer_yet_gets_the_refusal_and_an_upgrade_ends() {
    let issuer = TestIssuer::start().await;
    let (silent, live) = (Scripted::start().await, Upstream::start().await);
    silent.answers([Step::Wait]);
    let policy = json!({
        "ledger": {"on": true},
        "upstreams": {"default": silent.url, "live": live.url},
        "routes": [
            {"path": "/v1/x", "scopes": ["tool:read"]},
            {"path": "/live", "scopes": ["tool:read"], "upgrade": ["websocket"], "upstream": "live"},
        ],
        "rate_limits": [],
    });
    let gateway = gateway().policy(policy).issuer(&issuer).start().await;
    let ann = token().mint(&issuer);
    // With keys and feed there: a handshake that was held carries nothing in an older Envoy.
    assert_eq!(gateway.get("/nowhere").bearer(&ann).send().await.status, 403);
    let ask = async |path: &str, more: &str| {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let host = gateway.address();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {ann}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut waiting = ask("/v1/x", "").await;
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut upgraded = ask("/live", &format!("connection: Upgrade\r\nupgrade: websocket\r\n{key}")).await;
    read_until(&mut upgraded, b"101 Switching Protocols").await;
    upgraded.write_all(b"hello").await.unwrap();
    read_until(&mut upgraded, b"hello").await;
    eventually("the upstream to be asked", || async { (!silent.seen().is_empty()).then_some(()) }).await;

    let changed = Instant::now();
    gateway.run(&["block", "user", "ann"]);
    let got = status(&mut waiting).await;
    assert!(got.starts_with("HTTP/1.1 403") && got.contains("\"error\":\"blocked\""), "{got}");
    end(&mut upgraded).await;
    assert!(changed.elapsed() < REACHES, "{:?}", changed.elapsed());
}
