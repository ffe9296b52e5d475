//! The report of a comparison: rows in; text for a terminal, Markdown and JSON out.

use super::differences::{Difference, Place};
use super::reply::Reply;
use super::shape;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Same,
    /// It differs where that is meant, and nowhere else.
    Allowed,
    Different,
    /// It couldn't be sent, and why.
    Skipped(&'static str),
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Allowed => "allowed",
            Self::Different => "different",
            Self::Skipped(_) => "skipped",
        }
    }

    fn told(self) -> String {
        match self {
            Self::Different => "DIFFERENT".to_owned(),
            Self::Skipped(why) => format!("skipped: {why}"),
            Self::Same | Self::Allowed => self.word().to_owned(),
        }
    }
}

/// A case, and how both answered it.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub method: String,
    /// Without its query.
    pub path: String,
    pub outcome: Outcome,
    pub(super) replies: [Option<Reply>; 2],
    pub(super) differences: Vec<Difference>,
    /// The reasons of its lines of `allow` that named nothing.
    pub unused: Vec<String>,
}

impl Row {
    pub(super) fn new(name: String, method: String, path: String) -> Self {
        let (replies, differences, unused) = ([None, None], Vec::new(), Vec::new());
        Self { name, method, path, outcome: Outcome::Same, replies, differences, unused }
    }

    fn statuses(&self) -> [String; 2] {
        self.replies.each_ref().map(|reply| reply.as_ref().map_or("–".to_owned(), |a| a.status.to_string()))
    }
}

/// All cases.
#[derive(Debug)]
pub struct Report {
    /// A's base URL and B's.
    pub urls: [String; 2],
    /// In the order of the cases.
    pub rows: Vec<Row>,
    /// The reasons of the file's lines of `allow` that named nothing in any case.
    pub unused: Vec<String>,
}

impl Report {
    pub(super) fn new(urls: [String; 2]) -> Self {
        Self { urls, rows: Vec::new(), unused: Vec::new() }
    }

    /// Whether nothing differs but what is meant to.
    pub fn is_same(&self) -> bool {
        !self.rows.iter().any(|row| row.outcome == Outcome::Different)
    }

    fn summary(&self) -> String {
        let count = |word: &str| self.rows.iter().filter(|row| row.outcome.word() == word).count();
        let (same, allowed) = (count("same"), count("allowed"));
        let (different, skipped) = (count("different"), count("skipped"));
        format!("{same} same, {allowed} with allowed differences, {different} different, {skipped} skipped")
    }

    fn unused(&self) -> Vec<String> {
        let of_case =
            self.rows.iter().flat_map(|row| row.unused.iter().map(|why| format!("{}: {why}", row.name)));
        of_case.chain(self.unused.iter().cloned()).collect()
    }

    /// For a terminal.
    pub fn to_text(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
        let mut out = format!("{:<width$}  {:<4} {:<4} outcome\n", "case", "A", "B");
        for row in &self.rows {
            let ([a, b], outcome) = (row.statuses(), row.outcome.told());
            let _ = writeln!(out, "{:<width$}  {a:<4} {b:<4} {outcome}", row.name);
            for difference in &row.differences {
                let (a, b) = (shown(&difference.a), shown(&difference.b));
                let _ = write!(out, "    {}: {a} | {b}", place(&difference.place));
                let _ = match &difference.allowed {
                    Some(why) => writeln!(out, "  (allowed: {why})"),
                    None => writeln!(out),
                };
            }
        }
        for line in self.unused() {
            let _ = writeln!(out, "allow line that named nothing: {line}");
        }
        let [a, b] = &self.urls;
        let _ = writeln!(out, "A {a}\nB {b}\n{}", self.summary());
        out
    }

    /// As a document.
    pub fn to_markdown(&self) -> String {
        let [a, b] = self.urls.each_ref().map(|url| code(url));
        let verdict =
            if self.is_same() { "The same, except for what is allowed." } else { "**They differ.**" };
        let mut out =
            format!("# Two gateways, compared\n\nA is {a}, B is {b}. {verdict} {}.\n\n", self.summary());
        out.push_str("| case | A | B | outcome |\n|---|---|---|---|\n");
        for row in &self.rows {
            let ([a, b], outcome) = (row.statuses(), row.outcome.told());
            let _ = writeln!(out, "| {} | {a} | {b} | {outcome} |", code(&row.name));
        }
        for row in self.rows.iter().filter(|row| !row.differences.is_empty()) {
            let _ = writeln!(out, "\n## {}\n\n{} {}\n", code(&row.name), code(&row.method), code(&row.path));
            out.push_str("| where | A | B | allowed |\n|---|---|---|---|\n");
            for Difference { place: at, a, b, allowed } in &row.differences {
                let cell = |text: &Option<String>| text.as_deref().map_or("–".to_owned(), code);
                let (at, a, b, why) = (code(&place(at)), cell(a), cell(b), cell(allowed));
                let _ = writeln!(out, "| {at} | {a} | {b} | {why} |");
            }
        }
        let unused = self.unused();
        if !unused.is_empty() {
            out.push_str("\n## Lines of `allow` that named nothing\n\n");
            for line in unused {
                let _ = writeln!(out, "- {}", code(&line));
            }
        }
        out
    }

    /// For machines, with all of what was compared.
    pub fn to_json(&self) -> Value {
        let [a, b] = &self.urls;
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "a": a, "b": b, "same": self.is_same(), "cases": rows, "unused": self.unused })
    }
}

fn row(row: &Row) -> Value {
    let skipped = if let Outcome::Skipped(why) = row.outcome { json!(why) } else { Value::Null };
    let [a, b] = row.replies.each_ref().map(|reply| reply.as_ref().map_or(Value::Null, reply_json));
    let differences: Vec<Value> = row.differences.iter().map(difference).collect();
    json!({
        "name": row.name, "method": row.method, "path": row.path, "outcome": row.outcome.word(), "skipped": skipped,
        "a": a, "b": b, "differences": differences, "unused": row.unused,
    })
}

fn reply_json(reply: &Reply) -> Value {
    let types = |(path, types): (&String, _)| (path.clone(), json!(shape::types(types)));
    let shape = reply.body.shape().map(|shape| shape.iter().map(types).collect::<serde_json::Map<_, _>>());
    json!({ "status": reply.status, "headers": reply.headers, "body": reply.body.kind(), "shape": shape })
}

fn difference(difference: &Difference) -> Value {
    let (what, at) = match &difference.place {
        Place::Reply => ("answer", None),
        Place::Status => ("status", None),
        Place::Header(name) => ("header", Some(name)),
        Place::Body(path) => ("body", Some(path)),
    };
    let Difference { a, b, allowed, .. } = difference;
    json!({ "what": what, "at": at, "a": a, "b": b, "allowed": allowed })
}

fn place(place: &Place) -> String {
    match place {
        Place::Reply => "answer".to_owned(),
        Place::Status => "status".to_owned(),
        Place::Header(name) => format!("header {name}"),
        Place::Body(path) if path.is_empty() => "body".to_owned(),
        Place::Body(path) => format!("body {path}"),
    }
}

fn shown(side: &Option<String>) -> &str {
    side.as_deref().unwrap_or("–")
}

/// What others wrote is code, in which nothing is markup; a backtick or a bar would end it.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}
