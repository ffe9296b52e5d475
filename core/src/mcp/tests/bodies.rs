//! Bodies that could be read in two ways, or not at all.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn refused(gate: &mut Gate, headers: &[(&str, &str)], body: &[u8], status: u16, code: i64) {
    let good = format!("Bearer {}", reader());
    let mut all = vec![("authorization", good.as_str())];
    all.extend(headers);
    let (got, _) = gate.post("/mcp", &all, body);
    let shown = String::from_utf8_lossy(body.get(..80).unwrap_or(body)).into_owned();
    assert_eq!(got.status(), status, "{headers:?} {shown}");
    assert_eq!(got.body()["error"]["code"], json!(code), "{headers:?} {shown}");
    assert_eq!(
        (got.body()["jsonrpc"].as_str(), got.header("cache-control")),
        (Some("2.0"), Some("no-store"))
    );
}

#[test]
fn a_body_that_another_reader_could_read_otherwise_is_refused() {
    let call = tool("list_notes").to_string();
    let utf16: Vec<u8> = call.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = |n: usize| {
        format!("{{\"method\":\"ping\",\"params\":{{\"a\":{}1{}}}}}", "[".repeat(n), "]".repeat(n))
    };
    let mut gate = server(json!({"tools": {"list_notes": [], "purge": ["never"], "unlisted": "deny"}}));
    for era in LEGACY {
        let version = [("mcp-protocol-version", era)];
        let bodies: [&[u8]; 31] = [
            b"",
            b"{",
            b"null",
            b"7",
            b"\"ping\"",
            b"{}",
            br#"{"jsonrpc":"2.0","id":1}"#,
            br#"{"id":1,"method":7}"#,
            br#"{"id":1,"method":""}"#,
            br#"{"id":1.5,"method":"ping"}"#,
            br#"{"id":1e2,"method":"ping"}"#,
            br#"{"id":{},"method":"ping"}"#,
            br#"{"id":true,"method":"ping"}"#,
            br#"{"id":99999999999999999999999,"method":"ping"}"#,
            br#"{"method":"ping","params":[1]}"#,
            br#"{"method":"ping","result":{}}"#,
            br#"{"result":{},"error":{}}"#,
            br#"{"method":"tools/call"}"#,
            br#"{"method":"tools/call","params":null}"#,
            br#"{"method":"tools/call","params":[]}"#,
            br#"{"method":"resources/read","params":[]}"#,
            br#"{"method":"completion/complete","params":null}"#,
            br#"{"method":"tools/call","params":{"name":7}}"#,
            br#"{"method":"tools/call","params":{"name":""}}"#,
            br#"{"method":"ping","method":"tools/call","params":{"name":"purge"}}"#,
            br#"{"method":"tools/call","params":{"name":"list_notes","name":"purge"}}"#,
            br#"{"method":"ping","params":{"deep":{"a":1,"a":2}}}"#,
            b"\xef\xbb\xbf{\"method\":\"ping\"}",
            b"{\"method\":\"ping\"} {}",
            b"{\"method\":\"ping\xff\"}",
            &utf16,
        ];
        for body in bodies {
            refused(&mut gate, &version, body, 400, -32600);
        }
        let id = format!("{{\"id\":\"{}\",\"method\":\"ping\"}}", "i".repeat(257));
        refused(&mut gate, &version, id.as_bytes(), 400, -32600);
        refused(&mut gate, &version, deep(127).as_bytes(), 400, -32600);
        assert_eq!(send_raw(&mut gate, era, Some(&reader()), deep(126).as_bytes()).status(), 200);
        for nothing in ["null", "[]", "{}"] {
            let body = format!("{{\"id\":1,\"method\":\"ping\",\"params\":{nothing}}}");
            assert_eq!(send_raw(&mut gate, era, Some(&reader()), body.as_bytes()).status(), 200, "{body}");
        }
        // An escape is no other name.
        let escaped = br#"{"method":"tools\/call","params":{"name":"\u0070urge"}}"#;
        assert_eq!(send_raw(&mut gate, era, Some(&reader()), escaped).status(), 403);
    }
}

