//! A session is the caller's that got it, and nobody else's; what nobody knows passes.

use super::*;
use crate::exchange::Exchange;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What becomes of a call in a session, and of an answer that names one.
fn call(gate: &mut Gate, token: Option<&str>, method: &str, session: Option<&str>) -> (Got, Exchange) {
    let auth = token.map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(&str, &str)> = session.map(|id| ("mcp-session-id", id)).into_iter().collect();
    headers.extend(auth.as_deref().map(|auth| ("authorization", auth)));
    gate.post("/mcp", &headers, request(method, json!({})).to_string().as_bytes())
}

fn answer(gate: &Gate, exchange: &mut Exchange, status: u16, session: Option<&str>) -> bool {
    let id = session.map(str::as_bytes);
    let moves = exchange.moves_session(&gate.policy, id);
    if moves {
        assert_eq!(gate.world(|world| exchange.on_session(world, status, id)), None);
    }
    moves
}

/// Gets a session.
fn begin(gate: &mut Gate, token: Option<&str>, session: &str) {
    let (got, mut exchange) = call(gate, token, "initialize", None);
    assert_eq!(got.status(), 200);
    assert!(answer(gate, &mut exchange, 200, Some(session)));
}

fn status(gate: &mut Gate, token: Option<&str>, session: &str) -> u16 {
    call(gate, token, "ping", Some(session)).0.status()
}

#[test]
fn a_session_is_the_callers_that_got_it() {
    let mut gate = server(json!({"lazy_auth": ["ping", "tools/list"]}));
    let ann = reader();
    let also_ann = token().scope("admin").mint();
    let ben = token().claim("sub", json!("ben")).mint();
    begin(&mut gate, Some(&ann), "s-1");
    assert_eq!(status(&mut gate, Some(&ann), "s-1"), 200);
    assert_eq!(status(&mut gate, Some(&also_ann), "s-1"), 200, "another token of the same user");
    for other in [Some(ben.as_str()), None] {
        let (got, _) = call(&mut gate, other, "ping", Some("s-1"));
        assert_eq!(got.status(), 404, "{other:?}");
        let body = got.body();
        assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32001), &json!(7)));
        assert_eq!(body["error"]["data"]["error"], "session_not_found");
        assert_eq!(
            (&gate.record["decision"], &gate.record["reason"]),
            (&json!("deny"), &json!("session_not_found"))
        );
    }
    assert_eq!(status(&mut gate, Some(&ben), "s-2"), 200, "one that nobody knows is the server's to judge");
    assert_eq!(status(&mut gate, Some(&ben), "S-1"), 200, "an id means its bytes");
    begin(&mut gate, Some(&ben), "s-2");
    assert_eq!((status(&mut gate, Some(&ben), "s-2"), status(&mut gate, Some(&ann), "s-2")), (200, 404));
    // A stream and the end of a session are a session's, too.
    for method in ["GET", "DELETE"] {
        for (token, expect) in [(&ann, 200), (&ben, 404)] {
            let auth = format!("Bearer {token}");
            let headers = [("authorization", auth.as_str()), ("mcp-session-id", "s-1")];
            assert_eq!(gate.send_with_body(method, "/mcp", &headers, Some(b"")).status(), expect, "{method}");
        }
    }
}

#[test]
fn a_session_that_began_without_a_token_is_nobodys() {
    let mut gate = server(json!({"lazy_auth": ["ping", "tools/list"]}));
    begin(&mut gate, None, "s-1");
    assert_eq!(status(&mut gate, None, "s-1"), 200);
    assert_eq!(status(&mut gate, Some(&reader()), "s-1"), 404, "who signs in begins another");
    let (got, _) = call(&mut gate, None, "resources/list", Some("s-1"));
    assert_eq!(got.status(), 401, "who must sign in is told so first");
}

#[test]
fn an_answer_binds_only_what_is_new_and_delete_releases() {
    let mut gate = server(json!({}));
    let ann = reader();
    let ben = token().claim("sub", json!("ben")).mint();
    begin(&mut gate, Some(&ann), "s-1");
    let (_, mut exchange) = call(&mut gate, Some(&ann), "ping", Some("s-1"));
    assert!(!answer(&gate, &mut exchange, 200, Some("s-1")), "it is known already");
    assert!(!answer(&gate, &mut exchange, 200, None));
    // After a restart the server's word, which comes with each answer, binds it anew.
    let (_, mut exchange) = call(&mut gate, Some(&ann), "ping", Some("s-9"));
    assert!(answer(&gate, &mut exchange, 200, Some("s-9")));
    assert_eq!(status(&mut gate, Some(&ben), "s-9"), 404);
    let auth = format!("Bearer {ann}");
    for (answered, left) in [(405, 404), (200, 200)] {
        let headers = [("authorization", auth.as_str()), ("mcp-session-id", "s-1")];
        let (got, mut exchange) = gate.exchange("DELETE", "/mcp", &headers);
        assert_eq!(got.status(), 200);
        assert!(answer(&gate, &mut exchange, answered, None));
        assert_eq!(status(&mut gate, Some(&ben), "s-1"), left, "{answered}");
    }
}

#[test]
fn sessions_pass_where_the_policy_says_so_and_cost_nothing() {
    let mut gate = server(json!({"sessions": "pass"}));
    let ben = token().claim("sub", json!("ben")).mint();
    let (_, mut exchange) = call(&mut gate, Some(&reader()), "initialize", None);
    assert!(!answer(&gate, &mut exchange, 200, Some("s-1")));
    assert_eq!(status(&mut gate, Some(&ben), "s-1"), 200);
}

#[test]
fn two_routes_may_give_out_one_id() {
    let mcp = json!({"tools": {}, "resource": "https://api.example.com"});
    let mut gate = gate(
        json!({"hold_headers": true, "routes": [{"path": "/mcp", "mcp": mcp}, {"path": "/b", "mcp": mcp}]}),
    );
    begin(&mut gate, Some(&reader()), "s-1");
    let auth = format!("Bearer {}", token().claim("sub", json!("ben")).mint());
    let ping = request("ping", json!({})).to_string();
    let headers = [("authorization", auth.as_str()), ("mcp-session-id", "s-1")];
    assert_eq!(gate.post("/b", &headers, ping.as_bytes()).0.status(), 200);
    assert_eq!(gate.post("/mcp", &headers, ping.as_bytes()).0.status(), 404);
}

/// Where headers leave before the body is judged, a session of another's must not leave with them.
#[test]
fn a_session_of_anothers_never_leaves_where_headers_are_not_held() {
    let mut gate = server_of(false, json!({}));
    let ben = token().claim("sub", json!("ben")).mint();
    begin(&mut gate, Some(&reader()), "s-1");
    let auth = format!("Bearer {ben}");
    let headers =
        [("authorization", auth.as_str()), ("mcp-session-id", "s-1"), ("content-type", "application/json")];
    for method in ["POST", "GET", "DELETE"] {
        assert_eq!(gate.send(method, "/mcp", &headers).status(), 404, "{method}");
    }
}
