//! Requests as lists of events, and the commands that follow.

mod feed;
mod guests;
mod records;
mod scene;
mod telemetry;

use crate::command::Action::{Continue, Pause};
use crate::event::{Arrived, Event, Failed};
use crate::gateway::Gateway;
use crate::stream::Stream;
use crate::worker::{Worker, WorkerEvent};
use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::exchange::GaveUp;
use gatewaystack_core::rate_limit::service::RateLimitResponse;
use gatewaystack_core::shared::MemoryTable;
use scene::{NOW_S, Scene, gateway, headers, token};
use serde_json::{Value, json};
use std::sync::Arc;

const EDIT: &str = "edit -authorization x-user-id=ann";

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn plain() -> Scene {
    Scene::new(
        json!({"routes": [{"path": "/x", "scopes": ["read"]}, {"path": "/watched", "mode": "shadow"}]}),
    )
}

/// Sends the headers of a request for `path`, by Ann.
fn ask(
    scene: &mut Scene,
    stream: &mut Stream,
    method: &str,
    path: &str,
    end: bool,
) -> (Vec<String>, crate::command::Action) {
    let authorization = format!("Bearer {}", token("ann"));
    let pairs = [
        (":method", method),
        (":path", path),
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    scene.ask(stream, &pairs, end)
}

#[test]
fn a_known_caller_is_named_and_recorded_once() {
    let mut scene = plain();
    let mut stream = Stream::new(1);
    assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true), (texts(&[EDIT]), Continue));
    scene.shown.answer = Some(headers(&[(":status", "200")]));
    assert_eq!(scene.on(&mut stream, Event::ResponseHeaders { end: true }), (texts(&[]), Continue));
    assert_eq!(scene.on(&mut stream, Event::Log).0, ["record allow authorized"]);
    assert_eq!(scene.on(&mut stream, Event::Log).0, texts(&[]));
    // What is allowed is told with the next tick.
    let mut told = Vec::new();
    scene.worker.flush(&mut told);
    assert!(format!("{told:?}").contains("Count"), "{told:?}");
}

#[test]
fn who_may_not_is_answered_and_counted() {
    let mut scene = plain();
    let mut stream = Stream::new(1);
    let pairs = [(":method", "GET"), (":path", "/x")];
    assert_eq!(scene.ask(&mut stream, &pairs, false), (texts(&["reply 401"]), Pause));
    assert_eq!(scene.on(&mut stream, Event::RequestBody { size: 5, end: true }), (texts(&[]), Pause));
    let counted = "count gatewaystack_decisions_total.d.deny.r.no_token.t./x 1";
    assert_eq!(scene.on(&mut stream, Event::Log).0, ["record deny no_token", counted]);
}

#[test]
fn a_request_waits_for_keys_and_goes_on_when_they_are_there_or_can_not_be_had() {
    for (is_good, arrived, expect) in
        [(true, Fetched::Good, texts(&[EDIT, "release"])), (false, Fetched::Failed, texts(&["reply 503"]))]
    {
        let mut scene = Scene::cold(json!({"routes": [{"path": "/x", "scopes": ["read"]}]}));
        let mut stream = Stream::new(5);
        assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true), (texts(&["wake", "note"]), Pause));
        assert_eq!(scene.poll(), ["fetch from idp"]);
        assert_eq!(scene.poll(), texts(&[]), "one fetch at a time");
        let followed = format!("{:?}", scene.fetched(is_good));
        assert!(followed.contains(&format!("Resume(5, Keys({arrived:?}))")), "{followed}");
        assert_eq!(scene.on(&mut stream, Event::Arrived(Arrived::Keys(arrived))).0, expect);
        // It isn't let go twice.
        assert_eq!(scene.poll(), texts(&[]));
        assert_eq!(scene.on(&mut stream, Event::Arrived(Arrived::Keys(arrived))), (texts(&[]), Pause));
    }
}

