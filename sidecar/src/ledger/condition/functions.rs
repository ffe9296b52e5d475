//! What SQL can't ask by itself, as functions of a connection to SQLite; PostgreSQL has the same in its
//! schema. Each: a column's value and an operand in, and
//! true, false or unknown (NULL, where the value is NULL) out.

use super::{glob, network};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use serde_json::Value as Json;

pub const PREFIX: &str = "gateway_prefix";
pub const SUFFIX: &str = "gateway_suffix";
pub const GLOB: &str = "gateway_glob";
pub const CIDR: &str = "gateway_cidr";
pub const HEX: &str = "gateway_hex";
/// Of the members without a column: the text, the whole number and the list of strings (as JSON) at a place.
pub const TEXT: &str = "gateway_text";
pub const NUMBER: &str = "gateway_number";
pub const TEXTS: &str = "gateway_texts";
/// Of such a list: whether all of an operand's strings are in it, and it in those.
pub const CONTAINS: &str = "gateway_contains";
pub const SUBSET_OF: &str = "gateway_subset_of";

/// Adds them to a connection.
pub fn register(db: &Connection) -> rusqlite::Result<()> {
    text(db, PREFIX, |value, operand| value.starts_with(operand))?;
    text(db, SUFFIX, |value, operand| value.ends_with(operand))?;
    text(db, GLOB, |value, pattern| glob::fits(pattern, value))?;
    db.create_scalar_function(HEX, 1, flags(), |context| {
        Ok(context.get::<Option<i64>>(0)?.map(|number| format!("{:016x}", number.cast_unsigned())))
    })?;
    deeper(db, TEXT, |value| value.as_str().map(|text| text.to_owned().into()))?;
    deeper(db, NUMBER, |value| value.as_i64().map(rusqlite::types::Value::from))?;
    deeper(db, TEXTS, |value| {
        let is_list = value.as_array().is_some_and(|items| items.iter().all(Json::is_string));
        is_list.then(|| value.to_string().into())
    })?;
    text(db, CONTAINS, |list, wanted| is_within(wanted, list))?;
    text(db, SUBSET_OF, is_within)?;
    db.create_scalar_function(CIDR, 2, flags(), |context| {
        let networks = context.get_or_create_aux(1, |value| value.as_str().map(network::all))?;
        Ok(value(context).and_then(|address| network::is_in(address, &networks)))
    })
}

/// Of the value at a place within `more`, where it is of the right kind.
fn deeper(
    db: &Connection,
    name: &str,
    read: impl Fn(&Json) -> Option<rusqlite::types::Value> + Send + 'static,
) -> rusqlite::Result<()> {
    db.create_scalar_function(name, 2, flags(), move |context| {
        let more: Option<Json> = value(context).and_then(|more| serde_json::from_str(more).ok());
        let place = context.get_raw(1).as_str()?;
        let found = more.as_ref().and_then(|more| place.split('.').try_fold(more, |at, name| at.get(name)));
        Ok(found.and_then(&read))
    })
}

/// Whether all of one list is in the other.
fn is_within(one: &str, other: &str) -> bool {
    let [one, other]: [Vec<String>; 2] =
        [one, other].map(|list| serde_json::from_str(list).unwrap_or_default());
    one.iter().all(|name| other.contains(name))
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
