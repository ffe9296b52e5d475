//! What opens the leaves of records: the salt, and the record as it is in the ledger.

use super::leaves;
use super::member;
use super::stored::Stored;
use crate::audit::leaf::Salt;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// One of them.
#[derive(Debug)]
pub struct Sealed {
    pub leaf: u64,
    pub salt: Salt,
    /// The record's JSON.
    pub text: String,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    let mut text = String::new();
    Stored::read(row)?.json(&mut text);
    Ok(Sealed { leaf: row.get("leaf")?, salt: row.get("salt")?, text })
}

fn select(filter: &str) -> String {
    format!(
        "SELECT id, {}, nulls, more, salt, leaf FROM record WHERE leaf IS NOT NULL AND {filter}",
        member::columns()
    )
}

/// That of a request's last record.
///
/// # Errors
/// The disk's.
pub fn by_request(db: &Connection, request_id: &str) -> rusqlite::Result<Option<Sealed>> {
    let sql = select("request_id = ?1 ORDER BY id DESC LIMIT 1");
    db.query_row(&sql, [request_id], read).optional()
}

/// All leaves below `size` that can be opened, records or not, in no order.
///
/// # Errors
/// The disk's, and that of `tell`.
pub fn all(
    db: &Connection,
    size: u64,
    tell: &mut dyn FnMut(u64, &Salt, &str) -> std::io::Result<()>,
) -> Result<(), String> {
    let text = |e: rusqlite::Error| format!("the ledger: {e}");
    let mut last = i64::MIN;
    // A page at a time: no statement is open while somebody writes.
    loop {
        let mut statement = db.prepare_cached(&select("id > ?1 ORDER BY id LIMIT 1000")).map_err(text)?;
        let rows = statement.query_map([last], |row| Ok((row.get(0)?, read(row)?))).map_err(text)?;
        let rows: Vec<(i64, Sealed)> = rows.collect::<rusqlite::Result<_>>().map_err(text)?;
        let Some((newest, _)) = rows.last() else { break };
        last = *newest;
        for (_, sealed) in rows.iter().filter(|(_, sealed)| sealed.leaf < size) {
            tell(sealed.leaf, &sealed.salt, &sealed.text).map_err(|e| e.to_string())?;
        }
    }
    for index in leaves::openable(db, size).map_err(text)? {
        if let Some((salt, value)) = leaves::opening(db, index).map_err(text)? {
            tell(index, &salt, &value).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