#[test]
fn a_request_that_is_gone_is_not_let_go() {
    let mut scene = Scene::cold(json!({"routes": [{"path": "/x"}]}));
    let mut stream = Stream::new(5);
    ask(&mut scene, &mut stream, "GET", "/x", true);
    scene.poll();
    scene.on(&mut stream, Event::End);
    assert!(!format!("{:?}", scene.fetched(true)).contains("Resume"));
}

#[test]
fn what_the_host_can_not_do_refuses_the_request_and_at_last_ends_it() {
    let mut scene = plain();
    let mut stream = Stream::new(1);
    assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true).1, Continue);
    assert_eq!(scene.on(&mut stream, Event::Failed(Failed::Edit)), (texts(&["reply 500"]), Pause));
    assert_eq!(scene.on(&mut stream, Event::Failed(Failed::Reply)), (texts(&["reset"]), Pause));
    assert_eq!(scene.on(&mut stream, Event::Log).0[0], "record error fault_host");
    // Without a clock, or without headers, nobody is judged.
    let mut stream = Stream::new(2);
    assert_eq!(scene.on(&mut stream, Event::RequestHeaders { headers: None, end: true }).0, ["reply 500"]);
    scene.shown.now_ns = None;
    let mut stream = Stream::new(3);
    assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true), (texts(&["reply 500"]), Pause));
}

fn mcp(others: Value) -> Scene {
    let mut members =
        json!({"routes": [{"path": "/mcp", "mcp": {"tools": {"t": ["read"]}, "max_body": 2048}}]});
    members.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    Scene::new(members)
}

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#;
const LIST: &[u8] = br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

#[test]
fn a_body_waits_until_it_is_whole_and_judged() {
    let mut scene = mcp(json!({"hold_headers": true}));
    let mut stream = Stream::new(1);
    assert_eq!(ask(&mut scene, &mut stream, "POST", "/mcp", false), (texts(&[]), Pause));
    scene.shown.body = Some(CALL.to_vec());
    assert_eq!(scene.on(&mut stream, Event::RequestBody { size: 10, end: false }), (texts(&[]), Pause));
    let whole = Event::RequestBody { size: CALL.len(), end: true };
    assert_eq!(scene.on(&mut stream, whole), (texts(&["edit -authorization x-user-id=ann"]), Continue));

    let mut stream = Stream::new(2);
    ask(&mut scene, &mut stream, "POST", "/mcp", false);
    let more = Event::RequestBody { size: 2049, end: false };
    assert_eq!(scene.on(&mut stream, more), (texts(&["reply 413"]), Pause));
}

#[test]
fn headers_that_can_not_wait_leave_before_the_body_which_does_not() {
    let mut scene = mcp(json!({"hold_headers": false}));
    let mut stream = Stream::new(1);
    assert_eq!(ask(&mut scene, &mut stream, "POST", "/mcp", false), (texts(&[EDIT]), Continue));
    scene.shown.body =
        Some(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"other"}}"#.to_vec());
    let whole = Event::RequestBody { size: 72, end: true };
    assert_eq!(scene.on(&mut stream, whole), (texts(&["reply 403"]), Pause));
    // What is permitted is not changed twice.
    let mut stream = Stream::new(2);
    ask(&mut scene, &mut stream, "POST", "/mcp", false);
    scene.shown.body = Some(CALL.to_vec());
    let whole = Event::RequestBody { size: CALL.len(), end: true };
    assert_eq!(scene.on(&mut stream, whole), (texts(&[]), Continue));
}

#[test]
fn a_body_that_takes_too_long_is_given_up() {
    let mut scene = mcp(json!({"hold_headers": true, "body_timeout": "60s"}));
    let mut stream = Stream::new(9);
    ask(&mut scene, &mut stream, "POST", "/mcp", false);
    scene.later(60_000);
    assert_eq!(scene.poll(), texts(&[]));
    scene.later(1);
    assert_eq!(scene.poll(), ["resume 9: Nothing(Time)"]);
    assert_eq!(scene.on(&mut stream, Event::Arrived(Arrived::Nothing(GaveUp::Time))).0, ["reply 408"]);
    assert_eq!(scene.poll(), texts(&[]));
}

