//! What issuers say of their users, among the blocks, and the feed that tells of it.

use super::{Change, DAY_MS, MOST, MOST_SEEN, REVOKED_MS, Signal, Taken, take};
use crate::ledger::block::{Block, block, list, revoked as all_revoked, tidy, unblock};
use crate::ledger::database::{Home, Use};
use crate::ledger::feed::page;
use crate::ledger::sql::{Cell, Db, cells};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: i64 = 1_795_993_081_000;
const NOW_S: i64 = NOW / 1_000;

struct Desk {
    db: Db,
    seen: u8,
    _folder: TempDir,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    Desk { db, seen: 0, _folder: folder }
}

fn signal(id: u8, change: Change, at_s: i64) -> Signal {
    let (subject, why, by) =
        ("ann".to_owned(), "session-revoked".to_owned(), "https://idp.example/".to_owned());
    Signal { id: [id; 32], subject, changes: vec![change], at_s, why, by, issuers: 1 }
}

impl Desk {
    /// Another signal of Ann's.
    fn says(&mut self, change: Change, at_s: i64, now_ms: i64) -> Taken {
        self.seen += 1;
        take(&mut self.db, &signal(self.seen, change, at_s), now_ms, false).unwrap()
    }
    fn changes(&mut self, after: i64) -> Value {
        let epoch: String = self.db.one("SELECT value FROM word WHERE name = 'ledger_id'", &[]).unwrap();
        Value::Array(page(&mut self.db, after, &epoch).unwrap().changes)
    }
    fn version(&self) -> i64 {
        self.db.one("SELECT value FROM note WHERE name = 'block_version'", &[]).unwrap()
    }
    fn blocked(&self) -> Vec<(String, Option<String>)> {
        list(&self.db, NOW).unwrap().into_iter().map(|b| (format!("{} {}", b.kind, b.value), b.by)).collect()
    }
}

fn revoked(until_s: i64) -> Value {
    json!([{ "block": ["revoked", "ann", until_s] }])
}

#[test]
fn the_latest_revocation_counts_and_no_older_one_takes_it_back() {
    let mut desk = desk();
    assert_eq!(desk.says(Change::Revoke, NOW_S, NOW), Taken::New);
    assert_eq!(desk.changes(0), revoked(NOW_S));
    desk.says(Change::Revoke, NOW_S - 9, NOW);
    assert_eq!(desk.changes(1), json!([]), "nothing has changed");
    desk.says(Change::Revoke, NOW_S + 9, NOW);
    assert_eq!(desk.changes(1), revoked(NOW_S + 9));
    assert!(desk.blocked().is_empty(), "nobody is blocked");
    tidy(&mut desk.db, NOW + REVOKED_MS - 1).unwrap();
    assert_eq!(desk.changes(0), revoked(NOW_S + 9));
    tidy(&mut desk.db, NOW + REVOKED_MS).unwrap();
    assert_eq!(desk.changes(2), json!([{ "lift": ["revoked", "ann"] }]));
    desk.says(Change::Revoke, NOW_S + 9, NOW + REVOKED_MS);
    assert_eq!(desk.changes(3), revoked(NOW_S + 9), "what was forgotten can be said again");
}

#[test]
fn an_id_counts_once_for_two_days() {
    let mut desk = desk();
    let first = signal(7, Change::Disable, NOW_S);
    assert_eq!(take(&mut desk.db, &first, NOW, false).unwrap(), Taken::New);
    assert!(unblock(&mut desk.db, "user", "ann", NOW, None).unwrap());
    let later = signal(7, Change::Disable, NOW_S + 5);
    assert_eq!(take(&mut desk.db, &later, NOW + 2 * DAY_MS, false).unwrap(), Taken::Repeated);
    assert!(desk.blocked().is_empty());
    assert_eq!(take(&mut desk.db, &later, NOW + 2 * DAY_MS + 1, false).unwrap(), Taken::New);
    assert_eq!(desk.blocked().len(), 1);
}

#[test]
fn a_disabled_account_is_a_block_by_its_issuer_until_somebody_lifts_it() {
    let mut desk = desk();
    desk.says(Change::Disable, NOW_S, NOW);
    assert_eq!(desk.changes(0), json!([{ "block": ["disabled", "ann", 0] }]));
    assert_eq!(desk.blocked(), [("user ann".to_owned(), Some("https://idp.example/".to_owned()))]);
    desk.says(Change::Enable, NOW_S, NOW);
    assert_eq!(desk.changes(1), json!([{ "lift": ["disabled", "ann"] }]));
    assert!(desk.blocked().is_empty() && !unblock(&mut desk.db, "user", "ann", NOW, None).unwrap());
    desk.says(Change::Disable, NOW_S, NOW);
    assert!(unblock(&mut desk.db, "user", "ann", NOW, None).unwrap() && desk.blocked().is_empty());
}

