//! What was tried, and the result: rows in; a table for people or JSON for programs out.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Good,
    /// Otherwise.
    Bad,
    /// It couldn't be tried, and why.
    Skipped(String),
}

/// One thing that was tried.
#[derive(Debug, Clone)]
pub struct Row {
    /// The section of the original README.
    pub section: &'static str,
    /// What was asked.
    pub name: String,
    /// What should come.
    pub expected: String,
    /// What came.
    pub got: String,
    /// Whether that is the same.
    pub outcome: Outcome,
}

/// Everything that was tried.
#[derive(Debug)]
pub struct Report {
    /// The gateway.
    pub url: String,
    /// In the order in which they were tried.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether no row failed.
    pub fn is_good(&self) -> bool {
        self.count(|o| *o == Outcome::Bad) == 0
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|row| is(&row.outcome)).count()
    }

    /// A table for a terminal, and a line that sums it up.
    pub fn to_table(&self) -> String {
        let width = |of: fn(&Row) -> &str, head: &str| {
            self.rows.iter().map(|r| of(r).chars().count()).max().unwrap_or(0).max(head.len())
        };
        let (name, expected, got) =
            (width(|r| &r.name, "name"), width(|r| &r.expected, "expected"), width(|r| &r.got, "got"));
        let mut out = String::new();
        let _ = writeln!(out, "{:<3} {:<name$}  {:<expected$}  {:<got$}  ok", "§", "name", "expected", "got");
        for row in &self.rows {
            let ok = match &row.outcome {
                Outcome::Good => "ok".to_owned(),
                Outcome::Bad => "FAILED".to_owned(),
                Outcome::Skipped(why) => format!("skipped: {why}"),
            };
            let Row { section, name: n, expected: e, got: g, .. } = row;
            let _ = writeln!(out, "{section:<3} {n:<name$}  {e:<expected$}  {g:<got$}  {ok}");
        }
        let good = self.count(|o| *o == Outcome::Good);
        let bad = self.count(|o| *o == Outcome::Bad);
        let _ =
            writeln!(out, "{}: {good} ok, {bad} failed, {} skipped", self.url, self.rows.len() - good - bad);
        out
    }

    /// The same for machines.
    pub fn to_json(&self) -> Value {
        let row = |row: &Row| {
            let (ok, skipped) = match &row.outcome {
                Outcome::Good => (json!(true), Value::Null),
                Outcome::Bad => (json!(false), Value::Null),
                Outcome::Skipped(why) => (Value::Null, json!(why)),
            };
            json!({
                "section": row.section, "name": row.name, "expected": row.expected, "got": row.got, "ok": ok, "skipped": skipped,
            })
        };
        json!({ "url": self.url, "ok": self.is_good(), "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}
