//! Several cuts of one answer, in their order, and what taps see of it.

use super::*;
use crate::config::policy::Route;
use crate::mcp::era::Era;
use crate::mcp::target::Target;
use crate::testing::{Gate, gate, token};
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A route of which tools that the caller may not use are hidden, and then those of others.
fn both() -> (Gate, Pipeline) {
    let mut gate = gate(json!({"hold_headers": true, "routes": [
        {"path": "/mcp", "mcp": {"tools": {"may": [], "may_too": [], "may_not": ["admin"]}}},
        {"path": "/own", "response_filter": {"items": "/result/tools", "owner": "/owner"}},
    ]}));
    let own = gate.policy.routes.iter().find_map(|route| route.response_filter.clone());
    rules(&mut gate).response_filter = own;
    let token = token().sub("ann").mint();
    assert_eq!(gate.status("GET", "/own", &token), 200);
    let principal = gate.tokens.borrow_mut().find(token.as_bytes(), gate.now_ms).unwrap();
    let task = TaskTap::of("7", Target::Tool("may".to_owned()), Tasks::Known).unwrap();
    let lists = Cut::Lists { era: Era::V2025_11_25, asked: vec![("7".to_owned(), Kind::Tools)] };
    let pipeline = Pipeline {
        route: RouteId(gate.policy.routes.iter().position(|route| route.mcp.is_some()).unwrap()),
        principal: Some(principal),
        cuts: vec![lists, Cut::Owner],
        taps: vec![Tap::Task(task)],
        is_head: false,
        mcp: None,
    };
    (gate, pipeline)
}

fn rules(gate: &mut Gate) -> &mut Route {
    gate.policy.routes.iter_mut().find(|route| route.mcp.is_some()).unwrap()
}

fn tools(tools: &[(&str, &str)]) -> String {
    let tools: Vec<_> = tools.iter().map(|(name, owner)| json!({"name": name, "owner": owner})).collect();
    json!({"id": 7, "result": {"tools": tools}}).to_string()
}

