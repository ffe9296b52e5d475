//! MCP requests through the real Envoy, over HTTP/1.1 and HTTP/2, with headers held and without (contract
//! §12): a caller that may, calls, and nothing of a request that is refused reaches the upstream but, where
//! Envoy can't hold them, its headers.

mod bodies;
mod eras;
mod tasks;
mod watched;

use gatewaystack_tests::wire::{Ask, BOTH, Http, ask, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};

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

    /// Sends what must be refused: nothing of it arrives, or its headers alone, with the identity of the
    /// caller or none.
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
            assert!(
                [["ann"], ["ben"]].iter().any(|u| user == u) && bearer || user.is_empty(),
                "{what}: {user:?}"
            );
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
            // These are refused by their headers alone: next to the probes nothing arrived in either mode.
            assert_eq!(stage.upstream.seen().len() - before, 4);
            let unknown = post("/mcp", call("help")).header("mcp-protocol-version", "2024-11-05");
            let got = stage.refused(http, unknown, "version").await;
            assert_eq!((got.status, &got.json()["error"]["code"]), (400, &json!(-32022)));
            assert_eq!(got.json()["error"]["data"]["supported"], json!(ERAS));
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
