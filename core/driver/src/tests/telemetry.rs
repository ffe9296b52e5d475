//! What is counted, and what spans say.

use super::scene::Scene;
use super::{EDIT, ask};
use crate::event::Event;
use crate::stream::Stream;
use serde_json::json;

#[test]
fn three_hundred_routes_begin_with_as_few_statistics_as_one() {
    let routes = |n: usize| (0..n).map(|n| json!({"path": format!("/r{n}/*")})).collect::<Vec<_>>();
    let begins = |n| Scene::new(json!({ "routes": routes(n) })).worker.statistics.len();
    assert_eq!((begins(1), begins(301)), (6, 6));
    let mut scene = Scene::new(json!({ "routes": routes(301) }));
    for (path, more) in [("/r7/x", 1), ("/r7/y", 1), ("/r8/x", 2), ("/nowhere", 3)] {
        let mut stream = Stream::new(1);
        scene.ask(&mut stream, &[(":method", "GET"), (":path", path)], true);
        scene.on(&mut stream, Event::Log);
        assert_eq!(scene.worker.statistics.len(), 6 + more, "{path}");
    }
}

#[test]
fn what_is_decided_is_noted_for_spans_where_the_policy_has_a_collector() {
    let routes =
        json!([{"path": "/x", "scopes": ["read"]}, {"path": "/mcp", "mcp": {"tools": {"purge": ["admin"]}}}]);
    let mut scene = Scene::new(json!({"routes": routes, "telemetry": {"otlp": "http://collector:4318"}}));
    let mut stream = Stream::new(1);
    let noted = ["note decision allow", "note reason authorized", "note route /x", "note path /x"];
    assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true).0, [&noted[..], &[EDIT]].concat());
    let mut stream = Stream::new(2);
    let (said, _) = ask(&mut scene, &mut stream, "POST", "/mcp", false);
    assert!(!said.iter().any(|command| command.starts_with("note ")), "nothing is decided yet: {said:?}");
    scene.shown.body = Some(
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "purge"}})
            .to_string()
            .into(),
    );
    let (said, _) = scene.on(&mut stream, Event::RequestBody { size: 0, end: true });
    let noted = [
        "note decision deny",
        "note reason insufficient_scope",
        "note route /mcp",
        "note path /mcp",
        "note method tools/call",
        "note tool purge",
    ];
    assert_eq!(said[..6], noted, "{said:?}");
}
