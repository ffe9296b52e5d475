//! A task is its caller's, and follows the rule of the tool that made it; what nobody knows of is left to
//! `mcp.tasks`.

mod answers;
mod attacks;
mod listed;

use super::*;
use crate::exchange::Exchange;
use crate::exchange::respond::{FilteredBody, Framing, Head, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const METHODS: [&str; 4] = ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"];
/// The forms that eras give an answer that makes a task.
const FORMS: [fn(&str) -> String; 2] = [nested, flat];

fn nested(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"task":{{"taskId":"{id}","status":"working"}},"_meta":{{}}}}}}"#
    )
}

fn flat(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"resultType":"task","taskId":"{id}","status":"working"}}}}"#
    )
}

fn ann() -> String {
    token().scope("tool:read tool:write admin").mint()
}

fn ben() -> String {
    token().sub("ben").scope("tool:read tool:write admin").mint()
}

/// Calls a tool, which passes.
fn calling(gate: &mut Gate, token: Option<&str>, name: &str) -> Exchange {
    let auth = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = auth.iter().map(|auth| ("authorization", auth.as_str())).collect();
    let (got, exchange) = gate.post("/mcp", &headers, tool(name).to_string().as_bytes());
    assert_eq!(got.status(), 200, "{name} {got:?}");
    exchange
}

/// What the filter does before it lets go what has come.
fn keep(gate: &Gate, exchange: &mut Exchange) -> Result<(), u16> {
    if !exchange.makes_task() {
        return Ok(());
    }
    let reply = gate.world(|world| exchange.on_task(world));
    assert!(!exchange.makes_task());
    reply.map_or(Ok(()), |reply| Err(reply.status))
}

/// What the caller gets of an answer that comes in chunks of this size, or the status of a refusal.
fn answer(gate: &Gate, exchange: &mut Exchange, kind: &str, body: &str, size: usize) -> Result<String, u16> {
    let head = Head { status: 200, content_type: Some(kind.as_bytes()), ..Head::default() };
    let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
    let (mut out, mut held) = (Vec::new(), Vec::new());
    match exchange.on_response(&gate.policy, &head) {
        Framing::Watch(mut watched) => {
            for (at, chunk) in chunks.iter().enumerate() {
                held.extend_from_slice(chunk);
                let is_end = at + 1 == chunks.len();
                match exchange.on_response_part(&mut watched, chunk, held.len(), is_end) {
                    Watch::Hold => continue,
                    Watch::Pass => {}
                    Watch::Read => match gate.world(|world| exchange.on_response_body(world, Some(&held))) {
                        FilteredBody::Unchanged => keep(gate, exchange)?,
                        FilteredBody::Replaced(text) => held = text.into_bytes(),
                        FilteredBody::Refuse(reply) => return Err(reply.status),
                    },
                    Watch::End => return Err(0),
                }
                out.append(&mut held);
            }
        }
        Framing::Events { mut events, .. } => {
            for (at, chunk) in chunks.iter().enumerate() {
                let is_end = at + 1 == chunks.len();
                let shown =
                    gate.world(|world| exchange.on_response_events(world, &mut events, chunk, is_end));
                let Ok(bytes) = shown else { return Err(0) };
                keep(gate, exchange)?;
                out.extend(bytes);
            }
        }
        other => panic!("{other:?}"),
    }
    Ok(String::from_utf8(out).unwrap())
}

/// Calls a tool whose answer is this one, all of which is shown.
fn made(gate: &mut Gate, token: Option<&str>, name: &str, body: &str) {
    let mut exchange = calling(gate, token, name);
    assert_eq!(answer(gate, &mut exchange, JSON, body, usize::MAX).as_deref(), Ok(body));
}

fn ask(gate: &mut Gate, token: Option<&str>, method: &str, id: &str) -> Got {
    send(gate, LEGACY[2], token, &request(method, json!({"taskId": id})))
}

fn status(gate: &mut Gate, token: Option<&str>, id: &str) -> u16 {
    ask(gate, token, "tasks/get", id).status()
}