/// A host whose clock fails once has no fetch open for ever: the next one begins when it is due.
#[test]
fn a_fetch_whose_answer_comes_without_a_clock_is_not_waited_for() {
    let mut scene = Scene::cold(json!({"routes": [{"path": "/x", "scopes": ["read"]}]}));
    assert_eq!(scene.poll(), ["fetch from idp"]);
    let answer = WorkerEvent::Fetched { token: 7, headers: headers(&[(":status", "200")]), body: Vec::new() };
    assert!(scene.worker.on(answer, None).is_empty());
    assert!(!scene.worker.is_fetching());
    scene.later(3_600_000);
    assert_eq!(scene.poll(), ["fetch from idp"]);
    scene.fetched(true);
    assert!(!scene.worker.is_fetching());
    scene.poll();
    assert!(scene.has_keys());
}

fn limits(failure_mode: &str) -> Value {
    json!({
        "routes": [{"path": "/x", "scopes": ["read"]}],
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [{"by": "user", "max": 5, "window": "60s", "scope": "global", "failure_mode": failure_mode}],
    })
}

fn limited(failure_mode: &str) -> Scene {
    Scene::new(limits(failure_mode))
}

/// The issuer's keys come.
fn fetch(scene: &mut Scene) {
    scene.poll();
    scene.fetched(true);
    scene.poll();
}

const ASKED: &str = "count gatewaystack_limits_asked_total 1";
const UNANSWERED: &str = "count gatewaystack_limits_unanswered_total 1";

#[test]
fn the_rate_limit_service_is_asked_and_its_answer_finds_the_request() {
    let within = RateLimitResponse::Said { over: false, limits: Vec::new(), reset_s: None };
    let over = RateLimitResponse::Said { over: true, limits: Vec::new(), reset_s: None };
    for (answer, expect) in [(within, texts(&[EDIT, "release"])), (over, texts(&["reply 429"]))] {
        let mut scene = limited("deny");
        let mut stream = Stream::new(4);
        let asked = texts(&[ASKED, "ask limits"]);
        assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true), (asked, Pause));
        assert_eq!(scene.on(&mut stream, Event::RateLimitCalled(70)), (texts(&["note"]), Pause));
        let resumed = format!("{:?}", scene.happens(WorkerEvent::Counted(70, answer.clone())));
        assert!(resumed.contains("Resume(4"), "{resumed}");
        assert_eq!(scene.on(&mut stream, Event::Arrived(Arrived::Limits(answer.clone()))).0, expect);
        assert!(scene.happens(WorkerEvent::Counted(70, answer)).is_empty(), "once");
    }
}

#[test]
fn where_the_service_can_not_be_asked_the_policy_decides() {
    for (failure_mode, expect) in [
        ("allow", (texts(&[UNANSWERED, EDIT]), Continue)),
        ("deny", (texts(&[UNANSWERED, "reply 503"]), Pause)),
    ] {
        let mut scene = limited(failure_mode);
        let mut stream = Stream::new(4);
        ask(&mut scene, &mut stream, "GET", "/x", true);
        assert_eq!(scene.on(&mut stream, Event::Failed(Failed::RateLimit)), expect);
    }
    // An answer to a request that has gone finds nobody.
    let mut scene = limited("deny");
    let mut stream = Stream::new(4);
    ask(&mut scene, &mut stream, "GET", "/x", true);
    scene.on(&mut stream, Event::RateLimitCalled(70));
    scene.on(&mut stream, Event::End);
    assert!(scene.happens(WorkerEvent::Counted(70, RateLimitResponse::Nothing)).is_empty());
}

/// An MCP route whose calls are limited over machines.
fn limited_calls(hold_headers: bool, failure_mode: &str) -> Value {
    json!({
        "hold_headers": hold_headers,
        "routes": [{"path": "/mcp", "mcp": {"tools": {"t": ["read"]}, "max_body": 2048}}],
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [{"by": "user", "max": 5, "window": "60s", "scope": "global", "failure_mode": failure_mode}],
    })
}

