//! What somebody tried with tasks and sessions of others, and with what costs: each of these passed once.

use super::*;
use crate::config::policy::Tasks;
use crate::decision::Decision;
use crate::exchange::Arrival;
use crate::request::Headers;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const RELATED: &str = "io.modelcontextprotocol/related-task";
const OLD_RELATED: &str = "modelcontextprotocol.io/related-task";

fn meta(id: &str) -> Value {
    json!({(RELATED): {"taskId": id}})
}

/// A call with this in its `_meta`.
fn with_meta(mut call: Value, meta: Value) -> Value {
    call["params"]["_meta"] = meta;
    call
}

fn without_id(mut call: Value) -> Value {
    call.as_object_mut().unwrap().remove("id");
    call
}

/// Gateways that know Ann's task `t-1`, what becomes of an unknown task there, and of another's.
fn modes() -> [(Gate, u16, u16); 3] {
    [(json!({}), 403, 403), (json!({"tasks": "allow"}), 200, 400), (json!({"tasks": "deny"}), 403, 403)].map(
        |(mcp, unknown, others)| {
            let mut gate = server(mcp);
            made(&mut gate, Some(&ann()), "add_note", &flat("t-1"));
            (gate, unknown, others)
        },
    )
}

fn denies(gate: &Gate) -> bool {
    let mcp = gate.policy.routes.iter().find_map(|route| route.mcp.as_ref()).unwrap();
    mcp.tasks == Tasks::Deny
}

fn reason(gate: &Gate) -> &str {
    gate.record["reason"].as_str().unwrap()
}

/// A server makes what such a request causes a part of the task (`related-task` of 2025-11-25).
#[test]
fn a_request_that_belongs_to_a_task_is_judged_as_what_asks_for_it() {
    for (mut gate, unknown, others) in modes() {
        let own = if denies(&gate) { 403 } else { 200 };
        for era in LEGACY.into_iter().chain([NEWEST]) {
            for call in
                [tool("whoami"), tool("help"), request("ping", json!({})), request("made/up", json!({}))]
            {
                for (token, id, expect) in [
                    (Some(ann()), "t-1", own),
                    (Some(reader()), "t-1", 403),
                    (Some(ben()), "t-1", others),
                    (Some(ann()), "t-9", unknown),
                    (Some(ben()), "t-9", unknown),
                    (None, "t-1", 401),
                    (None, "t-9", 401),
                ] {
                    for key in [RELATED, OLD_RELATED] {
                        let call = with_meta(call.clone(), json!({(key): {"taskId": id}}));
                        let got = send(&mut gate, era, token.as_deref(), &call);
                        assert_eq!(got.status(), expect, "{era} {id} {call} {got:?}");
                    }
                }
            }
            let got = send(&mut gate, era, Some(&ben()), &with_meta(tool("whoami"), json!({"x": 1})));
            assert_eq!(got.status(), 200, "{era}");
        }
        let batch = json!([tool("whoami"), with_meta(tool("whoami"), meta("t-1"))]);
        assert_eq!(send(&mut gate, LEGACY[0], Some(&ben()), &batch).status(), others);
    }
}

/// What a notification names is another's, or not: a client may have made a task for a request of the
/// server's.
#[test]
fn notifications_and_answers_name_no_task_of_anothers() {
    for (mut gate, _, others) in modes() {
        let denied = denies(&gate);
        let or_denied = |status| if denied { 403 } else { status };
        for era in LEGACY.into_iter().chain([NEWEST]) {
            for method in ["notifications/cancelled", "notifications/progress", "notifications/made/up"] {
                let call = |id: &str| with_meta(request(method, json!({})), meta(id));
                for (token, id, expect) in [
                    (Some(ann()), "t-1", or_denied(200)),
                    (Some(ben()), "t-1", others),
                    (Some(ben()), "t-9", or_denied(200)),
                    (None, "t-9", 401),
                ] {
                    let note = without_id(call(id));
                    let got = send(&mut gate, era, token.as_deref(), &note);
                    assert_eq!(got.status(), expect, "{era} {id} {note}");
                }
                let unknown = if others == 400 { 200 } else { 403 };
                assert_eq!(send(&mut gate, era, Some(&ben()), &call("t-9")).status(), unknown, "{method}");
            }
        }
        for era in LEGACY {
            for place in ["result", "params", "error", "data", ""] {
                let answer = |id: &str| match place {
                    "result" => json!({"id": 3, "result": {"action": "accept", "_meta": meta(id)}}),
                    "params" => json!({"id": 3, "result": {}, "params": {"_meta": meta(id)}}),
                    "error" => json!({"id": 3, "error": {"code": 1, "message": "", "_meta": meta(id)}}),
                    "data" => json!({"id": 3, "error": {"code": 1, "data": {"_meta": meta(id)}}}),
                    _ => json!({"id": 3, "result": {}, "_meta": meta(id)}),
                };
                for (token, id, expect) in [
                    (ann(), "t-1", or_denied(200)),
                    (reader(), "t-1", 403),
                    (ben(), "t-1", others),
                    (ben(), "t-9", or_denied(200)),
                ] {
                    let got = send_raw(&mut gate, era, Some(&token), answer(id).to_string().as_bytes());
                    assert_eq!(got.status(), expect, "{era} {place} {id}");
                }
            }
            let plain = json!({"id": 3, "result": {"action": "accept", "_meta": {"x": 1}}});
            assert_eq!(send_raw(&mut gate, era, Some(&ben()), plain.to_string().as_bytes()).status(), 200);
        }
    }
}

