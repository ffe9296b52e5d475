//! Who is blocked, as it comes from the sidecar, passes from worker to worker, and decides.

use super::answer::{Answer, path};
use super::blocks::{Blocks, Change, Key, Kind, MAX_BLOCKS, key};
use super::cells::{Place, Published};
use super::control::{self, Control, TIMEOUT_MS};
use super::{Age, Feed};
use crate::config::policy::{self, OnStale};
use crate::hash::Secret;
use crate::shared::{ABSENT, MemoryTable, SharedTable as _};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: Secret = Secret(5, 6);
const EPOCH: u64 = 0x0123_4567_89ab_cdef;

fn block(name: &str, until_s: u32) -> Change {
    Change { kind: Kind::User, key: key(SECRET, Kind::User, name.as_bytes()), until_s: Some(until_s) }
}

fn lift(name: &str) -> Change {
    Change { until_s: None, ..block(name, 0) }
}

fn at(version: u64) -> Place {
    Place { epoch: EPOCH, version }
}

fn has(blocks: &Blocks, name: &str) -> bool {
    blocks.has(key(SECRET, Kind::User, name.as_bytes()), 1_000)
}

fn read(answer: &Value) -> Option<Answer> {
    Answer::read(answer.to_string().as_bytes(), SECRET)
}

#[test]
fn an_answer_is_understood_as_a_whole_or_not_at_all() {
    let good = json!({
        "epoch": "0123456789abcdef", "version": 17, "reset": true, "more": false, "later": [1],
        "changes": [{"block": ["user", "ann", 0]}, {"block": ["token", "sha256:0a", 9]}, {"lift": ["user", "bob"]}],
    });
    let answer = read(&good).unwrap();
    assert_eq!((answer.epoch, answer.version, answer.reset, answer.more), (EPOCH, 17, true, false));
    let token = Change { kind: Kind::Token, key: key(SECRET, Kind::Token, b"sha256:0a"), until_s: Some(9) };
    assert_eq!(answer.changes, [block("ann", 0), token, lift("bob")]);
    for (pointer, value) in [
        ("/epoch", json!("0123")),
        ("/epoch", json!("0123456789abcdeg")),
        ("/epoch", json!(1)),
        ("/version", json!(-1)),
        ("/version", json!("17")),
        ("/reset", json!(0)),
        ("/more", json!(null)),
        ("/changes", json!({})),
        ("/changes/0", json!(1)),
        ("/changes/0", json!({})),
        ("/changes/0/block/0", json!("planet")),
        ("/changes/0/block/0", json!("User")),
        ("/changes/0/block/1", json!(7)),
        ("/changes/0/block/2", json!(-1)),
        ("/changes/0/block/2", json!(1.5)),
        ("/changes/0/lift", json!(["user", "ann"])),
        ("/changes/2/lift/0", json!("planet")),
    ] {
        let mut bad = good.clone();
        match bad.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => bad["changes"][0]["lift"] = value.clone(),
        }
        assert_eq!(read(&bad), None, "{pointer} = {value}");
    }
    let mut long = good.clone();
    long["changes"][1]["block"][2] = json!(4_294_967_296u64);
    assert_eq!(read(&long).unwrap().changes[1].until_s, Some(0), "for ever");
    let mut short = good.clone();
    short["changes"][0]["block"].as_array_mut().unwrap().pop();
    assert_eq!(read(&short), None);
    for name in ["epoch", "version", "reset", "more", "changes"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&bad), None, "{name}");
    }
    assert_eq!(Answer::read(b"[]", SECRET), None);
    assert_eq!(Answer::read(&[&good.to_string().into_bytes()[..], &[b' '; 262_144]].concat(), SECRET), None);
    assert_eq!(path(EPOCH, 17), "/internal/feed?after=17&epoch=0123456789abcdef");
}

