//! Values as a database has them, borrowed and owned, and how ours become them and they ours.

use super::fault::{Error, Result};
use rusqlite::types::ValueRef;

/// A value that lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl<'a> Cell<'a> {
    /// The text, where it is one.
    pub fn text(self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The whole number, where it is one.
    pub fn integer(self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(number) } else { None }
    }
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(*number),
            Value::Real(number) => Self::Real(*number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl<'a> TryFrom<ValueRef<'a>> for Cell<'a> {
    type Error = Error;

    fn try_from(value: ValueRef<'a>) -> Result<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(std::str::from_utf8(text).map_err(Error::new)?),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        })
    }
}

/// What can be a parameter.
pub trait AsCell {
    /// As a database has it.
    fn as_cell(&self) -> Cell<'_>;
}

/// Values as parameters.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { &[$($crate::ledger::sql::AsCell::as_cell(&$value)),*] };
}
pub(crate) use cells;

macro_rules! numbers {
    ($($kind:ty),*) => { $(
        impl AsCell for $kind {
            fn as_cell(&self) -> Cell<'_> {
                Cell::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl TryFrom<Cell<'_>> for $kind {
            type Error = Error;

            fn try_from(cell: Cell<'_>) -> Result<Self> {
                let number = cell.integer().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| Error::new(format!("{cell:?} is no number of this kind")))
            }
        }
    )* };
}
numbers!(i64, u64, usize);

impl AsCell for bool {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Integer((*self).into())
    }
}

impl AsCell for str {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Text(self)
    }
}

impl AsCell for String {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Text(self)
    }
}

impl AsCell for [u8] {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Blob(self)
    }
}

impl AsCell for Vec<u8> {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Blob(self)
    }
}

impl AsCell for [u8; 32] {
    fn as_cell(&self) -> Cell<'_> {
        Cell::Blob(self)
    }
}

impl<T: AsCell + ?Sized> AsCell for &T {
    fn as_cell(&self) -> Cell<'_> {
        (**self).as_cell()
    }
}

impl<T: AsCell> AsCell for Option<T> {
    fn as_cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, T::as_cell)
    }
}

impl TryFrom<Cell<'_>> for bool {
    type Error = Error;

    fn try_from(cell: Cell<'_>) -> Result<Self> {
        i64::try_from(cell).map(|number| number != 0)
    }
}

impl TryFrom<Cell<'_>> for String {
    type Error = Error;

    fn try_from(cell: Cell<'_>) -> Result<Self> {
        cell.text().map(str::to_owned).ok_or_else(|| Error::new(format!("{cell:?} is no text")))
    }
}

impl TryFrom<Cell<'_>> for Vec<u8> {
    type Error = Error;

    fn try_from(cell: Cell<'_>) -> Result<Self> {
        match cell {
            Cell::Blob(bytes) => Ok(bytes.to_vec()),
            other => Err(Error::new(format!("{other:?} are no bytes"))),
        }
    }
}

impl TryFrom<Cell<'_>> for [u8; 32] {
    type Error = Error;

    fn try_from(cell: Cell<'_>) -> Result<Self> {
        Vec::try_from(cell)?.try_into().map_err(|_| Error::new("they aren't 32 bytes"))
    }
}

macro_rules! options {
    ($($kind:ty),*) => { $(
        impl TryFrom<Cell<'_>> for Option<$kind> {
            type Error = Error;

            fn try_from(cell: Cell<'_>) -> Result<Self> {
                if cell == Cell::Null { Ok(None) } else { <$kind>::try_from(cell).map(Some) }
            }
        }
    )* };
}
options!(i64, u64, String);
