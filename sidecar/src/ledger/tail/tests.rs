//! Records from the file to the ledger: each once, whatever happens in between.

use super::{HOUR_MS, Reading};
use crate::ledger::database::{self, Home, Use, testing};
use crate::ledger::retention::Limits;
use crate::ledger::search::{self, Form, Search};
use crate::ledger::shared::Ledger;
use crate::ledger::sql;
use crate::ledger::turn::Reopen;
use crate::ledger::writer::Totals;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use tempfile::TempDir;

mod auditing;
mod counting;
mod following;
mod keeping;
mod turning;

const LIMITS: Limits = Limits { keep_ms: 30 * 24 * 3_600 * 1_000, max_bytes: 1 << 30 };
const NOW: i64 = 1_795_993_081_000;

fn reading(folder: &Path) -> Reading {
    Reading::new(Ledger::open(folder, LIMITS).unwrap(), nobody())
}

/// No Envoy that could be told anything.
fn nobody() -> Reopen {
    Box::new(|| Err("nobody is there".to_owned()))
}

fn append(folder: &Path, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("decisions.jsonl"));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn record(vm: u64, seq: u64) -> String {
    format!(
        "{{\"status\":403,\"ts\":\"2026-11-29T22:58:01.000000Z\",\"vm\":\"{vm:016x}\",\"seq\":{seq},\
         \"sub\":null,\"decision\":\"deny\"}}\n"
    )
}

fn unnumbered(path: &str) -> String {
    format!("{{\"decision\":\"error\",\"vm\":null,\"seq\":null,\"path\":\"{path}\"}}\n")
}

/// Takes all that there is.
fn take(reading: &mut Reading, now_ms: i64) -> Totals {
    while reading.step(now_ms).unwrap() {}
    reading.ledger.standing().totals
}

fn records(folder: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    let db = Home::from(folder).open(Use::Search).unwrap();
    search::records(&db, &Search::default(), Form::Json, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn rows(folder: &Path, sql: &str) -> Vec<(u64, u64, u64)> {
    let db = Home::from(folder).open(Use::Desk).unwrap();
    db.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

fn missing(folder: &Path) -> Vec<(u64, u64, u64)> {
    rows(folder, "SELECT vm, from_seq, to_seq FROM missing ORDER BY vm, from_seq")
}

fn gaps(folder: &Path) -> Vec<(u64, u64, u64)> {
    rows(folder, "SELECT vm, from_seq, to_seq FROM gap ORDER BY id")
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"status":403,"ts":"2026-11-29T22:58:01.123456Z","vm":"ff00000000000001","seq":1,"request_id":"r","sub":"ann\"\u0007","tenant":null,"machine":false,"decision":"deny","latency_us":62,"shadow":{"decision":"deny"},"needed":["a b"],"later":1e2}"#,
        r#"{"ts":"2026-11-29T22:58:01Z","decision":"error","status":null,"latency_us":"?"}"#,
        r#"{"ts":null,"decision":"error"}"#,
        r#"{"decision":"error","user_agent":"ü/1"}"#,
    ];
    append(folder.path(), &format!("{}\n", lines.join("\n")));
    assert_eq!(take(&mut reading(folder.path()), NOW), Totals { records: 4, ignored: 0, gaps: 0 });
    let written: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records(folder.path()), written);
}

#[test]
fn each_line_counts_once_over_any_number_of_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 1..=50 {
        text += &record(1, n);
        text += &record(2, n);
        text += &unnumbered(&format!("/{n}"));
        text += if n % 10 == 0 { "no record\n" } else { "" };
    }
    // Torn anywhere; and whoever read is gone each time, some before what they wrote was whole.
    for (n, piece) in text.as_bytes().chunks(97).enumerate() {
        append(folder.path(), std::str::from_utf8(piece).unwrap());
        let mut reading = reading(folder.path());
        if n % 3 == 0 {
            let mut writer = reading.ledger.writer();
            let undone: sql::Result<()> = writer.with(|db| {
                let tx = db.write()?;
                tx.execute("DELETE FROM record", &[])?;
                tx.execute("UPDATE source SET \"offset\" = 0", &[])?;
                Ok(())
            });
            undone.unwrap();
        }
        take(&mut reading, NOW);
    }
    let totals = take(&mut reading(folder.path()), NOW);
    assert_eq!(totals, Totals { records: 150, ignored: 5, gaps: 0 });
    let paths: Vec<Value> = records(folder.path()).iter().filter_map(|r| r.get("path").cloned()).collect();
    assert_eq!(paths.len(), 50);
    assert_eq!(paths[49], "/50");
}