#[test]
fn a_task_follows_the_rule_of_its_tool_for_its_caller_and_nobody_else() {
    for form in FORMS {
        let mut gate = server(json!({}));
        let (ann, ben) = (ann(), ben());
        made(&mut gate, Some(&ann), "add_note", &form("t-1"));
        for method in METHODS {
            for era in [LEGACY[2], NEWEST] {
                let call = request(method, json!({"taskId": "t-1"}));
                assert_eq!(send(&mut gate, era, Some(&ann), &call).status(), 200, "{era} {method}");
                assert_eq!(gate.record["tool"], "add_note", "and no id");
                let lost = send(&mut gate, era, Some(&reader()), &call);
                assert_eq!(lost.status(), 403, "{era} {method}");
                assert!(challenge(&lost).contains("scope=\"tool:read tool:write\""), "{lost:?}");
                assert_eq!(lost.body()["error"]["data"]["needed"], json!(["tool:read", "tool:write"]));
                for other in ["t-1", "t-2"] {
                    let call = request(method, json!({"taskId": other}));
                    let got = send(&mut gate, era, Some(&ben), &call);
                    assert_eq!((got.status(), got.header("www-authenticate")), (403, None), "{other}");
                    assert_eq!(got.body()["error"]["data"]["error"], "access_denied", "as one unknown");
                    assert_eq!(gate.record["tool"], Value::Null);
                    let got = send(&mut gate, era, None, &call);
                    assert!(got.status() == 401 && !challenge(&got).contains("scope="), "{other}");
                }
            }
        }
        assert_eq!(ask(&mut gate, Some(&ann), "tasks/list", "t-1").status(), 403, "it names no task");
    }
}

/// With `allow`, and by default where no tool needs more than a token.
#[test]
fn where_unknown_tasks_are_allowed_a_known_one_is_its_callers_by_its_tools_rule() {
    for mcp in [json!({"tasks": "allow"}), json!({"tools": {"whoami": [], "help": "public"}})] {
        let mut gate = server(mcp.clone());
        let (ann, ben) = (ann(), ben());
        let by = if mcp["tasks"].is_null() { "whoami" } else { "add_note" };
        made(&mut gate, Some(&ann), by, &nested("t-1"));
        assert_eq!((status(&mut gate, Some(&ann), "t-1"), status(&mut gate, Some(&ben), "t-2")), (200, 200));
        let got = ask(&mut gate, Some(&ben), "tasks/result", "t-1");
        assert_eq!(got.status(), 400);
        let body = got.body();
        assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32602), &json!(7)));
        assert_eq!(body["error"]["data"]["error"], "task_not_found");
        assert_eq!(
            (&gate.record["decision"], &gate.record["reason"]),
            (&json!("deny"), &json!("task_not_found"))
        );
        assert_eq!(status(&mut gate, None, "t-1"), 401, "who signs in may find it to be his");
        if by == "add_note" {
            assert_eq!(status(&mut gate, Some(&reader()), "t-1"), 403);
        }
    }
    let mut gate = server(json!({"tasks": "deny"}));
    let mut exchange = calling(&mut gate, Some(&ann()), "whoami");
    let before = gate.table.size().0;
    assert!(answer(&gate, &mut exchange, JSON, &nested("t-1"), usize::MAX).is_ok());
    assert_eq!(gate.table.size().0, before, "nothing is remembered");
    assert_eq!(status(&mut gate, Some(&ann()), "t-1"), 403);
}

#[test]
fn the_task_of_a_public_tool_is_as_open_as_the_tool_until_somebody_has_signed_in_for_it() {
    for mcp in [json!({}), json!({"tasks": "allow", "lazy_auth": ["tasks/get"]})] {
        let mut gate = server(mcp.clone());
        made(&mut gate, None, "help", &flat("t-1"));
        made(&mut gate, Some(&ann()), "help", &flat("t-2"));
        for era in [LEGACY[2], NEWEST] {
            let mut get = |token: Option<&str>, id: &str| {
                send(&mut gate, era, token, &request("tasks/get", json!({"taskId": id}))).status()
            };
            assert_eq!((get(None, "t-1"), get(Some(&ben()), "t-1")), (200, 200), "{era}: nobody's");
            assert_eq!((get(None, "t-2"), get(Some(&nobody()), "t-2")), (401, 200), "{era}: Ann's");
            let others = if mcp["tasks"] == "allow" { 400 } else { 403 };
            assert_eq!(get(Some(&ben()), "t-2"), others, "{era}");
            assert_eq!(get(Some("a.b.c"), "t-1"), 401, "a bad token is refused");
            let unknown = if mcp["tasks"] == "allow" { (200, 200) } else { (401, 403) };
            assert_eq!((get(None, "t-3"), get(Some(&ann()), "t-3")), unknown, "{era}");
        }
    }
}

