//! What SQL can't ask by itself, as functions of a connection to SQLite; PostgreSQL has the same in its
//! schema. Each: a column's value and an operand in, and
//! true, false or unknown (NULL, where the value is NULL) out.

use super::{glob, network};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

pub const PREFIX: &str = "gateway_prefix";
pub const SUFFIX: &str = "gateway_suffix";
pub const GLOB: &str = "gateway_glob";
pub const CIDR: &str = "gateway_cidr";
pub const HEX: &str = "gateway_hex";

/// Adds them to a connection.
pub fn register(db: &Connection) -> rusqlite::Result<()> {
    text(db, PREFIX, |value, operand| value.starts_with(operand))?;
    text(db, SUFFIX, |value, operand| value.ends_with(operand))?;
    text(db, GLOB, |value, pattern| glob::fits(pattern, value))?;
    db.create_scalar_function(HEX, 1, flags(), |context| {
        Ok(context.get::<Option<i64>>(0)?.map(|number| format!("{:016x}", number.cast_unsigned())))
    })?;
    db.create_scalar_function(CIDR, 2, flags(), |context| {
        let networks = context.get_or_create_aux(1, |value| value.as_str().map(network::all))?;
        Ok(value(context).and_then(|address| network::is_in(address, &networks)))
    })
}

fn text(
    db: &Connection,
    name: &str,
    asks: impl Fn(&str, &str) -> bool + Send + 'static,
) -> rusqlite::Result<()> {
    db.create_scalar_function(name, 2, flags(), move |context| {
        let operand = context.get_raw(1).as_str()?;
        Ok(value(context).map(|value| asks(value, operand)))
    })
}

fn value<'c>(context: &'c Context<'_>) -> Option<&'c str> {
    match context.get_raw(0) {
        ValueRef::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY
}