#[test]
fn the_same_line_again_counts_once_where_it_has_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    append(folder.path(), &(record(1, 1) + &record(1, 1) + &record(1, 2)));
    assert_eq!(take(&mut reading, NOW).records, 2);
    // A copy takes the file's place.
    let file = folder.path().join("decisions.jsonl");
    let copy = folder.path().join("copy");
    std::fs::copy(&file, &copy).unwrap();
    std::fs::rename(&copy, &file).unwrap();
    append(folder.path(), &(record(2, 1) + &unnumbered("/") + &unnumbered("/")));
    assert_eq!(take(&mut reading, NOW).records, 5, "without a number each line is a record");
}

#[test]
fn what_is_missing_for_a_minute_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    append(folder.path(), &(record(1, 1) + &record(2, 3) + &record(1, 2) + &record(1, 5)));
    assert_eq!(take(&mut reading, NOW).gaps, 0);
    assert_eq!(missing(folder.path()), [(1, 3, 4), (2, 1, 2)]);
    append(folder.path(), &(record(1, 4) + &record(2, 4) + &record(1, 9)));
    assert_eq!(take(&mut reading, NOW + 59_000).gaps, 0);
    assert_eq!(take(&mut reading, NOW + 60_000).gaps, 2);
    assert_eq!(gaps(folder.path()), [(1, 3, 3), (2, 1, 2)]);
    append(folder.path(), &(6..=8).map(|n| record(1, n)).collect::<String>());
    append(folder.path(), &(record(2, 2) + &record(2, 2)));
    let totals = take(&mut reading, NOW + 120_000);
    assert_eq!(
        (totals.records, totals.gaps),
        (11, 2),
        "what came in time is none, and the late one counts once"
    );
    assert_eq!(missing(folder.path()), [(1, 3, 3), (2, 1, 1)]);
    drop(reading);
    let mut again = self::reading(folder.path());
    append(folder.path(), &(record(1, 3) + &record(1, 9)));
    let totals = take(&mut again, NOW + 240_000);
    assert_eq!((totals.records, totals.gaps), (12, 2), "sums stay, and so does what has come");
}

#[test]
fn trouble_with_the_disk_skips_nothing() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    append(folder.path(), &(record(1, 1) + &record(1, 3)));
    let other = Home::from(folder.path()).open(Use::Desk).unwrap();
    reading.ledger.writer().with(|db| db.batch("PRAGMA busy_timeout = 0")).unwrap();
    other.batch("BEGIN IMMEDIATE").unwrap();
    assert!(reading.step(NOW).is_err());
    append(folder.path(), &record(1, 2));
    assert!(reading.step(NOW).is_err());
    other.batch("ROLLBACK").unwrap();
    assert_eq!(take(&mut reading, NOW), Totals { records: 3, ignored: 0, gaps: 0 });
    assert_eq!(reading.ledger.lag(NOW + HOUR_MS), 0.0);
}

#[test]
fn only_who_has_a_file_of_records_is_waited_for_where_a_person_is_erased() {
    // Nobody else is asked of a ledger in SQLite.
    if !testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let known = |folder: &Path| -> u64 {
        let db = Home::from(folder).open(Use::Desk).unwrap();
        db.one("SELECT count(*) FROM sidecar", &[]).unwrap()
    };
    let mut reading = reading(folder.path());
    take(&mut reading, NOW);
    assert_eq!(known(folder.path()), 0, "records are posted to it, and it may end for good");
    append(folder.path(), &record(1, 1));
    take(&mut reading, NOW);
    assert_eq!(known(folder.path()), 1);
}