/// Only what makes a task does so, and only where every reader finds the same one. A server that gives an id
/// to two: what the one was given must not become the other's, nor the other's the one's.
#[test]
fn an_id_that_two_were_given_is_nobodys() {
    let (ann, ben) = (ann(), ben());
    for (token, name) in [(Some(&ben), "whoami"), (None, "help"), (Some(&ann), "add_note")] {
        for (kind, body) in [(JSON, flat("t-1")), (SSE, format!("data: {}\n\n", flat("t-1")))] {
            let mut gate = server(json!({"tasks": "allow"}));
            made(&mut gate, Some(&ann), "whoami", &flat("t-1"));
            made(&mut gate, Some(&ann), "whoami", &flat("t-1"));
            assert_eq!(status(&mut gate, Some(&ann), "t-1"), 200, "the same again");
            for _ in 0..2 {
                let mut exchange = calling(&mut gate, token.map(String::as_str), name);
                assert_eq!(answer(&gate, &mut exchange, kind, &body, 9), Err(502), "it isn't shown");
                assert_eq!(exchange.facts().unwrap().outcome(), ("error", "not_filterable"));
                assert_eq!(status(&mut gate, Some(&ann), "t-1"), 400);
                assert_eq!(status(&mut gate, Some(&ben), "t-1"), 400);
                assert_eq!(status(&mut gate, None, "t-1"), 401);
            }
        }
    }
}

/// Servers compare without case, trim, and read a UUID in many forms: in another spelling a task is still its
/// caller's.
#[test]
fn an_id_in_another_spelling_is_the_same_task() {
    let uuid = "786512e2-9e0d-44bd-8f29-789f320fe840";
    for (id, others) in [
        (
            uuid,
            &[
                "786512E2-9E0D-44BD-8F29-789F320FE840",
                "786512e29e0d44bd8f29789f320fe840",
                "{786512e2-9e0d-44bd-8f29-789f320fe840}",
                "urn:uuid:786512e2-9e0d-44bd-8f29-789f320fe840",
                "URN:UUID:786512e2-9e0d-44bd-8f29-789f320fe840",
            ][..],
        ),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", &["01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEktSV4RRFFQ69G5FAV"]),
        ("sixteen-letters-", &["SIXTEEN-LETTERS-"]),
    ] {
        let mut gate = server(json!({"tasks": "allow"}));
        made(&mut gate, Some(&ann()), "add_note", &nested(id));
        for spelled in others.iter().chain([&id]) {
            assert_eq!(status(&mut gate, Some(&ben()), spelled), 400, "{spelled}");
            assert_eq!(status(&mut gate, Some(&reader()), spelled), 403, "{spelled}");
            assert_eq!(status(&mut gate, Some(&ann()), spelled), 200, "{spelled}");
        }
    }
    let mut gate = server(json!({"tasks": "allow"}));
    for (id, token) in [("1a", ann()), ("1A", ben()), ("fifteen-letters", ann()), ("FIFTEEN-LETTERS", ben())]
    {
        made(&mut gate, Some(&token), "whoami", &nested(id));
        assert_eq!(status(&mut gate, Some(&token), id), 200, "short ids count in letters of both cases");
    }
}