/// Go's decoder folds case, by Unicode's rules, and takes the last member; others end a text at a NUL.
#[test]
fn a_member_or_a_name_that_a_sloppy_reader_takes_for_another_is_refused() {
    let mut gate = server(json!({"tools": {"help": []}, "unlisted": "allow"}));
    for body in [
        r#"{"id":1,"method":"tools/call","params":{"name":"help","Name":"purge"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help","NAME":"purge"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help","name\u0000":"purge"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help\u0000"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help\n"}}"#,
        r#"{"id":1,"method":"tools/call\u0000","params":{"name":"help"}}"#,
        r#"{"id":1,"method":"ping","Method":"tools/call","params":{"name":"purge"}}"#,
        r#"{"id":1,"METHOD":"tools/call","result":{},"params":{"name":"purge"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help"},"param\u017f":{"name":"purge"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"help"},"Params":{"name":"purge"}}"#,
        r#"{"id":1,"ID":2,"method":"ping"}"#,
        r#"{"id":1,"method":"ping","re\u017fult":{}}"#,
        r#"{"id":1,"method":"resources/read","params":{"uri":"a:b","URI":"a:c"}}"#,
        r#"{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a"},"Ref":{}}}"#,
        r#"{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}}"#,
        r#"{"id":1,"method":"ping","params":{"_meta":{},"_Meta":{}}}"#,
        r#"{"id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2025-03-26"}}}"#,
    ] {
        refused(&mut gate, &[("mcp-protocol-version", LEGACY[0])], body.as_bytes(), 400, -32600);
        let batch = format!("[{body}]");
        refused(&mut gate, &[("mcp-protocol-version", LEGACY[0])], batch.as_bytes(), 400, -32600);
    }
    for body in [
        r#"{"id":1,"method":"tools/call","params":{"name":"help","arguments":{"Name":"x","name":"y","ID":1}}}"#,
        r#"{"id":1,"method":"logging/setLevel","params":{"Name":"x","level":"debug"}}"#,
    ] {
        assert_eq!(send_raw(&mut gate, LEGACY[2], Some(&reader()), body.as_bytes()).status(), 200, "{body}");
    }
}

#[test]
fn a_method_that_takes_no_body_gets_none_through() {
    for hold in [true, false] {
        let mut gate = gate(json!({"hold_headers": hold, "routes": [{"path": "/mcp", "mcp": {}}]}));
        let auth = format!("Bearer {}", reader());
        for method in ["GET", "DELETE", "OPTIONS"] {
            for (body, status) in [(Some(&b""[..]), 200), (Some(b"{}"), 400), (None, 400)] {
                let got = gate.send_with_body(method, "/mcp", &[("authorization", &auth)], body);
                assert_eq!(got.status(), status, "{method} {body:?}");
            }
            assert_eq!(gate.send_with_body(method, "/mcp", &[], Some(b"{}")).status(), 401, "{method}");
        }
    }
}

