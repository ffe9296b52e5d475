//! Who was let in and is barred while the answer is on its way: the stream ends, and no other does.

use super::feed::{Fleet, page};
use super::scene::{Scene, headers, token};
use super::{EDIT, ask, texts};
use crate::command::Action::{Continue, Pause};
use crate::event::Event;
use crate::stream::Stream;
use crate::worker::{WorkerCommand, WorkerEvent};
use gatewaystack_core::feed::Barred;
use serde_json::{Value, json};

/// Workers that know that nobody is blocked.
fn fleet(workers: u64) -> Fleet {
    let mut fleet = Fleet::new(workers, json!({}));
    let asked = fleet.poll_all();
    fleet.answer(&asked[0], "200", &page(1, true, false, json!([])));
    fleet.poll_all();
    fleet
}

/// The sidecar tells of these changes a second later: which streams of which workers are barred.
fn tell(fleet: &mut Fleet, version: u64, changes: Value) -> Vec<(usize, u32, Barred)> {
    fleet.later(1_000);
    let asked = fleet.poll_all();
    let told = fleet.answer(&asked[0], "200", &page(version, false, false, changes));
    let mut all: Vec<_> = bars(asked[0].0, told);
    for at in 0..fleet.scenes.len() {
        let polled = fleet.scenes[at].happens(WorkerEvent::Poll);
        all.extend(bars(at, polled));
    }
    all
}

fn bars(at: usize, commands: Vec<WorkerCommand>) -> Vec<(usize, u32, Barred)> {
    let bar = |command| match command {
        WorkerCommand::Bar(stream, why) => Some((at, stream, why)),
        _ => None,
    };
    commands.into_iter().filter_map(bar).collect()
}

/// A stream whose answer has begun.
fn begun(scene: &mut Scene, id: u32, user: &str, more: &[(&str, &str)]) -> Stream {
    let mut stream = Stream::new(id);
    let bearer = format!("Bearer {}", token(user));
    let mut pairs = vec![(":method", "GET"), (":path", "/x"), ("authorization", bearer.as_str())];
    pairs.extend(more);
    assert_eq!(scene.ask(&mut stream, &pairs, true).1, Continue);
    scene.shown.answer = Some(headers(&[(":status", "200"), ("content-type", "text/event-stream")]));
    assert_eq!(scene.on(&mut stream, Event::ResponseHeaders { end: false }), (texts(&[]), Continue));
    assert_eq!(scene.on(&mut stream, Event::ResponseBody { size: 9, end: false }), (texts(&[]), Continue));
    stream
}

#[test]
fn an_answer_to_somebody_who_is_blocked_meanwhile_ends_at_each_worker() {
    let mut fleet = fleet(2);
    let mut anns = begun(&mut fleet.scenes[0], 4, "ann", &[]);
    let mut bobs = begun(&mut fleet.scenes[1], 5, "bob", &[]);
    begun(&mut fleet.scenes[1], 6, "ann", &[]);
    assert_eq!(tell(&mut fleet, 2, json!([{"block": ["user", "cat", 0]}])), []);
    let barred = tell(&mut fleet, 3, json!([{"block": ["user", "ann", 0]}]));
    assert_eq!(barred, [(0, 4, Barred::Blocked), (1, 6, Barred::Blocked)]);
    assert_eq!(tell(&mut fleet, 4, json!([{"block": ["user", "dan", 0]}])), [], "once");

    let scene = &mut fleet.scenes[0];
    assert_eq!(scene.on(&mut anns, Event::Barred(Barred::Blocked)), (texts(&["reset"]), Pause));
    assert_eq!(scene.on(&mut anns, Event::ResponseBody { size: 9, end: false }), (texts(&[]), Pause));
    assert_eq!(scene.on(&mut anns, Event::RequestBody { size: 9, end: true }).1, Pause);
    assert_eq!(scene.on(&mut anns, Event::Log).0[0], "record deny blocked");
    let scene = &mut fleet.scenes[1];
    assert_eq!(scene.on(&mut bobs, Event::ResponseBody { size: 9, end: true }), (texts(&[]), Continue));
    assert_eq!(scene.on(&mut bobs, Event::Log).0[0], "record allow authorized");
}

