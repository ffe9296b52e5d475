//! However old a ledger is, it gets the newest form, and keeps what is in it.

use super::{STEPS, upgrade};
use crate::ledger::sql::Db;
use rusqlite::Connection;

/// What a database is made of.
fn form(db: &Db) -> Vec<(String, String)> {
    let sql = "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    db.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn a_ledger_of_each_older_form_gets_the_newest() {
    let mut newest = Db::Sqlite(Connection::open_in_memory().unwrap());
    upgrade(&mut newest).unwrap();
    for done in 1..STEPS.len() {
        let mut db = Db::Sqlite(Connection::open_in_memory().unwrap());
        STEPS.iter().take(done).for_each(|step| db.batch(&step()).unwrap());
        db.batch(&format!("PRAGMA user_version = {done}")).unwrap();
        db.batch("INSERT INTO block (kind, value, since_ms, version) VALUES ('user', 'ann', 1, 1)").unwrap();
        let named = "SELECT value FROM note WHERE name = 'ledger_id'";
        let before: String = db.one(named, &[]).unwrap();
        upgrade(&mut db).unwrap();
        assert_eq!(form(&db), form(&newest), "{done}");
        let blocks: i64 = db.one("SELECT count(*) FROM block", &[]).unwrap();
        assert_eq!(blocks, 1);
        let after: String = db.one(&named.replace("note", "word"), &[]).unwrap();
        assert_eq!((before, db.first(named, &[], |_| Ok(())).unwrap()), (after, None));
    }
}
