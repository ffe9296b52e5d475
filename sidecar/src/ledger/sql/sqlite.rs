//! Statements as SQLite does them.

use super::cell::Cell;
use super::fault::Result;
use super::row::{Of, Row};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(number),
            Cell::Real(number) => ValueRef::Real(number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub(super) fn bind(statement: &mut CachedStatement<'_>, values: &[Cell<'_>]) -> Result<()> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    Ok(())
}

pub(super) fn execute(db: &Connection, sql: &str, values: &[Cell<'_>]) -> Result<u64> {
    let mut statement = db.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    // Some answer rows, which nobody wants here.
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(db.changes())
}

pub(super) fn each(
    db: &Connection,
    sql: &str,
    values: &[Cell<'_>],
    see: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
) -> Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if !see(&Row(Of::Sqlite(row)))? {
            break;
        }
    }
    Ok(())
}