/// A call of a tool up to its body, which is whole with this event.
fn called(scene: &mut Scene, stream: &mut Stream, end: bool) {
    ask(scene, stream, "POST", "/mcp", false);
    scene.shown.body = Some(CALL.to_vec());
    scene.on(stream, Event::RequestBody { size: CALL.len(), end });
}

/// Whatever a request had come to when the service couldn't be asked, what is left of the event is done as if
/// nobody had been asked.
#[test]
fn a_request_whose_call_fails_goes_on_where_it_was() {
    let edit = "edit -authorization x-user-id=ann";
    // With its last body.
    let mut scene = Scene::new(limited_calls(true, "allow"));
    let mut stream = Stream::new(1);
    called(&mut scene, &mut stream, true);
    assert_eq!(
        scene.on(&mut stream, Event::Failed(Failed::RateLimit)),
        (texts(&[UNANSWERED, edit]), Continue)
    );
    assert_eq!(scene.worker.bodies.overdue(u64::MAX, 0, 0), [], "it takes no room any longer");
    // With its trailers, which say who it is.
    let mut stream = Stream::new(2);
    called(&mut scene, &mut stream, false);
    scene.shown.trailers = Some(headers(&[("x-user-id", "admin"), ("x-note", "n")]));
    assert_eq!(scene.on(&mut stream, Event::RequestTrailers), (texts(&[ASKED, "ask limits"]), Pause));
    let said = texts(&[UNANSWERED, edit, "strip x-user-id"]);
    assert_eq!(scene.on(&mut stream, Event::Failed(Failed::RateLimit)), (said, Continue));
    // Where it is asked, they wait with the request.
    let mut stream = Stream::new(3);
    called(&mut scene, &mut stream, false);
    scene.on(&mut stream, Event::RequestTrailers);
    assert_eq!(scene.on(&mut stream, Event::RateLimitCalled(70)), (texts(&[]), Pause));
    let within = RateLimitResponse::Said { over: false, limits: Vec::new(), reset_s: None };
    let (said, _) = scene.on(&mut stream, Event::Arrived(Arrived::Limits(within)));
    assert_eq!(said, texts(&[edit, "strip x-user-id", "release"]));
    // Once its keys are there.
    for (mode, expect) in [
        ("allow", (texts(&[UNANSWERED, EDIT, "release"]), Continue)),
        ("deny", (texts(&[UNANSWERED, "reply 503"]), Pause)),
    ] {
        let mut scene = Scene::cold(limits(mode));
        let mut stream = Stream::new(3);
        assert_eq!(ask(&mut scene, &mut stream, "GET", "/x", true).0, texts(&["wake", "note"]));
        fetch(&mut scene);
        let resumed = Event::Arrived(Arrived::Keys(Fetched::Good));
        assert_eq!(scene.on(&mut stream, resumed), (texts(&[ASKED, "ask limits"]), Pause));
        assert_eq!(scene.on(&mut stream, Event::Failed(Failed::RateLimit)), expect);
    }
    // Without a body, where the headers leave first.
    let mut scene = Scene::cold(limited_calls(false, "allow"));
    let mut stream = Stream::new(4);
    let (said, _) = ask(&mut scene, &mut stream, "GET", "/mcp", true);
    assert_eq!(said, texts(&["wake", "note"]));
    fetch(&mut scene);
    let (said, _) = scene.on(&mut stream, Event::Arrived(Arrived::Keys(Fetched::Good)));
    assert_eq!(said.last().map(String::as_str), Some("ask limits"), "{said:?}");
    let (said, action) = scene.on(&mut stream, Event::Failed(Failed::RateLimit));
    assert_eq!((said.last().map(String::as_str), action), (Some("release"), Continue), "{said:?}");
}

