//! Answers of MCP servers through the real Envoy, over HTTP/1.1 and HTTP/2, with headers held and without
//! (contract §12.8): a list shows what its caller may call in any framing, what can't be cut down isn't
//! shown, and streams stream.

use gatewaystack_tests::scripted::{Step, answer, chunked_answer, chunked_head, chunks, json_answer};
use gatewaystack_tests::wire::{Ask, BOTH, Http, ask, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};

const NEWEST: &str = "2026-07-28";
const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "content-type: text/event-stream\r\n";
const CAP: usize = 100_000;

struct Stage {
    issuer: TestIssuer,
    upstream: Scripted,
    gateway: Gateway,
    held: bool,
}

async fn stage(held: bool) -> Stage {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let policy = json!({"rate_limits": [], "routes": [{"path": "/mcp", "mcp": {
        "lazy_auth": ["tools/list"], "max_body": CAP,
        "tools": {"whoami": [], "list_notes": ["tool:read"], "purge": ["admin"], "help": "public"}
    }}]});
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url);
    let builder = if held { builder } else { builder.without_held_headers() };
    Stage { gateway: builder.start().await, issuer, upstream, held }
}

fn list(id: &str) -> String {
    let tools: Vec<String> = ["purge", "help", "list_notes", "hidden"]
        .iter()
        .map(|name| format!("{{ \"name\" : \"{name}\" , \"x\" : 1.50 }}"))
        .collect();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"tools\":[ {} ],\"nextCursor\":\"n\"}}}}",
        tools.join(" , ")
    )
}

fn names(text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let tools = value["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

impl Stage {
    fn reader(&self) -> String {
        token().scope("tool:read").mint(&self.issuer)
    }

    /// Asks for the list of tools.
    fn ask(&self, era: &str, token: Option<&str>) -> Ask {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string();
        let ask = post("/mcp", body).bearer(token).header("mcp-protocol-version", era);
        let ask = ask.header("accept-encoding", "gzip");
        if era == NEWEST { ask.header("mcp-method", "tools/list") } else { ask }
    }

    async fn list(&self, http: Http, steps: impl Into<Vec<Step>>) -> Response {
        self.upstream.answers(steps);
        self.ask("2025-11-25", Some(&self.reader())).send(http, self.gateway.address()).await
    }

    /// An answer that isn't shown: 502, or a reset where its headers had left.
    async fn check_refused(
        &self,
        http: Http,
        known_by_headers: bool,
        steps: impl Into<Vec<Step>>,
        what: &str,
    ) {
        let got = self.list(http, steps).await;
        assert!(!got.body.contains("purge") && !got.body.contains("hidden"), "{http:?} {what}: {got:?}");
        if self.held || known_by_headers {
            assert_eq!(got.status, 502, "{http:?} held {} {what}: {got:?}", self.held);
            let body = got.json();
            assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32603), &json!(7)), "{what}");
            assert_eq!(body["error"]["data"]["error"], "response_not_filterable", "{what}");
        } else {
            assert_eq!(got.body, "", "{http:?} {what}: nothing of it is data");
        }
    }
}