#[test]
fn of_an_account_the_later_event_counts_in_whatever_order_they_come() {
    for (first, second, is_blocked) in [
        ((Change::Disable, 1), (Change::Enable, 2), false),
        ((Change::Enable, 2), (Change::Disable, 1), false),
        ((Change::Disable, 2), (Change::Enable, 1), true),
        ((Change::Enable, 1), (Change::Disable, 2), true),
        ((Change::Disable, 1), (Change::Enable, 1), false),
        ((Change::Enable, 1), (Change::Disable, 1), true),
    ] {
        let mut desk = desk();
        for (change, seconds) in [first, second] {
            desk.says(change, NOW_S + seconds, NOW);
        }
        assert_eq!(desk.blocked().len(), usize::from(is_blocked), "{first:?}, {second:?}");
    }
}

#[test]
fn what_an_operator_has_blocked_no_issuer_lifts() {
    let mut desk = desk();
    let own = Block {
        kind: "user".to_owned(),
        value: "ann".to_owned(),
        why: None,
        since_ms: NOW,
        until_ms: None,
        by: Some("root".to_owned()),
    };
    assert!(block(&mut desk.db, &own, false).unwrap());
    desk.says(Change::Enable, NOW_S, NOW);
    desk.says(Change::Disable, NOW_S + 1, NOW);
    assert_eq!(desk.blocked().len(), 2);
    desk.says(Change::Enable, NOW_S + 2, NOW);
    assert_eq!(desk.blocked(), [("user ann".to_owned(), Some("root".to_owned()))]);
    // Both at once.
    desk.says(Change::Disable, NOW_S + 3, NOW);
    assert!(unblock(&mut desk.db, "user", "ann", NOW, None).unwrap() && desk.blocked().is_empty());
}

#[test]
fn signals_have_room_and_leave_some_to_operators() {
    let mut desk = desk();
    let fill = |desk: &Desk, from: u64, to: u64| {
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
             INSERT INTO block (kind, value, since_ms, version, said_s) SELECT 'revoked', i, 1, i, 1 FROM n;
             UPDATE note SET value = {to} WHERE name = 'block_version'"
        );
        desk.db.batch(&sql).unwrap();
    };
    fill(&desk, 1, MOST - 1);
    assert_eq!(desk.says(Change::Revoke, NOW_S, NOW), Taken::New);
    assert_eq!(desk.says(Change::Disable, NOW_S, NOW), Taken::Full);
    assert!(desk.blocked().is_empty(), "nothing of it is kept");
    assert_eq!(desk.says(Change::Revoke, NOW_S + 1, NOW), Taken::New, "what is there may change");
    assert_eq!(desk.says(Change::Enable, NOW_S, NOW), Taken::New);
    let own = Block {
        kind: "user".to_owned(),
        value: "x".to_owned(),
        why: None,
        since_ms: NOW,
        until_ms: None,
        by: None,
    };
    assert!(block(&mut desk.db, &own, false).unwrap());
}

/// Revocations of users of an issuer's, of the seconds from 1 on.
fn fill(desk: &Desk, by: &str, count: u64) {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO block (kind, value, since_ms, version, said_s, \"by\")
         SELECT 'revoked', '{by}' || i, 1, (SELECT value FROM note WHERE name = 'block_version') + i, i, '{by}' FROM n;
         UPDATE note SET value = value + {count} WHERE name = 'block_version'"
    );
    desk.db.batch(&sql).unwrap();
}

