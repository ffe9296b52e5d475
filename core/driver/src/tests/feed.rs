//! Who is blocked: one worker asks, all know, and requests wait no longer than they must.

use super::scene::{NOW_S, Scene, Shown, gateway, headers};
use super::{EDIT, ask, texts};
use crate::command::Action::{Continue, Pause};
use crate::event::{Arrived, Event};
use crate::gateway::Gateway;
use crate::stream::Stream;
use crate::worker::{Worker, WorkerCommand, WorkerEvent};
use gatewaystack_core::shared::{MemoryTable, SharedTable as _};
use serde_json::{Value, json};
use std::sync::Arc;

/// Workers of one gateway, and what they asked.
pub(super) struct Fleet {
    pub scenes: Vec<Scene>,
    next_token: u32,
}

/// A question that was sent: the worker, its call, the path.
pub(super) type Question = (usize, u32, String);

fn members(more: Value) -> Value {
    let mut members = json!({
        "feed": {"cluster": "sidecar", "max_stale": "5s"},
        "routes": [{"path": "/x", "scopes": ["read"]}, {"path": "/watched", "mode": "shadow"}],
    });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    members
}

impl Fleet {
    /// Workers that have their keys, and know nothing of blocks.
    pub fn new(workers: u64, more: Value) -> Self {
        let gateway: Arc<Gateway> = gateway(members(more), &Arc::new(MemoryTable::default()));
        let scene = |holder| Scene {
            worker: Worker::new(Arc::clone(&gateway), holder),
            shown: Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Shown::default() },
        };
        Self { scenes: (1..=workers).map(scene).collect(), next_token: 100 }
    }

    /// One of them looks: what it asks the sidecar, and which streams go on.
    pub fn poll(&mut self, at: usize) -> (Vec<Question>, Vec<(u32, Arrived)>) {
        let commands = self.scenes[at].happens(WorkerEvent::Poll);
        self.perform(at, commands)
    }

    fn perform(&mut self, at: usize, commands: Vec<WorkerCommand>) -> (Vec<Question>, Vec<(u32, Arrived)>) {
        let (mut asked, mut resumed) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                WorkerCommand::Fetch { fetch, cluster, headers, timeout_ms, .. } => {
                    self.next_token += 1;
                    let token = self.next_token;
                    self.scenes[at].happens(WorkerEvent::Sent(fetch, Some(token)));
                    if cluster == "sidecar" {
                        let find = |name| headers.iter().find(|(n, _)| *n == name).unwrap().1.clone();
                        assert_eq!((find("x-gatewaystack-secret").as_str(), timeout_ms), ("", 2_000));
                        asked.push((at, token, find(":path")));
                    } else {
                        self.scenes[at].happens(WorkerEvent::Sent(fetch, Some(7)));
                        let more = self.scenes[at].fetched(true);
                        let (more, others) = self.perform(at, more);
                        asked.extend(more);
                        resumed.extend(others);
                    }
                }
                WorkerCommand::Listen(_) => drop(self.scenes[at].happens(WorkerEvent::Listening)),
                WorkerCommand::Resume(stream, arrived) => resumed.push((stream, arrived)),
                _ => {}
            }
        }
        (asked, resumed)
    }

    /// All of them look: what was asked.
    pub fn poll_all(&mut self) -> Vec<Question> {
        (0..self.scenes.len()).flat_map(|at| self.poll(at).0).collect()
    }

    /// The sidecar answers: what follows for the worker that asked.
    pub fn answer(&mut self, question: &Question, status: &str, body: &Value) -> Vec<WorkerCommand> {
        let (at, token, _) = question;
        let (headers, body) = (headers(&[(":status", status)]), body.to_string().into_bytes());
        self.scenes[*at].happens(WorkerEvent::Fetched { token: *token, headers, body })
    }

    pub fn later(&mut self, ms: u64) {
        self.scenes.iter_mut().for_each(|scene| scene.later(ms));
    }

    /// What becomes of a request of Ann's at each worker.
    fn ask_all(&mut self) -> Vec<String> {
        let one = |scene: &mut Scene| ask(scene, &mut Stream::new(9), "GET", "/x", true).0.remove(0);
        self.scenes.iter_mut().map(one).collect()
    }
}

