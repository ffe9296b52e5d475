//! Lists: what is seen is what may be called, in every framing, and nothing else of an answer changes.

use super::*;
use crate::exchange::Exchange;
use crate::exchange::respond::{FilteredBody, Framing, Head, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What the caller gets of an upstream's JSON answer: the text, or the status of a refusal.
pub(super) fn shown(
    gate: &Gate,
    exchange: &mut Exchange,
    content_type: &str,
    body: &str,
) -> Result<String, u16> {
    let length = body.len().to_string();
    let head = Head {
        status: 200,
        content_type: Some(content_type.as_bytes()),
        content_length: Some(length.as_bytes()),
        ..Head::default()
    };
    match exchange.on_response(&gate.policy, &head) {
        Framing::Pass | Framing::Bare => Ok(body.to_owned()),
        Framing::Refuse(reply) => Err(reply.status),
        Framing::Whole(cap) => {
            let body_in = (body.len() <= cap).then_some(body.as_bytes());
            match gate.world(|world| exchange.on_response_body(world, body_in)) {
                FilteredBody::Unchanged => Ok(body.to_owned()),
                FilteredBody::Replaced(text) => Ok(text),
                FilteredBody::Refuse(reply) => Err(reply.status),
            }
        }
        Framing::Watch(mut watched) => {
            match exchange.on_response_part(&mut watched, body.as_bytes(), body.len(), true) {
                Watch::Pass => Ok(body.to_owned()),
                Watch::Read => {
                    match gate.world(|world| exchange.on_response_body(world, Some(body.as_bytes()))) {
                        FilteredBody::Unchanged => Ok(body.to_owned()),
                        FilteredBody::Replaced(text) => Ok(text),
                        FilteredBody::Refuse(reply) => Err(reply.status),
                    }
                }
                Watch::End => Err(0),
                Watch::Hold => panic!("nothing more comes"),
            }
        }
        Framing::Events { mut events, .. } => {
            // In chunks of every size: the same must come out.
            let mut outs = Vec::new();
            for size in [1, 2, 3, 7, 64, body.len().max(1)] {
                let mut events = events.clone();
                let mut out = Vec::new();
                let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
                let mut result = Ok(());
                for (at, chunk) in chunks.iter().enumerate() {
                    let is_end = at + 1 == chunks.len();
                    match gate.world(|world| exchange.on_response_events(world, &mut events, chunk, is_end)) {
                        Ok(bytes) => out.extend(bytes),
                        Err(end) => {
                            assert_eq!(end.reply.status, 502);
                            out.extend(end.before);
                            result = Err(0);
                            break;
                        }
                    }
                }
                outs.push(result.map(|()| String::from_utf8(out).unwrap()));
            }
            drop(gate.world(|world| exchange.on_response_events(world, &mut events, b"", true)));
            assert!(outs.iter().all(|out| *out == outs[0]), "{outs:?}");
            outs.remove(0)
        }
    }
}

pub(super) fn listing(gate: &mut Gate, era: &str, token: Option<&str>, method: &str) -> Exchange {
    let body = request(method, json!({}));
    let auth = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("mcp-protocol-version", era), ("accept-encoding", "gzip")];
    headers.extend(auth.as_deref().map(|auth| ("authorization", auth)));
    if era == NEWEST {
        headers.push(("mcp-method", method));
    }
    let (got, exchange) = gate.post("/mcp", &headers, body.to_string().as_bytes());
    assert_eq!(got.status(), 200, "{method} {got:?}");
    assert!(got.edits().removes("accept-encoding"));
    exchange
}

pub(super) fn tools(names: &[&str]) -> String {
    let tools: Vec<String> =
        names.iter().map(|n| format!("{{ \"name\" : \"{n}\",\"x\":[1, 2.50,\"\\u00e9\"] }}")).collect();
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7, \"result\" : {{\"nextCursor\":\"c\" ,\"tools\": [ {} ] , \"_meta\":{{}}}}}}",
        tools.join(" , ")
    )
}

