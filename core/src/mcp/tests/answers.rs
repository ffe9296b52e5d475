//! Answers whatever was asked for: a list by its form, what flows, what is too large for the host, and other
//! charsets.

use super::lists::{listing, names, shown, tools};
use super::*;
use crate::exchange::respond::{Framing, Head, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn an_answer_is_read_by_its_form_whatever_was_asked() {
    let mut gate = server(json!({"resources": {"unlisted": "allow"}}));
    let reader = reader();
    let auth = format!("Bearer {reader}");
    let list = tools(&["purge", "list_notes"]);
    for asked in [
        tool("list_notes"),
        request("ping", json!({})),
        request("resources/read", json!({"uri": "x://y"})),
        json!({"jsonrpc": "2.0", "id": 7, "result": {}}),
    ] {
        let (got, mut exchange) =
            gate.post("/mcp", &[("authorization", &auth)], asked.to_string().as_bytes());
        assert_eq!(got.status(), 200);
        for kind in ["application/json", "text/plain", ""] {
            let shown = shown(&gate, &mut exchange, kind, &list).unwrap();
            assert_eq!(names(&shown), ["list_notes"], "{asked} {kind}");
        }
        let event = format!("data: {list}\n\n");
        assert!(!shown(&gate, &mut exchange, "text/event-stream", &event).unwrap().contains("purge"));
        for other in [
            r#"{"id":7,"result":{"content":[{"type":"text","text":"\ud83d"}],"tools":["purge"],"x":1e999}}"#,
            r#"{"id":7,"result":{"contents":[]}}"#,
            r#"{"id":7,"error":{"code":1e999}}"#,
            "purge, in plain text",
            "",
        ] {
            assert_eq!(
                shown(&gate, &mut exchange, "application/json", other).as_deref(),
                Ok(other),
                "{asked}"
            );
        }
        for bad in [
            r#"{"id":7,"result":{"tools":{}}}"#,
            r#"{"id":7,"result":{"tools":[{}]}}"#,
            r#"{"id":7,"result":{"content":[]},"result":{"tools":[]}}"#,
            r#"{"id":7,"result":{"to\u006fls":[],"tools":[]}}"#,
            r#"{id:7,result:{tools:['purge']}}"#,
        ] {
            assert_eq!(shown(&gate, &mut exchange, "application/json", bad), Err(502), "{asked} {bad}");
        }
    }
}

#[test]
fn a_long_answer_flows_until_it_could_be_a_list() {
    let mut gate = server(json!({"max_body": 1_024}));
    let auth = format!("Bearer {}", reader());
    let (_, mut exchange) =
        gate.post("/mcp", &[("authorization", &auth)], tool("list_notes").to_string().as_bytes());
    let head = Head { status: 200, content_type: Some(b"application/json"), ..Head::default() };
    let Framing::Watch(watched) = exchange.on_response(&gate.policy, &head) else { panic!("not watched") };
    let mut run = |parts: &[&str]| -> Vec<Watch> {
        let mut watched = watched.clone();
        let mut held = 0;
        let mut each = |(at, part): (usize, &&str)| {
            held = if watched.flows { part.len() } else { held + part.len() };
            exchange.on_response_part(&mut watched, part.as_bytes(), held, at + 1 == parts.len())
        };
        parts.iter().enumerate().map(&mut each).collect()
    };
    let long = format!("\"x\":\"{}\"", "a".repeat(2_000));
    assert_eq!(
        run(&[r#"{"id":7,"#, r#""result":{"content":["#, "1", "]}}"]),
        [Watch::Hold, Watch::Pass, Watch::Pass, Watch::Pass],
        "what has content goes on at once"
    );
    assert_eq!(run(&[r#"{"id":7,"result":{"#, &long, "}}"]), [Watch::Hold, Watch::Pass, Watch::Pass]);
    assert_eq!(
        run(&[r#"{"id":7,"result":{"#, &long, r#","tools":[]}}"#]),
        [Watch::Hold, Watch::Pass, Watch::End]
    );
    assert_eq!(run(&[r#"{"id":7,"result":{"tools":["#, &long, "]}}"]), [Watch::Hold, Watch::End, Watch::End]);
    assert_eq!(
        run(&[r#"{"id":7,"result":{"content":[]},"#, r#""result":{"tools":[]}}"#]),
        [Watch::Pass, Watch::End]
    );
    assert_eq!(run(&[r#"{"id":7,"result":{"tools":[]"#, "}}"]), [Watch::Hold, Watch::Read]);
    assert_eq!(run(&[r#"{"id":7,"result":{"#, "}}"]), [Watch::Hold, Watch::Pass], "no list, and no task");
    assert_eq!(run(&[r#"{"id":7,"result":{"taskId":"t-1""#, "}}"]), [Watch::Hold, Watch::Read]);
    assert_eq!(run(&[r#"{"id":7,"result":{"x":"t-1""#, "}}"]), [Watch::Hold, Watch::Pass], "nobody reads it");
}

/// The host ends a stream over a text that it can't hold.
#[test]
fn a_list_that_outgrows_the_hosts_buffer_is_not_shown() {
    let grown = |gate: &mut Gate, tools: usize| {
        let list: Vec<String> =
            (0..tools).map(|n| format!("{{\"name\":\"help\",\"x\":\"{n:0470}\"}}")).collect();
        let list = format!("{{\"id\":7,\"result\":{{\"tools\":[{}]}}}}", list.join(","));
        let mut exchange = listing(gate, LEGACY[2], Some(&reader()), "tools/list");
        let json = shown(gate, &mut exchange, "application/json", &list);
        let event = shown(gate, &mut exchange, "text/event-stream", &format!("data: {list}\n\n"));
        (list.len(), json, event.ok())
    };
    for (held, room) in [(true, 1_048_576 + 65_536), (false, 1_048_576)] {
        let mut gate = server(json!({}));
        gate.policy.hold_headers = held;
        assert_eq!(gate.policy.answer_room(), room);
        let (before, json, event) = grown(&mut gate, 1_800);
        assert!(before < json.unwrap().len() && event.is_some());
        let (before, json, event) = grown(&mut gate, 2_080);
        assert!(before <= 1_048_576 && before > 1_000_000, "{before}");
        let after = before + 2_080 * ",\"securitySchemes\":[{\"type\":\"noauth\"}]".len();
        assert_eq!(json.is_ok(), after <= room, "{held} {after}");
        assert_eq!(event.is_some(), after + 8 <= room, "{held}");
    }
}

#[test]
fn an_answer_in_another_charset_or_of_two_types_is_not_shown() {
    let mut gate = server(json!({}));
    let auth = format!("Bearer {}", reader());
    for asked in [request("tools/list", json!({})), tool("list_notes")] {
        let (_, mut exchange) = gate.post("/mcp", &[("authorization", &auth)], asked.to_string().as_bytes());
        let mut refuses = |kind: &str, has_more_types| {
            let head =
                Head { status: 200, content_type: Some(kind.as_bytes()), has_more_types, ..Head::default() };
            matches!(exchange.on_response(&gate.policy, &head), Framing::Refuse(reply) if reply.status == 502)
        };
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF8\"; x=y",
            "text/event-stream; Charset = Utf-8",
        ] {
            assert!(!refuses(good, false), "{good}");
            assert!(refuses(good, true), "{good} twice");
        }
        for bad in [
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "text/event-stream;charset=utf-7",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset",
            "application/json; charset*=utf-16''x",
            "application/json, text/plain",
            "application/json; x=\u{e9}; charset=latin1",
        ] {
            assert!(refuses(bad, false), "{bad}");
        }
    }
}
