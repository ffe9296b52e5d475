//! However old a ledger is, it gets the newest form, and keeps what is in it.

use super::{STEPS, upgrade};
use rusqlite::Connection;

/// What a database is made of.
fn form(db: &Connection) -> Vec<(String, String)> {
    let mut select = db.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_ledger_of_each_older_form_gets_the_newest() {
    let mut newest = Connection::open_in_memory().unwrap();
    upgrade(&mut newest).unwrap();
    for done in 1..STEPS.len() {
        let mut db = Connection::open_in_memory().unwrap();
        STEPS.iter().take(done).for_each(|step| db.execute_batch(&step()).unwrap());
        db.pragma_update(None, "user_version", done).unwrap();
        db.execute_batch("INSERT INTO block (kind, value, since_ms, version) VALUES ('user', 'ann', 1, 1)")
            .unwrap();
        upgrade(&mut db).unwrap();
        assert_eq!(form(&db), form(&newest), "{done}");
        let blocks: i64 = db.query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap();
        assert_eq!(blocks, 1);
    }
}
