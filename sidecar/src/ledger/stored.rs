//! A record as its row has it: the values of the columns, which members are `null`, and the members without a
//! column. A line makes one, and a row is one; both give the same JSON, to which the audit log commits.

use super::line::{Cell, Line};
use super::member::{COUNT, Kind, MEMBERS, NO_TS, TS};
use super::sql::{self, Cell as Value, Row};
use super::time;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored<'a> {
    pub values: [Value<'a>; COUNT],
    /// A bit for each column whose member is there as `null`, and [`NO_TS`].
    pub nulls: i64,
    pub more: Option<&'a str>,
}

impl<'a> Stored<'a> {
    /// Of a line that has come now.
    pub fn of(line: &'a Line<'_>, now_ms: i64) -> Self {
        let mut this = Self { values: [Value::Null; COUNT], nulls: 0, more: line.more.as_deref() };
        for (column, (cell, value)) in line.cells.iter().zip(&mut this.values).enumerate() {
            match cell {
                Cell::Number(number) => *value = Value::Integer(*number),
                Cell::Text(text) => *value = Value::Text(text),
                other if column == TS => {
                    // A time that the record doesn't have is that at which it came.
                    this.nulls |= if *other == Cell::Null { 1 << TS } else { NO_TS };
                    *value = Value::Integer(now_ms.saturating_mul(1_000));
                }
                Cell::Null => this.nulls |= 1 << column,
                Cell::Absent => {}
            }
        }
        this
    }

    /// Of a row that has its id, the columns, `nulls` and `more` at its beginning.
    ///
    /// # Errors
    /// The row is of another form.
    pub fn read(row: &'a Row<'_>) -> sql::Result<Self> {
        let mut values = [Value::Null; COUNT];
        for (at, value) in values.iter_mut().enumerate() {
            *value = row.cell(at + 1)?;
        }
        let more = row.cell(COUNT + 2)?.text();
        Ok(Self { values, nulls: row.get(COUNT + 1)?, more })
    }

    /// The text in a column.
    pub fn text(&self, at: usize) -> Option<&'a str> {
        self.values.get(at).and_then(|value| value.text())
    }

    /// The record as JSON, its members in one order.
    pub fn json(&self, out: &mut String) {
        out.push('{');
        let begun = out.len();
        for (at, (member, value)) in MEMBERS.iter().zip(self.values).enumerate() {
            let is_null = self.nulls & (1 << at) != 0;
            let value = if is_null { Value::Null } else { value };
            if (value == Value::Null && !is_null) || (at == TS && self.nulls & NO_TS != 0) {
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
        if let Some(members) = self.more.and_then(|more| more.get(1..)) {
            if out.len() > begun {
                out.push(',');
            }
            out.push_str(members);
        } else {
            out.push('}');
        }
    }
}

/// A column's value as JSON.
pub fn write(out: &mut String, kind: Kind, value: Value<'_>) {
    match (kind, value) {
        (Kind::Text, Value::Text(text)) => {
            let text = serde_json::to_string(text);
            out.push_str(text.as_deref().unwrap_or("null"));
        }
        (Kind::Time, Value::Integer(us)) => {
            out.push('"');
            out.push_str(&time::format(us));
            out.push('"');
        }
        (Kind::Vm, Value::Integer(vm)) => out.push_str(&format!("\"{:016x}\"", vm.cast_unsigned())),
        (Kind::Flag, Value::Integer(flag)) => out.push_str(if flag == 0 { "false" } else { "true" }),
        (_, Value::Integer(number)) => out.push_str(&number.to_string()),
        _ => out.push_str("null"),
    }
}
