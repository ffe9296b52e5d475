//! Tasks through the real Envoy, in every worker: the answer that makes one ties it to its caller and to its
//! tool's rule before a byte of it is here.

use super::*;
use gatewaystack_tests::scripted::{Step, answer, chunked_answer, chunked_head, chunks, json_answer};

const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "content-type: text/event-stream\r\n";

/// An answer that makes a task, as an era has it.
fn made(era: &str, id: &str) -> String {
    let task = json!({"taskId": id, "status": "working", "createdAt": "2026-11-30T10:30:00Z"});
    let mut result = if era == NEWEST { task } else { json!({"task": task}) };
    if era == NEWEST {
        result["resultType"] = json!("task");
    }
    json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string()
}

fn about(method: &str, id: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": id}}).to_string()
}

struct Callers {
    ann: String,
    without_scope: String,
    ben: String,
}

impl Callers {
    fn of(stage: &Stage) -> Self {
        let mint = |scope: &str, user: &str| token().scope(scope).subject(user).mint(&stage.issuer);
        Self {
            ann: mint("tool:read", "ann"),
            without_scope: mint("other", "ann"),
            ben: mint("tool:read", "ben"),
        }
    }
}

impl Stage {
    async fn makes(&self, http: Http, era: &str, token: &str, steps: impl Into<Vec<Step>>) -> Response {
        self.upstream.answers(steps);
        let ask = post("/mcp", call("list_notes")).bearer(Some(token));
        let got = self.send(http, in_era(ask, era, "tools/call", Some("list_notes"))).await;
        self.upstream.answers([Step::Send(json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))]);
        got
    }

    fn about(&self, era: &str, token: Option<&str>, method: &str, id: &str) -> Ask {
        in_era(post("/mcp", about(method, id)).bearer(token), era, method, Some(id))
    }
}

#[tokio::test]
async fn a_task_follows_the_rule_of_its_tool_for_its_caller_alone() {
    for held in [true, false] {
        let stage = stage(held).await;
        let callers = Callers::of(&stage);
        for (http, era) in BOTH.into_iter().flat_map(|http| ["2025-11-25", NEWEST].map(|era| (http, era))) {
            for (at, how) in
                ["whole", "trickled", "in chunks", "an event", "events, trickled"].iter().enumerate()
            {
                let id = format!("{http:?}-{era}-{at}");
                let json = made(era, &id);
                let events =
                    format!(": hi\r\n\r\ndata: {{\"method\":\"x\"}}\r\n\r\nid: 1\r\ndata: {json}\r\n\r\n");
                let (body, bytes) = match at {
                    0 => (&json, Step::Send(answer(JSON, &json))),
                    1 => (&json, Step::Trickle(answer(JSON, &json))),
                    2 => (&json, Step::Send(chunked_answer(JSON, &json, 7))),
                    3 => (&events, Step::Send(answer(SSE, &events))),
                    _ => (&events, Step::Trickle(chunked_answer(SSE, &events, 5))),
                };
                let got = stage.makes(http, era, &callers.ann, [bytes]).await;
                let what = format!("{http:?} {era} held {held} {how}");
                assert_eq!((got.status, &got.body), (200, body), "{what}");
                for method in ["tasks/get", "tasks/cancel"] {
                    let ask = |token| stage.about(era, token, method, &id);
                    let good = stage.send(http, ask(Some(&callers.ann))).await;
                    assert_eq!(good.status, 200, "{what} {good:?}");
                    assert_eq!(stage.upstream.seen().pop().unwrap().text(), about(method, &id));
                    let lost = stage.refused(http, ask(Some(&callers.without_scope)), &what).await;
                    let challenge = lost.header("www-authenticate").unwrap_or_default();
                    assert!(
                        lost.status == 403 && challenge.contains("scope=\"tool:read\""),
                        "{what} {lost:?}"
                    );
                    stage.check_refused(http, ask(Some(&callers.ben)), (403, -32001), &what).await;
                    stage.check_refused(http, ask(None), (401, -32001), &what).await;
                    let unknown = stage.about(era, Some(&callers.ann), method, &format!("{id}x"));
                    stage.check_refused(http, unknown, (403, -32001), &what).await;
                }
            }
        }
    }
}

