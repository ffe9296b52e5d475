//! Leaves of the audit log that no checkpoint covers yet, and what opens those that are no records. In: what
//! happened, in the transaction in which it happens. Out: the leaves in their order, until they are covered.

use super::sql::{self, Db, Tx, cells};
use crate::audit::leaf::{self, Kind, Salt, commitment};
use serde_json::{Value, json};

/// The index that the next leaf gets.
///
/// # Errors
/// The disk's.
pub fn next(db: &Db) -> sql::Result<u64> {
    note(db, "leaves")
}

/// How many leaves a checkpoint covers, as far as the ledger knows.
///
/// # Errors
/// The disk's.
pub fn covered(db: &Db) -> sql::Result<u64> {
    note(db, "covered")
}

fn note(db: &Db, name: &str) -> sql::Result<u64> {
    db.one("SELECT value FROM note WHERE name = ?1", cells![name])
}

fn set(db: &Db, name: &str, value: u64) -> sql::Result<()> {
    db.execute(
        "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        cells![name, value],
    )
    .map(drop)
}

/// Leaves that are added together.
pub struct Bundle {
    first: u64,
    count: u64,
    entries: Vec<u8>,
}

impl Bundle {
    /// Behind all others.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(tx: &Tx<'_>) -> sql::Result<Self> {
        Ok(Self { first: next(tx)?, count: 0, entries: Vec::new() })
    }

    /// Adds one; answers its index.
    pub fn push(&mut self, leaf: &str) -> u64 {
        // No leaf is as long as an entry can't be: its texts are cut.
        if !leaf::add_entry(&mut self.entries, leaf.as_bytes()) {
            leaf::add_entry(&mut self.entries, b"{\"kind\":\"other\"}");
        }
        self.count += 1;
        self.first + self.count - 1
    }

    /// Writes them.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(self, tx: &Tx<'_>) -> sql::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        tx.execute("INSERT INTO leaves VALUES (?1, ?2, ?3)", cells![self.first, self.count, self.entries])?;
        set(tx, "leaves", self.first + self.count)
    }
}

/// What is told of an event.
#[derive(Debug)]
pub struct Event<'a> {
    pub kind: Kind,
    /// Its number among those of its kind.
    pub offset: i64,
    /// Members of the leaf: nothing that could name a person.
    pub shown: Value,
    /// What the leaf commits to.
    pub sealed: Option<&'a Value>,
}

/// Adds the leaf of an event.
///
/// # Errors
/// The disk's; or the system has no random numbers.
pub fn append(tx: &Tx<'_>, event: Event<'_>, now_ms: i64) -> sql::Result<u64> {
    let Event { kind, offset, mut shown, sealed } = event;
    let mut bundle = Bundle::begin(tx)?;
    if let Some(value) = sealed {
        let (text, salt) = (value.to_string(), salt()?);
        if let Value::Object(shown) = &mut shown {
            shown.insert("commitment".to_owned(), json!(crate::audit::hash::hex(&commitment(&salt, &text))));
        }
        tx.execute("INSERT INTO opening VALUES (?1, ?2, ?3)", cells![bundle.first, salt, text])?;
    }
    let index = bundle.push(&leaf::of(kind, now_ms, offset, shown));
    bundle.save(tx)?;
    Ok(index)
}

/// A new salt.
///
/// # Errors
/// The system has no random numbers.
pub fn salt() -> sql::Result<Salt> {
    let mut salt = Salt::default();
    getrandom::fill(&mut salt).map_err(sql::Error::new)?;
    Ok(salt)
}