const EPOCH: &str = "00000000000000aa";

pub(super) fn page(version: u64, reset: bool, more: bool, changes: Value) -> Value {
    json!({"epoch": EPOCH, "version": version, "reset": reset, "more": more, "changes": changes})
}

fn path(version: u64) -> String {
    format!("/internal/feed?after={version}&epoch={EPOCH}")
}

fn woken(commands: &[WorkerCommand]) -> bool {
    commands.iter().any(|command| matches!(command, WorkerCommand::Wake(_)))
}

#[test]
fn one_worker_asks_and_all_refuse_whom_the_sidecar_has_blocked() {
    let mut fleet = Fleet::new(3, json!({}));
    let asked = fleet.poll_all();
    let [first] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(first.2, "/internal/feed?after=0&epoch=0000000000000000");
    assert!(woken(&fleet.answer(first, "200", &page(1, true, false, json!([])))), "requests may wait");
    assert_eq!(fleet.poll_all(), [], "not before its time");
    assert_eq!(fleet.ask_all(), [EDIT; 3]);
    for (version, changes, expect) in [
        (2, json!([{"block": ["user", "bob", 0]}]), EDIT),
        (3, json!([{"block": ["user", "ann", 0]}]), "reply 403"),
        (5, json!([{"lift": ["user", "ann"]}, {"block": ["tenant", "acme", 0]}]), EDIT),
    ] {
        fleet.later(1_000);
        let asked = fleet.poll_all();
        let [question] = asked.as_slice() else { panic!("{asked:?}") };
        let before = version - if version == 5 { 2 } else { 1 };
        assert_eq!(question.2, path(before));
        assert!(woken(&fleet.answer(question, "200", &page(version, false, false, changes))));
        // Those who were woken look.
        assert_eq!(fleet.poll_all(), []);
        assert_eq!(fleet.ask_all(), [expect; 3], "{version}");
    }
    // Where nothing is new, nobody is woken.
    fleet.later(1_000);
    let asked = fleet.poll_all();
    assert!(!woken(&fleet.answer(&asked[0], "200", &page(5, false, false, json!([])))));
}

#[test]
fn an_answer_in_pages_counts_once_it_is_whole() {
    let mut fleet = Fleet::new(2, json!({}));
    let asked = fleet.poll_all();
    let first = page(4, true, true, json!([{"block": ["user", "bob", 0]}]));
    let commands = fleet.answer(&asked[0], "200", &first);
    assert!(!woken(&commands));
    let (next, _) = fleet.perform(asked[0].0, commands);
    assert_eq!(next[0].2, path(4), "the next page is asked for at once");
    let held = ask(&mut fleet.scenes[1], &mut Stream::new(4), "GET", "/x", true);
    assert_eq!(held, (texts(&["wake", "note"]), Pause), "half of it isn't known");
    assert!(woken(&fleet.answer(
        &next[0],
        "200",
        &page(6, false, false, json!([{"block": ["user", "ann", 0]}]))
    )));
    fleet.poll_all();
    assert_eq!(fleet.ask_all(), ["reply 403"; 2]);
    // A page that doesn't come: the next question begins where all are.
    fleet.later(1_000);
    let asked = fleet.poll_all();
    let commands = fleet.answer(&asked[0], "200", &page(9, false, true, json!([{"lift": ["user", "ann"]}])));
    let (next, _) = fleet.perform(asked[0].0, commands);
    assert_eq!(next[0].2, path(9));
    fleet.answer(&next[0], "500", &json!({}));
    fleet.later(1_000);
    assert_eq!(fleet.poll_all()[0].2, path(6));
    assert_eq!(fleet.ask_all(), ["reply 403"; 2]);
}

