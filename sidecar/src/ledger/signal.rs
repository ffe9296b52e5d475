//! What an issuer says of its users, as rows among the blocks (contract §13.4): an account that is disabled,
//! and tokens that count no more. In: a signal that was verified, and the clock. Out: whether it was new.
//!
//! A signal is kept or forgotten as a whole, with its id: what was answered with 202 is on the disk, and what
//! wasn't may come again. Signals overtake each other; of an account the later event counts.
//!
//! Issuers share the room. Where one's share is full, its oldest revocations become one: all tokens of that
//! issuer that are as old as the newest of them count no more. That fails closed, and most of those have
//! ended anyway.

use super::block::{expire, lift, next};
use super::leaves::{Event, append};
use super::sql::{self, Db, Tx, cells};
use crate::audit::leaf::Kind;
use serde_json::json;

/// What signals may make of the blocks there may be: the rest is for operators.
const MOST: u64 = 90_000;
/// How long an id counts as seen. A signal is a day old at most.
const SEEN_MS: i64 = 2 * DAY_MS;
/// Ids that are remembered at most.
const MOST_SEEN: u64 = 200_000;
/// How long revoked tokens are known: nothing says how long one may live.
const REVOKED_MS: i64 = 400 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// A signal, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// A hash of who has sent it and of its id.
    pub id: [u8; 32],
    /// Of whom it speaks, with the issuer's prefix.
    pub subject: String,
    pub changes: Vec<Change>,
    /// When it was so, in Unix seconds.
    pub at_s: i64,
    /// The event's name.
    pub why: String,
    /// The issuer.
    pub by: String,
    /// How many issuers share the room.
    pub issuers: u64,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Tokens that were issued until then count no more.
    Revoke,
    /// The account is disabled.
    Disable,
    /// It isn't any longer.
    Enable,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It counts.
    New,
    /// It was there before.
    Repeated,
    /// There is no room for it.
    Full,
}

/// Takes a signal; with `has_log` it has a leaf.
///
/// # Errors
/// The disk's.
pub fn take(db: &mut Db, signal: &Signal, now_ms: i64, has_log: bool) -> sql::Result<Taken> {
    let tx = db.write()?;
    expire(&tx, now_ms)?;
    tx.execute("DELETE FROM signal WHERE seen_ms < ?1", cells![now_ms.saturating_sub(SEEN_MS)])?;
    let count = |sql: &str| tx.one::<u64>(sql, &[]);
    if tx.one("SELECT EXISTS (SELECT 1 FROM signal WHERE id = ?1)", cells![signal.id])? {
        return Ok(Taken::Repeated);
    }
    let own: u64 = tx.one("SELECT count(*) FROM signal WHERE \"by\" = ?1", cells![signal.by])?;
    if count("SELECT count(*) FROM signal")? >= MOST_SEEN || own >= MOST_SEEN / signal.issuers.max(1) {
        return Ok(Taken::Full);
    }
    for change in &signal.changes {
        match change {
            Change::Revoke => put(&tx, "revoked", signal, now_ms, Some(now_ms.saturating_add(REVOKED_MS)))?,
            Change::Disable => put(&tx, "disabled", signal, now_ms, None)?,
            Change::Enable => enable(&tx, signal, now_ms)?,
        }
    }
    let adds = signal.changes.iter().any(|change| *change != Change::Enable);
    if adds && !has_room(&tx, signal, now_ms)? {
        // What was changed is dropped with the transaction.
        return Ok(Taken::Full);
    }
    let seen = "INSERT INTO signal (id, seen_ms, \"by\") VALUES (?1, ?2, ?3)";
    tx.execute(seen, cells![signal.id, now_ms, signal.by])?;
    if has_log {
        let Signal { subject, at_s, why, by, .. } = signal;
        let sealed = json!({ "subject": subject, "event": why, "time": at_s, "by": by });
        let event = Event { kind: Kind::Signal, offset: next(&tx)?, shown: json!({}), sealed: Some(&sealed) };
        append(&tx, event, now_ms)?;
    }
    tx.commit()?;
    Ok(Taken::New)
}

/// Whether all that holds has its room, after making some where there was too little.
fn has_room(tx: &Tx<'_>, signal: &Signal, now_ms: i64) -> sql::Result<bool> {
    let share = MOST / signal.issuers.max(1);
    let own =
        "SELECT count(*) FROM block WHERE lifted IS NULL AND kind IN ('revoked', 'disabled') AND \"by\" = ?1";
    if tx.one::<u64>(own, cells![signal.by])? > share {
        fold(tx, &signal.by, now_ms)?;
        if tx.one::<u64>(own, cells![signal.by])? > share {
            return Ok(false);
        }
    }
    let all = "SELECT count(*) FROM block WHERE lifted IS NULL";
    if tx.one::<u64>(all, &[])? <= MOST {
        return Ok(true);
    }
    // Issuers that the policy doesn't have any more have rows, too, and so have operators.
    let largest = "SELECT \"by\" FROM block WHERE lifted IS NULL AND kind = 'revoked' AND \"by\" IS NOT NULL
        GROUP BY \"by\" ORDER BY count(*) DESC LIMIT 1";
    if let Some(largest) = tx.first::<String>(largest, &[], |row| row.get(0))? {
        fold(tx, &largest, now_ms)?;
    }
    Ok(tx.one::<u64>(all, &[])? <= MOST)
}