#[test]
fn an_answer_to_a_request_that_is_not_yet_allowed_is_not_shown() {
    use crate::exchange::respond::{Framing, Head};
    let mut gate = gate(
        json!({"hold_headers": false, "routes": [{"path": "/mcp", "mcp": {"tools": {"help": "public"}}}]}),
    );
    let headers = [("content-type", "application/json")];
    for (status, shown) in [(200, false), (202, false), (206, false), (304, true), (401, true), (500, true)] {
        let Got::Reads(mut exchange, _) = gate.send("POST", "/mcp", &headers) else { panic!() };
        assert!(exchange.judges_answer());
        match exchange.on_response(&gate.policy, &Head { status, ..Head::default() }) {
            Framing::Pass => assert!(shown, "{status}"),
            Framing::Refuse(reply) => {
                assert!(!shown && reply.status == 502, "{status}");
                assert_eq!(exchange.facts().unwrap().outcome(), ("error", "not_filterable"));
                assert!(!exchange.judges_answer());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_body_of_another_type_or_over_the_cap_is_refused() {
    let mut gate = server(json!({}));
    let call = tool("help").to_string();
    for (name, value, status) in [
        ("content-type", "application/json; charset=utf-8", 200),
        ("content-type", "Application/JSON;charset=\"UTF-8\"", 200),
        ("content-type", "application/json; profile=x; charset=utf-8", 200),
        ("content-type", "application/json; charset=utf-16", 415),
        ("content-type", "application/json; charset=latin1", 415),
        ("content-type", "text/plain", 415),
        ("content-type", "application/jsonx", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "", 415),
        ("content-encoding", "identity", 200),
        ("content-encoding", "gzip", 415),
        ("content-encoding", "br", 415),
    ] {
        let (got, _) = gate.post("/mcp", &[(name, value)], call.as_bytes());
        // Without a body nobody knows what is called: a token is asked for first.
        let expect = if status == 415 { 401 } else { status };
        assert_eq!(got.status(), expect, "{name}: {value}");
        let good = format!("Bearer {}", reader());
        let (got, _) = gate.post("/mcp", &[(name, value), ("authorization", &good)], call.as_bytes());
        assert_eq!(got.status(), status, "{name}: {value}");
        assert!(status == 200 || got.body()["error"]["data"]["error"] == "unsupported_media_type");
    }
    let good = format!("Bearer {}", reader());
    let (got, _) = gate.post_too_much("/mcp", &[("authorization", &good)]);
    assert_eq!(
        (got.status(), got.body()["error"]["data"]["error"].as_str()),
        (413, Some("content_too_large"))
    );
    assert_eq!(gate.post_too_much("/mcp", &[]).0.status(), 401);
}

#[test]
fn an_answer_to_the_server_needs_a_token_and_is_none_of_the_newest_era() {
    let mut gate = server(json!({"lazy_auth": ["ping"]}));
    for body in
        [json!({"jsonrpc": "2.0", "id": 1, "result": {}}), json!({"jsonrpc": "2.0", "id": 1, "error": {}})]
    {
        for era in LEGACY {
            let text = body.to_string();
            assert_eq!(send_raw(&mut gate, era, None, text.as_bytes()).status(), 401);
            assert_eq!(send_raw(&mut gate, era, Some(&nobody()), text.as_bytes()).status(), 200);
        }
    }
}

/// With another signature.
fn forged() -> String {
    let good = reader();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (start, end) = signature.split_at(100);
    let flipped = if end.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{start}{flipped}{}", &end[1..])
}

/// Whom no token vouches for gets an answer before a byte of a body that couldn't change it, and little room
/// for one that could.
#[test]
fn a_body_is_read_only_where_it_can_change_the_answer() {
    let headers = |token: Option<&str>| {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        headers
    };
    let opening = [
        json!({"lazy_auth": ["tools/list"]}),
        json!({"tools": {"help": "public"}}),
        json!({"prompts": {"p": "public"}}),
        json!({"resources": {"a://*": "public"}}),
        json!({"challenge_mode": "meta"}),
    ];
    for hold in [true, false] {
        let gated = |mcp: &Value| {
            gate(json!({"hold_headers": hold, "routes": [{"path": "/mcp", "scopes": ["mcp"], "mcp": mcp}]}))
        };
        let decide = |mcp: &Value, token: Option<&str>| {
            let headers = headers(token);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            gated(mcp).vouches("/mcp", &headers)
        };
        for mcp in [json!({}), json!({"tools": {"a": [], "b": ["x"]}, "unlisted": "allow"})] {
            assert_eq!(decide(&mcp, None).unwrap_err().status(), 401, "{mcp}");
        }
        for mcp in &opening {
            assert!(!decide(mcp, None).unwrap(), "{mcp}");
        }
        for mcp in opening.iter().chain([&json!({})]) {
            assert!(decide(mcp, Some(&reader())).unwrap(), "{mcp}");
            for bad in [token().claim("exp", 1).mint(), forged(), "opaque".to_owned()] {
                assert!(!decide(mcp, Some(&bad)).unwrap(), "{mcp} {bad}");
            }
        }
        let got = decide(&json!({}), None).unwrap_err();
        assert!(got.header("www-authenticate").unwrap().contains("scope=\"mcp\""), "{got:?}");
        assert_eq!(got.body()["id"], Value::Null);
    }
}

#[test]
fn who_holds_a_body_for_too_long_is_told_so() {
    use crate::exchange::GaveUp;
    for hold in [true, false] {
        for (why, status, error, outcome) in [
            (GaveUp::Time, 408, "request_timeout", ("deny", "body_timeout")),
            (GaveUp::Room, 503, "temporarily_unavailable", ("error", "no_room")),
        ] {
            let mut gate = gate(
                json!({"hold_headers": hold, "routes": [{"path": "/mcp", "mcp": {"lazy_auth": ["tools/list"]}}]}),
            );
            let Got::Reads(exchange, _) = gate.send("POST", "/mcp", &[("content-type", "application/json")])
            else {
                panic!()
            };
            let got = gate.give_up(*exchange, why);
            assert_eq!((got.status(), got.body()["error"]["data"]["error"].as_str()), (status, Some(error)));
            assert_eq!(got.header("retry-after").is_some(), status == 503);
            assert_eq!(
                (gate.record["decision"].as_str(), gate.record["reason"].as_str()),
                (Some(outcome.0), Some(outcome.1))
            );
        }
    }
}

#[test]
fn a_batch_passes_whole_or_not_at_all_and_counts_each_call() {
    let reader = reader();
    let mut gate = server(json!({}));
    let post = |gate: &mut Gate, era: &str, token: Option<&str>, calls: &[Value]| {
        send_raw(gate, era, token, json!(calls).to_string().as_bytes())
    };
    let (read, add, help) = (tool("list_notes"), tool("add_note"), tool("help"));
    assert_eq!(post(&mut gate, LEGACY[0], Some(&reader), &[read.clone(), help.clone()]).status(), 200);
    assert_eq!(post(&mut gate, LEGACY[0], None, &[help.clone(), help.clone()]).status(), 200);
    for calls in [&[read.clone(), add.clone()][..], std::slice::from_ref(&add)] {
        let got = post(&mut gate, LEGACY[0], Some(&reader), calls);
        assert_eq!((got.status(), &got.body()["id"]), (403, &Value::Null));
        assert!(challenge(&got).contains("scope=\"tool:read tool:write\""));
    }
    let got = post(&mut gate, LEGACY[0], None, &[help.clone(), read.clone()]);
    assert!(got.status() == 401 && challenge(&got).contains("scope=\"tool:read\""));
    for era in [LEGACY[1], LEGACY[2]] {
        assert_eq!(post(&mut gate, era, Some(&reader), std::slice::from_ref(&read)).status(), 400, "{era}");
    }
    assert_eq!(post(&mut gate, LEGACY[0], Some(&reader), &[]).status(), 400);

    let mut gate = gate_with_limits(json!([
        {"by": "user", "max": 5, "window": "60s"},
        {"by": "user", "max": 2, "window": "60s", "tools": ["list_notes"]}
    ]));
    assert_eq!(post(&mut gate, LEGACY[0], Some(&reader), &[read.clone(), help.clone()]).status(), 200);
    let got = post(&mut gate, LEGACY[0], Some(&reader), &[read.clone(), read.clone()]);
    assert_eq!(
        (got.status(), &got.body()["error"]["code"]),
        (429, &json!(-32029)),
        "one more would fit, two don't"
    );
    assert_eq!(send(&mut gate, LEGACY[0], Some(&reader), &read).status(), 200);
    assert_eq!(
        send(&mut gate, LEGACY[0], Some(&reader), &help).status(),
        429,
        "the rule before counted what this one refused"
    );
}

#[test]
fn a_batch_has_a_hundred_messages_and_asks_for_sixteen_lists_at_most() {
    let mut gate = server(json!({"lazy_auth": ["tools/list", "prompts/list", "ping"]}));
    let batch = |lists: usize, others: usize| {
        let of = |method: &'static str| move |_| request(method, json!({}));
        let kinds = (0..lists).map(|at| request(["tools/list", "prompts/list"][at % 2], json!({})));
        Value::Array(kinds.chain((0..others).map(of("ping"))).collect())
    };
    let reader = reader();
    for token in [None, Some(reader.as_str())] {
        for (lists, others, expect) in
            [(16, 0, 200), (16, 84, 200), (17, 0, 400), (17, 3, 400), (100, 0, 400)]
        {
            let got = send(&mut gate, LEGACY[0], token, &batch(lists, others));
            assert_eq!(got.status(), expect, "{token:?} {lists} {others}");
        }
    }
    for (messages, expect) in [(100, 200), (101, 400)] {
        assert_eq!(send(&mut gate, LEGACY[0], Some(&reader), &batch(0, messages)).status(), expect);
    }
}