#[test]
fn another_ledger_takes_the_place_of_all_that_was_known() {
    let mut fleet = Fleet::new(2, json!({}));
    let asked = fleet.poll_all();
    fleet.answer(&asked[0], "200", &page(9, true, false, json!([{"block": ["user", "ann", 0]}])));
    fleet.poll_all();
    assert_eq!(fleet.ask_all(), ["reply 403"; 2]);
    fleet.later(1_000);
    let asked = fleet.poll_all();
    // Another epoch must say that it begins anew.
    let mut other = page(2, false, false, json!([]));
    other["epoch"] = json!("00000000000000bb");
    fleet.answer(&asked[0], "200", &other);
    assert_eq!(fleet.ask_all(), ["reply 403"; 2]);
    fleet.later(1_000);
    let asked = fleet.poll_all();
    other["reset"] = json!(true);
    fleet.answer(&asked[0], "200", &other);
    fleet.poll_all();
    assert_eq!(fleet.ask_all(), [EDIT; 2]);
}

#[test]
fn a_request_that_waits_goes_on_when_it_is_known_who_is_blocked_or_after_a_second() {
    for is_answered in [true, false] {
        let mut fleet = Fleet::new(2, json!({}));
        let asked = fleet.poll_all();
        let mut stream = Stream::new(5);
        let held = ask(&mut fleet.scenes[1], &mut stream, "GET", "/x", true);
        assert_eq!(held, (texts(&["wake", "note"]), Pause));
        assert_eq!(fleet.poll(1).1, []);
        if is_answered {
            fleet.answer(&asked[0], "200", &page(1, true, false, json!([])));
        } else {
            fleet.answer(&asked[0], "503", &json!({}));
            fleet.later(999);
            assert_eq!(fleet.poll(1).1, []);
            fleet.later(1);
        }
        assert_eq!(fleet.poll(1).1, [(5, Arrived::Feed)]);
        assert_eq!(fleet.poll(1).1, []);
        let (said, action) = fleet.scenes[1].on(&mut stream, Event::Arrived(Arrived::Feed));
        assert_eq!((said, action), (texts(&[EDIT, "release"]), Continue));
        assert_eq!(fleet.scenes[1].on(&mut stream, Event::Log).0[0], "record allow authorized");
    }
}

#[test]
fn a_feed_that_is_too_old_refuses_where_the_policy_says_so_and_is_told_of_once() {
    let mut fleet =
        Fleet::new(1, json!({"feed": {"cluster": "sidecar", "max_stale": "5s", "on_stale": "deny"}}));
    let asked = fleet.poll_all();
    fleet.answer(&asked[0], "200", &page(1, true, false, json!([])));
    let mut warnings = Vec::new();
    for (status, body) in [
        ("500", json!({})),
        ("403", json!({})),
        ("404", json!({})),
        ("200", json!([])),
        ("200", page(1, false, false, json!([{"block": ["planet", "x", 0]}]))),
    ] {
        assert_eq!(fleet.ask_all(), [EDIT]);
        fleet.later(1_000);
        let asked = fleet.poll_all();
        for command in fleet.answer(&asked[0], status, &body) {
            if let WorkerCommand::Warn(what) = command {
                warnings.push(what);
            }
        }
    }
    assert_eq!(warnings, ["who is blocked can't be asked for: the sidecar is in trouble"]);
    fleet.later(1);
    assert_eq!(fleet.ask_all(), ["reply 503"]);
    // It is there again.
    fleet.later(1_000);
    let asked = fleet.poll_all();
    assert_eq!(asked[0].2, path(1), "what was known stays");
    fleet.answer(&asked[0], "200", &page(1, false, false, json!([])));
    assert_eq!(fleet.ask_all(), [EDIT]);
}

