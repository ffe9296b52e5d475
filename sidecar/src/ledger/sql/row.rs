//! A row of either database, column by column.

use super::cell::{Cell, Value};
use super::fault::{Error, Result};

/// A row as it is shown.
pub struct Row<'r>(pub(super) Of<'r>);

/// Whose it is.
pub(super) enum Of<'r> {
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
