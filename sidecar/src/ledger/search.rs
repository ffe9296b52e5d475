//! Searches in the ledger. In: since when, a condition, and how many. Out: the records that match, the oldest
//! first, told one by one; or how many there are of each kind.
//!
//! What is told may be read slowly, so no statement is open meanwhile: the journal would grow without end.

use super::condition::Condition;
use super::member::{self, MEMBERS};
use super::show;
use super::sql::{self, Cell, Db, Row, Value, cells};
use super::stored;
use std::io::Write;

/// Records, and bytes, that are held at once.
const MOST: usize = 2_000;
const MOST_BYTES: usize = 256 * 1024;

/// What is looked for.
#[derive(Debug, Default)]
pub struct Search {
    /// Unix microseconds.
    pub since_us: Option<i64>,
    pub condition: Option<Condition>,
    /// The first so many.
    pub limit: Option<u64>,
}

/// In which form it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One array.
    Json,
    /// A table.
    People,
}

/// Writes all that match.
///
/// # Errors
/// The disk's, or that of `out`.
pub fn records(db: &Db, search: &Search, form: Form, out: &mut dyn Write) -> Result<(), String> {
    let (begin, between, end) = match form {
        Form::Json => ("[", ",\n", "]\n"),
        Form::People => (show::HEADS, "", ""),
    };
    let mut left = search.limit.unwrap_or(u64::MAX);
    if left == 0 {
        return out.write_all(format!("{begin}{end}").as_bytes()).map_err(|e| e.to_string());
    }
    let mut last = search.before_first(db).map_err(|e| format!("the ledger: {e}"))?;
    let mut text = begin.to_owned();
    let mut first = true;
    loop {
        let told = page(db, search, last, left.min(MOST as u64), |row| {
            if !std::mem::take(&mut first) {
                text.push_str(between);
            }
            match form {
                Form::Json => show::json(row, &mut text)?,
                Form::People => show::line(row, &mut text)?,
            }
            Ok(text.len() < MOST_BYTES)
        });
        let (count, at) = told.map_err(|e| format!("the ledger: {e}"))?;
        left = left.saturating_sub(count);
        let Some(at) = at.filter(|_| left > 0) else { break };
        last = at;
        out.write_all(text.as_bytes()).map_err(|e| e.to_string())?;
        text.clear();
    }
    text.push_str(end);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())
}

/// Writes those that match as they come, a line for each: without `since_us`, those that come from now on.
/// `rest` is asked for more whenever there is no more, and waits as long as it likes; `false`: enough.
///
/// # Errors
/// The disk's, or that of `out`.
pub fn follow(
    db: &Db,
    search: &Search,
    form: Form,
    out: &mut dyn Write,
    rest: &mut dyn FnMut() -> bool,
) -> Result<(), String> {
    let failed = |e: sql::Error| format!("the ledger: {e}");
    let mut left = search.limit.unwrap_or(u64::MAX);
    let mut last = search.before_new(db).map_err(failed)?;
    let mut text = if form == Form::People { show::HEADS.to_owned() } else { String::new() };
    while left > 0 {
        // What has come by now: the next look begins behind it, whatever matches.
        let newest = newest(db).map_err(failed)?;
        let mut seen = last;
        let told = page(db, search, last, left.min(MOST as u64), |row| {
            seen = row.get(0)?;
            match form {
                Form::Json => {
                    show::json(row, &mut text)?;
                    text.push('\n');
                }
                Form::People => show::line(row, &mut text)?,
            }
            Ok(text.len() < MOST_BYTES)
        });
        let (count, at) = told.map_err(failed)?;
        left = left.saturating_sub(count);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
        text.clear();
        if at.is_some() {
            last = seen;
            continue;
        }
        last = seen.max(newest);
        if left > 0 && !rest() {
            break;
        }
    }
    Ok(())
}

/// The last record's id.
fn newest(db: &Db) -> sql::Result<i64> {
    let newest: Option<i64> = db.one("SELECT max(id) FROM record", &[])?;
    Ok(newest.unwrap_or(0))
}

