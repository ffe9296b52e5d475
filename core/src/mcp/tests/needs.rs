//! What an operation needs in addition to its own rule: the route's scopes, whatever it is.

use super::lists::{listing, shown, tools};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A route with scopes of its own.
fn scoped(scopes: &Value) -> Gate {
    let mut route = json!({"path": "/mcp", "mcp": {
        "tools": {"a": ["x"], "b": [], "c": {"any_scope": ["x", "y"]}, "open": "public"},
        "prompts": {"p": ["x"]},
        "resources": {"notes://*": ["x"]},
    }});
    route.as_object_mut().unwrap().extend(scopes.as_object().unwrap().clone());
    gate(json!({"hold_headers": true, "routes": [route]}))
}

#[test]
fn every_operation_needs_the_routes_own_scopes_too() {
    let operations = [
        tool("a"),
        tool("b"),
        tool("c"),
        request("prompts/get", json!({"name": "p"})),
        request("resources/read", json!({"uri": "notes://1"})),
        request("tools/list", json!({})),
        request("ping", json!({})),
    ];
    for scopes in [json!({"scopes": ["base"]}), json!({"any_scope": ["base", "root"]})] {
        let mut gate = scoped(&scopes);
        let [own, both, other] = ["x y", "x y base", "x y bases"].map(|scope| token().scope(scope).mint());
        for era in LEGACY.into_iter().chain([NEWEST]) {
            for body in &operations {
                let got = send(&mut gate, era, Some(&own), body);
                assert_eq!(got.status(), 403, "{era} {body}");
                assert!(challenge(&got).contains("scope=\"base"), "{era} {body}: {}", challenge(&got));
                assert_eq!(send(&mut gate, era, Some(&other), body).status(), 403, "{era} {body}");
                assert_eq!(send(&mut gate, era, Some(&both), body).status(), 200, "{era} {body}");
            }
            assert_eq!(send(&mut gate, era, Some(&own), &tool("open")).status(), 200, "{era}");
            assert_eq!(send(&mut gate, era, None, &tool("open")).status(), 200, "{era}");
        }
        // And the other way round.
        let base = token().scope("base").mint();
        assert_eq!(send(&mut gate, NEWEST, Some(&base), &tool("a")).status(), 403);
        assert_eq!(send(&mut gate, NEWEST, Some(&base), &tool("b")).status(), 200);
    }
}

/// No scope helps where nothing is allowed, and none is needed where all is: the challenge asks for none, not
/// even the route's.
#[test]
fn a_challenge_asks_for_no_scope_that_would_not_help() {
    let mut gate = scoped(&json!({"scopes": ["base"]}));
    for era in LEGACY.into_iter().chain([NEWEST]) {
        for (token, name, scoped) in [
            (None, "unheard_of", false),
            (Some("a.b.c"), "unheard_of", false),
            (Some("a.b.c"), "open", false),
            (Some("a.b.c"), "b", true),
            (None, "b", true),
        ] {
            let got = send(&mut gate, era, token, &tool(name));
            assert_eq!(got.status(), 401, "{era} {name}");
            assert_eq!(challenge(&got).contains("scope=\"base\""), scoped, "{era} {name} {token:?}");
            assert_eq!(challenge(&got).contains("scope="), scoped, "{era} {name} {token:?}");
        }
    }
}

/// `cacheScope` is a list's: what is none stays as it is, also where each event is looked at.
#[test]
fn what_is_no_list_is_not_told_how_to_be_cached() {
    let mut gate = server(json!({}));
    let auth = format!("Bearer {}", reader());
    let call = tool("list_notes");
    let headers = [
        ("authorization", auth.as_str()),
        ("mcp-protocol-version", NEWEST),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_notes"),
    ];
    let (got, mut exchange) = gate.post("/mcp", &headers, call.to_string().as_bytes());
    assert_eq!(got.status(), 200);
    for result in
        ["{}", "{\"a\":1}", "{\"content\":[]}", "{\"cacheScope\":\"public\"}", "{\"resultType\":\"x\"}"]
    {
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{result}}}");
        let event = format!("data: {answer}\n\n");
        assert_eq!(shown(&gate, &mut exchange, "text/event-stream", &event), Ok(event), "{result}");
        assert_eq!(shown(&gate, &mut exchange, "application/json", &answer), Ok(answer), "{result}");
    }
    // Next to a list that was asked for, all that comes is looked at.
    let mut exchange = listing(&mut gate, NEWEST, Some(&reader()), "tools/list");
    for result in ["{}", "{\"a\":1}", "[]", "1", "null"] {
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{result}}}");
        let event = format!("data: {answer}\n\n");
        assert_eq!(shown(&gate, &mut exchange, "text/event-stream", &event), Ok(event), "{result}");
        assert_eq!(shown(&gate, &mut exchange, "application/json", &answer), Ok(answer), "{result}");
    }
    let list = format!("data: {}\n\n", tools(&["help"]));
    let got = shown(&gate, &mut exchange, "text/event-stream", &list).unwrap();
    assert!(got.contains("\"cacheScope\":\"private\""), "{got}");
}

/// Alone it needs a token: so it does next to what needs none.
#[test]
fn an_answer_to_the_server_needs_a_token_in_a_batch_too() {
    let answer = json!({"jsonrpc": "2.0", "id": 3, "result": {"action": "accept"}});
    for (batch, expect) in [
        (json!([tool("open")]), 200),
        (json!([answer]), 401),
        (json!([tool("open"), answer]), 401),
        (json!([answer, tool("open")]), 401),
    ] {
        let mut gate = scoped(&json!({}));
        let body = batch.to_string();
        let mut status = |headers: &[(&str, &str)]| gate.post("/mcp", headers, body.as_bytes()).0.status();
        assert_eq!(status(&[("mcp-protocol-version", "2025-03-26")]), expect, "{batch}");
        let auth = format!("Bearer {}", token().mint());
        let headers = [("mcp-protocol-version", "2025-03-26"), ("authorization", auth.as_str())];
        assert_eq!(status(&headers), 200, "{batch}");
    }
}
