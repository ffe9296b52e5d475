//! Conditions on records (`--where`). In: a condition as an operator writes it. Out: SQL with parameters, which
//! has the three values that are meant: what is missing makes a condition unknown, and only true matches.

use rusqlite::types::Value;

/// A condition, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub sql: String,
    /// Of its parameters, in their order.
    pub values: Vec<Value>,
}

/// Reads a condition.
///
/// # Errors
/// Where it isn't one, and what is expected there.
pub fn read(_text: &str) -> Result<Condition, String> {
    Err("where: not yet".to_owned())
}
