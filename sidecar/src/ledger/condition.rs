//! Conditions on records (`--where`). In: a condition as an operator writes it, in YAML or JSON. Out: SQL
//! with parameters, which has the three values that are meant: what is missing or of another type makes a
//! condition unknown, and only true matches; `exists` alone turns missing into false.
//!
//! ```text
//! {decision: {is: deny}, any: [{tool: {prefix: write_}}, {not: {status: {between: [200, 299]}}}]}
//! ```

mod functions;
mod glob;
mod network;

use super::member::{DEEPER, Kind, MEMBERS, Member, NO_TS, TS};
use super::sql::{self, Db, Value};
use super::{line, time};
use crate::settings::yaml;
use serde_json::Value as Json;

/// Conditions in one `any`, and values in one `in`.
const MOST: usize = 100;

/// A condition, compiled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    pub sql: String,
    /// Of its parameters, in their order.
    pub values: Vec<Value>,
}

/// Lets a connection answer what conditions ask.
///
/// # Errors
/// SQLite's.
pub fn prepare(db: &Db) -> sql::Result<()> {
    db.sqlite().map_or(Ok(()), |db| Ok(functions::register(db)?))
}

/// Reads a condition.
///
/// # Errors
/// Where it isn't one, and what is expected there.
pub fn read(text: &str) -> Result<Condition, String> {
    let value = yaml(text.as_bytes()).map_err(|error| format!("where: {error}"))?;
    let mut condition = Condition::default();
    condition.all("where", &value)?;
    Ok(condition)
}

impl Condition {
    /// Members of one object are *and*.
    fn all(&mut self, place: &str, value: &Json) -> Result<(), String> {
        let example = "expected a condition such as {decision: {is: deny}}";
        let members = value.as_object().filter(|members| !members.is_empty());
        for (at, (name, value)) in members.ok_or_else(|| format!("{place}: {example}"))?.iter().enumerate() {
            let place = format!("{place}.{name}");
            self.sql.push_str(if at == 0 { "(" } else { " AND " });
            match name.as_str() {
                "any" => self.any(&place, value)?,
                "not" => {
                    self.sql.push_str("NOT ");
                    self.all(&place, value)?;
                }
                name => self.field(&place, named(&place, name)?, value)?,
            }
        }
        self.sql.push(')');
        Ok(())
    }

    fn any(&mut self, place: &str, value: &Json) -> Result<(), String> {
        for (at, value) in list(place, value)?.iter().enumerate() {
            self.sql.push_str(if at == 0 { "(" } else { " OR " });
            self.all(&format!("{place}[{at}]"), value)?;
        }
        self.sql.push(')');
        Ok(())
    }

    /// Operators of one member are *and*.
    fn field(&mut self, place: &str, member: Member, value: &Json) -> Result<(), String> {
        let operators = value.as_object().filter(|operators| !operators.is_empty());
        let kind = member.kind;
        let Some(operators) = operators else {
            return Err(format!("{place}: expected an object of operators: {}", names(member.name, kind)));
        };
        let column = match kind {
            // It has a time where the record has none.
            Kind::Time => format!("CASE WHEN nulls & {} = 0 THEN ts END", NO_TS | 1 << TS),
            _ if DEEPER.contains(&member) => {
                let function = match kind {
                    Kind::Number => functions::NUMBER,
                    Kind::Texts => functions::TEXTS,
                    _ => functions::TEXT,
                };
                format!("{function}(more, '{}')", member.name)
            }
            _ => format!("\"{}\"", member.name),
        };
        for (number, (operator, operand)) in operators.iter().enumerate() {
            let place = format!("{place}.{operator}");
            self.sql.push_str(if number == 0 { "(" } else { " AND " });
            if !operators_of(member.name, kind).contains(&operator.as_str()) {
                let names = names(member.name, kind);
                return Err(format!("{place}: this member has no such operator: expected one of {names}"));
            }
            self.operator(&place, &column, kind, operator, operand)?;
        }
        self.sql.push(')');
        Ok(())
    }