#[test]
fn a_block_ends_with_its_time_or_when_it_is_lifted() {
    let mut blocks = Blocks::default();
    let ann = key(SECRET, Kind::User, b"ann");
    assert!(blocks.apply(block("ann", 2)));
    assert!(blocks.has(ann, 1_999) && !blocks.has(ann, 2_000), "the end is exclusive");
    assert!(blocks.apply(block("ann", 0)));
    assert!(blocks.has(ann, u64::MAX), "for ever, once");
    assert_eq!((blocks.len(), blocks.has_any(Kind::User), blocks.has_any(Kind::Tenant)), (1, true, false));
    assert!(!blocks.has(key(SECRET, Kind::Tenant, b"ann"), 0), "a tenant of the same name isn't meant");
    assert!(blocks.apply(lift("ann")) && blocks.apply(lift("ann")));
    assert!(blocks.is_empty() && !blocks.has_any(Kind::User));
}

/// Its time isn't an end, and survives the way from worker to worker.
#[test]
fn revoked_tokens_are_known_by_the_time_until_which_they_were_issued() {
    let answer = json!({
        "epoch": "0123456789abcdef", "version": 1, "reset": true, "more": false,
        "changes": [{"block": ["revoked", "ann", 9]}, {"block": ["disabled", "bob", 0]}],
    });
    let changes = read(&answer).unwrap().changes;
    let table = MemoryTable::default();
    let ((mut a, mut of_a), (mut b, mut of_b)) = <((Published, Blocks), (Published, Blocks))>::default();
    assert_eq!(a.publish(&table, &mut of_a, &changes, at(1), true), Ok(true));
    b.sync(&table, &mut of_b).unwrap();
    for blocks in [&of_a, &of_b] {
        let revoked = |kind: Kind, name: &str| blocks.revoked_until(key(SECRET, kind, name.as_bytes()));
        assert_eq!(revoked(Kind::Revoked, "ann"), Some(9));
        assert_eq!((revoked(Kind::Revoked, "bob"), revoked(Kind::Disabled, "bob")), (None, None));
        assert!(!has(blocks, "ann") && !has(blocks, "bob"), "an operator has blocked nobody");
        assert!(blocks.has(key(SECRET, Kind::Disabled, b"bob"), u64::MAX));
    }
}

#[test]
fn more_blocks_than_there_may_be_are_not_taken() {
    let mut blocks = Blocks::default();
    let numbered = |n: u64| Change { kind: Kind::User, key: Key(n), until_s: Some(0) };
    assert!((0..MAX_BLOCKS as u64).all(|n| blocks.apply(numbered(n))));
    assert!(!blocks.apply(numbered(u64::MAX)) && blocks.apply(numbered(3)), "known ones may change");
    assert_eq!(blocks.len(), MAX_BLOCKS);
}

/// Several workers, one table: each publishes in its turn, and all come to know the same.
#[test]
fn what_one_worker_publishes_all_have() {
    let table = MemoryTable::default();
    let mut workers: Vec<(Published, Blocks)> = (0..3).map(|_| Default::default()).collect();
    let mut version = 0;
    let mut expected: Vec<String> = Vec::new();
    for round in 0..40usize {
        let (published, blocks) = &mut workers[round % 3];
        published.sync(&table, blocks).unwrap();
        version += 1;
        let reset = round % 17 == 0;
        // Two thousand at once, twice: the log becomes a base.
        let names: Vec<String> = match round {
            5 | 6 => (0..2_500).map(|n| format!("{round}-{n}")).collect(),
            _ => vec![format!("{round}")],
        };
        let mut changes: Vec<Change> = names.iter().map(|name| block(name, 0)).collect();
        if reset {
            expected.clear();
        }
        if let Some(gone) = (!reset && round % 3 == 1).then(|| expected.pop()).flatten() {
            changes.push(lift(&gone));
        }
        expected.extend(names);
        assert_eq!(published.publish(&table, blocks, &changes, at(version), reset), Ok(true));
        assert_eq!(published.place(), at(version));
        // Those who look each time, and one who rarely does.
        for (worker, (published, blocks)) in workers.iter_mut().enumerate() {
            if worker != 2 || round % 9 == 8 {
                published.sync(&table, blocks).unwrap();
                assert_eq!(published.place(), at(version));
                assert_eq!(blocks.len(), expected.len(), "worker {worker}, round {round}");
                assert!(expected.iter().all(|name| has(blocks, name)), "worker {worker}, round {round}");
            }
        }
    }
    // A worker that begins now has all of it, too.
    let (mut published, mut blocks) = (Published::default(), Blocks::default());
    published.sync(&table, &mut blocks).unwrap();
    assert_eq!((published.place(), blocks.len()), (at(version), expected.len()));
}