#[test]
fn each_name_of_a_caller_ends_its_stream() {
    let session = [("mcp-session-id", "s-1")];
    let digest = "sha256:".to_owned() + &sha256(&token("ann"));
    for (change, why) in [
        (json!({"block": ["user", "ann", 0]}), Some(Barred::Blocked)),
        (json!({"block": ["disabled", "ann", 0]}), Some(Barred::Blocked)),
        (json!({"block": ["session", "s-1", 0]}), Some(Barred::Blocked)),
        (json!({"block": ["token", digest, 0]}), Some(Barred::Blocked)),
        (json!({"block": ["revoked", "ann", 1]}), Some(Barred::Revoked)),
        (json!({"block": ["session", "s-2", 0]}), None),
        (json!({"block": ["revoked", "bob", 1]}), None),
    ] {
        let mut fleet = fleet(1);
        let mut stream = begun(&mut fleet.scenes[0], 4, "ann", &session);
        let expect: Vec<_> = why.into_iter().map(|why| (0, 4, why)).collect();
        assert_eq!(tell(&mut fleet, 2, json!([change])), expect, "{change}");
        if let Some(why) = why {
            let scene = &mut fleet.scenes[0];
            assert_eq!(scene.on(&mut stream, Event::Barred(why)).0, ["reset"]);
            let reason = if why == Barred::Blocked { "blocked" } else { "revoked" };
            assert_eq!(scene.on(&mut stream, Event::Log).0[0], format!("record deny {reason}"));
        }
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_over_or_only_watched_or_refused_is_not_barred() {
    let mut fleet = fleet(1);
    let scene = &mut fleet.scenes[0];
    let mut over = begun(scene, 4, "ann", &[]);
    scene.on(&mut over, Event::Log);
    scene.on(&mut over, Event::End);
    // Shadow mode ends nothing.
    let watched = ask(scene, &mut Stream::new(5), "GET", "/watched", true);
    assert_eq!(watched.1, Continue);
    let mut refused = Stream::new(6);
    assert_eq!(ask(scene, &mut refused, "GET", "/nowhere", true).0, ["reply 403"]);
    assert_eq!(tell(&mut fleet, 2, json!([{"block": ["user", "ann", 0]}])), []);
    // One that was barred as it ended.
    let scene = &mut fleet.scenes[0];
    assert_eq!(scene.on(&mut over, Event::Barred(Barred::Blocked)), (texts(&[]), Pause));
    assert_eq!(scene.on(&mut refused, Event::Barred(Barred::Blocked)), (texts(&[]), Pause));
}

/// The request has gone on, and there is no answer yet: there can be one of ours.
#[test]
fn a_request_that_is_under_way_is_answered() {
    for (change, why, status, reason) in [
        (json!({"block": ["user", "ann", 0]}), Barred::Blocked, 403, "blocked"),
        (json!({"block": ["revoked", "ann", 1]}), Barred::Revoked, 401, "revoked"),
    ] {
        let mut fleet = fleet(1);
        let mut stream = Stream::new(4);
        assert_eq!(ask(&mut fleet.scenes[0], &mut stream, "POST", "/x", false), (texts(&[EDIT]), Continue));
        assert_eq!(tell(&mut fleet, 2, json!([change])), [(0, 4, why)]);
        let scene = &mut fleet.scenes[0];
        let said = scene.on(&mut stream, Event::Barred(why));
        assert_eq!(said, (vec![format!("reply {status}")], Pause));
        assert_eq!(scene.on(&mut stream, Event::RequestBody { size: 9, end: true }).1, Pause);
        // Our own answer passes.
        scene.shown.answer = Some(headers(&[(":status", &status.to_string())]));
        assert_eq!(scene.on(&mut stream, Event::ResponseHeaders { end: false }), (texts(&[]), Continue));
        assert_eq!(scene.on(&mut stream, Event::ResponseBody { size: 9, end: true }), (texts(&[]), Continue));
        assert_eq!(scene.on(&mut stream, Event::Log).0[0], format!("record deny {reason}"));
    }
}

#[test]
fn without_a_feed_nobody_is_kept() {
    let mut scene = Scene::new(json!({"routes": [{"path": "/x", "scopes": ["read"]}]}));
    begun(&mut scene, 4, "ann", &[]);
    assert!(scene.worker.guests.is_empty());
}
