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

/// A request to one host: what came of it, and the exchange.
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