/// The older half of an issuer's revocations as one, which whoever reads the feed learns of first.
fn fold(tx: &Tx<'_>, issuer: &str, now_ms: i64) -> sql::Result<()> {
    let holds = "lifted IS NULL AND kind = 'revoked' AND \"by\" = ?1";
    let middle = format!(
        "SELECT said_s FROM block WHERE {holds} ORDER BY said_s LIMIT 1
         OFFSET (SELECT count(*) / 2 FROM block WHERE {holds})"
    );
    let Some(until_s) = tx.first::<i64>(&middle, cells![issuer], |row| row.get(0))? else { return Ok(()) };
    let all = Signal {
        id: [0; 32],
        subject: issuer.to_owned(),
        changes: Vec::new(),
        at_s: until_s,
        why: "too many revocations: these are as old or older".to_owned(),
        by: issuer.to_owned(),
        issuers: 0,
    };
    put(tx, "issuer", &all, now_ms, Some(now_ms.saturating_add(REVOKED_MS)))?;
    let first = next(tx)?;
    let lifted = format!(
        "UPDATE block SET lifted = ?3, version = numbered.new FROM
         (SELECT version AS old, ?4 + row_number() OVER (ORDER BY version) AS new FROM block WHERE {holds} AND said_s <= ?2)
         AS numbered WHERE block.version = numbered.old"
    );
    let count = tx.execute(&lifted, cells![issuer, until_s, now_ms, first])?;
    tx.execute("UPDATE note SET value = value + ?1 WHERE name = 'block_version'", cells![count]).map(drop)
}

/// A row as it stands: its version, the time of the last event, and whether it holds.
struct Standing {
    version: i64,
    said_s: i64,
    holds: bool,
}

fn standing(tx: &Tx<'_>, kind: &str, subject: &str) -> sql::Result<Option<Standing>> {
    tx.first(
        "SELECT version, said_s, lifted IS NULL FROM block WHERE kind = ?1 AND value = ?2",
        cells![kind, subject],
        |row| {
            let said_s: Option<i64> = row.get(1)?;
            Ok(Standing { version: row.get(0)?, said_s: said_s.unwrap_or(0), holds: row.get(2)? })
        },
    )
}

fn put(tx: &Tx<'_>, kind: &str, signal: &Signal, now_ms: i64, until_ms: Option<i64>) -> sql::Result<()> {
    let Signal { subject, at_s, why, by, .. } = signal;
    if let Some(before) = standing(tx, kind, subject)? {
        let says_more = before.said_s < *at_s || (before.said_s == *at_s && !before.holds);
        if !says_more {
            return Ok(());
        }
    }
    let version = next(tx)?;
    tx.execute(
        "INSERT INTO block (kind, value, why, since_ms, until_ms, \"by\", version, said_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (kind, value) DO UPDATE SET why = ?3, until_ms = ?5, \"by\" = ?6, version = ?7, said_s = ?8,
         lifted = NULL, since_ms = CASE WHEN block.lifted IS NULL THEN block.since_ms ELSE ?4 END",
        cells![kind, subject, why, now_ms, until_ms, by, version, at_s],
    )
    .map(drop)
}

/// Lifts what a signal has made, or notes when it was so: an older event may come later.
fn enable(tx: &Tx<'_>, signal: &Signal, now_ms: i64) -> sql::Result<()> {
    let Signal { subject, at_s, why, by, .. } = signal;
    match standing(tx, "disabled", subject)? {
        Some(before) if before.said_s > *at_s => Ok(()),
        Some(before) => {
            tx.execute("UPDATE block SET said_s = ?2 WHERE version = ?1", cells![before.version, *at_s])?;
            if before.holds { lift(tx, before.version, now_ms).map(drop) } else { Ok(()) }
        }
        None => {
            let version = next(tx)?;
            tx.execute(
                "INSERT INTO block (kind, value, why, since_ms, \"by\", version, lifted, said_s)
                 VALUES ('disabled', ?1, ?2, ?3, ?4, ?5, ?3, ?6)",
                cells![subject, why, now_ms, by, version, at_s],
            )
            .map(drop)
        }
    }
}

#[cfg(test)]
mod tests;
