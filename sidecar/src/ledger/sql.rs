//! The ledger's database, which is SQLite's or PostgreSQL's: the same statements for both, in what both
//! understand. In: SQL with parameters `?1`, `?2` … Out: rows.
//!
//! Who writes more than one statement does it in [`Db::write`]: there is one at a time, over all processes,
//! so that nothing that was read changes before what follows from it is written.

mod cell;
pub mod postgres;
mod sqlite;
mod tls;

pub(crate) use cell::{AsCell, Cell, Value, cells};
use postgres::Postgres;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

/// Why it can't be done, in the database's words.
#[derive(Debug)]
pub struct Error(String);

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error)
    }
}

/// A connection.
pub enum Db {
    Sqlite(rusqlite::Connection),
    Postgres(RefCell<Postgres>),
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
            Self::Postgres(db) => db.borrow_mut().begin()?,
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
            Self::Postgres(db) => db.borrow_mut().batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?,
        }
        Ok(Tx { db: self, is_over: false })
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
        self.db.batch("COMMIT")?;
        self.is_over = true;
        Ok(())
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
            drop(self.db.batch("ROLLBACK"));
        }
    }
}

/// A row as it is shown.
pub struct Row<'r>(Of<'r>);

enum Of<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r [Value]),
}

impl Row<'_> {
    /// What is in a column, counted from 0.
    ///
    /// # Errors
    /// There is no such column; a text that is none.
    pub fn cell(&self, at: usize) -> Result<Cell<'_>> {
        match self.0 {
            Of::Sqlite(row) => Cell::try_from(row.get_ref(at)?),
            Of::Postgres(row) => row.get(at).map(Cell::from).ok_or_else(|| Error::new("no such column")),
        }
    }

    /// The same, as this.
    ///
    /// # Errors
    /// It is of another kind, too.
    pub fn get<T: for<'c> TryFrom<Cell<'c>, Error = Error>>(&self, at: usize) -> Result<T> {
        T::try_from(self.cell(at)?)
    }
}