pub(super) fn names(text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap();
    value["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap().to_owned())
        .collect()
}

const ALL: [&str; 6] = ["purge", "whoami", "add_note", "list_notes", "unheard_of", "help"];

#[test]
fn a_caller_sees_what_it_may_call_in_every_era_and_framing() {
    let mut gate = server(json!({"lazy_auth": ["tools/list"]}));
    let writer = token().scope("tool:read tool:write").mint();
    let admin = token().scope("admin").mint();
    let (nobody, reader) = (nobody(), reader());
    for era in LEGACY.into_iter().chain([NEWEST]) {
        for (token, expect) in [
            (None, &["purge", "whoami", "add_note", "list_notes", "help"][..]),
            (Some(&nobody), &["whoami", "help"]),
            (Some(&reader), &["whoami", "list_notes", "help"]),
            (Some(&writer), &["whoami", "add_note", "list_notes", "help"]),
            (Some(&admin), &["purge", "whoami", "help"]),
        ] {
            let mut exchange = listing(&mut gate, era, token.map(String::as_str), "tools/list");
            let list = tools(&ALL);
            let json = shown(&gate, &mut exchange, "application/json", &list).unwrap();
            assert_eq!(names(&json), expect, "{era}");
            assert_eq!(json.contains("\"cacheScope\":\"private\""), era == NEWEST);
            let events =
                format!(": hello\r\n\r\nid: 1\nevent: message\ndata: {list}\nretry: 5\n\ndata: x\n\n");
            let out = shown(&gate, &mut exchange, "text/event-stream; charset=utf-8", &events).unwrap();
            let data = out.lines().find_map(|line| line.strip_prefix("data: {")).unwrap();
            assert_eq!(format!("{{{data}"), json, "the same in both framings");
            assert!(
                out.starts_with(": hello\r\n\r\nid: 1\nevent: message\ndata: {")
                    && out.ends_with("\nretry: 5\n\ndata: x\n\n")
            );
        }
    }
}

#[test]
fn every_other_byte_stays() {
    let mut gate = server(json!({}));
    let mut exchange = listing(&mut gate, LEGACY[2], Some(&reader()), "tools/list");
    let got =
        shown(&gate, &mut exchange, "application/json", &tools(&["purge", "list_notes", "add_note", "help"]))
            .unwrap();
    let own = |name: &str, schemes: &str| {
        format!("{{ \"name\" : \"{name}\",\"x\":[1, 2.50,\"\\u00e9\"] ,\"securitySchemes\":{schemes}}}")
    };
    let expect = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7, \"result\" : {{\"nextCursor\":\"c\" ,\"tools\": [{} , {} ] , \"_meta\":{{}}}}}}",
        own("list_notes", "[{\"type\":\"oauth2\",\"scopes\":[\"tool:read\"]}]"),
        own("help", "[{\"type\":\"noauth\"}]")
    );
    assert_eq!(got, expect);
    // It says all of it already.
    let again = gate.world(|world| exchange.on_response_body(world, Some(got.as_bytes())));
    assert!(matches!(again, FilteredBody::Unchanged), "{again:?}");
    let first = shown(&gate, &mut exchange, "application/json", &tools(&["help", "purge"])).unwrap();
    assert!(
        first.contains(&format!("\"tools\": [ {} ] ,", own("help", "[{\"type\":\"noauth\"}]"))),
        "{first}"
    );
    let none = shown(&gate, &mut exchange, "application/json", &tools(&["purge", "add_note"])).unwrap();
    assert!(none.contains("\"tools\": [ ]"), "{none}");
    for same in [
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,\"message\":\"no\"}}".to_owned(),
        tools(&[]),
    ] {
        assert_eq!(shown(&gate, &mut exchange, "application/json", &same).unwrap(), same);
    }
    for (status, treated) in [(200, true), (299, true), (304, false), (404, false), (500, false)] {
        let head = Head { status, content_type: Some(b"application/json"), ..Head::default() };
        assert_eq!(
            matches!(exchange.on_response(&gate.policy, &head), Framing::Whole(_)),
            treated,
            "{status}"
        );
    }
}

#[test]
fn security_schemes_are_the_policys_one_for_each_way_to_satisfy_it() {
    let mut gate = gate(
        json!({"hold_headers": true, "routes": [{"path": "/mcp", "scopes": ["base"], "mcp": {
        "tools": {"a": {"scopes": ["x"], "any_scope": ["y", "z"]}, "b": [], "c": "public"}, "unlisted": "allow"}}]}),
    );
    let all = token().scope("base x y").mint();
    let mut exchange = listing(&mut gate, LEGACY[0], Some(&all), "tools/list");
    let list = "{\"id\":7,\"result\":{\"tools\":[{\"name\":\"a\",\"securitySchemes\":[{\"type\":\"noauth\"}],\"z\":1},{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"d\"}]}}";
    let got: Value =
        serde_json::from_str(&shown(&gate, &mut exchange, "application/json", list).unwrap()).unwrap();
    let oauth = |scopes: &[&str]| json!({"type": "oauth2", "scopes": scopes});
    assert_eq!(
        got["result"]["tools"],
        json!([
            {"name": "a", "securitySchemes": [oauth(&["base", "x", "y"]), oauth(&["base", "x", "z"])], "z": 1},
            {"name": "b", "securitySchemes": [oauth(&["base"])]},
            {"name": "c", "securitySchemes": [{"type": "noauth"}]},
            {"name": "d", "securitySchemes": [oauth(&["base"])]},
        ])
    );
}