/// Tells records behind `last` while `tell` says so; how many, and the last one's id where there may be more.
fn page(
    db: &Db,
    search: &Search,
    last: i64,
    most: u64,
    mut tell: impl FnMut(&Row<'_>) -> sql::Result<bool>,
) -> sql::Result<(u64, Option<i64>)> {
    let (filter, values) = search.filter(last);
    let sql = format!(
        "SELECT id, {}, nulls, more FROM record WHERE {filter} ORDER BY id LIMIT {most}",
        member::columns()
    );
    let values: Vec<Cell<'_>> = values.iter().map(Cell::from).collect();
    let (mut count, mut at, mut is_enough) = (0, None, false);
    db.each(&sql, &values, &mut |row| {
        count += 1;
        at = Some(row.get(0)?);
        is_enough = !tell(row)?;
        Ok(!is_enough)
    })?;
    Ok((count, at.filter(|_| is_enough || count == most)))
}

/// Counts by the values of some members, given by their places; the most frequent first.
///
/// # Errors
/// The disk's, or that of `out`.
pub fn counts(db: &Db, search: &Search, by: &[usize], form: Form, out: &mut dyn Write) -> Result<(), String> {
    let text = counted(db, search, by, form).map_err(|e| format!("the ledger: {e}"))?;
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())
}

fn counted(db: &Db, search: &Search, by: &[usize], form: Form) -> sql::Result<String> {
    let members: Vec<_> = by.iter().filter_map(|at| MEMBERS.get(*at)).collect();
    let columns = members.iter().map(|member| format!("\"{}\"", member.name)).collect::<Vec<_>>().join(", ");
    let (filter, values) = search.filter(search.before_first(db)?);
    let limit = search.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
    let sql = format!(
        "SELECT count(*), {columns} FROM record WHERE {filter} GROUP BY {columns}
         ORDER BY 1 DESC, {columns} {limit}"
    );
    let values: Vec<Cell<'_>> = values.iter().map(Cell::from).collect();
    let mut text = String::new();
    db.each(&sql, &values, &mut |row| {
        let count: i64 = row.get(0)?;
        let mut values = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let mut value = String::new();
            stored::write(&mut value, member.kind, row.cell(at + 1)?);
            values.push(value);
        }
        let named =
            members.iter().zip(&values).map(|(member, value)| format!("\"{}\":{value},", member.name));
        match form {
            Form::Json => {
                text.push_str(if text.is_empty() { "[{" } else { ",\n{" });
                text.extend(named);
                text.push_str(&format!("\"count\":{count}}}"));
            }
            Form::People => text.push_str(&format!("{count:>9}  {}\n", values.join("  "))),
        }
        Ok(true)
    })?;
    if form == Form::Json {
        text.push_str(if text.is_empty() { "[]\n" } else { "]\n" });
    }
    Ok(text)
}

impl Search {
    /// The id behind which all that is recent enough lies: records come in about the order of their times.
    fn before_first(&self, db: &Db) -> sql::Result<i64> {
        let Some(since_us) = self.since_us else { return Ok(i64::MIN) };
        let first: Option<Option<i64>> =
            db.first("SELECT min(id) FROM record WHERE ts >= ?1", cells![since_us], |row| row.get(0))?;
        Ok(first.flatten().map_or(i64::MAX, |id| id.saturating_sub(1)))
    }

    /// The id behind which what is followed lies.
    fn before_new(&self, db: &Db) -> sql::Result<i64> {
        match self.since_us {
            // Nothing is recent enough yet: all that comes is.
            Some(_) => Ok(self.before_first(db)?.min(newest(db)?)),
            None => newest(db),
        }
    }

    /// What SQL asks of a row, and the values of its parameters.
    fn filter(&self, last: i64) -> (String, Vec<Value>) {
        let mut sql = "id > ?".to_owned();
        let mut values = vec![Value::Integer(last)];
        if let Some(since_us) = self.since_us {
            // The unary plus keeps the index on time out of it: the order is that of ids.
            sql.push_str(" AND +ts >= ?");
            values.push(Value::Integer(since_us));
        }
        if let Some(Condition { sql: condition, values: more }) = &self.condition {
            sql.push_str(&format!(" AND ({condition})"));
            values.extend(more.iter().cloned());
        }
        (sql, values)
    }
}