#[test]
fn two_workers_never_publish_the_same_changes() {
    let table = MemoryTable::default();
    let ((mut a, mut of_a), (mut b, mut of_b)) = <((Published, Blocks), (Published, Blocks))>::default();
    assert_eq!(a.publish(&table, &mut of_a, &[block("ann", 0)], at(1), true), Ok(true));
    assert_eq!(b.publish(&table, &mut of_b, &[block("bob", 0)], at(1), true), Ok(false), "b hasn't looked");
    b.sync(&table, &mut of_b).unwrap();
    assert!(has(&of_b, "ann") && !has(&of_b, "bob"));
    assert_eq!(a.publish(&table, &mut of_a, &[lift("ann")], at(2), false), Ok(true));
    assert_eq!(b.publish(&table, &mut of_b, &[block("cat", 0)], at(2), false), Ok(false));
    b.sync(&table, &mut of_b).unwrap();
    assert!(!has(&of_b, "ann") && !has(&of_b, "cat") && b.place() == at(2));
}

/// A worker whose lease had ended wrote over the base that another one's log names by then.
#[test]
fn a_base_that_nobody_can_read_is_replaced_as_a_whole() {
    let table = MemoryTable::default();
    let ((mut a, mut of_a), (mut b, mut of_b)) = <((Published, Blocks), (Published, Blocks))>::default();
    assert_eq!(a.publish(&table, &mut of_a, &[block("ann", 0)], at(1), true), Ok(true));
    let cas = table.read("gatewaystack.feed.base.1").unwrap().unwrap().1;
    assert_eq!(table.write("gatewaystack.feed.base.1", b"another's", cas), Ok(true));
    b.sync(&table, &mut of_b).unwrap();
    assert_eq!((b.place(), of_b.is_empty()), (Place::default(), true));
    assert_eq!(b.publish(&table, &mut of_b, &[block("bob", 0)], at(2), false), Ok(false), "that isn't all");
    assert_eq!(b.publish(&table, &mut of_b, &[block("ann", 0), block("bob", 0)], at(2), true), Ok(true));
    a.sync(&table, &mut of_a).unwrap();
    assert!(has(&of_a, "bob") && has(&of_b, "ann") && a.place() == at(2) && b.place() == at(2));
    // Of what can be read nobody replaces what another one has published.
    let (mut c, mut of_c) = <(Published, Blocks)>::default();
    assert_eq!(c.publish(&table, &mut of_c, &[], at(1), true), Ok(false));
}

#[test]
fn cells_that_are_not_ours_change_nothing_and_a_lost_table_is_said() {
    let table = MemoryTable::default();
    let (mut a, mut of_a) = <(Published, Blocks)>::default();
    assert_eq!(a.publish(&table, &mut of_a, &[block("ann", 0)], at(1), true), Ok(true));
    for cell in ["gatewaystack.feed.log", "gatewaystack.feed.base.1"] {
        let (good, cas) = table.read(cell).unwrap().unwrap();
        let short = &good[..good.len() - 1];
        let mut strange = good.clone();
        strange.resize(good.len() + 13, 0x7f);
        let mut other = good.clone();
        other[0] ^= 1;
        let mut cas = cas;
        for bad in [short, b"", &strange, &other] {
            assert_eq!(table.write(cell, bad, cas), Ok(true));
            let (mut b, mut of_b) = <(Published, Blocks)>::default();
            b.sync(&table, &mut of_b).unwrap();
            assert!(of_b.is_empty() && b.place() == Place::default(), "{cell}: {bad:?}");
            cas = table.read(cell).unwrap().unwrap().1;
        }
        assert_eq!(table.write(cell, &good, cas), Ok(true));
    }
    table.fail(true);
    assert!(a.sync(&table, &mut of_a).is_err());
    assert!(a.publish(&table, &mut of_a, &[block("bob", 0)], at(2), false).is_err());
    assert!(has(&of_a, "ann") && !has(&of_a, "bob"), "what is known stays");
    table.fail(false);
    a.sync(&table, &mut of_a).unwrap();
    assert!(has(&of_a, "ann"));
    let _ = ABSENT;
}

