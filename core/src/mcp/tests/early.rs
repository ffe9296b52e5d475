//! What is answered before a body, what it is waited for, and what then becomes of the upstream's answer.

use super::lists::{listing, shown};
use super::*;
use crate::authenticate::Fetched;
use crate::exchange::respond::{Framing, Head, Watch};
use crate::mcp::session::Holder;
use crate::mcp::tasks;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The refusal carries the id of the call, for whoever may be answered anything else there.
#[test]
fn the_body_of_an_unknown_version_is_read_where_another_of_this_caller_would_be() {
    let (closed, open) = (json!({"tools": {"t": []}}), json!({"tools": {"t": "public"}}));
    let auth = format!("Bearer {}", reader());
    let signed_in = ("authorization", auth.as_str());
    let json = ("content-type", "application/json");
    for (mcp, held, method, headers, is_read) in [
        (&closed, true, "POST", &[json, signed_in][..], true),
        (&closed, true, "POST", &[json], false),
        (&open, true, "POST", &[json], true),
        (&open, true, "POST", &[json, signed_in], true),
        (&open, false, "POST", &[json, signed_in], false),
        (&open, true, "GET", &[json, signed_in], false),
        (&open, true, "POST", &[("content-type", "text/plain"), signed_in], false),
        (&open, true, "POST", &[json, signed_in, ("upgrade", "websocket")], false),
    ] {
        let case = format!("{mcp} {held} {method} {headers:?}");
        let mut gate = gate(json!({"hold_headers": held, "routes": [{"path": "/mcp", "mcp": mcp}]}));
        let headers = [&[("mcp-protocol-version", "1999-01-01")], headers].concat();
        let (got, id) = match gate.send(method, "/mcp", &headers) {
            Got::Reads(exchange, None) => (gate.body(*exchange, tool("t").to_string().as_bytes()), json!(7)),
            got => (got, Value::Null),
        };
        assert_eq!((got.status(), &got.body()["id"]), (400, &id), "{case}");
        assert_eq!(id == json!(7), is_read, "{case}");
    }
}

#[test]
fn a_body_of_another_type_is_not_waited_for_after_the_keys() {
    let mut gate =
        cold_gate(json!({"hold_headers": true, "routes": [{"path": "/mcp", "mcp": {"tools": {}}}]}));
    let auth = format!("Bearer {}", reader());
    let headers = [("content-type", "text/plain"), ("authorization", auth.as_str())];
    let Got::Held(held) = gate.send("POST", "/mcp", &headers) else { panic!() };
    gate.publish(0, &[&key_a()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 415);
    // Where the keys are there it is: the call's id may be in it.
    let Got::Reads(exchange, None) = gate.send("POST", "/mcp", &headers) else { panic!() };
    let got = gate.body(*exchange, tool("t").to_string().as_bytes());
    assert_eq!((got.status(), &got.body()["id"]), (415, &json!(7)));
}

#[test]
fn a_challenge_asks_for_no_scopes_of_what_is_not_a_call() {
    let mcp = json!({"tools": {"add_note": ["tool:write"]}});
    let mut gate =
        gate(json!({"hold_headers": true, "routes": [{"path": "/mcp", "scopes": ["mcp"], "mcp": mcp}]}));
    let named = [("mcp-protocol-version", NEWEST), ("mcp-method", "tools/call"), ("mcp-name", "add_note")];
    // A stream is none, whatever its headers name.
    let got = gate.send("GET", "/mcp", &named);
    assert!(challenge(&got).contains("scope=\"mcp\", "), "{got:?}");
    // Nor is what can't be read, and no scope would help there.
    let bad = format!("Bearer {}", token().claim("exp", 1).mint());
    for (body, scope) in
        [(&b"{"[..], None), (tool("add_note").to_string().as_bytes(), Some("mcp tool:write"))]
    {
        let (got, _) = gate.post("/mcp", &[("authorization", &bad)], body);
        let found = challenge(&got).split_once("scope=\"").and_then(|(_, rest)| rest.split('"').next());
        assert_eq!((got.status(), found), (401, scope), "{got:?}");
    }
}

#[test]
fn whoever_has_not_signed_in_may_ask_by_headers_for_the_task_of_a_public_tool() {
    for held in [true, false] {
        let mut gate = server_of(held, json!({}));
        let route = gate.policy.routes.iter().find(|route| route.mcp.is_some()).unwrap();
        let (mcp, holder) = (route.mcp.as_ref().unwrap(), Holder { route, principal: None });
        gate.world(|world| tasks::bind(world, &holder, mcp, "help", "t-1")).unwrap();
        let body = request("tasks/get", json!({"taskId": "t-1"})).to_string();
        for (name, status) in [("t-1", 200), ("t-2", 401)] {
            let named = [("mcp-protocol-version", NEWEST), ("mcp-method", "tasks/get"), ("mcp-name", name)];
            assert_eq!(gate.post("/mcp", &named, body.as_bytes()).0.status(), status, "{held} {name}");
        }
    }
}

#[test]
fn an_answer_that_nobody_has_asked_for_yet_is_refused_in_json_rpc() {
    let mcp = json!({"tools": {"help": "public"}});
    let mut gate = gate(json!({"hold_headers": false, "routes": [{"path": "/mcp", "mcp": mcp}]}));
    let headers = [("content-type", "application/json")];
    let Got::Reads(mut exchange, _) = gate.send("POST", "/mcp", &headers) else { panic!() };
    let head = Head { status: 200, ..Head::default() };
    let Framing::Refuse(reply) = exchange.on_response(&gate.policy, &head) else { panic!() };
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &Value::Null));
    assert_eq!(body["error"]["data"]["request_id"], "req-1");
}