#[test]
fn what_is_only_watched_passes_at_once_and_is_judged_at_its_end() {
    let mut scene = Scene::new(json!({
        "mode": "shadow",
        "routes": [{"path": "/mcp", "mcp": {"tools": {"t": ["write"]}, "max_body": 2048}}],
    }));
    let mut stream = Stream::new(1);
    assert_eq!(ask(&mut scene, &mut stream, "POST", "/mcp", false), (texts(&["edit, or not"]), Continue));
    for (at, part) in [&CALL[..20], &CALL[20..]].into_iter().enumerate() {
        scene.shown.body = Some(part.to_vec());
        let event = Event::RequestBody { size: part.len(), end: at == 1 };
        assert_eq!(scene.on(&mut stream, event), (texts(&[]), Continue));
    }
    let said = scene.on(&mut stream, Event::Log).0;
    let counted = "count gatewaystack_decisions_total.d.shadow_deny.r.insufficient_scope.t./mcp 1";
    assert_eq!(said[..2], ["record allow shadow", counted]);
}

/// Lists, as far as the host takes them.
fn listed(scene: &mut Scene) -> Stream {
    let mut stream = Stream::new(1);
    ask(scene, &mut stream, "POST", "/mcp", false);
    scene.shown.body = Some(LIST.to_vec());
    scene.on(&mut stream, Event::RequestBody { size: LIST.len(), end: true });
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"t","inputSchema":{}},{"name":"other","inputSchema":{}}]}}"#;
    scene.shown.answer = Some(headers(&[(":status", "200"), ("content-type", "application/json")]));
    scene.shown.answer_body = Some(answer.into());
    let (said, action) = scene.on(&mut stream, Event::ResponseHeaders { end: false });
    assert_eq!((said, action), (texts(&["answer -etag -digest -content-digest -accept-ranges"]), Pause));
    let (said, action) = scene.on(&mut stream, Event::ResponseBody { size: answer.len(), end: true });
    assert_eq!((said.len(), action), (2, Continue), "{said:?}");
    assert!(said[0].starts_with("answer content-length="), "{said:?}");
    assert!(said[1].contains("\"t\"") && !said[1].contains("other"), "{said:?}");
    stream
}

#[test]
fn a_list_is_cut_down_and_lost_where_the_host_ends_the_stream_while_it_takes_it() {
    for (event, expect) in
        [(Some(Event::Replaced), "record allow authorized"), (None, "record error not_filterable")]
    {
        let mut scene = mcp(json!({"hold_headers": true}));
        let mut stream = listed(&mut scene);
        event.into_iter().for_each(|event| drop(scene.on(&mut stream, event)));
        assert_eq!(scene.on(&mut stream, Event::Log).0[0], expect);
    }
    let mut scene = mcp(json!({"hold_headers": true}));
    let mut stream = listed(&mut scene);
    assert_eq!(scene.on(&mut stream, Event::Failed(Failed::Response)), (texts(&["reset"]), Pause));
    assert_eq!(scene.on(&mut stream, Event::ResponseBody { size: 3, end: true }), (texts(&[]), Pause));
}

/// Workers on threads of one process share a gateway: what they count is exact.
#[test]
fn several_threads_drive_one_gateway() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn owned<T: Send>(_: &T) {}
    let table = Arc::new(MemoryTable::default());
    let limit = json!({"routes": [{"path": "/x", "scopes": ["read"]}], "rate_limits": [{"by": "user", "max": 50, "window": "60s"}]});
    let gateway: Arc<Gateway> = gateway(limit, &table);
    shared(&*gateway);
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4u64)
            .map(|holder| {
                let gateway = Arc::clone(&gateway);
                scope.spawn(move || {
                    let shown = scene::Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Default::default() };
                    let mut scene = Scene { worker: Worker::new(gateway, holder), shown };
                    owned(&scene.worker);
                    // The first of them fetches, and the others read what it published.
                    while !scene.has_keys() {
                        if !scene.poll().is_empty() {
                            scene.fetched(true);
                        }
                    }
                    let passes = |at: u32| {
                        let mut stream = Stream::new(at);
                        owned(&stream);
                        usize::from(ask(&mut scene, &mut stream, "GET", "/x", true).1 == Continue)
                    };
                    (0..50).map(passes).sum::<usize>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(passed, 50);
}
