//! The response post-filter through the real Envoy (contract §8), over HTTP/1.1 and HTTP/2, with headers held
//! and without: nothing of anybody else's, whatever the answer looks like and wherever its bytes are cut.

use gatewaystack_tests::scripted::{Step, answer, chunked_answer};
use gatewaystack_tests::wire::{BOTH, Http, ask};
use gatewaystack_tests::*;
use serde_json::{Value, json};

const CAP: usize = 4_096;
const JSON: &str = "content-type: application/json\r\n";

struct Stage {
    upstream: Scripted,
    gateway: Gateway,
    ann: String,
    held: bool,
    _issuer: TestIssuer,
}

async fn stage(held: bool) -> Stage {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let rule = |items: &str| json!({"items": items, "owner": "/owner", "max_bytes": CAP});
    let policy = json!({"rate_limits": [], "routes": [
        {"path": "/notes", "response_filter": rule("/notes")},
        {"path": "/note", "response_filter": rule("")},
    ]});
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url);
    let builder = if held { builder } else { builder.without_held_headers() };
    let ann = token().mint(&issuer);
    Stage { gateway: builder.start().await, upstream, ann, held, _issuer: issuer }
}

impl Stage {
    async fn get(&self, http: Http, method: &str, path: &str, steps: impl Into<Vec<Step>>) -> Response {
        self.upstream.answers(steps);
        let ask = ask(method, path)
            .bearer(Some(&self.ann))
            .header("range", "bytes=0-9")
            .header("if-none-match", "\"1\"");
        let ask = ask.header("accept-encoding", "gzip").header("if-range", "\"1\"");
        ask.header("if-modified-since", "Wed, 25 Nov 2026 00:00:00 GMT")
            .send(http, self.gateway.address())
            .await
    }

    /// 404 or 502 in the contract's form; a reset where the answer's headers had left.
    fn check_refused(&self, got: &Response, by_headers: bool, status: u16, error: &str, what: &str) {
        assert!(!got.body.contains("bob's"), "{what}: {got:?}");
        if self.held || by_headers {
            assert_eq!((got.status, &got.json()["error"]), (status, &json!(error)), "{what}: {got:?}");
        } else {
            assert_eq!(got.body, "", "{what}: nothing of it is data");
        }
    }
}

fn notes() -> String {
    json!({"total": 3, "notes": [
        {"owner": "bob", "text": "bob's"}, {"owner": "ann", "text": "ann's"}, {"owner": "eve", "text": "bob's too"}
    ]})
    .to_string()
}

#[tokio::test]
async fn a_list_is_cut_down_to_the_callers_own_wherever_its_bytes_are_cut() {
    for held in [true, false] {
        let stage = stage(held).await;
        let head = format!(
            "{JSON}etag: \"1\"\r\ndigest: a=b\r\ncontent-digest: a=:b:\r\naccept-ranges: bytes\r\nx-kept: 1\r\n"
        );
        for http in BOTH {
            for steps in [
                vec![Step::Send(answer(&head, &notes()))],
                vec![Step::Trickle(answer(&head, &notes()))],
                vec![Step::Send(chunked_answer(&head, &notes(), 1))],
            ] {
                let got = stage.get(http, "GET", "/notes", steps).await;
                assert_eq!(got.status, 200, "{got:?}");
                assert_eq!(got.json(), json!({"total": 3, "notes": [{"owner": "ann", "text": "ann's"}]}));
                let gone = ["etag", "digest", "content-digest", "accept-ranges"];
                assert!(gone.iter().all(|name| got.header(name).is_none()), "{got:?}");
                let length = got.body.len().to_string();
                assert_eq!(got.header("content-length"), held.then_some(length.as_str()), "{http:?}");
                assert_eq!(got.header("x-kept"), Some("1"));
            }
        }
        // What is announced without a body may not describe one. (The client over HTTP/1.1 waits for a body.)
        let got = stage.get(Http::Two, "HEAD", "/notes", [Step::Send(answer(&head, ""))]).await;
        assert_eq!((got.status, got.header("etag"), got.body.as_str()), (200, None, ""));
        for seen in stage.upstream.seen() {
            for name in [
                "range",
                "if-range",
                "if-none-match",
                "if-modified-since",
                "accept-encoding",
                "authorization",
            ] {
                assert!(seen.header(name).is_empty(), "{name}");
            }
            assert_eq!(seen.header("x-user-id"), ["ann"]);
        }
    }
}

