//! A row of the ledger in, and out a record in its own form, or a line for people.

use super::member::{COUNT, Kind, MEMBERS, NO_TS, TS};
use super::time;
use crate::plain::plain;
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// The record as JSON, its members in one order. The row has its id, the members' columns, `nulls` and
/// `more`.
///
/// # Errors
/// The row is of another form.
pub fn json(row: &Row<'_>, out: &mut String) -> rusqlite::Result<()> {
    let nulls: i64 = row.get(COUNT + 1)?;
    out.push('{');
    let begun = out.len();
    for (at, member) in MEMBERS.iter().enumerate() {
        let is_null = nulls & (1 << at) != 0;
        // A time that the record doesn't have is that at which it came.
        let value = if is_null { ValueRef::Null } else { row.get_ref(at + 1)? };
        if (value == ValueRef::Null && !is_null) || (at == TS && nulls & NO_TS != 0) {
            continue;
        }
        if out.len() > begun {
            out.push(',');
        }
        out.push('"');
        out.push_str(member.name);
        out.push_str("\":");
        write(out, member.kind, value);
    }
    if let ValueRef::Text(more) = row.get_ref(COUNT + 2)?
        && let Some(members) = std::str::from_utf8(more).ok().and_then(|more| more.get(1..))
    {
        if out.len() > begun {
            out.push(',');
        }
        out.push_str(members);
    } else {
        out.push('}');
    }
    Ok(())
}

/// A column's value as JSON.
pub fn write(out: &mut String, kind: Kind, value: ValueRef<'_>) {
    match (kind, value) {
        (Kind::Text, ValueRef::Text(text)) => {
            let text = serde_json::to_string(&String::from_utf8_lossy(text));
            out.push_str(text.as_deref().unwrap_or("null"));
        }
        (Kind::Time, ValueRef::Integer(us)) => {
            out.push('"');
            out.push_str(&time::format(us));
            out.push('"');
        }
        (Kind::Vm, ValueRef::Integer(vm)) => out.push_str(&format!("\"{:016x}\"", vm.cast_unsigned())),
        (Kind::Flag, ValueRef::Integer(flag)) => out.push_str(if flag == 0 { "false" } else { "true" }),
        (_, ValueRef::Integer(number)) => out.push_str(&number.to_string()),
        _ => out.push_str("null"),
    }
}

/// The heads of [`line`].
pub const HEADS: &str = "TIME                         DECISION  REASON                    STATUS  SUB                       CALL  ROUTE\n";

/// The record for people: when, what was decided and why, for whom, and what was asked for.
///
/// # Errors
/// The row is of another form.
pub fn line(row: &Row<'_>, out: &mut String) -> rusqlite::Result<()> {
    let text = |name: &str| -> rusqlite::Result<Option<String>> {
        let shown = |text: String| {
            let mut out = String::new();
            plain(&mut out, &text);
            out
        };
        Ok(row.get::<_, Option<String>>(name)?.filter(|text| !text.is_empty()).map(shown))
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let call = match text("tool")? {
        Some(tool) => tool,
        None => format!("{} {}", or_none(text("method")?), or_none(text("path")?)),
    };
    let status: Option<i64> = row.get("status")?;
    out.push_str(&format!(
        "{:<27}  {:<8}  {:<24}  {:<6}  {:<24}  {call}  {}\n",
        time::format(row.get("ts")?),
        or_none(text("decision")?),
        or_none(text("reason")?),
        status.unwrap_or(0),
        or_none(text("sub")?),
        or_none(text("route")?),
    ));
    Ok(())
}
