//! However old a ledger is, it gets the newest form, and keeps what is in it.

use super::{STEPS, postgres, upgrade};
use crate::ledger::database::testing;
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
        // Texts have been words since the fifth.
        let (note, word) = (
            "SELECT value FROM note WHERE name = 'ledger_id'",
            "SELECT value FROM word WHERE name = 'ledger_id'",
        );
        let before: String = db.one(if done < 5 { note } else { word }, &[]).unwrap();
        upgrade(&mut db).unwrap();
        assert_eq!(form(&db), form(&newest), "{done}");
        let blocks: i64 = db.one("SELECT count(*) FROM block", &[]).unwrap();
        assert_eq!(blocks, 1);
        let after: String = db.one(word, &[]).unwrap();
        assert_eq!((before, db.first(note, &[], |_| Ok(())).unwrap()), (after, None));
    }
}

/// The same in PostgreSQL.
#[test]
fn a_shared_ledger_of_each_older_form_gets_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let Some(url) = testing::server(folder.path()) else { return };
    let mut client = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
    let form = |client: &mut ::postgres::Client| -> Vec<String> {
        let sql = "SELECT oid::regprocedure::text || prosrc FROM pg_proc WHERE pronamespace = 'gatewaystack'::regnamespace
            UNION SELECT table_name || column_name || data_type FROM information_schema.columns
            WHERE table_schema = 'gatewaystack' ORDER BY 1";
        client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    client.batch_execute("SET search_path = gatewaystack").unwrap();
    postgres::upgrade(&mut client).unwrap().unwrap();
    let newest = form(&mut client);
    for done in 1..postgres::STEPS.len() {
        client.batch_execute("DROP SCHEMA gatewaystack CASCADE; CREATE SCHEMA gatewaystack").unwrap();
        client.batch_execute("CREATE TABLE form (version BIGINT NOT NULL)").unwrap();
        client.batch_execute(&format!("INSERT INTO form VALUES ({done})")).unwrap();
        postgres::STEPS.iter().take(done).for_each(|step| client.batch_execute(&step()).unwrap());
        assert_ne!(form(&mut client), newest, "{done}");
        postgres::upgrade(&mut client).unwrap().unwrap();
        assert_eq!(form(&mut client), newest, "{done}");
    }
}

/// In others some characters can't be stored: one record would hold up all of those after it.
#[test]
fn a_database_of_another_encoding_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let Some(url) = testing::server(folder.path()) else { return };
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let mut client = ::postgres::Client::connect(&url, ::postgres::NoTls).unwrap();
        let name = format!("{}_{}", url.rsplit('/').next().unwrap(), encoding.to_lowercase());
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).unwrap();
        let made = format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        client.batch_execute(&made).unwrap();
        let other = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        let mut client = ::postgres::Client::connect(&other, ::postgres::NoTls).unwrap();
        let why = postgres::upgrade(&mut client).unwrap().unwrap_err();
        assert!(why.contains(encoding) && why.contains("ENCODING 'UTF8'"), "{why}");
    }
}
