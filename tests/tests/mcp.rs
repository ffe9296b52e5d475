//! MCP requests through the real Envoy, over HTTP/1.1 and HTTP/2, with headers held and without (CONTRACT §12): whoever may calls, and nothing
//! of a request that is refused reaches the upstream but, where Envoy can't hold them, its headers.

use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::scripted::{Step, json_answer};
use gatewaystack_tests::wire::{Ask, BOTH, Http, ask, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

const NEWEST: &str = "2026-07-28";
const ERAS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", NEWEST];

struct Stage {
    issuer: TestIssuer,
    upstream: Scripted,
    gateway: Gateway,
    held: bool,
}

async fn stage(held: bool) -> Stage {
    stage_with(held, mcp(json!({})), &json!([])).await
}

/// A route at `/mcp`, with more of MCP's members.
fn mcp(more: Value) -> Value {
    let mut mcp = json!({"tools": {"whoami": [], "list_notes": ["tool:read"], "add_note": ["tool:write"], "help": "public"}});
    mcp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"path": "/mcp", "mcp": mcp})
}

async fn stage_with(held: bool, route: Value, limits: &Value) -> Stage {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let policy = json!({"routes": [route], "rate_limits": limits});
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).workers(2);
    let builder = if held { builder } else { builder.without_held_headers() };
    Stage { gateway: builder.start().await, issuer, upstream, held }
}

fn call(name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}).to_string()
}

fn in_era(ask: Ask, era: &str, method: &str, name: Option<&str>) -> Ask {
    let ask = ask.header("mcp-protocol-version", era);
    if era != NEWEST {
        return ask;
    }
    let ask = ask.header("mcp-method", method);
    if let Some(name) = name { ask.header("mcp-name", name) } else { ask }
}

impl Stage {
    fn reader(&self) -> String {
        token().scope("tool:read").mint(&self.issuer)
    }

    async fn send(&self, http: Http, ask: Ask) -> Response {
        ask.send(http, self.gateway.address()).await
    }

    /// Sends what must be refused: nothing of it arrives, or its headers alone, with the identity of the caller or none.
    async fn refused(&self, http: Http, ask: Ask, what: &str) -> Response {
        let before = self.upstream.seen().len();
        let bearer = ask.headers.iter().any(|(n, _)| n == "authorization");
        let got = self.send(http, ask.header("x-user-id", "evil")).await;
        // What was on its way has arrived when a later request has.
        let probe = post("/mcp", call("help"));
        assert_eq!(self.send(http, probe).await.status, 200);
        let seen = self.upstream.seen().split_off(before);
        let (last, rest) = seen.split_last().unwrap();
        assert_eq!(last.text(), call("help"), "{what}");
        assert!(!self.held || rest.is_empty(), "{http:?} {what}: {rest:?}");
        for seen in rest {
            assert_eq!(String::from_utf8_lossy(&seen.body), "", "{http:?} {what}");
            assert!(seen.header("authorization").is_empty(), "{what}");
            let user = seen.header("x-user-id");
            assert!(user == ["ann"] && bearer || user.is_empty(), "{what}: {user:?}");
        }
        got
    }

    async fn check_refused(&self, http: Http, ask: Ask, (status, code): (u16, i64), what: &str) {
        let got = self.refused(http, ask, what).await;
        assert_eq!(got.status, status, "{http:?} held {} {what}: {got:?}", self.held);
        let body = got.json();
        assert_eq!((&body["error"]["code"], &body["jsonrpc"]), (&json!(code), &json!("2.0")), "{what}");
        assert_eq!(got.header("cache-control"), Some("no-store"), "{what}");
    }
}

#[tokio::test]
async fn a_tool_is_called_or_refused_in_every_era() {
    for held in [true, false] {
        let stage = stage(held).await;
        let reader = stage.reader();
        for (http, era) in BOTH.into_iter().flat_map(|http| ERAS.map(|era| (http, era))) {
            for (name, token, status) in [
                ("help", None, 200),
                ("whoami", None, 401),
                ("whoami", Some("a.b.c"), 401),
                ("help", Some("a.b.c"), 401),
                ("list_notes", Some(reader.as_str()), 200),
                ("add_note", Some(reader.as_str()), 403),
                ("unheard_of", Some(reader.as_str()), 403),
            ] {
                let ask = in_era(post("/mcp", call(name)).bearer(token), era, "tools/call", Some(name));
                if status != 200 {
                    stage.check_refused(http, ask, (status, -32001), &format!("{era} {name}")).await;
                    continue;
                }
                let got = stage.send(http, ask).await;
                assert_eq!(got.status, 200, "{era} {name} {got:?}");
                let last = stage.upstream.seen().pop().unwrap();
                assert_eq!(last.text(), call(name));
                assert!(last.header("authorization").is_empty());
                let user: &[&str] = if token.is_some() { &["ann"] } else { &[] };
                assert_eq!(last.header("x-user-id"), user);
            }
        }
    }
}