#[test]
fn what_a_message_belongs_to_is_read_strictly() {
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "whoami", &flat("t-1"));
    let kelvin = RELATED.replace('k', "\u{212a}");
    let related = |value: &str| format!(r#"{{"{RELATED}":{value}}}"#);
    for (meta, expect) in [
        (related(r#"{"taskId":"t-2"}"#), 200),
        (related(r#"{"t\u0061skId":"t-1"}"#), 0),
        (related(r#"{"taskId":"\u0074-1"}"#), 0),
        (related(r#"{"taskId":"t-1","x":1}"#).replace("related", r"rel\u0061ted"), 0),
        (related(r#"{"taskId":"t-2","taskId":"t-1"}"#), 400),
        (related(r#"{"taskId":"t-2","TaskId":"t-1"}"#), 400),
        (related(r#"{"taskId":"t-2","tas\u212aId":"t-1"}"#), 400),
        (related(r#"{"taskId":"t-2","taskId\u0000":"t-1"}"#), 400),
        (related(r#"{"TASKID":"t-1"}"#), 400),
        (related(r#"{"taskId":" t-1"}"#), 400),
        (related(r#"{"taskId":"t\u20101"}"#), 400),
        (related(r#"{"taskId":""}"#), 400),
        (related(r#"{"taskId":1}"#), 400),
        (related(r#"{"taskId":null}"#), 400),
        (related(r#"{"taskId":["t-1"]}"#), 400),
        (related("{}"), 400),
        (related("null"), 400),
        (related(r#""t-1""#), 400),
        (related(r#"[{"taskId":"t-1"}]"#), 400),
        (format!(r#"{{"{RELATED}":{{"taskId":"t-2"}},"{RELATED}":{{"taskId":"t-1"}}}}"#), 400),
        (format!(r#"{{"{}":{{"taskId":"t-1"}}}}"#, RELATED.to_uppercase()), 400),
        (format!(r#"{{"{kelvin}":{{"taskId":"t-1"}}}}"#), 400),
        (format!(r#"{{"{RELATED}\u0000":{{"taskId":"t-1"}}}}"#), 400),
        (format!(r#"{{"{}":{{"taskId":"t-1"}}}}"#, OLD_RELATED.to_uppercase()), 400),
        (format!(r#"{{"{RELATED}":{{"taskId":"t-2"}},"{OLD_RELATED}":{{"taskId":"t-1"}}}}"#), 0),
    ] {
        let member = format!(r#""_meta":{meta}"#);
        for body in [
            format!(r#"{{"id":7,"method":"tools/call","params":{{"name":"whoami",{member}}}}}"#),
            format!(r#"{{"id":7,"method":"ping","params":{{{member}}}}}"#),
            format!(r#"{{"method":"notifications/x","params":{{{member}}}}}"#),
            format!(r#"{{"id":3,"result":{{{member}}}}}"#),
        ] {
            let got = send_raw(&mut gate, LEGACY[2], Some(&ben()), body.as_bytes());
            assert_eq!(got.status(), if expect == 0 { 400 } else { expect }, "{body}");
            if expect != 200 {
                let why = if expect == 0 { "task_not_found" } else { "body_malformed" };
                assert_eq!(reason(&gate), why, "{body}");
            }
        }
    }
    for body in [r#"{"id":3,"result":{"_Meta":{}}}"#, r#"{"id":3,"result":{"_meta\u0000":{}}}"#] {
        assert_eq!(send_raw(&mut gate, LEGACY[2], Some(&ben()), body.as_bytes()).status(), 400, "{body}");
    }
}

/// A request to one host: the result, and the exchange.
fn at(gate: &Gate, host: &str, token: &str, session: Option<&str>, body: &Value) -> (u16, Exchange) {
    let (auth, body) = (format!("Bearer {token}"), body.to_string());
    let mut headers = vec![
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", host),
        ("content-type", JSON),
        ("authorization", auth.as_str()),
    ];
    headers.extend(session.map(|id| ("mcp-session-id", id)));
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let judged = gate.world(|world| {
        let waiting = Exchange::New.on_headers(world, Headers::of(&headers)).exchange;
        waiting.resume(world, Arrival::Body(Some(body.as_bytes())))
    });
    match judged.decision {
        Decision::Forward(_) => (200, judged.exchange),
        Decision::Reply(reply) => (reply.status, judged.exchange),
        other => panic!("{other:?}"),
    }
}

fn begin_at(gate: &Gate, host: &str, token: &str, session: &str) {
    let (status, mut exchange) = at(gate, host, token, None, &request("initialize", json!({})));
    assert_eq!(status, 200);
    assert!(exchange.moves_session(&gate.policy, Some(session.as_bytes())));
    assert_eq!(gate.world(|world| exchange.on_session(world, 200, Some(session.as_bytes()))), None);
}

#[test]
fn two_hosts_are_two_servers() {
    let route = |host: &str| {
        json!({"path": "/mcp", "hosts": [host],
            "mcp": {"tools": {"whoami": ["tool:read"]}, "resource": "https://api.example.com"}})
    };
    let gate = gate(json!({"hold_headers": true, "routes": [route("a.example"), route("b.example")]}));
    let (ann, ben) = (ann(), ben());
    begin_at(&gate, "a.example", &ann, "1");
    begin_at(&gate, "b.example", &ben, "1");
    let (status, mut exchange) = at(&gate, "a.example", &ann, None, &tool("whoami"));
    assert_eq!(status, 200);
    assert!(answer(&gate, &mut exchange, JSON, &flat("t-1"), usize::MAX).is_ok());
    let get = request("tasks/get", json!({"taskId": "t-1"}));
    for (host, session, task) in [("a.example", &ann, 200), ("b.example", &ben, 403)] {
        let ping = request("ping", json!({}));
        assert_eq!(at(&gate, host, session, Some("1"), &ping).0, 200, "{host}");
        let other = if session == &ann { &ben } else { &ann };
        assert_eq!(at(&gate, host, other, Some("1"), &ping).0, 404, "{host}");
        assert_eq!(at(&gate, host, &ann, None, &get).0, task, "{host}");
    }
}

/// One user may belong to two organizations, and what one of them sees isn't the other's.
#[test]
fn what_was_given_to_a_tenant_is_that_tenants() {
    let of = |org: &str| token().scope("tool:read").claim("org_id", org).mint();
    let (acme, other, none) = (of("acme"), of("other"), reader());
    for (mcp, refused) in [(json!({}), 403), (json!({"tasks": "allow"}), 400)] {
        let mut gate = server(mcp);
        made(&mut gate, Some(&acme), "whoami", &flat("t-1"));
        made(&mut gate, Some(&none), "whoami", &flat("t-2"));
        for (token, own, others) in
            [(&acme, "t-1", "t-2"), (&none, "t-2", "t-1"), (&other, "t-9", "t-1"), (&other, "t-9", "t-2")]
        {
            assert!(own == "t-9" || status(&mut gate, Some(token), own) == 200, "{own}");
            assert_eq!(status(&mut gate, Some(token), others), refused, "{others}");
        }
        let host = "gateway.example.com";
        begin_at(&gate, host, &acme, "s-1");
        let ping = request("ping", json!({}));
        for (token, expect) in [(&acme, 200), (&other, 404), (&none, 404)] {
            assert_eq!(at(&gate, host, token, Some("s-1"), &ping).0, expect);
        }
    }
}

/// Methods of other versions and of servers' own name tasks, too.
#[test]
fn no_method_names_a_task_of_anothers() {
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "add_note", &flat("t-1"));
    let of_tasks =
        ["tasks/delete", "tasks/resume", "tasks/input", "tasks/stream", "tasks/subscribe", "Tasks/Delete"];
    let of_servers = ["made/up", "task/get", "notifications/tasks/status", "server/discover"];
    for era in LEGACY.into_iter().chain([NEWEST]) {
        for method in of_tasks.into_iter().chain(of_servers) {
            for (token, id, expect) in [
                (ann(), "t-1", 200),
                (reader(), "t-1", 403),
                (ben(), "t-1", 400),
                (ben(), "t-9", 200),
                (ben(), "\u{feff}t-1", 400),
            ] {
                let call = request(method, json!({"taskId": id}));
                let got = send(&mut gate, era, Some(&token), &call);
                assert_eq!(got.status(), expect, "{era} {call} {got:?}");
            }
        }
    }
    for (params, strict, loose) in [
        (r#"{"taskId":1}"#, 400, 200),
        (r#"{"taskId":null}"#, 400, 200),
        (r#"{"taskId":"t-9","TaskId":"t-1"}"#, 400, 400),
        (r#"{"taskid":"t-1"}"#, 400, 400),
        (r#"{"taskId":"t 1"}"#, 400, 400),
        ("{}", 200, 200),
    ] {
        for (methods, expect) in [(&of_tasks[..], strict), (&of_servers[..], loose)] {
            for method in methods {
                let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
                let got = send_raw(&mut gate, LEGACY[2], Some(&ben()), body.as_bytes());
                assert_eq!(got.status(), expect, "{body}");
            }
        }
    }
    // A server's own method may take a number, and find the task of that text.
    for (id, number) in [("17", 17), ("-4", -4)] {
        made(&mut gate, Some(&ann()), "whoami", &flat(id));
        for method in of_servers {
            let call = request(method, json!({"taskId": number}));
            assert_eq!(send(&mut gate, LEGACY[2], Some(&ann()), &call).status(), 200, "{call}");
            assert_eq!(send(&mut gate, LEGACY[2], Some(&ben()), &call).status(), 400, "{call}");
        }
    }
    let call = request("tools/call", json!({"name": "whoami", "arguments": {"taskId": "t-1"}}));
    assert_eq!(send(&mut gate, LEGACY[2], Some(&ben()), &call).status(), 200, "a tool's own");
    let [(mut gate, ..), ..] = modes();
    assert_eq!(
        ask(&mut gate, Some(&ann()), "tasks/resume", "t-1").status(),
        403,
        "nobody knows such a method"
    );
    assert_eq!(ask(&mut gate, Some(&ben()), "made/up", "t-1").status(), 403);
    assert_eq!(ask(&mut gate, Some(&ben()), "made/up", "t-9").status(), 200);
}

/// Servers compare as numbers, without accents, or drop what can't be seen.
#[test]
fn an_id_has_one_spelling_for_the_sloppiest_server() {
    let uuid = "006512e2-9e0d-44bd-8f29-789f320fe840";
    let same: [(&str, &[&str]); 4] = [
        ("17", &["17", "+17", "017", "00017", "1_7", "+0_1_7"]),
        ("0", &["0", "00", "+0", "0_0"]),
        ("1234567890123456789", &["+1234567890123456789", "01234567890123456789"]),
        (
            uuid,
            &[
                "urn:006512e2-9e0d-44bd-8f29-789f320fe840",
                "uuid:006512e2-9e0d-44bd-8f29-789f320fe840",
                "URN:UUID:006512E2-9E0D-44BD-8F29-789F320FE840",
                "{urn:uuid:006512e2-9e0d-44bd-8f29-789f320fe840}",
                "0065urn:12e2uuid:9e0d44bd8f29789f320fe840",
                "0x6512e29e0d44bd8f29789f320fe840",
                "+06512e29e0d44bd8f29789f320fe840",
            ],
        ),
    ];
    for (id, others) in same {
        let mut gate = server(json!({"tasks": "allow"}));
        made(&mut gate, Some(&ann()), "whoami", &nested(id));
        for spelled in others.iter().chain([&id]) {
            assert_eq!(status(&mut gate, Some(&ann()), spelled), 200, "{spelled}");
            assert_eq!(status(&mut gate, Some(&ben()), spelled), 400, "{spelled}");
            assert_eq!(reason(&gate), "task_not_found", "{spelled}");
        }
        for other in ["18", "170", "1", "-17", "1.7", "t-17", "106512e2-9e0d-44bd-8f29-789f320fe840"] {
            assert_eq!(status(&mut gate, Some(&ben()), other), 200, "{id} {other}");
        }
    }
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "whoami", &nested("tache-12"));
    for spelled in [
        "\u{feff}tache-12",
        "tâche-12",
        "tache-¹2",
        "tache-１2",
        "tache-\u{661}2",
        "tache\u{2011}12",
        "tache 12",
    ] {
        let got = ask(&mut gate, Some(&ann()), "tasks/get", spelled);
        assert_eq!((got.status(), reason(&gate)), (400, "body_malformed"), "{spelled:?}");
        let mut gate = server(json!({"tasks": "allow"}));
        let mut exchange = calling(&mut gate, Some(&ann()), "whoami");
        let before = gate.table.size().0;
        assert!(answer(&gate, &mut exchange, JSON, &nested(spelled), usize::MAX).is_ok());
        assert_eq!(gate.table.size().0, before, "{spelled:?} makes none that is known");
    }
}

/// Each task that a body names is looked for in the shared table.
#[test]
fn one_body_names_few_tasks_and_each_is_looked_for_once() {
    let mut gate = server(json!({"tasks": "allow"}));
    made(&mut gate, Some(&ann()), "whoami", &flat("t-1"));
    let listen =
        |ids: Vec<String>| request("subscriptions/listen", json!({"notifications": {"taskIds": ids}}));
    let ids = |n: usize| (0..n).map(|at| format!("id-{at}")).collect::<Vec<_>>();
    let related = |n: usize| json!(vec![with_meta(request("ping", json!({})), meta("t-1")); n]);
    let both = |n: usize| json!([listen(ids(n)), request("tasks/get", json!({"taskId": "t-1"}))]);
    for (body, expect) in [
        (json!(vec![listen(ids(100)); 100]), 400),
        (json!([listen(ids(100)), listen(ids(1))]), 400),
        (json!([listen(ids(50)), listen(ids(50))]), 200),
        (both(99), 200),
        (both(100), 400),
        (related(100), 200),
    ] {
        let got = send_raw(&mut gate, LEGACY[0], Some(&ann()), body.to_string().as_bytes());
        assert_eq!(got.status(), expect);
    }
    let mut reads = |ids: Vec<String>| {
        let before = gate.table.reads();
        let body = json!([listen(ids)]).to_string();
        assert_eq!(send_raw(&mut gate, LEGACY[0], Some(&ann()), body.as_bytes()).status(), 200);
        gate.table.reads() - before
    };
    let none = reads(Vec::new());
    assert_eq!(reads(vec!["t-1".to_owned(); 100]), none + 1);
    assert_eq!(reads(ids(100)), none + 100);
}

/// The server would keep a task that nobody may ask for.
#[test]
fn where_tasks_are_denied_none_is_made() {
    for (mcp, expect) in [(json!({"tasks": "deny"}), 403), (json!({"tasks": "allow"}), 200), (json!({}), 200)]
    {
        let mut gate = server(mcp);
        for era in LEGACY.into_iter().chain([NEWEST]) {
            for params in [
                json!({"name": "whoami", "task": {"ttl": 1}}),
                json!({"name": "whoami", "task": {}}),
                json!({"name": "whoami", "task": true}),
            ] {
                let got = send(&mut gate, era, Some(&ann()), &request("tools/call", params.clone()));
                assert_eq!(got.status(), expect, "{era} {params}");
                assert!(expect == 200 || reason(&gate) == "unlisted");
            }
            let public = json!({"name": "help", "task": {}});
            let got = send(&mut gate, era, None, &request("tools/call", public));
            assert_eq!(got.status(), if expect == 403 { 401 } else { 200 }, "{era}");
            let got = send(&mut gate, era, Some(&ann()), &request("made/up", json!({"task": {"ttl": 1}})));
            assert_eq!(got.status(), expect, "{era}");
            for params in [json!({"task": "dishes"}), json!({"task": null}), json!({"tasks": {}})] {
                let got = send(&mut gate, era, Some(&ann()), &request("made/up", params.clone()));
                assert_eq!(got.status(), 200, "{era} {params}");
            }
            for name in ["Task", "TASK", "tas\u{212a}", "task\0"] {
                let call = request("tools/call", json!({"name": "whoami", (name): {"ttl": 1}}));
                assert_eq!(send(&mut gate, era, Some(&ann()), &call).status(), 400, "{era} {name:?}");
            }
        }
    }
}
