//! Records that are posted to the ledger: in batches, until it has said that it has them.

use super::ask;
use super::scene::{NOW_S, Scene, Shown, gateway, headers};
use crate::event::Event;
use crate::outbox::{MAX_BYTES, MAX_RECORDS};
use crate::stream::Stream;
use crate::worker::{Worker, WorkerCommand, WorkerEvent};
use gatewaystack_core::shared::MemoryTable;
use serde_json::{Value, json};
use std::sync::Arc;

/// A worker that posts, its keys there.
struct Posting {
    scene: Scene,
    next_token: u32,
}

/// A batch under way: its call, and the numbers of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Batch {
    token: u32,
    numbers: Vec<u64>,
    bytes: usize,
}

/// What a worker said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    batches: Vec<Batch>,
    counts: Vec<(String, u32)>,
    warnings: Vec<String>,
    tick: Option<u32>,
}

fn members() -> Value {
    json!({
        "ledger": {"on": true, "cluster": "ledger"},
        "feed": {"cluster": "nobody"},
        "routes": [{"path": "/open", "access": "public"}],
    })
}

impl Posting {
    fn new(table: &Arc<MemoryTable>, holder: u64) -> Self {
        let worker = Worker::new(gateway(members(), table), holder);
        let shown = Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Shown::default() };
        Self { scene: Scene { worker, shown }, next_token: 100 }
    }

    fn alone() -> Self {
        Self::new(&Arc::default(), 1)
    }

    /// So many requests, and whether one of them woke the worker.
    fn serve(&mut self, requests: usize) -> bool {
        let agent = "a".repeat(200);
        let mut woke = false;
        for _ in 0..requests {
            let mut stream = Stream::new(9);
            let pairs = [(":method", "GET"), (":path", "/open"), ("user-agent", agent.as_str())];
            self.scene.ask(&mut stream, &pairs, true);
            let (said, _) = self.scene.on(&mut stream, Event::Log);
            woke |= said.contains(&"wake".to_owned());
            self.scene.on(&mut stream, Event::End);
        }
        woke
    }

    fn poll(&mut self) -> Said {
        let commands = self.scene.happens(WorkerEvent::Poll);
        self.follow(commands)
    }

    fn later(&mut self, ms: u64) -> Said {
        self.scene.later(ms);
        self.poll()
    }

    /// The sidecar answers, or `None`: it doesn't.
    fn answer(&mut self, batch: &Batch, status: Option<&str>) -> Said {
        let pairs: Vec<(&str, &str)> = status.iter().map(|status| (":status", *status)).collect();
        let event = WorkerEvent::Fetched { token: batch.token, headers: headers(&pairs), body: Vec::new() };
        let commands = self.scene.happens(event);
        self.follow(commands)
    }

    fn follow(&mut self, commands: Vec<WorkerCommand>) -> Said {
        let mut said = Said::default();
        for command in commands {
            match command {
                WorkerCommand::Fetch { fetch, cluster, headers, body, timeout_ms } if cluster == "ledger" => {
                    let find = |name| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
                    assert_eq!(
                        [":method", ":path", "x-gatewaystack-secret"].map(find),
                        [Some("POST"), Some("/internal/records"), Some("")]
                    );
                    assert_eq!(find("content-length"), Some(body.len().to_string().as_str()));
                    assert_eq!(timeout_ms, 5_000);
                    self.next_token += 1;
                    let token = self.next_token;
                    self.scene.happens(WorkerEvent::Sent(fetch, Some(token)));
                    said.batches.push(Batch { token, numbers: numbers(&body), bytes: body.len() });
                }
                WorkerCommand::Fetch { fetch, .. } => {
                    drop(self.scene.happens(WorkerEvent::Sent(fetch, None)))
                }
                WorkerCommand::Listen(_) => drop(self.scene.happens(WorkerEvent::Listening)),
                WorkerCommand::Count(statistic, more) => {
                    let name = self.scene.worker.statistics.name(statistic).unwrap().1;
                    if name.contains("record") {
                        said.counts.push((name.to_owned(), more));
                    }
                }
                WorkerCommand::Warn(what) if what.contains("records") => said.warnings.push(what),
                WorkerCommand::Tick(ms) => said.tick = Some(ms),
                _ => {}
            }
        }
        said
    }
}

fn numbers(body: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(body).unwrap();
    assert!(text.ends_with('\n'));
    let number = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&record["status"], &record["decision"]), (&json!(200), &json!("allow")));
        record["seq"].as_u64().unwrap()
    };
    text.lines().map(number).collect()
}

/// The one batch that was sent.
fn one(said: &Said) -> Batch {
    let [batch] = said.batches.as_slice() else { panic!("{said:?}") };
    batch.clone()
}

fn counted(name: &str, more: u32) -> Vec<(String, u32)> {
    vec![(name.to_owned(), more)]
}

