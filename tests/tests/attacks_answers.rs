//! Answers that would end Envoy or show what they must not, through the real Envoy in both host modes: texts
//! that outgrow what the host holds, lists under another call's id, and streams that hide one.

use gatewaystack_tests::scripted::{Step, answer, chunked_answer, chunked_head, chunks};
use gatewaystack_tests::wire::{Ask, BOTH, Http, ask, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};

const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "content-type: text/event-stream\r\n";

struct Stage {
    issuer: TestIssuer,
    upstream: Scripted,
    gateway: Gateway,
}

/// A gateway whose every tool may be used by anybody who has signed in.
async fn stage(held: bool, mcp: Value) -> Stage {
    stage_of(held, mcp, |builder| builder).await
}

async fn stage_of(
    held: bool,
    mcp: Value,
    change: impl FnOnce(gateway::Builder) -> gateway::Builder,
) -> Stage {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let mut rules = json!({"unlisted": "allow", "lazy_auth": ["tools/list"]});
    rules.as_object_mut().unwrap().extend(mcp.as_object().unwrap().clone());
    let policy =
        json!({"rate_limits": [], "routes": [{"path": "/mcp", "scopes": ["tool:read"], "mcp": rules}]});
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url);
    let builder = if held { builder } else { builder.without_held_headers() };
    Stage { gateway: change(builder).start().await, issuer, upstream }
}

/// So many small tools under an id, in about so many bytes.
fn list(id: &str, tools: usize, bytes: usize) -> String {
    let width = (bytes / tools).saturating_sub(40);
    let tools: Vec<String> = (0..tools)
        .map(|n| format!("{{\"name\":\"t{n}\",\"description\":\"{}\"}}", "x".repeat(width)))
        .collect();
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"tools\":[{}]}}}}", tools.join(","))
}

impl Stage {
    /// Envoy is the process that it was, and answers.
    async fn lives(&self, what: &str) {
        let got = self.gateway.get("/health").send().await;
        assert_eq!(got.status, 200, "{what}: {got:?}\n{}", self.gateway.log());
        let log = self.gateway.log();
        assert!(
            !log.contains("gatewaystack: panicked") && !log.contains("Caught Segmentation"),
            "{what}: {log}"
        );
    }

    fn ask(&self, body: &Value) -> Ask {
        post("/mcp", body.to_string()).bearer(Some(&token().scope("tool:read").mint(&self.issuer)))
    }
}

#[tokio::test]
async fn a_list_that_outgrows_the_hosts_buffer_is_not_shown_and_nothing_dies() {
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let big = list("7", 2_000, 1_014_045);
    assert!(big.len() < 1_048_576, "{}", big.len());
    let event = format!("data: {big}\n\n");
    for held in [true, false] {
        let stage = stage(held, json!({})).await;
        for http in BOTH {
            for (what, bytes) in [
                ("JSON", answer(JSON, &big)),
                ("JSON in chunks", chunked_answer(JSON, &big, 16_384)),
                ("events", answer(SSE, &event)),
                ("events in chunks", chunked_answer(SSE, &event, 16_384)),
            ] {
                stage.upstream.answers([Step::Send(bytes)]);
                let got = stage.ask(&call).send(http, stage.gateway.address()).await;
                let what = format!("{what} {http:?} held {held}");
                assert!(!got.body.contains("t1999"), "{what}: {} bytes", got.body.len());
                if held {
                    assert_eq!(
                        (got.status, got.header("content-type")),
                        (502, Some("application/json")),
                        "{what}"
                    );
                    assert_eq!(got.json()["error"]["data"]["error"], "response_not_filterable", "{what}");
                }
                stage.lives(&what).await;
            }
        }
        let records = stage.gateway.records(16).await;
        let of_lists: Vec<&Value> = records.iter().filter(|r| r["route"] == "/mcp").collect();
        assert_eq!(of_lists.len(), 8, "one for each: {records:#?}");
        assert!(of_lists.iter().all(|r| r["reason"] == "not_filterable"), "{records:#?}");
    }
}

#[tokio::test]
async fn a_batch_of_many_lists_is_refused_before_it_reaches_the_server() {
    let calls = |n: usize| -> Value {
        (0..n).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})).collect()
    };
    let lists: Vec<String> = (0..100).map(|id| list(&id.to_string(), 60, 10_000)).collect();
    for held in [true, false] {
        let stage = stage(held, json!({})).await;
        stage.upstream.answers([Step::Send(answer(JSON, &format!("[{}]", lists.join(","))))]);
        for http in BOTH {
            let got = post("/mcp", calls(100).to_string()).send(http, stage.gateway.address()).await;
            stage.lives(&format!("{http:?} held {held}")).await;
            assert_eq!(got.status, 400, "{http:?} held {held}: {} bytes", got.body.len());
        }
    }
}