#[test]
fn each_cut_takes_from_what_the_one_before_it_left() {
    let (gate, mut pipeline) = both();
    let body = tools(&[("may", "ann"), ("may", "ben"), ("may_not", "ann"), ("may_too", "ann")]);
    let names = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let tools = value["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| format!("{} {}", tool["name"], tool["owner"])).collect::<Vec<_>>()
    };
    let left = [r#""may" "ann""#, r#""may_too" "ann""#];
    gate.world(|world| {
        let shown = pipeline.body(world, body.as_bytes()).unwrap().unwrap();
        assert_eq!(names(&shown), left);
        let shown = pipeline.messages(world).unwrap().cut(&body).unwrap().unwrap();
        assert_eq!(names(&shown), left);
        // What is cut twice is not cut more.
        pipeline.cuts.push(Cut::Owner);
        let shown = pipeline.body(world, body.as_bytes()).unwrap().unwrap();
        assert_eq!(names(&shown), left);
    });
}

#[test]
fn one_cut_that_refuses_is_enough_whatever_its_place() {
    let (gate, mut pipeline) = both();
    // Nobody owns the second, and a list without names can't be cut.
    let unowned = json!({"id": 7, "result": {"tools": [{"name": "may", "owner": "ann"}, {"name": "may"}]}});
    let unnamed = json!({"id": 7, "result": {"tools": [{"owner": "ann"}]}});
    gate.world(|world| {
        for body in [unowned, unnamed].map(|body| body.to_string()) {
            for _ in 0..2 {
                assert!(pipeline.body(world, body.as_bytes()).is_err(), "{body}");
                assert!(pipeline.messages(world).unwrap().cut(&body).is_err(), "{body}");
                pipeline.cuts.reverse();
            }
        }
    });
}

#[test]
fn a_body_is_read_in_the_way_that_suits_every_cut_and_within_the_routes_cap() {
    let (mut gate, mut pipeline) = both();
    rules(&mut gate).reads.answer = Some(700);
    let head = |kind: &'static [u8]| Head { status: 200, content_type: Some(kind), ..Head::default() };
    let framing = |gate: &Gate, pipeline: &Pipeline, head: &Head<'_>| pipeline.framing(&gate.policy, head);
    assert!(matches!(framing(&gate, &pipeline, &head(b"application/json")), Some(Framing::Whole(700))));
    assert!(framing(&gate, &pipeline, &head(b"text/event-stream")).is_none(), "owners aren't cut in streams");
    let long = Head { content_length: Some(b"701"), ..head(b"application/json") };
    assert!(framing(&gate, &pipeline, &long).is_none());
    pipeline.cuts.pop();
    assert!(matches!(
        framing(&gate, &pipeline, &head(b"text/event-stream")),
        Some(Framing::Events { is_asked: true, .. })
    ));
    pipeline.cuts = vec![Cut::Lists { era: Era::V2025_11_25, asked: Vec::new() }];
    assert!(matches!(framing(&gate, &pipeline, &head(b"application/json")), Some(Framing::Watch(_))));
    // One that is asked for has it read whole.
    pipeline.cuts.push(Cut::Owner);
    assert!(matches!(framing(&gate, &pipeline, &head(b"application/json")), Some(Framing::Whole(700))));
}

/// HEAD's answer has none though its headers tell of one, and others' may have none.
#[test]
fn what_has_no_body_has_no_framing_but_its_headers_must_not_describe_one_that_is_cut() {
    let (gate, mut pipeline) = both();
    let head = |is_end| Head { status: 200, content_type: Some(b"image/png"), is_end, ..Head::default() };
    for (is_end, is_head, is_asked) in [
        (true, false, true),
        (false, true, true),
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        pipeline.is_head = is_head;
        if !is_asked {
            pipeline.cuts = vec![Cut::Lists { era: Era::V2025_11_25, asked: Vec::new() }];
        }
        let framing = pipeline.framing(&gate.policy, &head(is_end)).unwrap();
        let as_expected =
            if is_asked { matches!(framing, Framing::Bare) } else { matches!(framing, Framing::Pass) };
        assert!(as_expected, "{is_end} {is_head} {is_asked}: {framing:?}");
    }
}

/// What is wanted is read whole, which takes time and room.
#[test]
fn only_what_may_make_a_task_is_wanted_and_only_until_one_is_made() {
    let (gate, mut pipeline) = both();
    let scan = |body: &str| {
        let mut scan = Scan::default();
        scan.feed(body.as_bytes());
        scan
    };
    let task = json!({"id": 7, "result": {"resultType": "task", "taskId": "t-1"}}).to_string();
    let other = scan(r#"{"id":7,"result":{"content":[]}}"#);
    let wanted = |pipeline: &mut Pipeline| {
        let streamed = |pipeline: &mut Pipeline, scan: &Scan| {
            gate.world(|world| pipeline.messages(world).unwrap().wants(scan))
        };
        assert!(!pipeline.wants(&other) && !streamed(pipeline, &other));
        let is_wanted = pipeline.wants(&scan(&task));
        assert_eq!(streamed(pipeline, &scan(&task)), is_wanted);
        is_wanted
    };
    assert!(wanted(&mut pipeline));
    gate.world(|world| pipeline.messages(world).unwrap().see(&task));
    assert!(!wanted(&mut pipeline));
}

#[test]
fn a_refusal_has_the_calls_id_and_the_requests() {
    let (gate, mut pipeline) = both();
    pipeline.mcp = Some(OfMcp { id: "41".to_owned(), session: Session { id: None, ends: false } });
    let reply = pipeline.refuse(&gate.policy, "req-1".to_owned(), &Refusal::NotFilterable);
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["jsonrpc"], &body["id"]), (502, &json!("2.0"), &json!(41)));
    assert_eq!(body["error"]["data"]["request_id"], "req-1");
}

#[test]
fn a_tap_sees_what_is_shown_as_it_came_and_nothing_that_is_refused() {
    let (gate, mut pipeline) = both();
    let task = json!({"id": 7, "result": {"resultType": "task", "taskId": "t-1"}}).to_string();
    gate.world(|world| {
        assert!(pipeline.body(world, task.as_bytes()).is_err(), "it is no list");
        assert!(pipeline.task().is_none());
        pipeline.cuts = vec![Cut::Lists { era: Era::V2025_11_25, asked: Vec::new() }];
        assert_eq!(pipeline.body(world, task.as_bytes()), Ok(None));
    });
    assert_eq!(pipeline.task().map(|task| task.id.as_deref()), Some(Some("t-1")));
    // A call has one answer: a later one makes no other.
    gate.world(|world| pipeline.body(world, task.replace("t-1", "t-2").as_bytes()).unwrap());
    assert_eq!(pipeline.take_task().unwrap().id.as_deref(), Some("t-1"));
    gate.world(|world| pipeline.body(world, task.as_bytes()).unwrap());
    assert!(pipeline.take_task().is_none());
}