/// Whoever started Envoy again didn't end the line that it was ended in.
#[test]
fn a_record_behind_a_torn_line_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (record(1, 1), record(2, 1));
    for at in [1, 9, 20, first.len() - 2] {
        append(folder.path(), &(first[..at].to_owned() + &second.replace("0002", &format!("{at:04x}"))));
    }
    // What a client says within a text begins no record.
    append(folder.path(), "{\"path\":\"{\\\"status\\\":1,\\\"decision\\\":\\\"allow\\\"}\n");
    let totals = take(&mut reading(folder.path()), NOW);
    assert_eq!((totals.records, totals.ignored), (4, 5));
}

#[test]
fn what_is_no_file_is_trouble() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("decisions.jsonl")).unwrap();
    let mut reading = reading(folder.path());
    assert!(reading.step(NOW).unwrap_err().contains("is no file"));
}

/// A copy that was put back has versions that others had before.
#[test]
fn each_start_begins_another_history_of_blocks() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let epoch = || -> String {
        let ledger = Ledger::open(folder.path(), LIMITS).unwrap();
        drop(ledger);
        let db = Home::from(folder.path()).open(Use::Desk).unwrap();
        db.one("SELECT value FROM word WHERE name = 'ledger_id'", &[]).unwrap()
    };
    let (first, second) = (epoch(), epoch());
    assert!(first != second && [first.len(), second.len()] == [16, 16], "{first} {second}");
}

#[test]
fn one_process_serves_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Ledger::open(folder.path(), LIMITS).unwrap();
    let second = Ledger::open(folder.path(), LIMITS).err().unwrap();
    assert!(second.contains("another gatewaystack serves this folder"), "{second}");
    drop(first);
    Ledger::open(folder.path(), LIMITS).unwrap();
}

#[test]
fn a_database_of_a_newer_form_is_left_alone() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(folder.path(), LIMITS).unwrap());
    let db = rusqlite::Connection::open(database::file(folder.path())).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let refused = Ledger::open(folder.path(), LIMITS).err().unwrap();
    assert!(refused.contains("its form is 99, and this version of gatewaystack knows"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(database::file(folder.path()), b"not a database, but long enough to be read as one")
        .unwrap();
    assert!(Ledger::open(folder.path(), LIMITS).is_err());
}

#[cfg(unix)]
#[test]
fn the_files_are_their_owners_alone() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let folder: TempDir = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let _ledger = Ledger::open(inner.as_path(), LIMITS).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"] {
        assert_eq!(mode(&inner.join(file)), 0o600, "{file}");
    }
}

/// A record that its filter posts, and that Envoy writes to the file, too.
#[test]
fn a_record_counts_once_by_whichever_way_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    take(&mut reading, NOW);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let post = |reading: &Reading, text: String| {
        runtime.block_on(reading.ledger.post(text.into_bytes(), "posted")).unwrap().records
    };
    append(folder.path(), &(record(1, 1) + &record(1, 2)));
    take(&mut reading, NOW);
    assert_eq!(post(&reading, record(1, 2) + &record(1, 3)), 2);
    append(folder.path(), &(record(1, 3) + &record(1, 4)));
    assert_eq!(take(&mut reading, NOW).records, 4);
    assert_eq!((records(folder.path()).len(), missing(folder.path())), (4, Vec::new()));
}

/// A data folder that was copied, its sidecar running.
#[test]
fn two_sidecars_of_one_name_do_not_write_one_ledger() {
    if !testing::is_on() {
        // Each folder has a ledger of its own.
        return;
    }
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    testing::share(folder.path(), copy.path());
    let mut first = reading(folder.path());
    append(folder.path(), &record(1, 1));
    take(&mut first, NOW);
    std::fs::copy(folder.path().join("sidecar.id"), copy.path().join("sidecar.id")).unwrap();
    append(copy.path(), &record(2, 1));
    let refused = reading(copy.path()).step(NOW).unwrap_err();
    assert!(refused.contains("two data folders have the same sidecar.id"), "{refused}");
    std::fs::remove_file(copy.path().join("sidecar.id")).unwrap();
    assert_eq!(take(&mut reading(copy.path()), NOW).records, 2);
}