/// Leaves from an index on, some at once: the entries of each row, and the index of its first.
///
/// # Errors
/// The disk's.
pub fn pending(db: &Db, from: u64, most: usize) -> sql::Result<Vec<(u64, Vec<u8>)>> {
    let sql = "SELECT first, entries FROM leaves WHERE first + count > ?1 ORDER BY first LIMIT ?2";
    db.all(sql, cells![from, most], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A checkpoint covers the first `size`.
///
/// # Errors
/// The disk's.
pub fn cover(db: &mut Db, size: u64) -> sql::Result<()> {
    let tx = db.write()?;
    tx.execute("DELETE FROM leaves WHERE first + count <= ?1", cells![size])?;
    set(&tx, "covered", size)?;
    tx.commit()
}

/// Goes on behind a log that a checkpoint says to have `size` leaves. A ledger that was put back from a copy
/// knows less than the log does: it goes on behind the log, and what of its own leaves isn't there is added
/// again. `there` reads a leaf of the log; `None`: it isn't kept. Answers how many leaves the ledger didn't
/// know.
///
/// # Errors
/// The disk's, and what `there` says.
pub fn go_on(
    tx: &Tx<'_>,
    size: u64,
    there: &mut dyn FnMut(u64) -> Result<Option<Vec<u8>>, String>,
) -> Result<u64, String> {
    let text = |e: sql::Error| e.to_string();
    let known = covered(tx).map_err(text)?;
    let mut found = 0;
    let mut missing = Vec::new();
    if known < size {
        for (first, entries) in pending(tx, known, u32::MAX as usize).map_err(text)? {
            for (at, entry) in leaf::entries(&entries).flatten().enumerate() {
                let (index, entry) = (first + at as u64, entry.1);
                if index >= known && index < size && there(index)?.as_deref() == Some(entry) {
                    found += 1;
                } else if index >= known {
                    missing.push((index, entry.to_vec()));
                }
            }
        }
    }
    let unknown = size.saturating_sub(known) - found;
    if unknown > 0 {
        tx.execute("DELETE FROM leaves", &[]).map_err(text)?;
        set(tx, "leaves", size).map_err(text)?;
        let mut bundle = Bundle::begin(tx).map_err(text)?;
        let moved: Vec<(u64, u64)> = missing
            .iter()
            .map(|(index, leaf)| (*index, bundle.push(&String::from_utf8_lossy(leaf))))
            .collect();
        bundle.save(tx).map_err(text)?;
        // None moves down: so nothing is in the way of the last.
        for (from, to) in moved.into_iter().rev().filter(|(from, to)| from != to) {
            tx.execute("UPDATE record SET leaf = ?2 WHERE leaf = ?1", cells![from, to]).map_err(text)?;
            tx.execute("UPDATE opening SET leaf = ?2 WHERE leaf = ?1", cells![from, to]).map_err(text)?;
        }
    }
    tx.execute("DELETE FROM leaves WHERE first + count <= ?1", cells![size]).map_err(text)?;
    set(tx, "covered", size).map_err(text)?;
    Ok(unknown)
}

/// How many bytes of leaves wait for a checkpoint.
///
/// # Errors
/// The disk's.
pub fn waiting_bytes(db: &Db) -> sql::Result<u64> {
    db.one("SELECT coalesce(sum(length(entries)), 0) FROM leaves", &[])
}

/// Adds the leaf of a policy, where the last one was another.
///
/// # Errors
/// The disk's.
pub fn policy(tx: &Tx<'_>, revision: &str, digest: &str, now_ms: i64) -> sql::Result<()> {
    let sql = "SELECT value FROM word WHERE name = 'policy'";
    let last: Option<String> = tx.first(sql, &[], |row| row.get(0))?;
    if last.as_deref() == Some(digest) {
        return Ok(());
    }
    let offset: i64 = tx.one(
        "INSERT INTO note VALUES ('policies', 1) ON CONFLICT (name) DO UPDATE SET value = note.value + 1 RETURNING value",
        &[],
    )?;
    let shown = json!({ "policy": revision, "sha256": digest });
    append(tx, Event { kind: Kind::Policy, offset, shown, sealed: None }, now_ms)?;
    let sql = "INSERT INTO word VALUES ('policy', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1";
    tx.execute(sql, cells![digest]).map(drop)
}

/// What opens a leaf that is no record.
///
/// # Errors
/// The disk's.
pub fn opening(db: &Db, index: u64) -> sql::Result<Option<(Salt, String)>> {
    let sql = "SELECT salt, value FROM opening WHERE leaf = ?1";
    db.first(sql, cells![index], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The leaves below `size` that are no records and can be opened.
///
/// # Errors
/// The disk's.
pub fn openable(db: &Db, size: u64) -> sql::Result<Vec<u64>> {
    db.all("SELECT leaf FROM opening WHERE leaf < ?1 ORDER BY leaf", cells![size], |row| row.get(0))
}

/// Which leaves aren't kept: those before `minimum`, as the leaf at `leaf` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    pub minimum: u64,
    pub leaf: u64,
}

/// What was said last of leaves that aren't kept.
///
/// # Errors
/// The disk's.
pub fn retained(db: &Db) -> sql::Result<Option<Retained>> {
    let sql = "SELECT max(value) FILTER (WHERE name = 'minimum'), max(value) FILTER (WHERE name = 'minimum_leaf') FROM note";
    let retained = db.first(sql, &[], |row| {
        let (minimum, leaf): (Option<u64>, Option<u64>) = (row.get(0)?, row.get(1)?);
        Ok(minimum.zip(leaf).map(|(minimum, leaf)| Retained { minimum, leaf }))
    })?;
    Ok(retained.flatten())
}

/// Says that leaves before `minimum`, none of which is younger than `before`, aren't kept; and forgets what
/// opens them.
///
/// # Errors
/// The disk's.
pub fn retain(db: &mut Db, first: u64, minimum: u64, before: &str, now_ms: i64) -> sql::Result<()> {
    let tx = db.write()?;
    let shown = json!({ "from": first, "minimum": minimum, "before": before });
    let offset = i64::try_from(minimum).unwrap_or(i64::MAX);
    let leaf = append(&tx, Event { kind: Kind::Retention, offset, shown, sealed: None }, now_ms)?;
    set(&tx, "minimum", minimum)?;
    set(&tx, "minimum_leaf", leaf)?;
    tx.execute("DELETE FROM opening WHERE leaf < ?1", cells![minimum])?;
    tx.commit()
}