#[test]
fn an_answer_that_cannot_be_sent_or_comes_without_a_clock_is_not_waited_for() {
    let mut fleet = Fleet::new(1, json!({}));
    let (asked, _) = fleet.poll(0);
    let answer = page(1, true, false, json!([])).to_string().into_bytes();
    let came =
        WorkerEvent::Fetched { token: asked[0].1, headers: headers(&[(":status", "200")]), body: answer };
    assert!(fleet.scenes[0].worker.on(came, None).is_empty());
    fleet.later(3_000);
    let commands = fleet.scenes[0].happens(WorkerEvent::Poll);
    let fetch = commands.iter().find_map(|command| match command {
        WorkerCommand::Fetch { fetch, .. } => Some(*fetch),
        _ => None,
    });
    let told = fleet.scenes[0].happens(WorkerEvent::Sent(fetch.unwrap(), None));
    assert!(matches!(told.as_slice(), [WorkerCommand::Warn(_)]), "{told:?}");
    fleet.later(1_000);
    assert_eq!(fleet.poll(0).0.len(), 1);
}

#[test]
fn records_are_numbered_by_their_worker() {
    let mut scene = Scene::new(json!({"routes": [{"path": "/x", "scopes": ["read"]}]}));
    for seq in 1..=3 {
        let mut stream = Stream::new(1);
        ask(&mut scene, &mut stream, "GET", "/x", true);
        let output = stream.on(&mut scene.worker, &scene.shown, Event::Log);
        let record = output.commands.into_iter().find_map(|command| match command {
            crate::command::Command::Record(record) => Some(record),
            _ => None,
        });
        let record: Value = serde_json::from_str(&format!("{{\"status\":0{}}}", record.unwrap())).unwrap();
        assert_eq!((&record["vm"], &record["seq"]), (&json!("0000000000000001"), &json!(seq)));
        // What has no record takes no number.
        stream.on(&mut scene.worker, &scene.shown, Event::Log);
    }
}

/// The sidecar was started a moment after Envoy.
#[test]
fn the_first_question_is_asked_again_while_requests_wait_for_its_answer() {
    let mut fleet =
        Fleet::new(1, json!({"feed": {"cluster": "sidecar", "interval": "60s", "max_stale": "1h"}}));
    let asked = fleet.poll_all();
    let mut stream = Stream::new(5);
    ask(&mut fleet.scenes[0], &mut stream, "GET", "/x", true);
    fleet.answer(&asked[0], "503", &json!({}));
    fleet.later(200);
    let (asked, resumed) = fleet.poll(0);
    assert_eq!((asked.len(), resumed), (1, Vec::new()));
    let answer = page(1, true, false, json!([{"block": ["user", "ann", 0]}]));
    let commands = fleet.answer(&asked[0], "200", &answer);
    assert_eq!(fleet.perform(0, commands).1, [(5, Arrived::Feed)]);
    assert_eq!(fleet.scenes[0].on(&mut stream, Event::Arrived(Arrived::Feed)).0, ["reply 403"]);
}

#[test]
fn who_has_no_room_to_wait_is_refused() {
    let mut fleet = Fleet::new(1, json!({}));
    fleet.poll_all();
    let scene = &mut fleet.scenes[0];
    for at in 0..1_024 {
        let (said, _) = ask(scene, &mut Stream::new(at), "GET", "/x", true);
        assert_eq!(said, ["wake", "note"]);
    }
    let mut stream = Stream::new(5_000);
    assert_eq!(ask(scene, &mut stream, "GET", "/x", true), (texts(&["reply 503"]), Pause));
    assert_eq!(scene.on(&mut stream, Event::Log).0[0], "record error feed_stale");
}