#[test]
fn a_batch_is_forgotten_once_the_ledger_has_it_and_the_next_one_follows() {
    let mut posting = Posting::alone();
    assert_eq!(posting.poll().batches, [], "there is nothing to send");
    assert!(!posting.serve(3), "three wait for the next tick");
    let batch = one(&posting.poll());
    assert_eq!(batch.numbers, [1, 2, 3]);
    posting.serve(2);
    assert_eq!(posting.later(500).batches, [], "one call at a time");
    let said = posting.answer(&batch, Some("204"));
    assert_eq!((said.counts, said.batches.len()), (counted("gatewaystack_records_posted_total", 3), 0));
    assert_eq!(one(&posting.later(500)).numbers, [4, 5], "each tick sends what has come since");
}

#[test]
fn what_nobody_took_is_sent_again_later_and_later_as_it_was() {
    let mut posting = Posting::alone();
    posting.serve(2);
    let mut batch = one(&posting.poll());
    for (pause_ms, status) in [
        (1_000, None),
        (2_000, Some("503")),
        (4_000, Some("403")),
        (8_000, Some("404")),
        (16_000, Some("500")),
        (30_000, Some("302")),
        (30_000, Some("413")),
    ] {
        let said = posting.answer(&batch, status);
        assert_eq!(said.counts, counted("gatewaystack_record_posts_failed_total", 1));
        assert_eq!(said.warnings.len(), usize::from(pause_ms == 1_000), "{said:?}");
        posting.serve(1);
        assert_eq!(posting.later(pause_ms - 1).batches, [], "{status:?}");
        batch = one(&posting.later(1));
        assert_eq!(batch.numbers[..2], [1, 2]);
    }
    assert_eq!(batch.numbers, (1..=9).collect::<Vec<_>>());
    posting.answer(&batch, Some("200"));
    // All is well again: the next failure is told, and waits a second.
    posting.serve(1);
    let batch = one(&posting.later(500));
    assert_eq!(
        posting.answer(&batch, Some("503")).warnings,
        ["records wait for the ledger: the sidecar is in trouble"]
    );
    assert_eq!(one(&posting.later(1_000)).numbers, [10]);
}

#[test]
fn a_call_that_cannot_be_made_keeps_the_records() {
    let mut posting = Posting::alone();
    posting.serve(1);
    let fetch = |commands: Vec<WorkerCommand>| {
        commands.into_iter().find_map(|command| match command {
            WorkerCommand::Fetch { fetch, cluster, .. } if cluster == "ledger" => Some(fetch),
            _ => None,
        })
    };
    let number = fetch(posting.scene.happens(WorkerEvent::Poll)).unwrap();
    let commands = posting.scene.happens(WorkerEvent::Sent(number, None));
    assert_eq!(posting.follow(commands).counts, counted("gatewaystack_record_posts_failed_total", 1));
    assert_eq!(one(&posting.later(1_000)).numbers, [1]);
    // An answer that comes when there is no clock counts as none.
    let mut posting = Posting::alone();
    posting.serve(1);
    let token = one(&posting.poll()).token;
    let event = WorkerEvent::Fetched { token, headers: headers(&[(":status", "204")]), body: Vec::new() };
    assert!(posting.scene.worker.on(event, None).is_empty());
    assert_eq!(one(&posting.later(1_000)).numbers, [1]);
}

#[test]
fn a_full_batch_goes_at_once_and_is_bounded() {
    let mut posting = Posting::alone();
    posting.poll();
    assert!(!posting.serve(300) && posting.serve(300), "somebody has to look");
    let batch = one(&posting.poll());
    assert!((200..=500).contains(&batch.numbers.len()) && batch.bytes <= 256 * 1024, "{}", batch.bytes);
    assert!(!posting.serve(500), "it will look when the answer is there");
    let first = batch.numbers.len() as u64;
    let next = one(&posting.answer(&batch, Some("200")));
    assert_eq!(next.numbers[0], first + 1, "the next full one follows at once");
}

#[test]
fn what_has_no_room_is_dropped_and_counted_and_shows_as_a_gap() {
    let mut posting = Posting::alone();
    posting.serve(1);
    let batch = one(&posting.poll());
    let more = 2 * MAX_RECORDS;
    posting.serve(more);
    let said = posting.poll();
    let dropped =
        said.counts.iter().find(|(name, _)| name == "gatewaystack_records_dropped_total").unwrap().1;
    let kept = 1 + more - dropped as usize;
    assert!(kept <= MAX_RECORDS && kept > MAX_BYTES / 1_000, "{kept}");
    // The oldest are there, in their order, and whoever comes next shows that some are missing.
    let mut seen = Vec::new();
    let mut batch = Some(batch);
    while let Some(sent) = batch {
        seen.extend(sent.numbers.clone());
        let said = posting.answer(&sent, Some("200"));
        let next = if said.batches.is_empty() { posting.later(500) } else { said };
        batch = next.batches.first().cloned();
    }
    assert_eq!(seen, (1..=kept as u64).collect::<Vec<_>>());
    posting.serve(1);
    assert_eq!(one(&posting.later(500)).numbers, [2 + more as u64]);
}