#[test]
fn an_issuer_whose_share_is_full_has_its_oldest_revocations_as_one() {
    let mut desk = desk();
    let (ours, other) = ("https://idp.example/", "https://other.example/");
    let share = MOST / 2;
    fill(&desk, ours, share);
    fill(&desk, other, share - 1);
    let says = |desk: &mut Desk, by: &str, change, at_s| {
        desk.seen += 1;
        let said = Signal { by: by.to_owned(), issuers: 2, ..signal(desk.seen, change, at_s) };
        take(&mut desk.db, &said, NOW, false).unwrap()
    };
    let before = desk.version();
    assert_eq!(says(&mut desk, ours, Change::Revoke, NOW_S), Taken::New);
    let middle = i64::try_from(share / 2).unwrap() + 1;
    let changes = desk.changes(before);
    assert_eq!(changes[0], json!({ "block": ["revoked", "ann", NOW_S] }));
    assert_eq!(
        changes[1],
        json!({ "block": ["issuer", ours, middle] }),
        "before what it stands for is lifted"
    );
    assert_eq!(changes[2], json!({ "lift": ["revoked", format!("{ours}1")] }));
    let left = |desk: &Desk, by: &str| {
        let sql = "SELECT count(*), min(said_s), max(version) FROM block WHERE kind = 'revoked' AND lifted IS NULL AND \"by\" = ?1";
        desk.db.first(sql, cells![by], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().unwrap()
    };
    let (count, oldest, _): (i64, i64, i64) = left(&desk, ours);
    assert_eq!((count, oldest), (i64::try_from(share).unwrap() + 1 - middle, middle + 1));
    let (others, ..): (i64, i64, i64) = left(&desk, other);
    assert_eq!(others, i64::try_from(share).unwrap() - 1, "the other's stay");
    let (highest, doubled): (i64, i64) = desk
        .db
        .first("SELECT max(version), count(*) - count(DISTINCT version) FROM block", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap()
        .unwrap();
    assert_eq!((highest, doubled), (desk.version(), 0));
    // Operators see it, and can lift it.
    let shown: Vec<_> =
        all_revoked(&desk.db, NOW).unwrap().into_iter().filter(|row| row.kind == "issuer").collect();
    assert_eq!((shown.len(), shown[0].value.as_str(), shown[0].until_ms), (1, ours, Some(middle * 1_000)));
    assert!(unblock(&mut desk.db, "issuer", ours, NOW, None).unwrap());
    assert!(unblock(&mut desk.db, "revoked", "ann", NOW, None).unwrap());
    // Accounts that are disabled can't be one: an issuer has its share of them.
    desk.db.batch("UPDATE block SET kind = 'disabled' WHERE kind = 'revoked' AND lifted IS NULL").unwrap();
    fill(&desk, &format!("{ours}more"), 1);
    assert_eq!(says(&mut desk, other, Change::Disable, NOW_S), Taken::New);
    assert_eq!(says(&mut desk, other, Change::Disable, NOW_S + 1), Taken::New, "the same user");
    let next = |desk: &mut Desk, by: &str| {
        desk.seen += 1;
        let subject = format!("user {}", desk.seen);
        let said =
            Signal { subject, by: by.to_owned(), issuers: 2, ..signal(desk.seen, Change::Disable, NOW_S) };
        take(&mut desk.db, &said, NOW, false).unwrap()
    };
    assert_eq!([next(&mut desk, other), next(&mut desk, ours)], [Taken::Full, Taken::New]);
}

#[test]
fn ids_have_room() {
    let mut desk = desk();
    let ids: Vec<[u8; 8]> = (0..MOST_SEEN).map(u64::to_be_bytes).collect();
    let rows: Vec<_> = ids.iter().map(|id| [Cell::Blob(id), Cell::Integer(NOW)]).collect();
    desk.db.insert("signal", "id, seen_ms", &rows).unwrap();
    assert_eq!(desk.says(Change::Revoke, NOW_S, NOW), Taken::Full);
    assert_eq!(desk.changes(0), json!([]));
    assert_eq!(desk.says(Change::Revoke, NOW_S, NOW + 2 * DAY_MS + 1), Taken::New, "they have ended");
    // Each issuer has its share of them.
    let rows: Vec<_> = ids
        .iter()
        .take(ids.len() / 2)
        .map(|id| [Cell::Blob(id), Cell::Integer(NOW + 2 * DAY_MS), Cell::Text("https://other.example/")])
        .collect();
    desk.db.insert("signal", "id, seen_ms, \"by\"", &rows).unwrap();
    for (by, expect) in [("https://other.example/", Taken::Full), ("https://idp.example/", Taken::New)] {
        desk.seen += 1;
        let said = Signal { by: by.to_owned(), issuers: 2, ..signal(desk.seen, Change::Revoke, NOW_S) };
        assert_eq!(take(&mut desk.db, &said, NOW + 2 * DAY_MS, false).unwrap(), expect, "{by}");
    }
}

#[test]
fn a_signal_that_counts_has_a_leaf_that_names_nobody() {
    let mut desk = desk();
    let said = signal(1, Change::Revoke, NOW_S);
    for taken in [Taken::New, Taken::Repeated] {
        assert_eq!(take(&mut desk.db, &said, NOW, true).unwrap(), taken);
    }
    let entries: Vec<u8> = desk.db.one("SELECT entries FROM leaves", &[]).unwrap();
    let leaf: Value = serde_json::from_slice(&entries[2..]).unwrap();
    assert_eq!(leaf["kind"], "signal");
    assert!(!leaf.to_string().contains("ann"));
    let opening: String = desk.db.one("SELECT value FROM opening", &[]).unwrap();
    let opening: Value = serde_json::from_str(&opening).unwrap();
    assert_eq!((&opening["subject"], &opening["event"]), (&json!("ann"), &json!("session-revoked")));
    assert_eq!(desk.changes(0), revoked(NOW_S));
}