#[tokio::test]
async fn headers_and_body_that_disagree_never_pass() {
    for held in [true, false] {
        let stage = stage(held).await;
        let good = token().scope("tool:read tool:write").mint(&stage.issuer);
        for http in BOTH {
            let newest =
                |body: &str| post("/mcp", body).bearer(Some(&good)).header("mcp-protocol-version", NEWEST);
            let version = json!({"jsonrpc": "2.0", "id": 1, "method": "ping",
                "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2025-06-18"}}});
            for (what, ask) in [
                (
                    "name",
                    newest(&call("add_note"))
                        .header("mcp-method", "tools/call")
                        .header("mcp-name", "list_notes"),
                ),
                ("method", newest(&call("add_note")).header("mcp-method", "ping")),
                ("no method", newest(&call("add_note")).header("mcp-name", "add_note")),
                ("no name", newest(&call("add_note")).header("mcp-method", "tools/call")),
                ("version", newest(&version.to_string()).header("mcp-method", "ping")),
                (
                    "base64",
                    newest(&call("add_note"))
                        .header("mcp-method", "tools/call")
                        .header("mcp-name", "=?base64?aGVscA==?="),
                ),
            ] {
                stage.check_refused(http, ask, (400, -32020), what).await;
            }
            let two = newest(&call("help")).header("mcp-method", "tools/call").header("mcp-name", "help");
            let before = stage.upstream.seen().len();
            for name in ["mcp-name", "mcp-method", "mcp-protocol-version", "mcp-session-id"] {
                let ask = two.clone().header("mcp-session-id", "a").header(name, "help");
                stage.check_refused(http, ask, (400, -32600), name).await;
            }
            // These are refused by their headers alone: beside the probes nothing arrived in either mode.
            assert_eq!(stage.upstream.seen().len() - before, 4);
            let unknown = post("/mcp", call("help")).header("mcp-protocol-version", "2024-11-05");
            let got = stage.refused(http, unknown, "version").await;
            assert_eq!((got.status, &got.json()["error"]["code"]), (400, &json!(-32022)));
            assert_eq!(got.json()["error"]["data"]["supported"], json!(ERAS));
        }
    }
}

