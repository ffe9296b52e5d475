//! The ledger's tests over again in PostgreSQL: where the environment names one that is there for it, each
//! folder has a database of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The URL of a server, as one who may make databases, without the database's name.
const SERVER: &str = "GATEWAYSTACK_TEST_POSTGRES";

static MADE: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);

/// Whether tests are done in PostgreSQL.
pub fn is_on() -> bool {
    std::env::var_os(SERVER).is_some()
}

/// Where the ledger of a folder is.
pub fn server(folder: &Path) -> Option<String> {
    let server = std::env::var(SERVER).ok()?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if let Some(url) = made.get(folder) {
        return Some(url.clone());
    }
    let name = format!("t{}_{}", std::process::id(), made.len());
    let (place, made_name) = (format!("{server}/postgres"), name.clone());
    // Some tests are in a runtime already.
    let making = std::thread::spawn(move || {
        let mut client = postgres::Client::connect(&place, postgres::NoTls).unwrap();
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {made_name} WITH (FORCE)")).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {made_name}")).unwrap();
    });
    making.join().unwrap();
    let url = format!("{server}/{name}");
    made.insert(folder.to_owned(), url.clone());
    Some(url)
}

/// The ledger of a folder is another one's, too.
pub fn share(folder: &Path, other: &Path) {
    let url = server(folder).expect("tests are done in PostgreSQL");
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_default().insert(other.to_owned(), url);
}