#[test]
fn what_a_worker_leaves_the_next_one_sends() {
    let table: Arc<MemoryTable> = Arc::default();
    let (mut first, mut second) = (Posting::new(&table, 1), Posting::new(&table, 2));
    first.serve(3);
    let batch = one(&first.poll());
    first.serve(2);
    let mut out = Vec::new();
    first.scene.worker.end(&mut out);
    assert_eq!(first.follow(out).counts, [], "nothing is lost");
    second.serve(1);
    let sent = one(&second.poll());
    assert_eq!(sent.numbers, [1, 1, 2, 3, 4, 5], "what was on its way, too: it counts once");
    assert_eq!(Posting::new(&table, 3).poll().batches, [], "one of them sends it");
    // Whoever was gone hears nothing.
    assert_eq!(first.answer(&batch, Some("204")).batches, []);
}

#[test]
fn what_is_left_is_bounded_and_what_is_no_record_is_not_sent() {
    let table: Arc<MemoryTable> = Arc::default();
    let mut kept = 0;
    for holder in 1..=3 {
        let mut posting = Posting::new(&table, holder);
        posting.serve(MAX_RECORDS);
        let before = posting.poll();
        let waiting = MAX_RECORDS - before.counts.iter().map(|(_, n)| *n as usize).sum::<usize>();
        let mut out = Vec::new();
        posting.scene.worker.end(&mut out);
        let lost: u32 = posting.follow(out).counts.iter().map(|(_, n)| *n).sum();
        kept += waiting - lost as usize;
        if holder > 1 {
            assert!(lost as usize > waiting / 2, "{lost} of {waiting}");
        }
    }
    assert!(kept > MAX_BYTES / 1_000 && kept < MAX_RECORDS, "{kept}");
    // Other plugins can write there: what isn't text, and lines that are no records.
    let texts: [(&[u8], &[u64]); 2] = [
        (b"{\"status\":200,\"decision\":\"allow\",\"seq\":7}\n\xff\xfe\n", &[]),
        (b"rubbish\n{\"seq\":8}\n{\"status\":200,\"decision\":\"allow\",\"seq\":7}\n", &[7]),
    ];
    for (text, expect) in texts {
        let other: Arc<MemoryTable> = Arc::default();
        let cell = "gatewaystack.records.left";
        gatewaystack_core::shared::swap(&*other, cell, |_| (Some(text.to_vec()), ())).unwrap();
        let mut posting = Posting::new(&other, 4);
        let sent: Vec<u64> = posting.poll().batches.into_iter().flat_map(|batch| batch.numbers).collect();
        assert_eq!(sent, expect);
    }
}

#[test]
fn it_looks_twice_a_second_where_records_are_posted_and_once_where_not() {
    for (members, tick) in [(members(), 500), (json!({}), 1_000)] {
        let worker = Worker::new(gateway(members, &Arc::default()), 1);
        let shown = Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Shown::default() };
        let mut posting = Posting { scene: Scene { worker, shown }, next_token: 100 };
        let commands = posting.scene.happens(WorkerEvent::Poll);
        let keys = commands.iter().find_map(|command| match command {
            WorkerCommand::Fetch { fetch, cluster, .. } if cluster == "idp" => Some(*fetch),
            _ => None,
        });
        posting.scene.happens(WorkerEvent::Listening);
        posting.scene.happens(WorkerEvent::Sent(keys.unwrap(), Some(7)));
        let commands = posting.scene.fetched(true);
        let mut seen = posting.follow(commands).tick;
        // The feed counts as known after a second.
        seen = posting.later(1_500).tick.or(seen);
        assert_eq!(seen, Some(tick));
    }
}

#[test]
fn without_a_ledger_elsewhere_nothing_is_kept() {
    let mut scene = Scene::new(json!({"routes": [{"path": "/x", "scopes": ["read"]}]}));
    let mut stream = Stream::new(1);
    ask(&mut scene, &mut stream, "GET", "/x", true);
    let (said, _) = scene.on(&mut stream, Event::Log);
    assert_eq!(said[0], "record allow authorized");
    let commands = scene.happens(WorkerEvent::Poll);
    let sends =
        |command: &WorkerCommand| matches!(command, WorkerCommand::Fetch { body, .. } if !body.is_empty());
    assert!(!commands.iter().any(sends));
    assert!(scene.worker.has_no_records());
}