#[test]
fn prompts_resources_and_templates_are_cut_down_too() {
    let mut gate = server(json!({
        "prompts": {"secret": ["tool:write"], "open": []},
        "resources": {"notes://*": ["tool:read"], "logs://*": ["admin"], "unlisted": "deny"}
    }));
    let reader = reader();
    for (method, member, name, all, expect) in [
        ("prompts/list", "prompts", "name", json!(["secret", "open", "unlisted-one"]), json!(["open"])),
        (
            "resources/list",
            "resources",
            "uri",
            json!(["notes://a", "logs://a", "x://y"]),
            json!(["notes://a"]),
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            json!(["notes://{id}", "logs://{d}"]),
            json!(["notes://{id}"]),
        ),
    ] {
        let items: Vec<Value> = all.as_array().unwrap().iter().map(|n| json!({name: n})).collect();
        let list = json!({"jsonrpc": "2.0", "id": 7, "result": {member: items}}).to_string();
        let mut exchange = listing(&mut gate, LEGACY[2], Some(&reader), method);
        let got: Value =
            serde_json::from_str(&shown(&gate, &mut exchange, "application/json", &list).unwrap()).unwrap();
        let left: Vec<&Value> =
            got["result"][member].as_array().unwrap().iter().map(|item| &item[name]).collect();
        assert_eq!(json!(left), expect, "{method}");
        assert!(got["result"][member][0].get("securitySchemes").is_none());
    }
}

#[test]
fn a_list_that_cannot_be_cut_down_is_not_shown() {
    let mut gate = server(json!({}));
    let reader = reader();
    let good = tools(&["help"]);
    for body in [
        "",
        "not json",
        "{\"id\":7,\"result\":{}}",
        "{\"id\":7,\"result\":{\"tools\":{}}}",
        "{\"id\":7,\"result\":{\"tools\":[],\"Tools\":[{\"name\":\"purge\"}]}}",
        "{\"id\":7,\"result\":{\"tools\":[]},\"Result\":{\"tools\":[{\"name\":\"purge\"}]}}",
        "{\"id\":7,\"result\":{\"tools\":[{\"name\":\"help\",\"Name\":\"purge\"}]}}",
        "{\"id\":7,\"result\":{\"tools\":[{\"name\":\"help\",\"name\\u0000\":\"purge\"}]}}",
        "{\"id\":7,\"result\":{\"tools\":[]},\"ID\":8}",
        "{\"id\":7,\"result\":{\"tools\":[{}]}}",
        "{\"id\":7,\"result\":{\"tools\":[{\"name\":7}]}}",
        "{\"id\":7,\"result\":{\"tools\":[\"purge\"]}}",
        "{\"id\":7,\"result\":{\"tools\":[]},\"result\":{\"tools\":[{\"name\":\"purge\"}]}}",
        "{\"id\":7,\"result\":{\"tools\":[{\"name\":\"help\",\"name\":\"purge\"}]}}",
        &good[..good.len() - 1],
        &format!("{good} {good}"),
        &format!("\u{feff}{good}"),
    ] {
        let mut exchange = listing(&mut gate, LEGACY[2], Some(&reader), "tools/list");
        assert_eq!(shown(&gate, &mut exchange, "application/json", body), Err(502), "{body}");
        assert_eq!(exchange.facts().unwrap().outcome(), ("error", "not_filterable"));
        if body.starts_with('{') {
            let event = format!("data: {{\"id\":1,\"method\":\"n\"}}\n\ndata: {body}\n\n");
            assert!(shown(&gate, &mut exchange, "text/event-stream", &event).is_err(), "{body}");
            assert!(
                shown(&gate, &mut exchange, "text/event-stream", body).is_err(),
                "typed as a stream: {body}"
            );
        }
    }
    let mut exchange = listing(&mut gate, LEGACY[2], Some(&reader), "tools/list");
    for head in [
        Head { status: 200, content_encodings: &[b"gzip"], ..Head::default() },
        Head { status: 200, content_encodings: &[b"identity", b"br"], ..Head::default() },
        Head { status: 200, content_encodings: &[b"identity, gzip"], ..Head::default() },
        Head { status: 200, content_length: Some(b"1048577"), ..Head::default() },
    ] {
        assert!(matches!(exchange.on_response(&gate.policy, &head), Framing::Refuse(_)), "{head:?}");
    }
    assert!(
        matches!(gate.world(|world| exchange.on_response_body(world, None)), FilteredBody::Refuse(reply) if reply.status == 502)
    );
}

