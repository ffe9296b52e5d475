//! Records that are posted: each once, on the disk when it is said so.

use super::{Posted, take};
use crate::ledger::database::{Home, Use};
use crate::ledger::retention::Limits;
use crate::ledger::shared::{Audited, Ledger};
use gatewaystack_core::config::policy;
use std::path::Path;

const LIMITS: Limits = Limits { keep_ms: 30 * 24 * 3_600 * 1_000, max_bytes: 1 << 30 };
const NOW: i64 = 1_795_993_081_000;

fn ledger(folder: &Path) -> Ledger {
    Ledger::open(folder, LIMITS).unwrap()
}

fn record(vm: u64, seq: u64) -> String {
    format!("{{\"status\":200,\"vm\":\"{vm:016x}\",\"seq\":{seq},\"sub\":\"ann\",\"decision\":\"allow\"}}\n")
}

fn count(folder: &Path, table: &str) -> u64 {
    let db = Home::from(folder).open(Use::Desk).unwrap();
    db.one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap()
}

#[test]
fn a_record_counts_once_over_repeats_and_restarts_and_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let ledger = ledger(folder.path());
        for _ in 0..2 {
            let text: String = (1..=5 + round).map(|seq| record(7, seq)).collect();
            assert_eq!(
                take(&ledger, text.as_bytes(), "posted", NOW),
                Ok(Posted { records: 5 + round, ignored: 0 })
            );
        }
        assert_eq!(ledger.standing().totals.records, 5 + round);
        assert_eq!(count(folder.path(), "record"), 5 + round);
        assert_eq!(count(folder.path(), "source"), 0, "where the file is read on doesn't change");
    }
}

#[test]
fn what_is_no_record_with_a_number_is_counted_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let torn = record(7, 9);
    let torn = torn.get(..40).unwrap();
    let long = format!(
        "{{\"decision\":\"allow\",\"vm\":\"{:016x}\",\"seq\":8,\"x\":\"{}\"}}\n",
        7,
        "x".repeat(300_000)
    );
    let lines = [
        record(7, 1),
        "no record\n\n \n".to_owned(),
        "{\"decision\":\"error\",\"vm\":null,\"seq\":null}\n".to_owned(),
        "{\"decision\":\"error\",\"vm\":\"0000000000000007\",\"seq\":0}\n".to_owned(),
        "{\"vm\":\"0000000000000007\",\"seq\":3}\n".to_owned(),
        long,
        "\u{fffd}\n".to_owned(),
        record(7, 2),
        torn.to_owned(),
    ];
    assert_eq!(
        take(&ledger, lines.concat().as_bytes(), "posted", NOW),
        Ok(Posted { records: 2, ignored: 7 })
    );
    let totals = ledger.standing().totals;
    assert_eq!((totals.records, totals.ignored), (2, 7));
    assert_eq!(take(&ledger, b"", "posted", NOW), Ok(Posted::default()));
}

#[test]
fn what_is_missing_shows_and_may_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let post = |text: String, now_ms: i64| take(&ledger, text.as_bytes(), "posted", now_ms).unwrap();
    post(record(7, 3) + &record(7, 6), NOW);
    post(record(7, 1) + &record(7, 2), NOW + 1);
    // Another VM, of a new policy or a new proxy, begins at 1.
    post(record(8, 1), NOW + 2);
    assert_eq!(ledger.writer().tell_gaps(NOW + 59_000).unwrap().gaps, 0);
    assert_eq!(ledger.writer().tell_gaps(NOW + 60_000).unwrap().gaps, 1, "4 and 5 of the first");
}

#[test]
fn each_record_has_a_leaf_of_its_own_and_none_before_the_log_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        policy::Audit { key_file: None, checkpoint_ms: 1_000, keep_ms: 1 << 40, witnesses: Vec::new() };
    let audited =
        Audited { settings, origin: "gw.example/audit".into(), policy: "p".into(), digest: "d".into() };
    let ledger = ledger(folder.path()).audited(Some(audited.clone()));
    assert!(take(&ledger, record(7, 1).as_bytes(), "posted", NOW).is_err());
    assert_eq!(ledger.standing().totals.records, 0);
    drop(ledger.begin_log(&audited, NOW).unwrap());
    let leaves = || crate::ledger::leaves::next(&Home::from(folder.path()).open(Use::Desk).unwrap()).unwrap();
    let before = leaves();
    for _ in 0..3 {
        take(&ledger, (record(7, 1) + &record(7, 2)).as_bytes(), "posted", NOW).unwrap();
    }
    assert_eq!(leaves() - before, 2);
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let entries: Vec<u8> = db.one("SELECT entries FROM leaves ORDER BY first DESC LIMIT 1", &[]).unwrap();
    let text = String::from_utf8_lossy(&entries).into_owned();
    assert!(text.contains("\"source\":\"posted\"") && text.contains("\"seq\":2"), "{text}");
    assert!(!text.contains("ann"), "{text}");
}

#[test]
fn trouble_is_told_and_what_came_meanwhile_counts_later() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path());
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    db.batch("ALTER TABLE record RENAME TO elsewhere").unwrap();
    assert!(take(&ledger, record(7, 1).as_bytes(), "posted", NOW).is_err());
    db.batch("ALTER TABLE elsewhere RENAME TO record").unwrap();
    assert_eq!(take(&ledger, record(7, 1).as_bytes(), "posted", NOW), Ok(Posted { records: 1, ignored: 0 }));
    assert_eq!(count(folder.path(), "record"), 1);
}
