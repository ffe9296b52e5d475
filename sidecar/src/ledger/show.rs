//! A row of the ledger in, and out a record in its own form, or a line for people.

use super::member::{self, TS};
use super::sql::{self, Row};
use super::stored::Stored;
use super::time;
use crate::plain::plain;

/// The record as JSON, its members in one order. The row has its id, the members' columns, `nulls` and
/// `more`.
///
/// # Errors
/// The row is of another form.
pub fn json(row: &Row<'_>, out: &mut String) -> sql::Result<()> {
    Stored::read(row)?.json(out);
    Ok(())
}

/// The heads of [`line`].
pub const HEADS: &str = "TIME                         DECISION  REASON                    STATUS  SUB                       CALL  ROUTE\n";

/// The record for people: when, what was decided and why, for whom, and what was asked for.
///
/// # Errors
/// The row is of another form.
pub fn line(row: &Row<'_>, out: &mut String) -> sql::Result<()> {
    let at = |name: &str| member::find(name).map_or(0, |at| at + 1);
    let text = |name: &str| -> sql::Result<Option<String>> {
        let shown = |text: String| {
            let mut out = String::new();
            plain(&mut out, &text);
            out
        };
        Ok(row.get::<Option<String>>(at(name))?.filter(|text| !text.is_empty()).map(shown))
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let call = match text("tool")? {
        Some(tool) => tool,
        None => format!("{} {}", or_none(text("method")?), or_none(text("path")?)),
    };
    let status: Option<i64> = row.get(at("status"))?;
    out.push_str(&format!(
        "{:<27}  {:<8}  {:<24}  {:<6}  {:<24}  {call}  {}\n",
        time::format(row.get(TS + 1)?),
        or_none(text("decision")?),
        or_none(text("reason")?),
        status.unwrap_or(0),
        or_none(text("sub")?),
        or_none(text("route")?),
    ));
    Ok(())
}