#[test]
fn a_list_hides_under_no_other_id_message_or_stream() {
    let mut gate = server(json!({}));
    let reader = reader();
    let list = |id: &str| format!("{{\"id\":{id},\"result\":{{\"tools\":[{{\"name\":\"purge\"}}]}}}}");
    let mut exchange = listing(&mut gate, LEGACY[0], Some(&reader), "tools/list");
    for text in [list("7"), list("\"7\""), list("8"), list("null"), format!("[{},{}]", list("1"), list("7"))]
    {
        let got = shown(&gate, &mut exchange, "application/json", &text).unwrap();
        assert!(!got.contains("purge"), "{text}");
        let event = format!("\u{feff}data:{}\ndata: {}\n\n", &text[..5], &text[5..]);
        let event = event.replace("data:{\"id\ndata: ", "data:{\"id\ndata:");
        if let Ok(got) = shown(&gate, &mut exchange, "text/event-stream", &event) {
            assert!(!got.contains("purge"), "{event}");
        }
        // Without a blank line at the end, and with other line ends.
        for event in
            [format!("data: {text}"), format!("data: {text}\r\r"), format!("event: x\rdata: {text}\r\n\r\n")]
        {
            assert!(
                !shown(&gate, &mut exchange, "text/event-stream", &event).unwrap().contains("purge"),
                "{event:?}"
            );
        }
    }
    // A stream that is opened by GET carries whatever the server says, answers that are taken up again among
    // it.
    let auth = format!("Bearer {reader}");
    let (got, mut stream) = gate.open("/mcp", &[("authorization", &auth)]);
    assert_eq!(got.status(), 200);
    let event = format!("id: 3\ndata: {}\n\n", list("9"));
    assert!(!shown(&gate, &mut stream, "text/event-stream", &event).unwrap().contains("purge"));
}

/// Random policies, callers and operations: what a list shows is what a call is allowed.
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::collection::vec(proptest::sample::select(&["a", "b", "c"][..]), 0..3)
    }

    fn rule() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!("public")),
            scopes().prop_map(|s| json!(s)),
            (scopes(), scopes()).prop_map(|(all, any)| {
                if any.is_empty() { json!({"scopes": all}) } else { json!({"scopes": all, "any_scope": any}) }
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn what_is_listed_is_what_may_be_called(
            rules in proptest::collection::btree_map("[t-w]", rule(), 0..4),
            unlisted in any::<bool>(),
            base in scopes(),
            granted in scopes(),
            era in proptest::sample::select(&["2025-03-26", "2025-11-25", "2026-07-28"][..]),
        ) {
            let unlisted = if unlisted { "allow" } else { "deny" };
            let mut gate = gate(json!({"hold_headers": true, "rate_limits": [], "routes": [
                {"path": "/mcp", "scopes": base, "mcp": {"tools": rules, "unlisted": unlisted}}
            ]}));
            let token = token().scope(&granted.join(" ")).mint();
            let all = ["t", "u", "v", "w", "x"];
            let listed = send(&mut gate, era, Some(&token), &request("tools/list", json!({})));
            // A list needs the route's own scopes, as every other operation.
            if listed.status() == 200 {
                let mut exchange = listing(&mut gate, era, Some(&token), "tools/list");
                let seen = names(&shown(&gate, &mut exchange, "application/json", &tools(&all)).unwrap());
                for name in all {
                    let allowed = send(&mut gate, era, Some(&token), &tool(name)).status() == 200;
                    prop_assert_eq!(seen.iter().any(|s| s == name), allowed, "{} {:?}", name, gate.policy.routes.last());
                }
            }
        }
    }
}