#[test]
fn one_worker_asks_at_a_time_and_a_dead_one_stops_nobody() {
    let mut control = Control::default();
    assert!(control.take_lease(1, 1_000, 1_000));
    assert_eq!((control.began_at, control.lease_holder), (1_000, 1));
    assert!(!control.take_lease(2, 1_000 + TIMEOUT_MS, 1_000), "the first may be waiting still");
    assert!(control.take_lease(2, 1_000 + TIMEOUT_MS + 500, 1_000));
    let now = 10_000;
    control.succeed(1, now, 1_000, false, false);
    assert!(control.lease_until > 0, "it isn't the first one's any more");
    control.succeed(2, now, 1_000, false, false);
    assert_eq!((control.fetched_at, control.next_at, control.lease_until), (now, now + 750, 0));
    assert!(!control.take_lease(1, now + 749, 1_000) && control.take_lease(1, now + 750, 1_000));
    control.succeed(1, now + 1_000, 1_000, true, false);
    assert_eq!(control.fetched_at, now, "a page isn't all");
    assert!(control.take_lease(1, now + 1_000, 1_000), "the next page is asked for at once");
    control.fail(1, now + 1_100, 100);
    assert!(!control.take_lease(1, now + 1_599, 100) && control.take_lease(1, now + 1_600, 100));
    assert_eq!(control.fetched_at, now);
    // Requests wait for the first answer: it is asked for again soon, and less often once they don't.
    let mut first = Control { began_at: now, ..Control::default() };
    first.fail(1, now + 10, 60_000);
    assert_eq!(first.next_at, now + 110);
    first.fail(1, now + 1_000, 60_000);
    assert_eq!(first.next_at, now + 61_000);
    // A clock that was set back by an hour.
    let mut control = Control { next_at: 3_700_000, lease_until: 3_700_000, began_at: 3_600_000, ..control };
    assert!(control.take_lease(2, 100_000, 1_000));
    assert_eq!(control.began_at, 100_000);
    // Through the table, by one worker's name.
    let table = MemoryTable::default();
    assert_eq!(control::read(&table), Ok(Control::default()));
    control::update(&table, |cell| *cell = control).unwrap();
    assert_eq!(control::read(&table), Ok(control));
    assert_eq!(Control::decode(b"not one"), Control::default());
}

#[test]
fn what_is_known_ages() {
    let mut settings = policy::Feed {
        cluster: "sidecar".into(),
        interval_ms: 1_000,
        max_stale_ms: 5_000,
        on_stale: OnStale::Keep,
    };
    let mut feed = Feed::default();
    assert_eq!(feed.age(&settings, 9_000), Age::Awaited, "nobody has asked yet");
    feed.see(&Control { began_at: 10_000, ..Control::default() });
    for (now, age) in [(10_999, Age::Awaited), (11_000, Age::Stale)] {
        assert_eq!(feed.age(&settings, now), age);
    }
    feed.see(&Control { began_at: 10_000, fetched_at: 12_000, ..Control::default() });
    for (now, age) in [(12_000, Age::Good), (17_000, Age::Good), (17_001, Age::Stale)] {
        assert_eq!(feed.age(&settings, now), age);
        assert!(!feed.denies(&settings, now));
    }
    settings.on_stale = OnStale::Deny;
    assert!(!feed.denies(&settings, 17_000) && feed.denies(&settings, 17_001));
}
