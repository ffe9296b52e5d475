//! Sums of records, made when they come in, so that no page reads all records. In: a batch's records. Out:
//! rows of the table `aggregate`, written with the records; each by its labels ([`Names`]) and bucket. They
//! are never reduced: not by what is kept, nor by what is erased.
//!
//! A batch is summed up in memory before, for most of its records are alike. The table is bounded: a metric
//! that has [`most`] series counts new ones under the label `other`.

use super::member::{AGENT, DECISION, LATENCY, OPERATION, REASON, ROUTE, STATUS, TOOL};
use super::names::{self, BATCH, Names, OTHER};
use super::sql::{self, Db, Tx, cells};
use super::stored::Stored;
use crate::metrics::catalogue::{HTTP_BOUNDS, MCP_BOUNDS};
use std::collections::HashMap;

/// Series of one metric, where there is room.
const MOST: u64 = 10_000;
const LEAST: u64 = 128;
/// The database has room for as many series as it may have of these.
const BYTES: u64 = 8_192;
/// The bucket of what is only counted.
const COUNTED: usize = 0;
/// Nothing takes longer, so that sums stay in their columns: eleven days, in microseconds.
const LONGEST_US: i64 = 1_000_000_000_000;
const METHOD: &str = "tools/call";

/// Series that a metric may have in a database of so many bytes.
pub fn most(max_bytes: u64) -> usize {
    usize::try_from((max_bytes / BYTES).clamp(LEAST, MOST)).unwrap_or(0)
}

/// What is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sum {
    /// By route, decision, reason and agent.
    Requests,
    /// By route, tool and decision.
    ToolCalls,
    /// By route.
    Durations,
    /// By method, tool and error.
    Operations,
}

impl Sum {
    pub const ALL: [Self; 4] = [Self::Requests, Self::ToolCalls, Self::Durations, Self::Operations];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::ToolCalls => "tool_calls",
            Self::Durations => "durations",
            Self::Operations => "operations",
        }
    }
}

/// What of a record says where it counts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Words<'a> {
    route: Option<&'a str>,
    decision: &'a str,
    reason: Option<&'a str>,
    agent: Option<&'a str>,
    tool: Option<&'a str>,
    operation: Option<&'a str>,
    status: i64,
    /// The buckets of how long it took; `None`: nobody says.
    buckets: Option<(usize, usize)>,
}

/// How many there are, and how long they took together.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    count: i64,
    us: i64,
}

impl Amount {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.us = self.us.saturating_add(more.us);
    }
}

/// Records of one batch.
#[derive(Debug, Default)]
pub struct Gathered<'a>(HashMap<Words<'a>, Amount>);

impl<'a> Gathered<'a> {
    /// Adds a record.
    pub fn add(&mut self, record: &Stored<'a>) {
        let text = |at: usize| record.text(at);
        let number = |at: usize| record.values.get(at).and_then(|value| value.integer());
        let us = number(LATENCY).map(|us| us.clamp(0, LONGEST_US));
        let words = Words {
            route: text(ROUTE),
            decision: text(DECISION).unwrap_or_default(),
            reason: text(REASON),
            agent: text(AGENT),
            tool: text(TOOL),
            operation: text(OPERATION),
            status: number(STATUS).unwrap_or(0),
            buckets: us.map(|us| (bucket(&HTTP_BOUNDS, us), bucket(&MCP_BOUNDS, us))),
        };
        self.0.entry(words).or_default().add(Amount { count: 1, us: us.unwrap_or(0) });
    }
}

/// The first whose bound isn't below.
fn bucket(bounds: &[i64], us: i64) -> usize {
    bounds.partition_point(|bound| *bound < us)
}

/// A row: what it is, its labels as a JSON array, its bucket.
type Row = (Sum, String, usize);

/// The series that there are.
#[derive(Debug, Default)]
pub struct Aggregates {
    known: Option<HashMap<Sum, Known>>,
}

type Known = std::collections::HashSet<String>;

