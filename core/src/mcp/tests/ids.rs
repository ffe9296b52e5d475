//! Errors carry the id of the call that they answer, wherever it could be read, and the version that the body
//! alone names.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn refused(gate: &mut Gate, headers: &[(&str, &str)], body: &str) -> Value {
    let good = format!("Bearer {}", reader());
    let mut all = vec![("authorization", good.as_str())];
    all.extend(headers);
    let (got, _) = gate.post("/mcp", &all, body.as_bytes());
    assert!(got.status() >= 400, "{body}: {got:?}");
    got.body()
}

#[test]
fn an_error_has_the_id_of_its_call_where_that_can_be_read() {
    let mut gate = server(json!({}));
    for (body, id) in [
        (r#"{"id":5,"method":"tools/call","params":{}}"#, json!(5)),
        (r#"{"id":"a\u00e9","method":"tools/call","params":{}}"#, json!("a\u{e9}")),
        (r#"{"method":"tools/call","params":{},"id":-5}"#, json!(-5)),
        (r#"{"method":7,"id":18446744073709551615}"#, json!(u64::MAX)),
        (r#" { "id" : 5 , "method" : "ping" , "params" : { "a" : 1 , "a" : 2 } } "#, json!(5)),
        (r#"{"method":"ping","params":{"a":1,"a":{"id":6}},"id":5}"#, json!(5)),
        (r#"{"id":5,"method":"ping","method":"tools/call"}"#, json!(5)),
        (r#"{"\u0069d":5,"method":"ping","Method":"x"}"#, json!(5)),
        (r#"{"a":"}],\"id\":6,{[","b\\":{"c":"\\\"]"},"id":5,"method":7}"#, json!(5)),
        (r#"{"id":5,"method":"Ping"}"#, json!(5)),
        (r#"{"id":5,"method":"resources/read","params":{"uri":"A:b"}}"#, json!(5)),
        (r#"{"id":5,"method":"ping","params":{"\ud83d":1}} "#, json!(5)),
        (r#"{"id":5,"method":"ping","params":[1]}"#, json!(5)),
        // Good up to there.
        (r#"{"id":5,"method":"ping""#, json!(5)),
        (r#"{"id":5,"method":"ping"} x"#, json!(5)),
        (r#"{"id":5,"method":"ping","params":{"a":]}"#, json!(5)),
        // Whose answer it is can't be told.
        (r#"{"id":5,"id":6,"method":"ping"}"#, Value::Null),
        (r#"{"id":5,"method":"ping","params":{"id":7,"id":8},"id":5}"#, Value::Null),
        (r#"{"id":5,"ID":6,"method":"ping"}"#, Value::Null),
        (r#"{"id":5,"method":"ping","id\u0000":6}"#, Value::Null),
        (r#"{"method":7,"params":{"id":5}}"#, Value::Null),
        (r#"{"method":7,"id":null}"#, Value::Null),
        (r#"{"method":7,"id":1.5}"#, Value::Null),
        (r#"{"method":7,"id":{"id":5}}"#, Value::Null),
        (r#"{"method":7,"id":[5]}"#, Value::Null),
        (r#"{"method":7,"id":1e2}"#, Value::Null),
        (r#"{"method":7,"id":-0}"#, Value::Null),
        (r#"{"method":7,"id":05}"#, Value::Null),
        (r#"{"method":7,"id":+5}"#, Value::Null),
        (r#"{"method":7,"id":99999999999999999999}"#, Value::Null),
        (r#"{"id":5"#, Value::Null),
        (r#"{"id":"5"#, Value::Null),
        (r#"{"id""#, Value::Null),
        (r#"{"id":"#, Value::Null),
        (r#"{,"id":5}"#, Value::Null),
        (r#"["id",5]"#, Value::Null),
        (r#"[{"id":5,"method":7}]"#, Value::Null),
        ("", Value::Null),
        ("{", Value::Null),
        ("}", Value::Null),
        ("\"", Value::Null),
        (r#"{"a\"#, Value::Null),
    ] {
        let got = refused(&mut gate, &[], body);
        assert_eq!((&got["error"]["code"], &got["id"]), (&json!(-32600), &id), "{body}");
    }
    for (length, is_told) in [(256, true), (257, false)] {
        let id = "i".repeat(length);
        let got = refused(&mut gate, &[], &json!({"id": id, "method": 7}).to_string());
        assert_eq!(got["id"], if is_told { json!(id) } else { Value::Null });
    }
}

#[test]
fn a_body_of_another_type_is_read_for_its_id_where_a_token_is_good() {
    let call = tool("help").to_string();
    for (held, name, value, id) in [
        (true, "content-type", "text/plain", json!(7)),
        (true, "content-type", "", json!(7)),
        (true, "content-type", "application/json; charset=utf-16", json!(7)),
        (true, "content-encoding", "gzip", Value::Null),
        (false, "content-type", "text/plain", Value::Null),
    ] {
        let mut gate = server_of(held, json!({}));
        let got = refused(&mut gate, &[(name, value)], &call);
        assert_eq!(
            (&got["error"]["data"]["error"], &got["id"]),
            (&json!("unsupported_media_type"), &id),
            "{value}"
        );
        for token in [None, Some("Bearer a.b.c")] {
            let mut headers = vec![("content-type", "text/plain")];
            headers.extend(token.map(|token| ("authorization", token)));
            // Whom nothing vouches for gets no room for a body.
            assert_eq!(gate.send("POST", "/mcp", &headers).status(), 401);
        }
        let good = format!("Bearer {}", reader());
        let (got, _) =
            gate.post_too_much("/mcp", &[("content-type", "text/plain"), ("authorization", &good)]);
        assert_eq!((got.status(), &got.body()["id"]), (415, &Value::Null));
    }
}

/// With a token, and no version.
fn send_without(gate: &mut Gate, body: &str) -> Got {
    let good = format!("Bearer {}", reader());
    gate.post("/mcp", &[("authorization", &good)], body.as_bytes()).0
}

#[test]
fn a_mismatch_has_the_id() {
    let mut gate = server(json!({}));
    for headers in
        [&[][..], &[("mcp-method", "ping")], &[("mcp-method", "tools/call"), ("mcp-name", "purge")]]
    {
        let all = [&[("mcp-protocol-version", NEWEST)], headers].concat();
        let got = refused(&mut gate, &all, &tool("help").to_string());
        assert_eq!((&got["error"]["code"], &got["id"]), (&json!(-32020), &json!(7)));
    }
}

/// Where no header names a version, the body's counts.
#[test]
fn a_version_that_the_body_alone_names_is_the_calls() {
    let mut gate = server(json!({}));
    let call = |version: &str| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": version});
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "help", "_meta": meta}})
    };
    for version in LEGACY {
        assert_eq!(gate.post("/mcp", &[], call(version).to_string().as_bytes()).0.status(), 200, "{version}");
    }
    // Its headers are missing, that of the version itself among them.
    for headers in [&[][..], &[("mcp-method", "tools/call"), ("mcp-name", "help")]] {
        let got = refused(&mut gate, headers, &call(NEWEST).to_string());
        assert_eq!((&got["error"]["code"], &got["id"]), (&json!(-32020), &json!(7)));
    }
    for version in ["2024-11-05", "2027-01-01", ""] {
        let got = gate.post("/mcp", &[], call(version).to_string().as_bytes()).0;
        let (status, body) = (got.status(), got.body());
        assert_eq!(
            (status, &body["error"]["code"], &body["id"]),
            (400, &json!(-32022), &json!(7)),
            "{version}"
        );
        assert_eq!(body["error"]["data"]["requested"], json!(version));
        assert!(body["error"]["data"]["supported"].as_array().is_some_and(|list| !list.is_empty()));
    }
    // A batch belongs to the first of them alone.
    for (versions, code) in [
        (["2025-03-26", "2025-03-26"], None),
        (["2025-03-26", "2025-06-18"], Some(-32600)),
        (["2026-07-28", "2025-03-26"], Some(-32600)),
        (["2025-03-26", "2024-11-05"], Some(-32022)),
    ] {
        let batch = json!(versions.map(call)).to_string();
        let got = send_without(&mut gate, &batch);
        let found = (got.status() >= 400).then(|| got.body()["error"]["code"].as_i64().unwrap());
        assert_eq!(found, code, "{versions:?}");
    }
    let differs = [("mcp-protocol-version", LEGACY[2])];
    assert_eq!(refused(&mut gate, &differs, &call(LEGACY[1]).to_string())["error"]["code"], json!(-32020));
}

/// Python's clients write half a surrogate pair, and numbers that no float has: no rule is about them.
#[test]
fn an_odd_value_that_nobody_judges_is_no_reason_to_refuse_a_call() {
    let mut gate = server(json!({}));
    for value in [
        r#""\ud83d""#,
        r#""a\udc00b""#,
        r#"{"deep":["\ud83d\ud83d"]}"#,
        "1e999",
        "-1e-999",
        "123456789012345678901234567890",
    ] {
        let body = format!(
            "{{\"id\":7,\"method\":\"tools/call\",\"params\":{{\"name\":\"help\",\"arguments\":{{\"a\":{value}}}}}}}"
        );
        assert_eq!(send_raw(&mut gate, LEGACY[2], None, body.as_bytes()).status(), 200, "{value}");
    }
    for body in [
        r#"{"id":7,"method":"tools/call","params":{"name":"help\ud83d"}}"#,
        r#"{"id":7,"method":"ping\ud83d"}"#,
        r#"{"id":7,"method":"resources/read","params":{"uri":"a:\ud83d"}}"#,
        r#"{"id":7,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"\ud83d"}}}"#,
        r#"{"id":7,"method":"tools/call","params":{"name":"help","arguments":{"\ud83d":1}}}"#,
        r#"{"id":7,"method":"tools/call","params":{"name":"help","arguments":{"a":1,"\u0061":2}}}"#,
    ] {
        let got = refused(&mut gate, &[], body);
        assert_eq!((&got["error"]["code"], &got["id"]), (&json!(-32600), &json!(7)), "{body}");
    }
    assert_eq!(refused(&mut gate, &[], r#"{"id":"\ud83d","method":"ping"}"#)["id"], Value::Null);
}

#[test]
fn a_refusal_says_what_is_wrong_with_a_body() {
    let mut gate = server(json!({}));
    for (body, says) in [
        (r#"{"id":1,"method":"ping","params":{"a":1,"a":2}}"#, "twice"),
        (r#"{"id":1,"method":"ping","Method":"x"}"#, "twice"),
        (r#"{"id":1,"method":"tools/call","params":{"name":"help\ud83d"}}"#, "surrogate"),
        (r#"{"id":1,"method":"tools/call","params":{"name":7}}"#, "name its tool"),
        (r#"{"id":1,"method":"ping""#, "one JSON text"),
        (r#"{"id":1,"method":"Ping"}"#, "method"),
        (r#"{"id":1,"method":"resources/read","params":{"uri":"a:../b"}}"#, ". or .."),
    ] {
        let got = refused(&mut gate, &[], body);
        let message = got["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
}

/// Of a body that another reader accepts the id is the same; of any other it is looked for without end or
/// harm.
#[cfg(not(target_arch = "wasm32"))]
mod by_another_reader {
    use crate::json::{self, Bounds};
    use crate::mcp::id;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The id as the whole value has it.
    fn expected(value: &Value) -> String {
        match value.get("id") {
            Some(Value::String(text)) if text.len() <= 256 => Value::from(text.as_str()).to_string(),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string(),
            _ => "null".to_owned(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

        #[test]
        fn the_id_is_found_where_the_whole_is_read(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("\"id\":"), Just("\"a\":"), Just("\"\\u0069d\":"), Just("\"b\\\"\":"), Just("5"), Just("-7"), Just("1.5"), Just("null"),
                    Just("\"x\""), Just("\"\\\\\""), Just("{\"id\":6}"), Just("[\"id\",7]"), Just(","), Just(","), Just(" "), Just("{"), Just("}"),
                    Just("["), Just("]"), Just("\""), Just("\\"),
                ],
                0..12,
            ),
            is_object in any::<bool>(),
        ) {
            let inner = pieces.concat();
            let body = if is_object { format!("{{{inner}}}") } else { inner };
            let found = id::find(body.as_bytes());
            let bounds = Bounds { depth: 128, values: usize::MAX };
            if let Ok(value) = serde_json::from_str::<Value>(&body)
                && json::check(body.as_bytes(), bounds).is_ok()
            {
                prop_assert_eq!(found, expected(&value), "{}", body);
            }
        }
    }
}
