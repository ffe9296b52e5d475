//! What is done to the queue's tables, each within the caller's transaction.

use super::row::{
    ANYBODYS, Job, KEPT, LONGEST_WAIT_MS, MAX_DONE, MAX_PARKED, MAX_QUEUED, NO_ROOM_MS, Parked, Received,
};
use crate::webhook::event::Registration;
use rusqlite::{Transaction, params};

/// `None`: full, and nothing may be committed; but then nothing was written either.
pub fn receive(
    tx: &Transaction<'_>,
    found: &[Registration],
    now_ms: i64,
) -> rusqlite::Result<Option<Received>> {
    note_seen(tx, now_ms)?;
    let room = MAX_QUEUED.saturating_sub(count(tx, "queued")?);
    if i64::try_from(found.len()).unwrap_or(i64::MAX) > room {
        return Ok(None);
    }
    let mut insert = tx.prepare(
        "INSERT OR IGNORE INTO registration (log_id, client_id, state, due_ms, reason, received_ms, changed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?4)",
    )?;
    let mut queued = 0;
    for Registration { log_id, client_id } in found {
        let (state, reason) = match client_id {
            Some(_) => ("queued", None),
            None => ("parked", Some("no_client_id: the event names no client of Auth0's")),
        };
        queued += insert.execute(params![log_id, client_id, state, now_ms, reason])?;
    }
    drop(insert);
    prune(tx, now_ms)?;
    Ok(Some(Received { queued, duplicates: found.len().saturating_sub(queued) }))
}

pub fn due(tx: &Transaction<'_>, now_ms: i64, most: usize, busy: &[String]) -> rusqlite::Result<Vec<Job>> {
    let mut select = tx.prepare(
        "SELECT log_id, client_id, attempts, received_ms FROM registration WHERE state = 'queued'
         AND (due_ms <= ?1 OR due_ms > ?2) ORDER BY due_ms",
    )?;
    let mut rows = select.query(params![now_ms, now_ms.saturating_add(LONGEST_WAIT_MS)])?;
    let mut jobs: Vec<Job> = Vec::new();
    while let Some(row) = rows.next()? {
        let job = Job {
            log_id: row.get(0)?,
            client_id: row.get(1)?,
            attempts: row.get(2)?,
            received_ms: row.get(3)?,
        };
        // Two events of one client, one after the other: they would race at Auth0.
        if busy.contains(&job.client_id) || jobs.iter().any(|other| other.client_id == job.client_id) {
            continue;
        }
        jobs.push(job);
        if jobs.len() >= most {
            break;
        }
    }
    Ok(jobs)
}

pub fn change(
    tx: &Transaction<'_>,
    log_id: &str,
    state: &str,
    reason: Option<&str>,
    now_ms: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE registration SET state = ?2, reason = ?3, changed_ms = ?4 WHERE log_id = ?1",
        params![log_id, state, reason, now_ms],
    )
    .map(drop)
}

pub fn later(
    tx: &Transaction<'_>,
    log_id: &str,
    reason: &str,
    due_ms: i64,
    now_ms: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE registration SET attempts = attempts + 1, due_ms = ?2, reason = ?3, changed_ms = ?4 WHERE log_id = ?1",
        params![log_id, due_ms, reason, now_ms],
    )
    .map(drop)
}

pub fn park(tx: &Transaction<'_>, log_id: &str, reason: &str, now_ms: i64) -> rusqlite::Result<bool> {
    change(tx, log_id, "parked", Some(reason), now_ms)?;
    prune(tx, now_ms)?;
    let query = format!("SELECT count(*) FROM registration WHERE state = 'parked' AND NOT {ANYBODYS}");
    let others: i64 = tx.query_row(&query, [], |row| row.get(0))?;
    let is_anybodys: bool =
        tx.query_row(&format!("SELECT {ANYBODYS} FROM (SELECT ?1 AS reason)"), [reason], |row| row.get(0))?;
    if is_anybodys || others <= MAX_PARKED {
        return Ok(true);
    }
    change(tx, log_id, "queued", Some(reason), now_ms)?;
    later(tx, log_id, reason, now_ms.saturating_add(NO_ROOM_MS), now_ms)?;
    Ok(false)
}

/// Forgets ids that were done long ago, and the oldest of what is too much. Of the parked, only those go that
/// anybody can make.
pub fn prune(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    tx.execute(
        "DELETE FROM registration WHERE state = 'done' AND changed_ms < ?1",
        [now_ms.saturating_sub(kept)],
    )?;
    for (state, most, which) in [("done", MAX_DONE, "TRUE"), ("parked", MAX_PARKED, ANYBODYS)] {
        if count(tx, state)? <= most {
            continue;
        }
        tx.execute(
            &format!(
                "DELETE FROM registration WHERE log_id IN (SELECT log_id FROM registration WHERE state = ?1 AND {which}
                 ORDER BY changed_ms DESC LIMIT -1 OFFSET ?2)"
            ),
            params![state, most],
        )?;
    }
    Ok(())
}

pub fn count(tx: &Transaction<'_>, state: &str) -> rusqlite::Result<i64> {
    tx.query_row("SELECT count(*) FROM registration WHERE state = ?1", [state], |row| row.get(0))
}

pub fn note_seen(tx: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute("INSERT OR REPLACE INTO note VALUES ('seen', ?1)", [now_ms]).map(drop)
}

pub fn parked(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Parked>> {
    let mut select = tx.prepare(
        "SELECT log_id, client_id, reason, received_ms, changed_ms FROM registration WHERE state = 'parked' ORDER BY changed_ms DESC",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Parked {
            log_id: row.get(0)?,
            client_id: row.get(1)?,
            reason: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            received_ms: row.get(3)?,
            parked_ms: row.get(4)?,
        })
    })?;
    rows.collect()
}