#[tokio::test]
async fn what_is_not_the_callers_or_cannot_be_read_is_not_shown() {
    for held in [true, false] {
        let stage = stage(held).await;
        let large = format!("{{\"notes\":[{{\"owner\":\"ann\",\"text\":\"{}\"}}]}}", "x".repeat(CAP));
        for http in BOTH {
            let own = json!({"owner": "ann", "text": "ann's"}).to_string();
            let got = stage.get(http, "GET", "/note", [Step::Send(answer(JSON, &own))]).await;
            assert_eq!((got.status, got.body.as_str()), (200, own.as_str()));
            let other = json!({"owner": "bob", "text": "bob's"}).to_string();
            let got = stage.get(http, "GET", "/note", [Step::Send(answer(JSON, &other))]).await;
            stage.check_refused(&got, false, 404, "not_found", "another's object");
            for (what, by_headers, answer) in [
                ("no JSON", false, answer(JSON, "bob's")),
                ("two members", false, answer(JSON, "{\"notes\":[],\"notes\":[{\"text\":\"bob's\"}]}")),
                ("no list", false, answer(JSON, "{\"other\":\"bob's\"}")),
                ("no owner", false, answer(JSON, "{\"notes\":[{\"text\":\"bob's\"}]}")),
                (
                    "owner of another type",
                    false,
                    answer(JSON, "{\"notes\":[{\"owner\":true,\"text\":\"bob's\"}]}"),
                ),
                ("ends early", false, answer(JSON, "{\"notes\":[{\"owner\":\"ann\"}")),
                ("compressed", true, answer(&format!("{JSON}content-encoding: gzip\r\n"), &notes())),
                ("a stream", true, answer("content-type: text/event-stream\r\n", "data: bob's\n\n")),
                ("too large, and says so", true, answer(JSON, &large)),
                ("too large", false, chunked_answer(JSON, &large, 1_000)),
            ] {
                let got = stage.get(http, "GET", "/notes", [Step::Send(answer)]).await;
                stage.check_refused(&got, by_headers, 502, "response_not_filterable", what);
            }
            // A connection that is cut in the middle gives Envoy's answer, never a part of the data.
            let mut cut = answer(JSON, &notes());
            cut.truncate(cut.len() - 5);
            let got = stage.get(http, "GET", "/notes", [Step::Send(cut)]).await;
            assert!(!got.body.contains("'s"), "{got:?}");
            assert!(!held || matches!(got.status, 502..=504), "{got:?}");
        }
    }
}

#[tokio::test]
async fn answers_without_the_data_pass_as_they_are() {
    let stage = stage(true).await;
    // The client over HTTP/1.1 doesn't know which statuses have no body.
    for status in ["204 No Content", "304 Not Modified", "404 Not Found", "500 Internal Server Error"] {
        let body = if status.starts_with(['4', '5']) { "not JSON at all" } else { "" };
        let code = status.split(' ').next().unwrap();
        let text = String::from_utf8(answer("etag: \"1\"\r\n", body)).unwrap().replacen("200 OK", status, 1);
        let text = if body.is_empty() { text.replace("content-length: 0\r\n", "") } else { text };
        let got = stage.get(Http::Two, "GET", "/notes", [Step::Send(text.into_bytes())]).await;
        assert_eq!((got.status.to_string().as_str(), got.body.as_str()), (code, body), "{got:?}");
        assert_eq!(got.header("etag").is_some(), code != "204", "{got:?}");
    }
}

/// A fixed stream of pseudo-random lists in pseudo-random chunks: the caller's own come through, nobody
/// else's do.
#[tokio::test]
async fn a_random_corpus_in_random_chunks_shows_nobody_elses() {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for held in [true, false] {
        let stage = stage(held).await;
        for round in 0..60 {
            let elements: Vec<Value> = (0..random(12))
                .map(|n| {
                    let owner = ["ann", "bob", "ann ", "Ann", "\u{e4}nn"][usize::try_from(random(5)).unwrap()];
                    json!({"text": format!("]}},{{\"owner\":\"ann\" {n}"), "nested": [{"owner": "bob"}], "owner": owner})
                })
                .collect();
            let body = serde_json::to_string_pretty(&json!({"notes": elements})).unwrap();
            let size = usize::try_from(1 + random(40)).unwrap();
            let http = BOTH[usize::try_from(random(2)).unwrap()];
            let got = stage.get(http, "GET", "/notes", [Step::Send(chunked_answer(JSON, &body, size))]).await;
            let own: Vec<&Value> = elements.iter().filter(|e| e["owner"] == "ann").collect();
            assert_eq!(got.json(), json!({"notes": own}), "round {round}, chunks of {size}: {body}");
        }
    }
}