#[tokio::test]
async fn a_list_in_json_is_cut_down_wherever_its_bytes_are_cut() {
    for held in [true, false] {
        let stage = stage(held).await;
        let reader = stage.reader();
        let admin = token().scope("tool:read admin").mint(&stage.issuer);
        let stale =
            "etag: \"1\"\r\ndigest: a=b\r\ncontent-digest: a=:b:\r\naccept-ranges: bytes\r\nx-kept: 1\r\n";
        let head = format!("{JSON}{stale}");
        for http in BOTH {
            for (how, steps) in [
                ("whole", vec![Step::Send(answer(&head, &list("7")))]),
                ("trickled", vec![Step::Trickle(answer(&head, &list("7")))]),
                ("chunks of 1", vec![Step::Send(chunked_answer(&head, &list("7"), 1))]),
                ("trickled chunks", vec![Step::Trickle(chunked_answer(&head, &list("7"), 3))]),
                ("other id", vec![Step::Send(answer(&head, &list("8")))]),
            ] {
                let got = stage.list(http, steps).await;
                if how == "other id" {
                    // The one that was asked for isn't there, and what is there is cut down all the same.
                    assert_eq!(names(&got.body), ["help", "list_notes"]);
                    continue;
                }
                assert_eq!(
                    (got.status, names(&got.body)),
                    (200, vec!["help".into(), "list_notes".into()]),
                    "{how}"
                );
                for gone in ["etag", "digest", "content-digest", "accept-ranges"] {
                    assert_eq!(got.header(gone), None, "{http:?} {how}");
                }
                assert_eq!(got.header("x-kept"), Some("1"));
                let length = got.body.len().to_string();
                assert_eq!(
                    got.header("content-length"),
                    held.then_some(length.as_str()),
                    "{http:?} {how} {held}"
                );
                let schemes = "\"securitySchemes\":[{\"type\":\"oauth2\",\"scopes\":[\"tool:read\"]}]";
                assert!(
                    got.body.contains(&format!("{{ \"name\" : \"list_notes\" , \"x\" : 1.50 ,{schemes}}}"))
                );
            }
            stage.upstream.answers([Step::Send(json_answer(&list("7")))]);
            for (token, expect) in [
                (None, &["purge", "help", "list_notes"][..]),
                (Some(&admin), &["purge", "help", "list_notes"]),
                (Some(&reader), &["help", "list_notes"]),
            ] {
                for era in ["2025-03-26", NEWEST] {
                    let got =
                        stage.ask(era, token.map(String::as_str)).send(http, stage.gateway.address()).await;
                    assert_eq!(names(&got.body), expect, "{era}");
                    assert_eq!(got.json()["result"]["cacheScope"] == "private", era == NEWEST);
                }
            }
        }
        let seen = stage.upstream.seen();
        assert!(seen.iter().all(|seen| seen.header("accept-encoding").is_empty()));
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_cut_down_is_not_shown() {
    let good = list("7");
    let event = format!("data: {good}\n\n");
    let big = list("7").replace("1.50", &"1".repeat(CAP));
    let cases: [(&str, bool, Vec<u8>); 17] = [
        ("gzip", true, answer(&format!("{JSON}content-encoding: gzip\r\n"), &good)),
        (
            "two encodings",
            true,
            answer(&format!("{JSON}content-encoding: identity\r\ncontent-encoding: gzip\r\n"), &good),
        ),
        ("gzip of a stream", true, answer(&format!("{SSE}content-encoding: br\r\n"), &event)),
        ("text", false, answer("content-type: text/html\r\n", "<html>purge</html>")),
        ("no type", false, answer("", &event)),
        ("a stream typed as JSON", false, answer(JSON, &event)),
        ("bom", false, answer(JSON, &format!("\u{feff}{good}"))),
        ("two texts", false, answer(JSON, &format!("{good}{good}"))),
        (
            "duplicate",
            false,
            answer(JSON, "{\"id\":7,\"result\":{\"tools\":[],\"tools\":[{\"name\":\"purge\"}]}}"),
        ),
        (
            "folded",
            false,
            answer(JSON, "{\"id\":7,\"result\":{\"tools\":[],\"Tools\":[{\"name\":\"purge\"}]}}"),
        ),
        ("no list", false, answer(JSON, "{\"id\":7,\"result\":{\"purge\":1}}")),
        ("too long", true, answer(JSON, &big)),
        ("too long in chunks", false, chunked_answer(JSON, &big, 9000)),
        ("too long a stream", false, chunked_answer(SSE, &format!("data: {big}\n\n"), 9000)),
        ("JSON typed as a stream", false, answer(SSE, &good)),
        ("cut data", false, answer(SSE, &format!("data: {good}x\n\n"))),
        ("indented data", false, answer(SSE, &format!(" {event}"))),
    ];
    for held in [true, false] {
        let stage = stage(held).await;
        for http in BOTH {
            for (what, by_headers, bytes) in &cases {
                stage.check_refused(http, *by_headers, [Step::Send(bytes.clone())], what).await;
            }
            for (what, _, bytes) in cases.iter().filter(|(_, _, bytes)| bytes.len() < 1000) {
                let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
                let body = std::str::from_utf8(&bytes[head..]).unwrap();
                let head = String::from_utf8_lossy(&bytes[17..head]);
                let head: String = head
                    .lines()
                    .filter(|l| l.starts_with("content-type"))
                    .map(|l| format!("{l}\r\n"))
                    .collect();
                if !what.contains("encoding") && !what.contains("gzip") {
                    let steps = [Step::Trickle(chunked_answer(&head, body, 1))];
                    stage.check_refused(http, false, steps, what).await;
                }
            }
        }
        let records = stage.gateway.records(20).await;
        assert!(
            records.iter().all(|r| r["reason"] == "not_filterable" && r["operation"] == "tools/list"),
            "{records:#?}"
        );
        // The record has the status that the client got, not the one of the answer that was withheld.
        assert!(!held || records.iter().all(|r| r["status"] == 502), "{records:#?}");
    }
}

#[tokio::test]
async fn json_behind_blank_lines_of_a_stream_is_not_shown() {
    for held in [true, false] {
        let stage = stage(held).await;
        for http in BOTH {
            let steps = [Step::Send(answer(SSE, &format!("\n\n \r\n{}", list("7"))))];
            stage.check_refused(http, false, steps, "JSON behind blank lines").await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_is_never_shown_in_part() {
    for held in [true, false] {
        let stage = stage(held).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\n{JSON}content-length: 9999\r\nconnection: close\r\n\r\n{}",
            list("7")
        );
        let chunked = [chunked_head(JSON), chunks(list("7").as_bytes(), 20)].concat();
        let events = [chunked_head(SSE), chunks(format!("data: {}", list("7")).as_bytes(), 20)].concat();
        for http in BOTH {
            for bytes in [
                head.clone().into_bytes(),
                chunked.clone(),
                events.clone(),
                b"HTTP/1.1 200 OK\r\ncont".to_vec(),
            ] {
                let got = stage.list(http, [Step::Send(bytes)]).await;
                assert!(!got.body.contains("name"), "{http:?} {held}: {got:?}");
                assert!(!held || matches!(got.status, 0 | 502 | 503), "{http:?}: {got:?}");
            }
        }
        stage.upstream.answers([Step::Send(json_answer(&list("7")))]);
        let got = stage.list(Http::One, [Step::Send(json_answer(&list("7")))]).await;
        assert_eq!(got.status, 200, "it goes on");
    }
}

#[tokio::test]
async fn other_answers_pass_untouched() {
    for held in [true, false] {
        let stage = stage(held).await;
        for http in BOTH {
            for (status, body) in [(404, "{\"error\":\"purge\"}"), (500, "purge"), (400, "{"), (304, "")] {
                // The client over HTTP/1.1 doesn't know that a 304 has no body.
                if status == 304 && matches!(http, Http::One) {
                    continue;
                }
                let length =
                    if status == 304 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
                let bytes = format!(
                    "HTTP/1.1 {status} X\r\n{JSON}etag: \"1\"\r\n{length}connection: close\r\n\r\n{body}"
                );
                let got = stage.list(http, [Step::Send(bytes.into_bytes())]).await;
                assert_eq!(
                    (got.status, got.body.as_str(), got.header("etag")),
                    (status, body, Some("\"1\"")),
                    "{http:?}"
                );
            }
            for status in [202, 204] {
                let length = if status == 202 { "content-length: 0\r\n" } else { "" };
                let bytes = format!("HTTP/1.1 {status} X\r\n{length}connection: close\r\n\r\n");
                let got = stage.list(http, [Step::Send(bytes.into_bytes())]).await;
                assert_eq!((got.status, got.body.as_str()), (status, ""), "{http:?}");
            }
            // An answer to a call that is no list keeps its length.
            let result = list("7").replace("\"tools\"", "\"content\":[],\"tools\"");
            stage.upstream.answers([Step::Send(answer(&format!("{JSON}etag: \"1\"\r\n"), &result))]);
            let body = json!({"id": 7, "method": "tools/call", "params": {"name": "list_notes"}}).to_string();
            let call = post("/mcp", body).bearer(Some(&stage.reader()));
            let got = call.send(http, stage.gateway.address()).await;
            assert_eq!(
                (got.status, got.body.as_str(), got.header("etag")),
                (200, result.as_str(), Some("\"1\""))
            );
        }
    }
}

#[tokio::test]
async fn a_list_in_events_is_cut_down_wherever_its_bytes_are_cut() {
    for held in [true, false] {
        let stage = stage(held).await;
        let split = list("7").replacen(',', ",\ndata:", 1);
        let stream = format!(
            "\u{feff}: hello\r\n\r\nid: 1\nevent: message\ndata: {}\nretry: 5\n\ndata: {split}\r\rdata\n\ndata: {}",
            list("7"),
            list("9")
        );
        for http in BOTH {
            for steps in [
                vec![Step::Send(answer(SSE, &stream))],
                vec![Step::Trickle(answer(SSE, &stream))],
                vec![Step::Send(chunked_answer(
                    "content-type: Text/Event-Stream; charset=utf-8\r\n",
                    &stream,
                    1,
                ))],
                vec![Step::Trickle(chunked_answer(SSE, &stream, 5))],
            ] {
                let got = stage.list(http, steps).await;
                assert_eq!((got.status, got.header("content-length")), (200, None), "{got:?}");
                assert!(
                    got.body.starts_with("\u{feff}: hello\r\n\r\nid: 1\nevent: message\ndata: {"),
                    "{}",
                    got.body
                );
                assert!(!got.body.contains("purge") && !got.body.contains("hidden"), "{http:?} {}", got.body);
                assert_eq!(got.body.matches("list_notes").count(), 3, "{}", got.body);
            }
            stage.upstream.answers([Step::Send(answer(SSE, &stream))]);
            let get = ask("GET", "/mcp").bearer(Some(&stage.reader())).header("accept", "text/event-stream");
            let got = get.send(http, stage.gateway.address()).await;
            assert_eq!(got.status, 200);
            assert!(
                !got.body.contains("purge") && got.body.matches("list_notes").count() == 3,
                "{}",
                got.body
            );
        }
    }
}

#[tokio::test]
async fn the_first_event_arrives_before_the_second_is_sent() {
    for held in [true, false] {
        let stage = stage(held).await;
        let reader = stage.reader();
        let call = json!({"id": 7, "method": "tools/call", "params": {"name": "list_notes"}}).to_string();
        for http in BOTH {
            for (what, ask) in [
                ("a call", post("/mcp", call.clone()).bearer(Some(&reader))),
                ("a list", stage.ask("2025-11-25", Some(&reader))),
                ("a list of the newest era", stage.ask(NEWEST, Some(&reader))),
                ("a stream", ask("GET", "/mcp").bearer(Some(&reader))),
            ] {
                let (first, second) =
                    ("data: {\"method\":\"first\"}\n\n", "data: {\"method\":\"second\"}\n\n");
                stage.upstream.answers([
                    Step::Send(chunked_head(SSE)),
                    Step::Send(chunks(first.as_bytes(), 100)),
                    Step::Wait,
                    Step::Send(chunks(second.as_bytes(), 9)),
                    Step::Send(b"0\r\n\r\n".to_vec()),
                ]);
                let mut open = ask.open(http, stage.gateway.address()).await;
                assert_eq!(open.status, 200, "{what}");
                let got = open.until("first\"}\n\n").await;
                assert!(got.contains(first) && !got.contains("second"), "{http:?} {held} {what}: {got}");
                stage.upstream.signal();
                assert!(open.until("second\"}\n\n").await.contains(second), "{what}");
            }
            // A stream that is opened has its headers at once, before any event.
            stage.upstream.answers([
                Step::Send(chunked_head(SSE)),
                Step::Wait,
                Step::Send(b"0\r\n\r\n".to_vec()),
            ]);
            let get = ask("GET", "/mcp").bearer(Some(&reader));
            assert_eq!(get.open(http, stage.gateway.address()).await.status, 200);
            stage.upstream.signal();
        }
    }
}
