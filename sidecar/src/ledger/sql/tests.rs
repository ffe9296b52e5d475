//! What holds of a transaction, whatever becomes of it; in PostgreSQL also where its connection is lost.

use super::postgres::config;
use super::{Cell, Db, cells};
use crate::ledger::database::{Home, Use, testing};

fn count(db: &Db) -> u64 {
    db.one("SELECT count(*) FROM signal", &[]).unwrap()
}

fn add(db: &Db, id: u8) -> bool {
    db.execute("INSERT INTO signal (id, seen_ms) VALUES (?1, 1)", cells![&[id][..]]).is_ok()
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let other = Home::from(folder.path()).open(Use::Desk).unwrap();
    let tx = db.write().unwrap();
    assert!(add(&tx, 1) && add(&tx, 2));
    assert_eq!(count(&other), 0, "nobody else sees it");
    tx.commit().unwrap();
    let tx = db.write().unwrap();
    assert!(add(&tx, 3));
    drop(tx);
    let tx = db.snapshot().unwrap();
    assert_eq!((count(&tx), count(&other)), (2, 2));
    add(&other, 4);
    assert_eq!((count(&tx), count(&other)), (2, 3), "questions to one state");
    drop(tx);
    assert_eq!(count(&db), 3);
}

/// A part that failed takes the rest with it, also where whoever asked goes on.
#[test]
fn a_part_that_fails_breaks_the_whole() {
    if !testing::is_on() {
        // SQLite takes back the statement alone; nobody who writes goes on after an error.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let tx = db.write().unwrap();
    assert!(add(&tx, 1) && !add(&tx, 1), "the same once more");
    assert!(!add(&tx, 2));
    tx.commit().unwrap_err();
    assert_eq!(count(&db), 0);
    assert!(add(&db, 3), "and it goes on");
}

#[test]
fn nothing_of_a_transaction_is_done_alone_when_its_connection_is_lost() {
    // SQLite has no connection that others could end.
    if !testing::is_on() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let other = Home::from(folder.path()).open(Use::Desk).unwrap();
    for is_quiet in [false, true] {
        let tx = db.write().unwrap();
        let process: u64 = tx.one("SELECT pg_backend_pid()::bigint", &[]).unwrap();
        assert!(add(&tx, 1));
        let ends = "SELECT pg_terminate_backend(?1::int)";
        other.execute(ends, &[Cell::Integer(i64::try_from(process).unwrap())]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        if !is_quiet {
            assert!(!add(&tx, 2) && !add(&tx, 3), "the first is told, and so is who doesn't listen");
        }
        tx.commit().unwrap_err();
        assert_eq!(count(&db), 0, "{is_quiet}");
    }
    let tx = db.write().unwrap();
    assert!(add(&tx, 4));
    tx.commit().unwrap();
    assert_eq!(count(&other), 1);
}

#[test]
fn who_waited_for_their_turn_in_vain_can_try_again() {
    if !testing::is_on() {
        // SQLite's own: five seconds.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut db, mut other) = (
        Home::from(folder.path()).open(Use::Desk).unwrap(),
        Home::from(folder.path()).open(Use::Desk).unwrap(),
    );
    other.batch("SET lock_timeout TO '100ms'").unwrap();
    let tx = db.write().unwrap();
    assert!(other.write().is_err());
    assert!(add(&other, 1), "what needs no turn");
    tx.commit().unwrap();
    let tx = other.write().unwrap();
    assert!(add(&tx, 2));
    tx.commit().unwrap();
    assert_eq!(count(&db), 2);
}

#[test]
fn a_text_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let texts =
        ["", "ü", "a\0b", "\0", "\u{10FFFF}", "\u{10FFFF}0", "0\u{10FFFF}\0\u{10FFFF}", "it's \"?1\" %"];
    for text in texts {
        db.execute("INSERT INTO word VALUES (?1, ?2)", cells![text, text]).unwrap();
        let found: String = db.one("SELECT value FROM word WHERE name = ?1", cells![text]).unwrap();
        assert_eq!(found, text);
    }
    let count: u64 = db.one("SELECT count(*) FROM word WHERE name <> 'ledger_id'", &[]).unwrap();
    assert_eq!(count, texts.len() as u64, "no two are the same");
}

#[test]
fn other_machines_are_reached_over_tls_unless_the_url_says_otherwise() {
    use postgres::config::SslMode::{Disable, Require};
    for (url, expect) in [
        ("postgres://u@localhost/d", Disable),
        ("postgres://u@127.0.0.1:1/d", Disable),
        ("postgres://u@[::1]/d", Disable),
        ("postgres://u@%2Frun%2Fpostgresql/d", Disable),
        ("host=/run/postgresql user=u", Disable),
        ("postgres://u@db.example.com/d", Require),
        ("postgres://u@10.0.0.1/d", Require),
        ("postgres://u@localhost,db.example.com/d", Require),
        ("postgres://u@localhost.example.com/d", Require),
        ("host=localhost hostaddr=10.0.0.1 user=u", Require),
        ("postgres://u@db.example.com/d?sslmode=prefer", Require),
        ("postgres://u@db.example.com/d?sslmode=disable", Disable),
        ("postgres://u@localhost/d?sslmode=require", Require),
    ] {
        assert_eq!(config(url).unwrap().get_ssl_mode(), expect, "{url}");
    }
    for url in
        ["", "db.example.com", "postgres://u:s3cret@db:port/d", "http://u:s3cret@db/d", "dbname=s3cret"]
    {
        let why = config(url).unwrap_err();
        assert!(!why.contains("s3cret"), "{url}: {why}");
    }
}
