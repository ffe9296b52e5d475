//! The ledger's database, which is SQLite's or PostgreSQL's: the same statements for both, in what both
//! understand. In: SQL with parameters `?1`, `?2` … Out: rows.
//!
//! Who writes more than one statement does it in [`Db::write`]: there is one at a time, over all processes,
//! so that nothing that was read changes before what follows from it is written.

mod fault;
mod cell;
mod row;
mod sqlite;
mod tls;
pub mod postgres;

pub(crate) use cell::{AsCell, Cell, Value, cells};
pub use fault::{Error, Result};
use postgres::Postgres;
use row::Of;
pub use row::Row;
use std::cell::RefCell;
use std::ops::Deref;

/// A connection.
pub enum Db {
    Sqlite(rusqlite::Connection),
    Postgres(Box<RefCell<Postgres>>),
}

impl Db {
    /// Does it; answers how many rows it was done to.
    ///
    /// # Errors
    /// The database's.
    pub fn execute(&self, sql: &str, values: &[Cell<'_>]) -> Result<u64> {
        match self {
            Self::Sqlite(db) => sqlite::execute(db, sql, values),
            Self::Postgres(db) => db.borrow_mut().execute(sql, values),
        }
    }

    /// Does several statements, which have no parameters.
    ///
    /// # Errors
    /// The database's.
    pub fn batch(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(db) => Ok(db.execute_batch(sql)?),
            Self::Postgres(db) => db.borrow_mut().batch(sql),
        }
    }

    /// Shows row by row, until `see` answers `false`. Of what it shows nothing else is asked meanwhile.
    ///
    /// # Errors
    /// The database's; what `see` says.
    pub fn each(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlite::each(db, sql, values, see),
            Self::Postgres(db) => {
                let rows = db.borrow_mut().rows(sql, values)?;
                for row in &rows {
                    if !see(&Row(Of::Postgres(row)))? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// The database's; what `read` says.
    pub fn all<T>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, values, &mut |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// The first row, where there is one.
    ///
    /// # Errors
    /// The database's; what `read` says.
    pub fn first<T>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let (mut read, mut first) = (Some(read), None);
        self.each(sql, values, &mut |row| {
            first = read.take().map(|read| read(row)).transpose()?;
            Ok(false)
        })?;
        Ok(first)
    }

    /// The first value of the row that there is.
    ///
    /// # Errors
    /// The database's; there is no row.
    pub fn one<T: for<'c> TryFrom<Cell<'c>, Error = Error>>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
    ) -> Result<T> {
        self.first(sql, values, |row| row.get(0))?.ok_or_else(|| Error::new("a row is missing"))
    }

    /// Begins what is done as a whole or not at all, by one at a time.
    ///
    /// # Errors
    /// The database's.
    pub fn write(&mut self) -> Result<Tx<'_>> {
        match self {
            Self::Sqlite(db) => db.execute_batch("BEGIN IMMEDIATE")?,
            Self::Postgres(db) => db.borrow_mut().begin_writing()?,
        }
        Ok(Tx { db: self, is_over: false })
    }

    /// Begins several questions to one state.
    ///
    /// # Errors
    /// The database's.
    pub fn snapshot(&mut self) -> Result<Tx<'_>> {
        match self {
            Self::Sqlite(db) => db.execute_batch("BEGIN")?,
            Self::Postgres(db) => db.borrow_mut().begin_reading()?,
        }
        Ok(Tx { db: self, is_over: false })
    }

    fn end(&self, commits: bool) -> Result<()> {
        match self {
            Self::Sqlite(db) => Ok(db.execute_batch(if commits { "COMMIT" } else { "ROLLBACK" })?),
            Self::Postgres(db) => db.borrow_mut().end(commits),
        }
    }

    /// SQLite's, for what it alone has.
    pub fn sqlite(&self) -> Option<&rusqlite::Connection> {
        if let Self::Sqlite(db) = self { Some(db) } else { None }
    }

    /// PostgreSQL's, for what it alone has.
    pub fn postgres(&self) -> Option<&RefCell<Postgres>> {
        if let Self::Postgres(db) = self { Some(db) } else { None }
    }

    /// Adds rows, each with a value for each of these columns.
    ///
    /// # Errors
    /// The database's.
    pub fn insert<const N: usize>(&self, table: &str, columns: &str, rows: &[[Cell<'_>; N]]) -> Result<()> {
        match self {
            Self::Sqlite(db) => {
                let places = vec!["?"; N].join(", ");
                let sql = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
                let mut insert = db.prepare_cached(&sql)?;
                for row in rows {
                    sqlite::bind(&mut insert, row)?;
                    insert.raw_execute()?;
                }
                Ok(())
            }
            Self::Postgres(db) => db.borrow_mut().copy(table, columns, rows),
        }
    }
}

/// What is done as a whole: nothing of it, unless it is committed.
pub struct Tx<'d> {
    db: &'d mut Db,
    is_over: bool,
}

impl Tx<'_> {
    /// All of it is done.
    ///
    /// # Errors
    /// The database's: then nothing of it is, or all of it and the answer was lost.
    pub fn commit(mut self) -> Result<()> {
        let done = self.db.end(true);
        // SQLite's goes on after a commit that failed.
        self.is_over = done.is_ok() || self.db.postgres().is_some();
        done
    }
}

impl Deref for Tx<'_> {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.db
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // Where it can't be said, the connection is gone, and with it what was begun.
            drop(self.db.end(false));
        }
    }
}

#[cfg(test)]
mod tests;