/// Others can write where workers do.
#[test]
fn who_cannot_read_what_was_published_knows_nothing() {
    let table = Arc::new(MemoryTable::default());
    let gateway: Arc<Gateway> = gateway(members(json!({})), &table);
    let scene = |holder| Scene {
        worker: Worker::new(Arc::clone(&gateway), holder),
        shown: Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Shown::default() },
    };
    let mut fleet = Fleet { scenes: vec![scene(1)], next_token: 100 };
    let asked = fleet.poll_all();
    fleet.answer(&asked[0], "200", &page(1, true, false, json!([{"block": ["user", "ann", 0]}])));
    let base = "gatewaystack.feed.base.1";
    let (good, cas) = table.read(base).unwrap().unwrap();
    assert_eq!(table.write(base, b"not one", cas), Ok(true));
    fleet.scenes.push(scene(2));
    fleet.poll(1);
    let held = ask(&mut fleet.scenes[1], &mut Stream::new(4), "GET", "/x", true);
    assert_eq!(held.1, Pause, "nobody passes unseen");
    let cas = table.read(base).unwrap().unwrap().1;
    assert_eq!(table.write(base, &good, cas), Ok(true));
    fleet.poll(1);
    assert_eq!(fleet.ask_all(), ["reply 403"; 2]);
}

#[test]
fn what_is_lifted_makes_room_first_and_the_last_word_on_a_name_counts() {
    let mut fleet = Fleet::new(1, json!({}));
    let asked = fleet.poll_all();
    let many: Vec<Value> = (0..1_000).map(|n| json!({"block": ["user", format!("u{n}"), 0]})).collect();
    let mut question = asked[0].clone();
    for at in 1..=100 {
        let commands = fleet.answer(&question, "200", &page(at, at == 1, at < 100, renamed(&many, at)));
        let (mut next, _) = fleet.perform(0, commands);
        if at < 100 {
            question = next.remove(0);
        }
    }
    assert_eq!(fleet.ask_all(), [EDIT]);
    fleet.later(1_000);
    let asked = fleet.poll_all();
    let full = json!([{"block": ["user", "ann", 0]}, {"lift": ["user", "u0-1"]}]);
    fleet.answer(&asked[0], "200", &page(102, false, false, full));
    assert_eq!(fleet.ask_all(), ["reply 403"]);
    fleet.later(1_000);
    let asked = fleet.poll_all();
    let first = page(103, false, true, json!([{"lift": ["user", "ann"]}]));
    let commands = fleet.answer(&asked[0], "200", &first);
    let (next, _) = fleet.perform(0, commands);
    fleet.answer(&next[0], "200", &page(104, false, false, json!([{"block": ["user", "ann", 0]}])));
    assert_eq!(fleet.ask_all(), ["reply 403"]);
}

/// The same blocks under other names.
fn renamed(blocks: &[Value], at: u64) -> Value {
    let renamed = |block: &Value| {
        let mut block = block.clone();
        let name = format!("{}-{at}", block["block"][1].as_str().unwrap());
        block["block"][1] = json!(name);
        block
    };
    blocks.iter().map(renamed).collect()
}

#[test]
fn how_old_the_feed_is_can_be_seen() {
    let mut fleet = Fleet::new(1, json!({}));
    let age = |fleet: &mut Fleet| {
        let commands = fleet.scenes[0].happens(WorkerEvent::Poll);
        let worker = &fleet.scenes[0].worker;
        let of = |command: &WorkerCommand| match command {
            WorkerCommand::Set(statistic, value)
                if worker.statistics.name(*statistic).unwrap().1 == "gatewaystack_feed_age_seconds" =>
            {
                Some(*value)
            }
            _ => None,
        };
        let seen: Vec<u64> = commands.iter().filter_map(of).collect();
        let (asked, _) = fleet.perform(0, commands);
        (seen, asked)
    };
    let (seen, asked) = age(&mut fleet);
    assert_eq!(seen, [0]);
    fleet.later(700);
    fleet.answer(&asked[0], "503", &json!({}));
    fleet.later(2_000);
    let (seen, asked) = age(&mut fleet);
    assert_eq!(seen, [2], "since it was first asked");
    fleet.answer(&asked[0], "200", &page(1, true, false, json!([])));
    fleet.later(5_000);
    assert_eq!(age(&mut fleet).0, [5]);
}
