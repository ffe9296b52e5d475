//! What is kept, and how long.

use super::*;
use crate::ledger::database::testing;

fn aged(seq: u64, ts: &str) -> String {
    record(1, seq).replace("2026-11-29T22:58:01.000000Z", ts)
}

#[test]
fn what_is_older_than_it_is_kept_for_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    append(folder.path(), &aged(1, "2026-10-01T00:00:00.000000Z"));
    append(folder.path(), &(record(1, 2) + &unnumbered("/")));
    append(folder.path(), &aged(3, "2026-10-30T00:00:00.000000Z"));
    assert_eq!(take(&mut reading, NOW).records, 4);
    assert_eq!(records(folder.path()).len(), 2, "one that has its time, and one that has none");
    let (month, ledger) = (LIMITS.keep_ms.cast_signed(), reading.ledger.clone());
    assert_eq!(rows(folder.path(), "SELECT vm, highest, 0 FROM vm"), [(1, 3, 0)]);
    take(&mut reading, NOW + month + 1_000);
    assert_eq!(records(folder.path()).len(), 0);
    assert!(rows(folder.path(), "SELECT vm, highest, 0 FROM vm").is_empty(), "nor is its VM known");
    assert_eq!(ledger.standing().totals.records, 4, "sums stay");
}

#[test]
fn database_and_journal_stay_below_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { max_bytes: 1024 * 1024, ..LIMITS };
    let mut reading = Reading::new(Ledger::open(folder.path(), limits).unwrap(), nobody());
    let size = || {
        let length = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
        length("ledger.db") + length("ledger.db-wal")
    };
    for round in 0..20 {
        let long = |n: u64| record(1, 500 * round + n).replace("null", &format!("{:?}", "x".repeat(200)));
        append(folder.path(), &(1..=500).map(long).collect::<String>());
        // What is in PostgreSQL is looked at each second.
        while reading.step(NOW + 1_000 * i64::try_from(round).unwrap()).unwrap() {
            assert!(size() <= limits.max_bytes, "{}", size());
        }
    }
    assert_eq!(reading.ledger.standing().totals.records, 10_000);
    let left = records(folder.path());
    assert!((1_000..4_000).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last().unwrap()["seq"], 10_000);
    let first = left.first().unwrap()["seq"].as_u64().unwrap();
    assert_eq!(10_000 - first + 1, left.len() as u64, "the oldest have gone");
}

#[test]
fn a_database_shrinks_when_less_may_be_kept() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reading = reading(folder.path());
    append(folder.path(), &(1..=20_000).map(|n| record(1, n)).collect::<String>());
    take(&mut reading, NOW);
    let limits = Limits { max_bytes: 1024 * 1024, ..LIMITS };
    let mut reading = Reading::new(reading.ledger.limited(limits).unwrap(), nobody());
    take(&mut reading, NOW);
    take(&mut reading, NOW);
    let db = std::fs::metadata(database::file(folder.path())).unwrap().len();
    let journal = database::journal_bytes(folder.path());
    assert!(db + journal <= limits.max_bytes, "{db} and {journal}");
    assert!(records(folder.path()).len() > 1_000);
}

/// What PostgreSQL counts for ids goes on where nothing was written, as each time that a database with a full
/// disk is asked again.
#[test]
fn tries_in_vain_cost_no_records() {
    if !testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { max_bytes: 4 << 20, ..LIMITS };
    let mut reading = Reading::new(Ledger::open(folder.path(), limits).unwrap(), nobody());
    append(folder.path(), &(1..=5_000).map(|seq| record(1, seq)).collect::<String>());
    take(&mut reading, NOW);
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    db.batch("SELECT setval(pg_get_serial_sequence('record', 'id'), 10000000)").unwrap();
    append(folder.path(), &(5_001..=6_000).map(|seq| record(1, seq)).collect::<String>());
    for at in 1..5 {
        take(&mut reading, NOW + 1_000 * at);
    }
    let count = || db.one::<i64>("SELECT count(*) FROM record", &[]).unwrap();
    assert_eq!(count(), 6_000);
    // Nor do long records at the end: what is too much goes, and no more than that.
    append(folder.path(), &(6_001..=20_000).map(|seq| record(1, seq)).collect::<String>());
    let long = |seq| record(1, seq).replace("\"sub\":null", &format!("\"path\":\"/{}\"", "x".repeat(1_500)));
    append(folder.path(), &(20_001..=21_000).map(long).collect::<String>());
    // It is looked at each second.
    for at in 1..20 {
        take(&mut reading, NOW + 10_000 * at);
    }
    assert!((6_000..15_000).contains(&count()), "{}", count());
    // What is gone by hand isn't counted.
    let counted = "SELECT (SELECT value FROM note WHERE name = 'records') - (SELECT value FROM note WHERE name = 'deleted')";
    assert_eq!(db.one::<i64>(counted, &[]).unwrap(), count());
    db.batch("DELETE FROM record WHERE id % 2 = 0").unwrap();
    assert_eq!(db.one::<i64>(counted, &[]).unwrap(), count());
    db.batch("TRUNCATE record").unwrap();
    assert_eq!(db.one::<i64>(counted, &[]).unwrap(), 0);
}

/// While somebody reads, the journal can't be worked in: deleting more would make it longer still.
#[test]
fn whoever_reads_costs_no_records() {
    // What is done to files here.
    if testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { max_bytes: 4 << 20, ..LIMITS };
    let mut reading = Reading::new(Ledger::open(folder.path(), limits).unwrap(), nobody());
    let filled = (1..30_000).map(|seq| record(1, seq)).collect::<String>();
    append(folder.path(), &filled);
    take(&mut reading, NOW);
    let count = || rows(folder.path(), "SELECT count(*), 0, 0 FROM record")[0].0;
    let before = count();
    let db = Home::from(folder.path()).open(Use::Search).unwrap();
    let mut select = db.sqlite().unwrap().prepare("SELECT id FROM record").unwrap();
    let mut open = select.query([]).unwrap();
    open.next().unwrap();
    append(folder.path(), &(30_000..36_000).map(|seq| record(1, seq)).collect::<String>());
    for at in 0..2_000 {
        if !reading.step(NOW + at).unwrap() {
            break;
        }
    }
    assert!(count() > before / 2, "{before} records, {} are left", count());
}
