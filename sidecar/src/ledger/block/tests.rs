//! Blocks, and the feed that tells of them.

use super::{Block, TOMBSTONE_MS, block, list, tidy, unblock};
use crate::ledger::database::{Home, Use};
use crate::ledger::feed::{Page, page};
use crate::ledger::sql::Db;
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: i64 = 1_795_993_081_000;

struct Desk {
    db: Db,
    epoch: String,
    _folder: TempDir,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let epoch = db.one("SELECT value FROM word WHERE name = 'ledger_id'", &[]).unwrap();
    Desk { db, epoch, _folder: folder }
}

impl Desk {
    fn block(&mut self, kind: &str, value: &str, since_ms: i64, span_ms: Option<i64>) -> bool {
        let until_ms = span_ms.map(|span| since_ms + span);
        let (kind, value) = (kind.to_owned(), value.to_owned());
        block(&mut self.db, &Block { kind, value, why: None, since_ms, until_ms, by: None }, false).unwrap()
    }
    fn unblock(&mut self, kind: &str, value: &str, now_ms: i64) -> bool {
        unblock(&mut self.db, kind, value, now_ms, None).unwrap()
    }
    fn names(&self, now_ms: i64) -> Vec<String> {
        list(&self.db, now_ms)
            .unwrap()
            .into_iter()
            .map(|block| format!("{} {}", block.kind, block.value))
            .collect()
    }
    fn page(&mut self, after: i64) -> Page {
        let epoch = self.epoch.clone();
        page(&mut self.db, after, &epoch).unwrap()
    }
    fn changes(&mut self, after: i64) -> (i64, bool, Value) {
        let page = self.page(after);
        assert!(!page.more);
        (page.version, page.reset, Value::Array(page.changes))
    }
}

#[test]
fn a_block_holds_until_its_end_or_until_it_is_lifted() {
    let mut desk = desk();
    assert!(desk.block("user", "ann", NOW, None) && desk.block("tenant", "acme", NOW + 1, Some(1_000)));
    assert_eq!(desk.names(NOW + 1_000), ["user ann", "tenant acme"]);
    assert_eq!(desk.names(NOW + 1_001), ["user ann"]);
    assert!(!desk.unblock("tenant", "acme", NOW + 1_001), "it has ended by itself");
    assert!(!desk.unblock("tenant", "ann", NOW));
    assert!(desk.unblock("user", "ann", NOW + 5) && !desk.unblock("user", "ann", NOW + 5));
    assert!(desk.names(NOW + 5_000).is_empty());
    desk.block("user", "ann", NOW + 9, None);
    desk.block("user", "ann", NOW + 10, Some(1));
    let again = list(&desk.db, NOW + 10).unwrap();
    assert_eq!((again.len(), again[0].since_ms, again[0].until_ms), (1, NOW + 9, Some(NOW + 11)));
}

#[test]
fn the_feed_tells_each_change_once_in_order() {
    let mut desk = desk();
    assert_eq!(desk.changes(0), (0, false, json!([])));
    desk.block("user", "ann", NOW, None);
    desk.block("client", "c", NOW, Some(1_001));
    let ends = NOW / 1_000 + 2;
    assert_eq!(
        desk.changes(0),
        (2, false, json!([{ "block": ["user", "ann", 0] }, { "block": ["client", "c", ends] }]))
    );
    assert_eq!(desk.changes(2), (2, false, json!([])));
    desk.unblock("user", "ann", NOW);
    tidy(&mut desk.db, NOW + 1_001).unwrap();
    assert_eq!(
        desk.changes(2),
        (4, false, json!([{ "lift": ["user", "ann"] }, { "lift": ["client", "c"] }]))
    );
    desk.block("user", "ann", NOW + 2_000, None);
    assert_eq!(desk.changes(4), (5, false, json!([{ "block": ["user", "ann", 0] }])));
}

