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