/// Anyone who has read the event may ask at once, of any worker.
#[tokio::test]
async fn a_task_is_kept_before_the_event_that_names_it_is_here() {
    for held in [true, false] {
        let stage = stage_with(held, mcp(json!({"tasks": "allow"})), &json!([])).await;
        let callers = Callers::of(&stage);
        for (at, http) in [Http::One, Http::Two, Http::One, Http::Two].into_iter().enumerate() {
            let id = format!("of-event-{at}");
            let event = format!("data: {}\n\n", made(NEWEST, &id));
            stage.upstream.answers([
                Step::Send(chunked_head(SSE)),
                Step::Send(chunks(event.as_bytes(), 11)),
                Step::Wait,
                Step::Send(b"0\r\n\r\n".to_vec()),
            ]);
            let ask = post("/mcp", call("list_notes")).bearer(Some(&callers.ann));
            let mut open = ask.open(http, stage.gateway.address()).await;
            assert!(open.until(&id).await.contains(&id), "{http:?} held {held}");
            stage.upstream.answers([Step::Send(json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))]);
            for other in BOTH {
                let ask = stage.about("2025-11-25", Some(&callers.ben), "tasks/result", &id);
                let got = stage.refused(other, ask, "another's").await;
                assert_eq!((got.status, &got.json()["error"]["code"]), (400, &json!(-32602)), "{got:?}");
                assert_eq!(got.json()["error"]["data"]["error"], "task_not_found");
                let ask = stage.about("2025-11-25", Some(&callers.ann), "tasks/result", &id);
                assert_eq!(stage.send(other, ask).await.status, 200);
            }
            stage.upstream.signal();
        }
    }
}

/// What the one was given must not become the other's.
#[tokio::test]
async fn an_id_that_two_are_given_is_not_shown_and_nobodys() {
    for held in [true, false] {
        let stage = stage_with(held, mcp(json!({"tasks": "allow"})), &json!([])).await;
        let callers = Callers::of(&stage);
        for (at, http) in BOTH.into_iter().enumerate() {
            for kind in [JSON, SSE] {
                let id = format!("of-two-{at}-{}", kind.len());
                let json = made(NEWEST, &id);
                let body = if kind == JSON { json } else { format!("data: {json}\n\n") };
                let steps = [Step::Send(answer(kind, &body))];
                let first = stage.makes(http, NEWEST, &callers.ann, steps.clone()).await;
                assert_eq!((first.status, first.body), (200, body), "{http:?} held {held}");
                let second = stage.makes(http, NEWEST, &callers.ben, steps).await;
                assert!(!second.body.contains(&id), "{http:?} held {held} {second:?}");
                if held && kind == JSON {
                    assert_eq!((second.status, &second.json()["id"]), (502, &json!(1)), "{second:?}");
                }
                for token in [&callers.ann, &callers.ben] {
                    let ask = stage.about(NEWEST, Some(token), "tasks/get", &id);
                    stage.check_refused(http, ask, (400, -32602), "nobody's").await;
                }
            }
        }
    }
}

/// Lists, in both framings, and what is made a part of a task.
#[tokio::test]
async fn nobody_sees_a_task_of_anothers_or_has_a_part_in_it() {
    for held in [true, false] {
        let stage = stage_with(held, mcp(json!({"tasks": "allow"})), &json!([])).await;
        let callers = Callers::of(&stage);
        for (http, era) in BOTH.into_iter().flat_map(|http| ["2025-11-25", NEWEST].map(|era| (http, era))) {
            let what = format!("{http:?} {era} held {held}");
            let id = format!("listed-{http:?}-{era}");
            let body = made(era, &id);
            let got = stage.makes(http, era, &callers.ann, [Step::Send(answer(JSON, &body))]).await;
            assert_eq!(got.status, 200, "{what}");
            let list = json!({"jsonrpc": "2.0", "id": 1, "result": {"tasks": [{"taskId": id}, {"taskId": "unknown"}]}});
            for kind in [JSON, SSE] {
                let body = if kind == JSON { list.to_string() } else { format!("data: {list}\n\n") };
                stage.upstream.answers([Step::Send(answer(kind, &body))]);
                for (token, is_own) in [(&callers.ann, true), (&callers.ben, false)] {
                    let ask = post("/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#);
                    let ask = in_era(ask.bearer(Some(token)), era, "tasks/list", None);
                    let got = stage.send(http, ask).await;
                    let shown = (got.body.contains(&id), got.body.contains("unknown"));
                    assert_eq!((got.status, shown), (200, (is_own, true)), "{what} {got:?}");
                }
            }
            stage.upstream.answers([Step::Send(json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))]);
            let related = json!({"io.modelcontextprotocol/related-task": {"taskId": id}});
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "list_notes", "_meta": related}});
            let ask = |token| {
                let ask = post("/mcp", call.to_string()).bearer(Some(token));
                in_era(ask, era, "tools/call", Some("list_notes"))
            };
            assert_eq!(stage.send(http, ask(&callers.ann)).await.status, 200, "{what}");
            stage.check_refused(http, ask(&callers.ben), (400, -32602), &what).await;
        }
    }
}