#[test]
fn a_reader_of_another_ledger_or_of_another_time_begins_again() {
    let mut desk = desk();
    desk.block("user", "ann", NOW, None);
    desk.block("user", "bob", NOW, None);
    desk.unblock("user", "ann", NOW);
    let whole = (3, true, json!([{ "block": ["user", "bob", 0] }]));
    assert_eq!(desk.changes(4), whole);
    assert_eq!(desk.changes(-1), whole);
    for epoch in ["", "0000000000000000"] {
        let page = page(&mut desk.db, 3, epoch).unwrap();
        assert_eq!((page.version, page.reset, Value::Array(page.changes)), whole, "{epoch:?}");
        assert_eq!(page.epoch, desk.epoch);
    }
    assert_eq!((desk.epoch.len(), desk.epoch.bytes().all(|b| b.is_ascii_hexdigit())), (16, true));
    // What was lifted is known for a day; after that, a reader from before begins again.
    tidy(&mut desk.db, NOW + TOMBSTONE_MS - 1).unwrap();
    assert!(!desk.page(1).reset);
    tidy(&mut desk.db, NOW + TOMBSTONE_MS).unwrap();
    assert_eq!(desk.changes(1), (4, true, json!([{ "block": ["user", "bob", 0] }])));
    assert_eq!(desk.changes(3), (4, false, json!([{ "block": ["user", "bob", 0] }])));
    assert_eq!(desk.changes(0), (4, false, json!([{ "block": ["user", "bob", 0] }])));
    assert_eq!(desk.changes(4), (4, false, json!([])));
}

/// Reads as the filter does, from nothing, and gives up after so many pages.
fn read_all(desk: &mut Desk) -> (usize, usize) {
    let (mut epoch, mut after, mut blocks, mut pages) = (String::new(), 0, 0, 0);
    loop {
        let page = page(&mut desk.db, after, &epoch).unwrap();
        pages += 1;
        assert!(page.changes.len() <= 2_000 && page.json(None).to_string().len() < 300_000 && pages < 100);
        blocks = if page.reset { 0 } else { blocks };
        blocks += page.changes.iter().filter(|change| change.get("block").is_some()).count();
        (epoch, after) = (page.epoch, page.version);
        if !page.more {
            return (blocks, pages);
        }
    }
}

#[test]
fn many_blocks_come_in_pages_and_a_reader_gets_through_them() {
    let mut desk = desk();
    for n in 0..4_500 {
        desk.block("user", &n.to_string(), NOW, None);
    }
    assert_eq!(read_all(&mut desk), (4_500, 3));
    // Tombstones that are newer than all of them are forgotten.
    desk.block("user", "x", NOW, Some(1));
    tidy(&mut desk.db, NOW + 1).unwrap();
    tidy(&mut desk.db, NOW + 1 + TOMBSTONE_MS).unwrap();
    assert_eq!(read_all(&mut desk), (4_500, 3));
    for n in 0..1_000 {
        desk.block("tenant", &format!("{n}{}", "\u{fc}\"".repeat(300)), NOW, None);
    }
    let (blocks, pages) = read_all(&mut desk);
    assert_eq!(blocks, 5_500);
    assert!(pages > 6, "{pages}");
}

#[test]
fn there_are_at_most_a_hundred_thousand() {
    let mut desk = desk();
    desk.db
        .batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
             INSERT INTO block (kind, value, since_ms, until_ms, version) SELECT 'user', CAST(i AS TEXT), 1, CASE i WHEN 1 THEN 2 END, i FROM n;
             UPDATE note SET value = 99999 WHERE name = 'block_version'",
        )
        .unwrap();
    assert!(desk.block("user", "x", 1, None) && !desk.block("user", "y", 1, None));
    assert!(desk.block("user", "x", 1, Some(5)), "what is blocked can be changed");
    assert!(desk.block("user", "y", 2, None), "one has come to its end");
    assert!(!desk.block("user", "z", 2, None));
}