/// A host that holds less than it said: it ends the stream inside the call that replaces the body, and has it
/// logged there.
#[tokio::test]
async fn a_host_that_ends_a_stream_inside_our_call_lives_and_records_it_once() {
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let list = list("7", 300, 27_000);
    for held in [true, false] {
        let stage = stage_of(held, json!({}), |builder| builder.with_buffers_of(32_768)).await;
        for http in BOTH {
            for (what, bytes) in [
                ("JSON", answer(JSON, &list)),
                ("JSON in chunks", chunked_answer(JSON, &list, 1_000)),
                ("events in chunks", chunked_answer(SSE, &format!("data: {list}\n\n"), 1_000)),
            ] {
                stage.upstream.answers([Step::Send(bytes)]);
                let got = stage.ask(&call).send(http, stage.gateway.address()).await;
                let what = format!("{what} {http:?} held {held}");
                let is_whole = got.status == 200 && got.body.contains("t299");
                assert!(is_whole || !got.body.contains("t299"), "{what}: {got:?}");
                stage.lives(&what).await;
            }
        }
        let records = stage.gateway.records(12).await;
        assert_eq!(records.iter().filter(|r| r["route"] == "/mcp").count(), 6, "{records:#?}");
    }
}

fn rules() -> Value {
    json!({"unlisted": "deny", "tools": {"help": "public", "t1": [], "purge": ["admin"]}})
}

fn tools(id: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"tools\":[{{\"name\":\"purge\"}},{{\"name\":\"t1\"}}]}}}}"
    )
}

#[tokio::test]
async fn a_list_under_the_id_of_another_call_is_cut_down_or_not_shown() {
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t1"}});
    let long = format!("\"x\":\"{}\"", "a".repeat(200_000));
    for held in [true, false] {
        let mut mcp = rules();
        mcp["max_body"] = json!(100_000);
        let stage = stage(held, mcp).await;
        for http in BOTH {
            for body in [
                tools("7"),
                tools("7").replace("tools", "t\\u006fols"),
                format!("[{}]", tools("7")),
                format!("{{\"id\":7,\"result\":{{{long},\"tools\":[{{\"name\":\"purge\"}}]}}}}"),
                format!(
                    "{{\"id\":7,\"result\":{{\"content\":[]}},{long},\"result\":{{\"tools\":[{{\"name\":\"purge\"}}]}}}}"
                ),
            ] {
                for bytes in [
                    answer(JSON, &body),
                    chunked_answer(JSON, &body, 5_000),
                    chunked_answer("", &body, 5_000),
                    chunked_answer(SSE, &format!("data: {body}\n\n"), 5_000),
                ] {
                    stage.upstream.answers([Step::Send(bytes)]);
                    let got = stage.ask(&call).send(http, stage.gateway.address()).await;
                    let what = format!("{http:?} held {held} {}", &body[..60]);
                    assert!(!got.body.contains("purge"), "{what}: {}", got.body.len());
                }
            }
            let head = format!("{JSON}etag: \"1\"\r\n");
            stage.upstream.answers([Step::Send(answer(&head, &tools("7")))]);
            let got = stage.ask(&call).send(http, stage.gateway.address()).await;
            if held {
                assert_eq!((got.status, got.header("etag")), (200, None), "{got:?}");
                assert_eq!(got.header("content-length"), Some(got.body.len().to_string().as_str()));
                assert_eq!(got.json()["result"]["tools"][0]["name"], "t1");
            }
            // What is no list keeps its bytes, its length and its headers, whatever its size.
            for body in [
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"content\":[{{{long}}}],\"x\":\"\\ud83d\",\"n\":1e999}}}}"
                ),
                format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{{long}}}}}"),
                "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}".to_owned(),
                "purge".to_owned(),
                String::new(),
            ] {
                stage.upstream.answers([Step::Send(answer(&head, &body))]);
                let got = stage.ask(&call).send(http, stage.gateway.address()).await;
                let length = body.len().to_string();
                assert_eq!(
                    (got.status, got.header("etag"), got.header("content-length")),
                    (200, Some("\"1\""), Some(length.as_str())),
                    "{http:?} held {held}"
                );
                assert!(got.body == body, "{http:?} held {held}: {} of {}", got.body.len(), body.len());
            }
        }
        stage.lives("in the end").await;
    }
}