#[test]
fn a_tasks_id_is_read_strictly() {
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "add_note", &nested("a-1"));
    for (params, expect) in [
        (r#"{"taskId":"a-1"}"#, 200),
        (r#"{"taskId":"\u0061-1"}"#, 200),
        (r#"{"t\u0061skId":"a-1"}"#, 200),
        (r#"{"taskId":"other"}"#, 200),
        (r#"{"taskId":"a-1","taskId":"b"}"#, 400),
        (r#"{"taskId":"b","TaskId":"a-1"}"#, 400),
        (r#"{"taskId":"b","taskid":"a-1"}"#, 400),
        (r#"{"taskId":"b","tas\u212aId":"a-1"}"#, 400),
        (r#"{"taskId":"b","taskId\u0000":"a-1"}"#, 400),
        (r#"{"taskId":" a-1"}"#, 400),
        (r#"{"taskId":"a-1\u00a0"}"#, 400),
        (r#"{"taskId":"a\u20111"}"#, 400),
        (r#"{"taskId":"a 1"}"#, 400),
        (r#"{"taskId":"a-1\n"}"#, 400),
        (r#"{"taskId":"a-1\u0000b"}"#, 400),
        (r#"{"taskId":""}"#, 400),
        (r#"{"taskId":1}"#, 400),
        (r#"{"taskId":null}"#, 400),
        (r#"{"taskId":["a-1"]}"#, 400),
        (r#"{"taskId":"\ud83d"}"#, 400),
        (r#"{"task":{"taskId":"a-1"}}"#, 400),
        ("{}", 400),
        ("[]", 400),
    ] {
        for method in METHODS {
            let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
            let got = send_raw(&mut gate, LEGACY[2], Some(&ann()), body.as_bytes());
            assert_eq!(got.status(), expect, "{method} {params}");
            let ours = !params.contains("other") && expect == 200;
            let got = send_raw(&mut gate, LEGACY[2], Some(&ben()), body.as_bytes());
            assert_eq!(got.status(), if ours { 400 } else { expect }, "{method} {params}");
        }
    }
    let long = "x".repeat(2_000);
    assert_eq!(status(&mut gate, Some(&ann()), &long), 200, "unknown, since it can't be known");
}

/// `Mcp-Name` names the task (SEP-2663); the gateway needs it no more than the body does.
#[test]
fn headers_that_name_a_task_agree_with_the_body_and_refuse_early() {
    for held in [true, false] {
        let mut gate = server_of(held, json!({}));
        let (ann, reader, ben) = (ann(), reader(), ben());
        made(&mut gate, Some(&ann), "add_note", &flat("t-1"));
        let body = request("tasks/get", json!({"taskId": "t-1"})).to_string();
        let mut post = |token: Option<&String>, name: Option<&str>, body: Option<&str>| {
            let auth = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![
                ("mcp-protocol-version", NEWEST),
                ("mcp-method", "tasks/get"),
                ("content-type", "application/json"),
            ];
            headers.extend(auth.as_deref().map(|auth| ("authorization", auth)));
            headers.extend(name.map(|name| ("mcp-name", name)));
            match body {
                Some(body) => gate.post("/mcp", &headers, body.as_bytes()).0,
                None => gate.send("POST", "/mcp", &headers),
            }
        };
        for name in [Some("t-1"), Some("=?base64?dC0x?="), None] {
            assert_eq!(post(Some(&ann), name, Some(&body)).status(), 200, "{held} {name:?}");
            assert_eq!(post(Some(&reader), name, Some(&body)).status(), 403, "{held} {name:?}");
            assert_eq!(post(Some(&ben), name, Some(&body)).status(), 403, "{held} {name:?}");
            assert_eq!(post(None, name, Some(&body)).status(), 401, "{held} {name:?}");
            // What its headers say where they leave before the body is judged.
            let early = if held || name.is_none() { 102 } else { 403 };
            assert_eq!(post(Some(&reader), name, None).status(), early, "{held} {name:?}");
            assert_eq!(post(Some(&ben), name, None).status(), early, "{held} {name:?}");
            assert_eq!(post(Some(&ann), name, None).status(), 102, "{held} {name:?}");
        }
        let got = post(Some(&ann), Some("t-2"), Some(&body));
        assert_eq!(got.status(), if held { 400 } else { 403 }, "{got:?}");
        assert!(!held || got.body()["error"]["code"] == -32020);
    }
}

/// The extension's notifications carry whole tasks, their results among them.
#[test]
fn a_stream_tells_of_tasks_to_those_who_may_ask_for_them() {
    let (ann, reader, ben) = (ann(), reader(), ben());
    for (mcp, unknown, others) in
        [(json!({}), 403, 403), (json!({"tasks": "allow"}), 200, 400), (json!({"tasks": "deny"}), 403, 403)]
    {
        let mut gate = server(mcp.clone());
        made(&mut gate, Some(&ann), "add_note", &flat("t-1"));
        made(&mut gate, Some(&ann), "whoami", &flat("t-2"));
        let own = if mcp["tasks"] == "deny" { 403 } else { 200 };
        for (token, tasks, expect) in [
            (&ann, json!(["t-1", "t-2"]), own),
            (&ann, json!([]), 200),
            (&ann, json!(["t-1", "t-3"]), unknown),
            (&reader, json!(["t-2"]), own),
            (&reader, json!(["t-2", "t-1"]), 403),
            (&ben, json!(["t-2"]), others),
            (&ann, json!("t-1"), 400),
            (&ann, json!({"0": "t-1"}), 400),
            (&ann, json!([1]), 400),
            (&ann, json!(vec!["t-1"; 101]), 400),
        ] {
            let call = request("subscriptions/listen", json!({"notifications": {"taskIds": tasks}}));
            assert_eq!(send(&mut gate, NEWEST, Some(token), &call).status(), expect, "{mcp} {tasks}");
        }
        let call =
            request("subscriptions/listen", json!({"notifications": {"taskIds": [], "TaskIds": ["t-1"]}}));
        assert_eq!(send(&mut gate, NEWEST, Some(&ann), &call).status(), 400);
    }
}

#[test]
fn a_table_that_fails_refuses_and_lets_no_task_go() {
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "whoami", &flat("t-1"));
    let mut calls = [JSON, SSE].map(|kind| (kind, calling(&mut gate, Some(&ann()), "whoami")));
    gate.table.fail(true);
    for (kind, exchange) in &mut calls {
        let body = if *kind == JSON { flat("t-2") } else { format!("data: {}\n\n", flat("t-2")) };
        assert_eq!(answer(&gate, exchange, kind, &body, 9), Err(503), "{kind}");
        assert_eq!(exchange.facts().unwrap().outcome(), ("error", "fault_shared_table"));
    }
    let got = ask(&mut gate, Some(&ann()), "tasks/get", "t-1");
    assert_eq!((got.status(), got.header("retry-after")), (503, Some("1")));
    assert_eq!(status(&mut gate, None, "t-1"), 503);
    gate.table.fail(false);
    assert_eq!(status(&mut gate, Some(&ann()), "t-1"), 200);
}

#[test]
fn tasks_of_tools_without_a_rule_need_what_those_need() {
    let mut gate = server(json!({"unlisted": "allow"}));
    made(&mut gate, Some(&ann()), "anything", &flat("t-1"));
    assert_eq!(status(&mut gate, Some(&nobody()), "t-1"), 200, "a token");
    assert_eq!(gate.record["tool"], Value::Null);
    assert_eq!((status(&mut gate, Some(&ben()), "t-1"), status(&mut gate, None, "t-1")), (403, 401));
    // The rule that counts is the one that holds now.
    gate.policy = server(json!({})).policy;
    assert_eq!(status(&mut gate, Some(&ann()), "t-1"), 403);
    gate.policy = server(json!({"tools": {"whoami": [], "anything": ["tool:write"]}})).policy;
    made(&mut gate, Some(&ann()), "anything", &flat("t-2"));
    assert_eq!(
        (status(&mut gate, Some(&ann()), "t-2"), status(&mut gate, Some(&nobody()), "t-2")),
        (200, 403)
    );
}

/// Asking for a task is no call of its tool.
#[test]
fn limits_of_a_tool_count_its_calls_and_not_what_asks_for_their_tasks() {
    let mut gate =
        gate_with_limits(json!([{"by": "user", "max": 1, "window": "60s", "tools": ["list_notes"]}]));
    made(&mut gate, Some(&reader()), "list_notes", &flat("t-1"));
    for _ in 0..5 {
        assert_eq!(status(&mut gate, Some(&reader()), "t-1"), 200);
    }
    assert_eq!(send(&mut gate, LEGACY[2], Some(&reader()), &tool("list_notes")).status(), 429);
}

#[test]
fn two_routes_and_a_batch_that_asks() {
    let mcp = json!({"tools": {"whoami": ["tool:read"]}, "resource": "https://api.example.com"});
    let mut gate = gate(
        json!({"hold_headers": true, "routes": [{"path": "/mcp", "mcp": mcp}, {"path": "/b", "mcp": mcp}]}),
    );
    made(&mut gate, Some(&ann()), "whoami", &flat("t-1"));
    let auth = format!("Bearer {}", ann());
    let get = |id: &str| request("tasks/get", json!({"taskId": id}));
    for (path, body, expect) in [
        ("/b", get("t-1"), 403),
        ("/mcp", json!([get("t-1"), get("t-1")]), 200),
        ("/mcp", json!([get("t-1"), get("t-2")]), 403),
    ] {
        let got = gate.post(path, &[("authorization", &auth)], body.to_string().as_bytes()).0;
        assert_eq!(got.status(), expect, "{path} {body}");
    }
}

/// Answers that only pass are not looked at: there a task is one that nobody knows.
#[test]
fn shadow_mode_records_what_enforcing_would_decide_of_what_is_known() {
    for held in [true, false] {
        let mcp = json!({"tools": {"add_note": ["tool:write"]}});
        let routes = json!([{"path": "/mcp", "mcp": mcp}]);
        let mut watching = gate(json!({"mode": "shadow", "hold_headers": held, "routes": routes}));
        let mut enforcing = gate(json!({"hold_headers": held, "routes": routes}));
        made(&mut enforcing, Some(&ann()), "add_note", &flat("t-1"));
        watching.table = enforcing.table;
        for era in [LEGACY[2], NEWEST] {
            for (token, reason) in
                [(ann(), "authorized"), (reader(), "insufficient_scope"), (ben(), "unlisted")]
            {
                let call = request("tasks/get", json!({"taskId": "t-1"}));
                assert!(matches!(send(&mut watching, era, Some(&token), &call), Got::Observed(_)));
                assert_eq!(watching.record["shadow"]["reason"], reason, "{held} {era}");
            }
        }
    }
}
