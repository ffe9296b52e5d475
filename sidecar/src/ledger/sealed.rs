//! What opens the leaves of records: the salt, and the record as it is in the ledger.

use super::leaves;
use super::member::{self, COUNT};
use super::sql::{self, Db, Row, cells};
use super::stored::Stored;
use crate::audit::leaf::Salt;

/// One of them.
#[derive(Debug)]
pub struct Sealed {
    pub leaf: u64,
    pub salt: Salt,
    /// The record's JSON.
    pub text: String,
}

fn read(row: &Row<'_>) -> sql::Result<Sealed> {
    let mut text = String::new();
    Stored::read(row)?.json(&mut text);
    // Behind the id, the columns, `nulls` and `more`.
    Ok(Sealed { salt: row.get(COUNT + 3)?, leaf: row.get(COUNT + 4)?, text })
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
pub fn by_request(db: &Db, request_id: &str) -> sql::Result<Option<Sealed>> {
    let sql = select("request_id = ?1 ORDER BY id DESC LIMIT 1");
    db.first(&sql, cells![request_id], read)
}

/// All leaves below `size` that can be opened, records or not, in no order.
///
/// # Errors
/// The disk's, and that of `tell`.
pub fn all(
    db: &Db,
    size: u64,
    tell: &mut dyn FnMut(u64, &Salt, &str) -> std::io::Result<()>,
) -> Result<(), String> {
    let text = |e: sql::Error| format!("the ledger: {e}");
    let mut last = i64::MIN;
    // A page at a time: no statement is open while somebody writes.
    loop {
        let sql = select("id > ?1 ORDER BY id LIMIT 1000");
        let rows: Vec<(i64, Sealed)> =
            db.all(&sql, cells![last], |row| Ok((row.get(0)?, read(row)?))).map_err(text)?;
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