#[tokio::test]
async fn streams_pass_what_is_no_list_byte_for_byte_and_at_once() {
    let long = "a".repeat(1_500_000);
    for held in [true, false] {
        let stage = stage(held, rules()).await;
        for http in BOTH {
            let get = || ask("GET", "/mcp").bearer(Some(&token().scope("tool:read").mint(&stage.issuer)));
            let events = [
                "data: {\"method\":\"x\",\"params\":{\"text\":\"\\ud83d\"}}\n\n".to_owned(),
                "data: {\"method\":\"x\",\"params\":{\"n\":1e999}}\r\n\r\n".to_owned(),
                "data: {\"method\":\"x\",\"a\":1,\"a\":2}\r\r".to_owned(),
                format!("id: 1\ndata: {{\"method\":\"x\",\"params\":{{\"text\":\"{long}\"}}}}\n\n"),
                "data: {\"id\":1,\"result\":{\"content\":[],\"tools\":[\"purge\"]}}\n\n".to_owned(),
            ]
            .concat();
            stage.upstream.answers([Step::Send(chunked_answer(SSE, &events, 50_000))]);
            let got = get().send(http, stage.gateway.address()).await;
            assert!(
                got.status == 200 && got.body == events,
                "{http:?} {held}: {} of {}",
                got.body.len(),
                events.len()
            );
            let list = format!("data: {}\n\n", tools("3"));
            stage.upstream.answers([Step::Send(chunked_answer(SSE, &format!("{events}{list}"), 50_000))]);
            let got = get().send(http, stage.gateway.address()).await;
            assert!(got.body.contains("\"t1\"") && !got.body.ends_with(&list), "{http:?} {held}");
            for beat in [":\r\n", ": ping\n", ":\r"] {
                stage.upstream.answers([
                    Step::Send(chunked_head(SSE)),
                    Step::Send(chunks(beat.as_bytes(), 9)),
                    Step::Wait,
                    Step::Send(chunks(beat.as_bytes(), 9)),
                    Step::Send(b"0\r\n\r\n".to_vec()),
                ]);
                let mut open = get().open(http, stage.gateway.address()).await;
                assert!(open.until(beat).await.contains(beat), "{http:?} {held} {beat:?}");
                stage.upstream.signal();
                assert!(open.until(beat).await.contains(beat), "{http:?} {held} {beat:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_in_another_charset_is_not_shown() {
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    for held in [true, false] {
        let stage = stage(held, rules()).await;
        for kind in [
            "content-type: application/json; charset=utf-16\r\n",
            "content-type: text/event-stream; charset=iso-8859-1\r\n",
            "content-type: application/json\r\ncontent-type: text/plain\r\n",
        ] {
            stage.upstream.answers([Step::Send(answer(kind, &tools("7")))]);
            let got = stage.ask(&list).send(Http::One, stage.gateway.address()).await;
            assert_eq!((got.status, got.body.contains("purge")), (502, false), "{kind} held {held}: {got:?}");
        }
    }
}

/// Workers share what they know of sessions.
#[tokio::test]
async fn a_session_is_the_callers_that_got_it_in_every_worker() {
    for held in [true, false] {
        let stage = stage_of(held, json!({}), |builder| builder.workers(2)).await;
        let (ann, ben) = (token().scope("tool:read"), token().scope("tool:read").subject("ben"));
        let (ann, ben) = (ann.mint(&stage.issuer), ben.mint(&stage.issuer));
        let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"}).to_string();
        let with_session = format!("{JSON}mcp-session-id: s-1\r\n");
        let pong = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";
        stage.upstream.answers([Step::Send(answer(&with_session, pong))]);
        let got = post("/mcp", &ping).bearer(Some(&ann)).send(Http::One, stage.gateway.address()).await;
        assert_eq!((got.status, got.header("mcp-session-id")), (200, Some("s-1")));
        stage.upstream.answers([Step::Send(answer(JSON, pong))]);
        let seen = stage.upstream.seen().len();
        let of = |method: &str, token: &str| {
            let ask = if method == "POST" { post("/mcp", &ping) } else { ask(method, "/mcp") };
            ask.bearer(Some(token)).header("mcp-session-id", "s-1")
        };
        for http in [Http::One, Http::Two, Http::One, Http::Two, Http::One, Http::Two] {
            for method in ["POST", "GET", "DELETE"] {
                let got = of(method, &ben).send(http, stage.gateway.address()).await;
                assert_eq!(got.status, 404, "{method} held {held}: {got:?}");
                assert_eq!(got.json()["error"]["data"]["error"], "session_not_found");
            }
        }
        assert_eq!(stage.upstream.seen().len(), seen, "nothing of it has left");
        for (method, token, expect) in
            [("POST", &ann, 200), ("GET", &ann, 200), ("DELETE", &ann, 200), ("POST", &ben, 200)]
        {
            let got = of(method, token).send(Http::Two, stage.gateway.address()).await;
            assert_eq!(got.status, expect, "{method} held {held}: {got:?}");
        }
    }
}