impl Aggregates {
    /// Writes what was gathered.
    pub fn write(
        &mut self,
        tx: &Tx<'_>,
        gathered: &Gathered<'_>,
        (names, most): (&Names, usize),
    ) -> sql::Result<()> {
        let known = match &mut self.known {
            Some(known) => known,
            none => none.insert(known(tx)?),
        };
        let mut rows: HashMap<Row, Amount> = HashMap::new();
        for (words, amount) in &gathered.0 {
            place(words, *amount, names, &mut |sum, labels, bucket, amount| {
                let series = known.entry(sum).or_default();
                let row = (sum, admitted(series, most, sum, labels), bucket);
                rows.entry(row).or_default().add(amount);
            });
        }
        let upsert = "INSERT INTO aggregate VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (sum, labels, bucket)
             DO UPDATE SET count = aggregate.count + excluded.count, us = aggregate.us + excluded.us";
        for ((sum, labels, bucket), Amount { count, us }) in &rows {
            tx.execute(upsert, cells![sum.name(), *labels, *bucket, *count, *us])?;
        }
        Ok(())
    }

    /// Reads all from the database again.
    pub fn forget(&mut self) {
        self.known = None;
    }
}

/// The labels of a series that is there, or may be made; else those of one for all that have no room.
fn admitted(series: &mut Known, most: usize, sum: Sum, labels: &[&str]) -> String {
    let json = json(labels);
    if series.contains(&json) {
        return json;
    }
    if series.len() < most {
        series.insert(json.clone());
        return json;
    }
    match (sum, labels) {
        // These two are words of ours.
        (Sum::Requests, [_, decision, reason, _]) => self::json(&[OTHER, decision, reason, OTHER]),
        (Sum::ToolCalls, [_, _, decision]) => self::json(&[OTHER, OTHER, decision]),
        _ => self::json(&vec![OTHER; labels.len()]),
    }
}

fn json(labels: &[&str]) -> String {
    serde_json::to_string(labels).unwrap_or_default()
}

/// Adds to a series, by its labels, in a bucket.
type Add<'a> = dyn FnMut(Sum, &[&str], usize, Amount) + 'a;

/// Where records of these words count.
fn place(words: &Words<'_>, amount: Amount, names: &Names, add: &mut Add<'_>) {
    let (route, decision) = (names.route(words.route), names::decision(words.decision));
    let reason = names.reason(words.reason);
    let counted = Amount { us: 0, ..amount };
    add(Sum::Requests, &[route, decision, reason, names.agent(words.agent)], COUNTED, counted);
    let tool = match (words.operation, words.tool) {
        (Some(METHOD), Some(tool)) => names.tool(words.route, tool),
        (Some(many), _) if many.split(',').any(|one| one == METHOD) && many != METHOD => BATCH,
        _ => "",
    };
    if !tool.is_empty() {
        add(Sum::ToolCalls, &[route, tool, decision], COUNTED, counted);
    }
    let Some((http, mcp)) = words.buckets else { return };
    add(Sum::Durations, &[route], http, amount);
    if let Some(operation) = words.operation {
        let status = words.status.to_string();
        let error = match decision {
            "allow" if (400..600).contains(&words.status) => status.as_str(),
            "allow" => "",
            _ => reason,
        };
        add(Sum::Operations, &[names::method(operation), tool, error], mcp, amount);
    }
}

fn known(db: &Db) -> sql::Result<HashMap<Sum, Known>> {
    let mut known: HashMap<Sum, Known> = HashMap::new();
    for Aggregate { sum, labels, .. } in read(db)? {
        known.entry(sum).or_default().insert(labels);
    }
    Ok(known)
}

/// A row as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Aggregate {
    pub sum: Sum,
    /// A JSON array.
    pub labels: String,
    pub bucket: usize,
    pub count: u64,
    pub us: u64,
}

/// All rows, those of a series together.
///
/// # Errors
/// The disk's.
pub fn read(db: &Db) -> sql::Result<Vec<Aggregate>> {
    let sql = "SELECT sum, labels, bucket, count, us FROM aggregate ORDER BY sum, labels, bucket";
    let mut all = Vec::new();
    db.each(sql, &[], &mut |row| {
        let name = row.cell(0)?.text();
        // What a later version counts besides is none of ours.
        if let Some(sum) = Sum::ALL.into_iter().find(|sum| Some(sum.name()) == name) {
            let (labels, bucket) = (row.get(1)?, row.get(2)?);
            all.push(Aggregate { sum, labels, bucket, count: row.get(3)?, us: row.get(4)? });
        }
        Ok(true)
    })?;
    Ok(all)
}