    fn operator(
        &mut self,
        place: &str,
        column: &str,
        kind: Kind,
        operator: &str,
        operand: &Json,
    ) -> Result<(), String> {
        let one = |value: &Json| scalar(place, kind, value);
        match operator {
            "exists" => {
                let is_there = operand.as_bool().ok_or_else(|| format!("{place}: expected true or false"))?;
                self.sql.push_str(&format!("{column} IS {}NULL", if is_there { "NOT " } else { "" }));
            }
            "in" => {
                for (at, value) in list(place, operand)?.iter().enumerate() {
                    let value = one(value)?;
                    self.sql.push_str(&if at == 0 { format!("{column} IN (") } else { ", ".to_owned() });
                    self.value(value);
                }
                self.sql.push(')');
            }
            "between" => {
                let [low, high] = list(place, operand)? else {
                    return Err(format!("{place}: expected [low, high]"));
                };
                self.sql.push_str(&format!("{column} BETWEEN "));
                self.value(one(low)?);
                self.sql.push_str(" AND ");
                self.value(one(high)?);
            }
            "contains" | "subset_of" => {
                let wanted = match operand {
                    Json::String(_) if operator == "contains" => std::slice::from_ref(operand),
                    _ => list(place, operand)?,
                };
                if !wanted.iter().all(Json::is_string) {
                    return Err(format!("{place}: expected strings"));
                }
                let function =
                    if operator == "contains" { functions::CONTAINS } else { functions::SUBSET_OF };
                self.sql.push_str(&format!("{function}({column}, ?)"));
                self.values.push(Value::Text(Json::from(wanted).to_string()));
            }
            "cidr" => {
                let nets = list(place, operand)?.iter().map(|value| network::read(place, value));
                let nets = nets.collect::<Result<Vec<_>, _>>()?.join(" ");
                self.sql.push_str(&format!("{}({column}, ?)", functions::CIDR));
                self.values.push(Value::Text(nets));
            }
            "prefix" | "suffix" | "glob" => {
                let text = match kind {
                    // As it is written.
                    Kind::Vm => format!("{}({column})", functions::HEX),
                    _ => column.to_owned(),
                };
                let function = match operator {
                    "prefix" => functions::PREFIX,
                    "suffix" => functions::SUFFIX,
                    _ => functions::GLOB,
                };
                let operand = operand.as_str().filter(|text| !text.is_empty());
                let operand =
                    operand.ok_or_else(|| format!("{place}: expected a string that isn't empty"))?;
                self.sql.push_str(&format!("{function}({text}, ?)"));
                self.values.push(Value::Text(operand.to_owned()));
            }
            compared => {
                let sign = match compared {
                    "min" => ">=",
                    "max" => "<=",
                    _ => "=",
                };
                self.sql.push_str(&format!("{column} {sign} "));
                self.value(one(operand)?);
            }
        }
        Ok(())
    }

    /// A parameter. PostgreSQL takes its type from the column, and a fraction is of another.
    fn value(&mut self, value: Value) {
        self.sql.push_str(if matches!(value, Value::Real(_)) { "CAST(? AS DOUBLE PRECISION)" } else { "?" });
        self.values.push(value);
    }
}

/// The member that a condition asks of.
fn named(place: &str, name: &str) -> Result<Member, String> {
    let mut all = MEMBERS.iter().chain(&DEEPER);
    let names = || MEMBERS.iter().chain(&DEEPER).map(|member| member.name).collect::<Vec<_>>().join(", ");
    all.find(|member| member.name == name)
        .copied()
        .ok_or_else(|| format!("{place}: {name:?} is no member of a record: expected one of {}", names()))
}

fn operators_of(name: &str, kind: Kind) -> &'static [&'static str] {
    match (kind, name) {
        (Kind::Text, "address") => &["is", "in", "prefix", "suffix", "glob", "cidr", "exists"],
        (Kind::Text | Kind::Vm, _) => &["is", "in", "prefix", "suffix", "glob", "exists"],
        (Kind::Number, _) => &["is", "in", "min", "max", "between", "exists"],
        (Kind::Flag, _) => &["is", "exists"],
        (Kind::Texts, _) => &["contains", "subset_of", "exists"],
        (Kind::Time, _) => &["is", "min", "max", "between", "exists"],
    }
}

fn names(name: &str, kind: Kind) -> String {
    operators_of(name, kind).join(", ")
}

fn list<'v>(place: &str, value: &'v Json) -> Result<&'v [Json], String> {
    let items = value.as_array().map(Vec::as_slice).filter(|items| (1..=MOST).contains(&items.len()));
    items.ok_or_else(|| format!("{place}: expected a list of 1 to {MOST}"))
}

/// A value that a column of this kind is compared with.
fn scalar(place: &str, kind: Kind, value: &Json) -> Result<Value, String> {
    let (read, expected) = match kind {
        Kind::Text => (
            value.as_str().map(|text| Value::Text(text.to_owned())),
            "a string, in quotes where it looks like something else",
        ),
        Kind::Number => {
            (value.as_i64().map(Value::Integer).or_else(|| value.as_f64().map(Value::Real)), "a number")
        }
        Kind::Flag => (value.as_bool().map(|flag| Value::Integer(flag.into())), "true or false"),
        Kind::Time => {
            (value.as_str().and_then(time::parse).map(Value::Integer), "a time such as 2026-11-29T22:58:01Z")
        }
        // Nothing is compared with a whole list.
        Kind::Texts => (None, "strings"),
        Kind::Vm => (value.as_str().and_then(line::vm).map(Value::Integer), "16 hex digits in lower case"),
    };
    read.ok_or_else(|| format!("{place}: expected {expected}"))
}

#[cfg(test)]
mod tests;