#[tokio::test]
async fn a_body_that_could_be_read_otherwise_never_passes_however_it_is_cut() {
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        let utf16: Vec<u8> = call("help").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bodies: [(&str, &[u8]); 12] = [
            ("duplicate", br#"{"id":1,"method":"tools/call","params":{"name":"help","name":"add_note"}}"#),
            (
                "second method",
                br#"{"id":1,"method":"ping","method":"tools/call","params":{"name":"add_note"}}"#,
            ),
            ("folded", br#"{"id":1,"method":"tools/call","params":{"name":"help","Name":"add_note"}}"#),
            ("utf-16", &utf16),
            ("bom", b"\xef\xbb\xbf{\"id\":1,\"method\":\"ping\"}"),
            ("trailing", b"{\"id\":1,\"method\":\"ping\"}{\"id\":1,\"method\":\"tools/call\"}"),
            ("cut short", b"{\"id\":1,\"method\":\"ping\""),
            ("latin1", b"{\"id\":1,\"method\":\"ping\",\"x\":\"\xe9\"}"),
            ("batch", br#"[{"id":1,"method":"ping"}]"#),
            ("text", b"ping"),
            ("empty", b""),
            ("gzip", b"\x1f\x8b\x08\x00"),
        ];
        for http in BOTH {
            for (what, body) in bodies {
                for size in [1, 7, body.len().max(1)] {
                    let whole =
                        post("/mcp", body).bearer(Some(&good)).header("mcp-protocol-version", "2025-11-25");
                    let ask = if body.is_empty() { whole } else { whole.cut(size) };
                    stage.check_refused(http, ask, (400, -32600), what).await;
                }
            }
            for (name, value) in
                [("content-encoding", "gzip"), ("content-type", "application/json; charset=utf-16")]
            {
                let ask = post("/mcp", call("help")).bearer(Some(&good));
                let ask = if name == "content-type" { ask.without(name) } else { ask }.header(name, value);
                stage.check_refused(http, ask, (415, -32600), value).await;
            }
            let none = ask("POST", "/mcp").bearer(Some(&good)).header("content-type", "application/json");
            stage.check_refused(http, none, (400, -32600), "no body").await;
            for method in ["GET", "DELETE"] {
                let ask =
                    Ask { method: method.to_owned(), ..post("/mcp", call("add_note")).bearer(Some(&good)) };
                stage.check_refused(http, ask, (400, -32600), method).await;
            }
            for method in ["PUT", "PATCH"] {
                let ask = Ask { method: method.to_owned(), ..post("/mcp", call("help")) };
                stage.check_refused(http, ask, (405, -32600), method).await;
            }
        }
    }
}

#[tokio::test]
async fn a_body_arrives_whole_in_any_chunks_up_to_the_cap_and_not_past_it() {
    const CAP: usize = 1 << 20;
    let sized = |size: usize| {
        let empty =
            json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "arguments": ""}});
        let arguments = "a".repeat(size - empty.to_string().len());
        json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "arguments": arguments}})
            .to_string()
    };
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        for http in BOTH {
            for size in [CAP - 1, CAP, CAP + 1] {
                for piece in [size, 16_000] {
                    let ask = post("/mcp", sized(size)).bearer(Some(&good)).cut(piece);
                    if size > CAP {
                        stage.check_refused(http, ask, (413, -32600), "over").await;
                        continue;
                    }
                    let got = stage.send(http, ask).await;
                    assert_eq!(got.status, 200, "{http:?} {held} {size} {piece}");
                    let last = stage.upstream.seen().pop().unwrap();
                    let length = last.header("content-length").first().map(|l| l.parse().unwrap());
                    assert!(length.is_none_or(|l: usize| l == size));
                    assert_eq!(last.content(), sized(size).into_bytes(), "every byte, once, in order");
                }
            }
            let bytes =
                post("/mcp", call("list_notes")).bearer(Some(&good)).cut(1).trailer("x-user-id", "evil");
            let got = stage.send(http, bytes.trailer("x-sum", "1")).await;
            assert_eq!(got.status, 200, "{got:?}");
            let last = stage.upstream.seen().pop().unwrap();
            assert_eq!(last.content(), call("list_notes").into_bytes());
            assert!(!String::from_utf8_lossy(&last.body).contains("evil"), "{last:?}");
            let refused = post("/mcp", call("add_note")).bearer(Some(&good)).cut(5).trailer("x-sum", "1");
            stage.check_refused(http, refused, (403, -32001), "with trailers").await;
        }
    }
}

