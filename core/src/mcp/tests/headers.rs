//! What headers say of a call: they refuse early and allow nothing, and say what its body says.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn headers_and_body_of_the_newest_era_must_agree() {
    let mut gate = server(
        json!({"tools": {"list_notes": [], "n\u{f6}te": [], "purge": []}, "prompts": {"unlisted": "allow"}, "resources": {"unlisted": "allow"}}),
    );
    let good = reader();
    const ENCODED: &str = "=?base64?bsO2dGU=?=";
    type Headers = &'static [(&'static str, &'static str)];
    let rows: [(Headers, Value, u16); 22] = [
        (&[("mcp-method", "tools/call"), ("mcp-name", "list_notes")], tool("list_notes"), 200),
        (&[("mcp-method", "tools/call"), ("mcp-name", ENCODED)], tool("n\u{f6}te"), 200),
        (&[("mcp-method", "tools/call"), ("mcp-name", "n\u{f6}te")], tool("n\u{f6}te"), 400),
        (
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?bGlzdF9ub3Rlcw==?=")],
            tool("list_notes"),
            200,
        ),
        (&[("mcp-method", "tools/call"), ("mcp-name", "purge")], tool("list_notes"), 400),
        (&[("mcp-method", "tools/call"), ("mcp-name", "list_notes")], tool("purge"), 400),
        (&[("mcp-method", "tools/call"), ("mcp-name", "LIST_NOTES")], tool("list_notes"), 400),
        (&[("mcp-method", "tools/call")], tool("list_notes"), 400),
        (&[("mcp-name", "list_notes")], tool("list_notes"), 400),
        (&[], tool("list_notes"), 400),
        (&[("mcp-method", "tools/list")], tool("list_notes"), 400),
        (&[("mcp-method", "TOOLS/CALL"), ("mcp-name", "list_notes")], tool("list_notes"), 400),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?!!?=")], tool("list_notes"), 400),
        (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?bGlzdF9ub3Rlcw?=")], tool("list_notes"), 400),
        (&[("mcp-method", "tools/list")], request("tools/list", json!({})), 200),
        (&[("mcp-method", "tools/list"), ("mcp-name", "x")], request("tools/list", json!({})), 400),
        (
            &[("mcp-method", "resources/read"), ("mcp-name", "a://b")],
            request("resources/read", json!({"uri": "a://b"})),
            200,
        ),
        (
            &[("mcp-method", "resources/read"), ("mcp-name", "a://c")],
            request("resources/read", json!({"uri": "a://b"})),
            400,
        ),
        (
            &[("mcp-method", "prompts/get"), ("mcp-name", "p")],
            request("prompts/get", json!({"name": "p"})),
            200,
        ),
        (&[("mcp-method", "ping")], json!([request("ping", json!({}))]), 400),
        (&[("mcp-method", "ping")], json!({"jsonrpc": "2.0", "id": 1, "result": {}}), 400),
        (
            &[("mcp-method", "ping")],
            request("ping", json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2025-11-25"}})),
            400,
        ),
    ];
    for (headers, body, status) in rows {
        let auth = format!("Bearer {good}");
        let mut all = vec![("mcp-protocol-version", NEWEST), ("authorization", auth.as_str())];
        all.extend(headers);
        let (got, _) = gate.post("/mcp", &all, body.to_string().as_bytes());
        assert_eq!(got.status(), status, "{headers:?} {body}");
        if status == 400 && !body.is_array() && body.get("method").is_some() {
            assert_eq!(got.body()["error"]["code"], json!(-32020), "{headers:?} {body}");
        }
    }
    let two = [
        ("mcp-name", "list_notes"),
        ("mcp-name", "purge"),
        ("mcp-protocol-version", NEWEST),
        ("mcp-method", "tools/call"),
    ];
    let (got, _) = gate.post("/mcp", &two, tool("list_notes").to_string().as_bytes());
    assert_eq!(
        (got.status(), &got.body()["error"]["code"]),
        (400, &json!(-32600)),
        "two headers, in the form of MCP"
    );
}

#[test]
fn headers_of_older_eras_allow_nothing() {
    let mut gate = server(json!({}));
    let auth = format!("Bearer {}", reader());
    for era in LEGACY {
        for (name, expect) in [("help", 400), ("add_note", 403)] {
            let spoofed = [
                ("mcp-protocol-version", era),
                ("mcp-method", "tools/call"),
                ("mcp-name", name),
                ("mcp-session-id", "x"),
                ("authorization", auth.as_str()),
            ];
            let (got, _) = gate.post("/mcp", &spoofed, tool("add_note").to_string().as_bytes());
            assert_eq!(got.status(), expect, "{era} {name}");
        }
    }
}

/// A good token's call is refused with the body, where the headers can wait for it: headers that disagree
/// with it come first.
#[test]
fn what_the_headers_refuse_needs_no_body_and_what_they_allow_does() {
    headers_refuse(true);
    headers_refuse(false);
}

fn headers_refuse(held: bool) {
    let (prompts, resources) = (json!({"secret": ["tool:write"]}), json!({"notes://*": ["tool:write"]}));
    let mut gate = server_of(held, json!({"prompts": prompts, "resources": resources}));
    let refused = if held { 102 } else { 403 };
    let auth = format!("Bearer {}", reader());
    let ask = |gate: &mut Gate, method: &str, name: &str, auth: Option<&str>| {
        let mut headers = vec![
            ("mcp-protocol-version", NEWEST),
            ("content-type", "application/json"),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        headers.extend(auth.map(|auth| ("authorization", auth)));
        gate.send("POST", "/mcp", &headers)
    };
    for (method, name, auth, status) in [
        ("tools/call", "add_note", Some(auth.as_str()), refused),
        ("tools/call", "unheard_of", Some(&auth), refused),
        ("prompts/get", "secret", Some(&auth), refused),
        ("resources/read", "notes://a", Some(&auth), refused),
        ("tools/call", "list_notes", None, 401),
        ("tools/call", "list_notes", Some("Bearer a.b.c"), 401),
        ("tools/call", "list_notes", Some(&auth), 102),
        // What they don't name, or not so that it can be judged, is the body's to say.
        ("resources/read", "notes://a/../b", Some(&auth), 102),
        ("ping", "t-1", Some(&auth), 102),
        ("tools/call", "=?base64?!?=", None, 102),
        ("completion/complete", "", None, 102),
        ("tools/call", "help", None, 102),
    ] {
        let got = ask(&mut gate, method, name, auth);
        assert_eq!(got.status(), status, "{method} {name} {got:?}");
        assert_eq!(
            status == 102,
            matches!(got, Got::Reads(_, ref edits) if edits.is_none() == held),
            "{name}"
        );
    }
    assert_eq!(gate.record["tool"], "help");
}

#[test]
fn where_headers_leave_early_they_say_who_calls_and_the_body_still_decides() {
    let mut gate = gate(json!({"hold_headers": false, "routes": [{"path": "/mcp", "mcp": {
        "tools": {"help": "public", "list_notes": ["tool:read"], "add_note": ["tool:write"]}}}]}));
    let auth = format!("Bearer {}", reader());
    let headers =
        [("content-type", "application/json"), ("authorization", auth.as_str()), ("x-user-id", "evil")];
    let Got::Reads(_, Some(edits)) = gate.send("POST", "/mcp", &headers) else { panic!() };
    assert_eq!(edits.set, [("x-user-id".to_owned(), "auth0|ann".to_owned())]);
    assert!(["authorization", "x-user-id"].iter().all(|name| edits.removes(name)));
    let Got::Reads(_, Some(edits)) = gate.send("POST", "/mcp", &headers[..1]) else { panic!() };
    assert!(edits.set.is_empty(), "nobody has signed in");
    let post = |gate: &mut Gate, name: &str| {
        gate.post("/mcp", &headers[1..2], tool(name).to_string().as_bytes()).0.status()
    };
    assert_eq!((post(&mut gate, "list_notes"), post(&mut gate, "add_note")), (200, 403));
}

/// The identity has left with the headers: a token that wasn't good then isn't good for the body, whatever
/// has changed since.
#[test]
fn headers_that_left_without_an_identity_are_followed_by_no_body() {
    let mut gate =
        gate(json!({"hold_headers": false, "routes": [{"path": "/mcp", "mcp": {"tools": {"whoami": []}}}]}));
    let early = token().claim("nbf", NOW_S + 61).mint();
    let auth = format!("Bearer {early}");
    let headers = [("content-type", "application/json"), ("authorization", auth.as_str())];
    let Got::Reads(exchange, Some(edits)) = gate.send("POST", "/mcp", &headers) else { panic!() };
    assert!(edits.set.is_empty(), "nobody is named");
    gate.now_ms += 5_000;
    let got = gate.body(*exchange, tool("whoami").to_string().as_bytes());
    assert_eq!(got.status(), 401, "{got:?}");
    assert!(challenge(&got).contains("error=\"invalid_token\""));
    let Got::Reads(exchange, Some(edits)) = gate.send("POST", "/mcp", &headers) else { panic!() };
    assert_eq!(edits.set.len(), 1);
    assert_eq!(gate.body(*exchange, tool("whoami").to_string().as_bytes()).status(), 200);
}

/// Before 2026-07-28 nobody has to send them; what stands behind the gateway may go by them all the same.
#[test]
fn headers_that_name_another_call_than_the_body_are_refused_in_every_era() {
    let mut gate = server(json!({"tasks": "allow"}));
    let auth = format!("Bearer {}", reader());
    let task = request("tasks/get", json!({"taskId": "t-1"}));
    let (ping, answer) = (request("ping", json!({})), json!({"id": 3, "result": {}}));
    for era in LEGACY.into_iter().map(Some).chain([None]) {
        for (body, named, expect) in [
            (tool("whoami"), &[("mcp-method", "tools/call")][..], 200),
            (tool("whoami"), &[("mcp-method", "tools/call"), ("mcp-name", "whoami")], 200),
            (tool("whoami"), &[("mcp-name", "=?base64?d2hvYW1p?=")], 200),
            (tool("whoami"), &[("mcp-method", "ping")], 400),
            (tool("whoami"), &[("mcp-method", "tools/call"), ("mcp-name", "purge")], 400),
            (tool("whoami"), &[("mcp-name", "purge")], 400),
            (tool("whoami"), &[("mcp-name", "")], 400),
            (ping.clone(), &[("mcp-name", "purge")], 400),
            (ping.clone(), &[("mcp-method", "Ping")], 400),
            (task.clone(), &[("mcp-name", "t-1")], 200),
            (task.clone(), &[("mcp-name", "t-2")], 400),
            (answer.clone(), &[("mcp-method", "tools/call")], 400),
            (answer.clone(), &[("mcp-name", "purge")], 400),
            (answer.clone(), &[], 200),
        ] {
            let mut headers = vec![("authorization", auth.as_str())];
            headers.extend(era.map(|era| ("mcp-protocol-version", era)));
            headers.extend(named);
            let got = gate.post("/mcp", &headers, body.to_string().as_bytes()).0;
            assert_eq!(got.status(), expect, "{era:?} {body} {named:?}");
            if expect == 400 {
                assert_eq!(got.body()["error"]["code"], -32020, "{body} {named:?}");
            }
        }
    }
    let batch = |other: Value| json!([tool("whoami"), other]).to_string();
    for (body, expect) in [(batch(tool("whoami")), 200), (batch(ping), 400), (batch(answer), 400)] {
        let headers = [("authorization", auth.as_str()), ("mcp-method", "tools/call")];
        assert_eq!(gate.post("/mcp", &headers, body.as_bytes()).0.status(), expect, "{body}");
    }
}