/// A host that holds no headers has a mebibyte for a stream's next part.
#[test]
fn no_more_of_a_stream_goes_on_at_once_than_the_host_holds() {
    let room = 1_048_576;
    let list = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"tools\":[]}}\n\n";
    let head = Head { status: 200, content_type: Some(b"text/event-stream"), ..Head::default() };
    for (asked, longer, shown) in [
        (request("tools/list", json!({})), 0, true),
        (request("tools/list", json!({})), 1, false),
        // What was asked for as something else, and changes nothing, isn't held.
        (tool("whoami"), 1, true),
    ] {
        let mut gate = server_of(false, json!({}));
        let auth = format!("Bearer {}", reader());
        let (_, mut exchange) = gate.post("/mcp", &[("authorization", &auth)], asked.to_string().as_bytes());
        let Framing::Events { mut events, .. } = exchange.on_response(&gate.policy, &head) else { panic!() };
        let comment = format!(":{}\n", "x".repeat(room - list.len() - 2 + longer));
        let chunk = format!("{comment}{list}");
        let got =
            gate.world(|world| exchange.on_response_events(world, &mut events, chunk.as_bytes(), false));
        assert_eq!(got.map(|bytes| bytes.len()).ok(), shown.then_some(room + longer), "{asked} {longer}");
    }
}

/// To the byte: a list grows by what each tool is given besides.
#[test]
fn a_list_fills_the_hosts_buffer_and_is_no_longer_than_it() {
    let list = |filler: usize| {
        format!(r#"{{"id":7,"result":{{"tools":[{{"name":"help","x":"{}"}}]}}}}"#, "x".repeat(filler))
    };
    let mut gate = server_of(false, json!({"max_body": 2_097_152}));
    let room = gate.policy.answer_room();
    let mut exchange = listing(&mut gate, LEGACY[2], Some(&reader()), "tools/list");
    let mut grown =
        |filler| shown(&gate, &mut exchange, "application/json", &list(filler)).map(|text| text.len());
    let least = grown(0).unwrap();
    assert!(least > list(0).len());
    assert_eq!(grown(room - least), Ok(room));
    assert_eq!(grown(room - least + 1), Err(502));
    assert_eq!(grown(room - least + 9), Err(502));
}

#[test]
fn an_answer_is_lost_for_the_record_once_it_turns_out_to_be_a_list_that_has_gone_on() {
    let mut gate = server(json!({"max_body": 1_024}));
    let auth = format!("Bearer {}", reader());
    let call = tool("list_notes").to_string();
    let (_, mut exchange) = gate.post("/mcp", &[("authorization", &auth)], call.as_bytes());
    let head = Head { status: 200, content_type: Some(b"application/json"), ..Head::default() };
    let Framing::Watch(mut watched) = exchange.on_response(&gate.policy, &head) else { panic!() };
    let long = format!(r#"{{"id":7,"result":{{"content":["{}"]"#, "a".repeat(2_000));
    assert_eq!(exchange.on_response_part(&mut watched, long.as_bytes(), long.len(), false), Watch::Pass);
    assert_eq!(exchange.facts().unwrap().outcome(), ("allow", "authorized"));
    let rest = br#"},"result":{"tools":[]}}"#;
    assert_eq!(exchange.on_response_part(&mut watched, rest, rest.len(), true), Watch::End);
    assert_eq!(exchange.facts().unwrap().outcome(), ("error", "not_filterable"));
}