#[tokio::test]
async fn lengths_that_lie_and_clients_that_leave_bring_nothing_to_the_upstream() {
    for held in [true, false] {
        let stage = stage(held).await;
        let good = stage.reader();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\ncontent-type: application/json\r\n"
        );
        let body = call("list_notes");
        let short = body.len() - 5;
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        for (what, rest, statuses) in [
            ("too short", format!("content-length: {short}\r\n\r\n{body}"), &[400][..]),
            (
                "both",
                format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}", body.len()),
                &[400],
            ),
            ("two", format!("content-length: {}\r\ncontent-length: 3\r\n\r\n{body}", body.len()), &[400]),
            ("bad size", format!("transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"), &[400]),
            ("gzip, chunked", format!("transfer-encoding: gzip, chunked\r\n\r\n{chunked}"), &[400, 501]),
        ] {
            let got = client::raw(stage.gateway.address(), format!("{head}{rest}").as_bytes()).await;
            assert!(statuses.contains(&got.status), "{what}: {got:?}");
        }
        for rest in [
            format!("content-length: {}\r\n\r\n{body}", body.len() + 5),
            format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
            "content-length: 5\r\n\r\n".to_owned(),
        ] {
            let mut stream = tokio::net::TcpStream::connect(stage.gateway.address()).await.unwrap();
            stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
            eventually("a request that is read", || async {
                (stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await > 0).then_some(())
            })
            .await;
            drop(stream);
            eventually("its end", || async {
                (stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await == 0).then_some(())
            })
            .await;
        }
        // One record each, the aborted ones too.
        let records = stage.gateway.records(8).await;
        assert_eq!(records.len(), 8, "{records:#?}");
        assert!(records.iter().all(|r| r["decision"] != "allow"), "{records:#?}");
        for seen in stage.upstream.seen() {
            assert!(!held && seen.body.is_empty(), "{seen:?}");
            assert_eq!(seen.header("x-user-id"), ["ann"]);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_answers_before_the_body_is_judged_shows_nothing() {
    let stage = stage(false).await;
    let good = stage.reader();
    let list = json_answer("{\"id\":1,\"result\":{\"tools\":[{\"name\":\"purge\"}]}}");
    stage.upstream.answers([Step::Early, Step::Send(list)]);
    for http in BOTH {
        // A body that never ends.
        let head = post("/mcp", "{").bearer(Some(&good)).cut(1);
        let mut got = match http {
            Http::Two => head.trailer("x", "y").open(http, stage.gateway.address()).await,
            Http::One => head.open(http, stage.gateway.address()).await,
        };
        let text = got.until("}}").await;
        assert!(got.status != 200 && !text.contains("purge"), "{http:?} {} {text}", got.status);
    }
    let mut stream = tokio::net::TcpStream::connect(stage.gateway.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let got = client::over(stream, b"").await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (502, &json!(-32603)), "{got:?}");
    let last = stage.gateway.records(3).await.pop().unwrap();
    assert_eq!((&last["decision"], &last["reason"]), (&json!("error"), &json!("not_filterable")));
}

#[tokio::test]
async fn a_call_waits_for_keys_and_goes_on_with_its_body_intact() {
    for held in [true, false] {
        for http in BOTH {
            let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
            issuer.set_mood(Mood::Hangs);
            let builder =
                gateway().policy(json!({"routes": [mcp(json!({}))]})).issuer(&issuer).upstream(&upstream.url);
            let builder = if held { builder } else { builder.without_held_headers() };
            let stage = Stage { gateway: builder.start().await, issuer, upstream, held };
            let good = stage.reader();
            let big = json!({"id": 1, "method": "tools/call", "params": {"name": "list_notes", "x": "y".repeat(300_000)}});
            // Envoy would lose this body (over HTTP/1.1 it drops the trailers instead): it is refused.
            let trailers = if !held && http == Http::Two { 500 } else { 200 };
            let asks = [
                (post("/mcp", big.to_string()), 200),
                (post("/mcp", big.to_string()).cut(1000).trailer("x-sum", "1"), trailers),
                (in_era(post("/mcp", call("list_notes")), NEWEST, "tools/call", Some("list_notes")), 200),
                (post("/mcp", call("add_note")), 403),
                (in_era(post("/mcp", call("add_note")), NEWEST, "tools/call", Some("add_note")), 403),
                (ask("GET", "/mcp"), 200),
                (ask("POST", "/mcp").header("content-type", "application/json"), 400),
            ];
            let count = u64::try_from(asks.len()).unwrap();
            let release = async {
                eventually("requests that wait", || async {
                    let active = stage.gateway.stat(&["http.gatewaystack", "downstream_rq_active"]).await;
                    (active >= count && stage.issuer.fetches() > 0).then_some(())
                })
                .await;
                assert!(stage.upstream.seen().is_empty());
                stage.issuer.set_mood(Mood::Well);
            };
            let address = stage.gateway.address().to_owned();
            let tasks: Vec<_> = asks
                .into_iter()
                .map(|(ask, status)| {
                    let (address, ask) = (address.clone(), ask.bearer(Some(&good)));
                    (tokio::spawn(async move { ask.send(http, &address).await }), status)
                })
                .collect();
            release.await;
            for (at, (task, status)) in tasks.into_iter().enumerate() {
                let got = task.await.unwrap();
                assert_eq!(got.status, status, "{http:?} held {held} {at}: {got:?}");
            }
            let seen = stage.upstream.seen();
            let whole = seen.iter().filter(|s| s.content() == big.to_string().as_bytes());
            assert_eq!(whole.count(), if trailers == 200 { 2 } else { 1 }, "{http:?} held {held}");
            assert!(seen.iter().all(|s| s.header("x-user-id") == ["ann"]));
            assert!(!seen.iter().any(|s| String::from_utf8_lossy(&s.body).contains("add_note")));
        }
    }
}

#[tokio::test]
async fn upgrades_origins_other_audiences_and_meta_answers_are_judged_in_both_modes() {
    for held in [true, false] {
        let mut route = mcp(
            json!({"challenge_mode": "meta", "lazy_auth": ["ping"], "allowed_origins": ["https://app.example"]}),
        );
        route["audience"] = json!("strict");
        route["mcp"]["resource"] = json!("https://gateway.example/mcp");
        let stage = stage_with(held, route, &json!([])).await;
        let of = |aud: &str| token().scope("tool:read").claim("aud", aud).mint(&stage.issuer);
        let (good, other) = (of("https://gateway.example/mcp"), of(AUDIENCE));
        for http in BOTH {
            let list = |token: Option<&str>| post("/mcp", call("list_notes")).bearer(token);
            assert_eq!(stage.send(http, list(Some(&good))).await.status, 200);
            for (token, name) in [
                (None, "list_notes"),
                (Some(other.as_str()), "list_notes"),
                (Some(good.as_str()), "add_note"),
            ] {
                let got = stage.refused(http, post("/mcp", call(name)).bearer(token), name).await;
                let body = got.json();
                assert_eq!(
                    (got.status, &body["result"]["isError"], &body["id"]),
                    (200, &json!(true), &json!(1)),
                    "{body}"
                );
                let challenge = body["result"]["_meta"]["mcp/www_authenticate"][0].as_str().unwrap();
                assert!(
                    challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="),
                    "{challenge}"
                );
            }
            let bad_origin = list(Some(&good)).header("origin", "https://evil.example");
            stage.check_refused(http, bad_origin, (403, -32001), "origin").await;
            let own = list(Some(&good)).header("origin", "https://app.example");
            assert_eq!(stage.send(http, own).await.status, 200);
            let ping = json!({"id": 1, "method": "ping"}).to_string();
            assert_eq!(stage.send(http, post("/mcp", &ping)).await.status, 200, "lazy");
            let lazy_but_bad = post("/mcp", &ping).bearer(Some(&other));
            stage.check_refused(http, lazy_but_bad, (401, -32001), "a bad token is refused").await;
            for method in ["GET", "DELETE"] {
                stage.check_refused(http, ask(method, "/mcp"), (401, -32001), method).await;
                assert_eq!(stage.send(http, ask(method, "/mcp").bearer(Some(&good))).await.status, 200);
            }
        }
        let before = stage.upstream.seen().len();
        for method in ["GET", "POST"] {
            let upgrade = format!(
                "{method} /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 content-type: application/json\r\n\r\n"
            );
            let got = client::raw(stage.gateway.address(), upgrade.as_bytes()).await;
            assert_eq!(got.status, 403, "{got:?}");
        }
        assert_eq!(stage.upstream.seen().len(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_100_concurrent_calls_exactly_30_pass_a_limit_of_a_tool_with_four_workers() {
    for held in [true, false] {
        let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
        let limits = json!([{"by": "user", "max": 30, "window": "1h", "tools": ["list_notes"]}]);
        let policy = json!({"routes": [mcp(json!({}))], "rate_limits": limits});
        let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).workers(4);
        let builder = if held { builder } else { builder.without_held_headers() };
        let gateway = builder.start().await;
        let reader = token().scope("tool:read").mint(&issuer);
        let tasks: Vec<_> = (0..100)
            .map(|at| {
                let (address, good) = (gateway.address().to_owned(), reader.clone());
                let (http, era) = (BOTH[at % 2], ERAS[at % 4]);
                let ask = in_era(post("/mcp", call("list_notes")), era, "tools/call", Some("list_notes"));
                tokio::spawn(async move { ask.bearer(Some(&good)).send(http, &address).await })
            })
            .collect();
        let mut statuses = std::collections::BTreeMap::new();
        for task in tasks {
            let got = task.await.unwrap();
            if got.status == 429 {
                assert_eq!(got.json()["error"]["code"], json!(-32029));
                assert!(got.header("retry-after").is_some());
            }
            *statuses.entry(got.status).or_insert(0) += 1;
        }
        assert_eq!(statuses, [(200, 30), (429, 70)].into(), "held {held}");
        let passed = upstream.seen().iter().filter(|seen| !seen.body.is_empty()).count();
        assert_eq!(passed, 30);
        let help =
            post("/mcp", call("whoami")).bearer(Some(&reader)).send(Http::One, gateway.address()).await;
        assert_eq!(help.status, 200, "another tool has another count");
        let records = gateway.records(101).await;
        assert_eq!(records.len(), 101, "one record each");
        let of = |decision: &str| {
            let is = |r: &&Value| {
                r["decision"] == decision && r["tool"] == "list_notes" && r["operation"] == "tools/call"
            };
            records.iter().filter(is).count()
        };
        assert_eq!((of("allow"), of("limited")), (30, 70));
    }
}
