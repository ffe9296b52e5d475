//! A person's records are taken out of everything in the data folder. In: a subject, as records have it.
//! Out: how many there were. Whoever asks writes it down in the ledger; who serves the ledger does it, for it
//! knows how far the file of records has been read.

use super::database::{self, Use};
use super::follow::{Follower, LONGEST, records_file, turned};
use super::leaves::{self, Event};
use super::member::{Kind, MEMBERS};
use super::shared::Ledger;
use super::sql::{self, Db, cells};
use crate::audit::leaf;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// A name with its quotes that is no longer than this is looked for with them.
const SHORT: usize = 7;

/// What was asked.
pub struct Erasing {
    id: i64,
}

/// What became of it, as it is written down.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    #[serde(flatten)]
    erased: Erased,
    trouble: Option<String>,
}

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub records: u64,
    /// Sidecars of a shared ledger that weren't there: their files of records have what they had.
    #[serde(default)]
    pub absent: Vec<String>,
}

impl Erasing {
    /// Asks for it.
    ///
    /// # Errors
    /// The disk's.
    pub fn ask(db: &Db, subject: &str, by: Option<String>, now_ms: i64) -> sql::Result<Self> {
        let sql = "INSERT INTO erasing (subject, \"by\", asked_ms) VALUES (?1, ?2, ?3) RETURNING id";
        Ok(Self { id: db.one(sql, cells![subject, by, now_ms])? })
    }

    /// What was done; `None`: nothing yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn answer(&self, db: &Db) -> sql::Result<Option<Result<Erased, String>>> {
        let sql = "DELETE FROM erasing WHERE id = ?1 AND answer IS NOT NULL RETURNING answer";
        let answer: Option<String> = db.first(sql, cells![self.id], |row| row.get(0))?;
        Ok(answer.map(|answer| read(&answer)))
    }

    /// Asks no longer.
    ///
    /// # Errors
    /// The disk's.
    pub fn withdraw(&self, db: &Db) -> sql::Result<()> {
        db.execute("DELETE FROM erasing WHERE id = ?1", cells![self.id]).map(drop)
    }
}

fn read(answer: &str) -> Result<Erased, String> {
    let answer = serde_json::from_str(answer).map_err(|e| format!("the ledger's answer: {e}"))?;
    let Answer { erased, trouble } = answer;
    trouble.map_or(Ok(erased), Err)
}

/// Whether anything is asked for.
///
/// # Errors
/// The disk's.
pub fn is_asked(db: &Db) -> sql::Result<bool> {
    db.one("SELECT EXISTS (SELECT 1 FROM erasing WHERE answer IS NULL)", &[])
}

/// Does all that is asked for, where all that there was in the file has been read.
///
/// # Errors
/// The disk's: it is asked for still.
pub fn work_off(ledger: &Ledger, follower: &mut Follower, now_ms: i64) -> Result<(), String> {
    let text = |e: sql::Error| format!("the ledger: {e}");
    let db = ledger.connection()?;
    let asked = "SELECT id, subject, \"by\" FROM erasing WHERE answer IS NULL ORDER BY id";
    let asked: Vec<(i64, String, Option<String>)> =
        db.all(asked, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(text)?;
    for (id, subject, by) in asked {
        let mut absent = Vec::new();
        if ledger.is_shared() {
            // Another one is about it, or has ended: whoever asked withdraws it then.
            if subject.is_empty() {
                continue;
            }
            // Whom the ledger can't forget no file forgets.
            if !is_blocked(&db, &subject).map_err(text)? {
                match alone(ledger, follower, &db, id, &subject, now_ms)? {
                    Some(others) => absent = others,
                    None => continue,
                }
            }
        }
        let done = match subject.is_empty() {
            true => Err("the sidecar ended while it erased: ask again".to_owned()),
            false => erase(ledger, follower, &subject, by.as_deref(), now_ms)?,
        };
        db.execute("UPDATE erasing SET subject = '' WHERE id = ?1", cells![id]).map_err(text)?;
        cut_journal(&db)?;
        let answer = match done {
            Err(trouble) => Answer { trouble: Some(trouble), ..Answer::default() },
            Ok(records) => Answer { erased: Erased { records, absent }, trouble: None },
        };
        let answer = serde_json::to_string(&answer).map_err(|e| e.to_string())?;
        db.execute("UPDATE erasing SET answer = ?2 WHERE id = ?1", cells![id, answer]).map_err(text)?;
    }
    Ok(())
}

/// How long a sidecar of a shared ledger may be silent until nobody waits for it.
const SILENT_MS: i64 = 30_000;

/// This sidecar's own part of what is asked of all that share a ledger. Answers who isn't there, once nobody
/// else is waited for; `None`: somebody is, or has done the rest.
fn alone(
    ledger: &Ledger,
    follower: &mut Follower,
    db: &Db,
    id: i64,
    subject: &str,
    now_ms: i64,
) -> Result<Option<Vec<String>>, String> {
    let text = |e: sql::Error| format!("the ledger: {e}");
    let own = ledger.id();
    let is_done = "SELECT EXISTS (SELECT 1 FROM erased WHERE erasing = ?1 AND sidecar = ?2)";
    if !db.one::<bool>(is_done, cells![id, own]).map_err(text)? {
        let head =
            scrub(ledger.folder(), follower, subject).map_err(|e| format!("the file of records: {e}"))?;
        db.execute("UPDATE source SET head = ?1 WHERE name = ?2", cells![head, ledger.source()])
            .map_err(text)?;
        db.execute("INSERT INTO erased VALUES (?1, ?2) ON CONFLICT DO NOTHING", cells![id, own])
            .map_err(text)?;
    }
    let others = "SELECT id, seen_ms FROM sidecar
         WHERE NOT EXISTS (SELECT 1 FROM erased WHERE erasing = ?1 AND sidecar = sidecar.id) ORDER BY id";
    let others: Vec<(String, i64)> =
        db.all(others, cells![id], |row| Ok((row.get(0)?, row.get(1)?))).map_err(text)?;
    if others.iter().any(|(_, seen_ms)| seen_ms.saturating_add(SILENT_MS) > now_ms) {
        return Ok(None);
    }
    // One of those who have got so far does the rest; another one, where that one has ended.
    let takes = "UPDATE erasing SET taken_ms = ?2 WHERE id = ?1 AND (taken_ms IS NULL OR taken_ms < ?3)";
    let overdue = now_ms.saturating_sub(SILENT_MS);
    let is_first = db.execute(takes, cells![id, now_ms, overdue]).map_err(text)? > 0;
    Ok(is_first.then(|| others.into_iter().map(|(id, _)| id).collect()))
}

fn is_blocked(db: &Db, subject: &str) -> sql::Result<bool> {
    let holds = "SELECT EXISTS (
        SELECT 1 FROM block WHERE kind IN ('user', 'disabled') AND value = ?1 AND lifted IS NULL)";
    db.one(holds, cells![subject])
}

/// Out of the file and the ledger; the inner error is why that can't be asked for.
fn erase(
    ledger: &Ledger,
    follower: &mut Follower,
    subject: &str,
    by: Option<&str>,
    now_ms: i64,
) -> Result<Result<u64, String>, String> {
    let text = |e: sql::Error| format!("the ledger: {e}");
    let mut writer = ledger.writer();
    if writer.with(|db| is_blocked(db, subject)).map_err(text)? {
        return Ok(Err("this user is blocked, and a block has the name: unblock the user first".to_owned()));
    }
    let count = "SELECT count(*) FROM record WHERE sub = ?1 OR actor = ?1";
    let records: u64 = writer.with(|db| db.one(count, cells![subject])).map_err(text)?;
    if records == 0 {
        return Ok(Ok(0));
    }
    // What the file has of others is in the ledger, also when the machine stops. Then first the file:
    // whatever ends in between is done once more.
    writer.settle().map_err(text)?;
    let head = scrub(ledger.folder(), follower, subject).map_err(|e| format!("the file of records: {e}"))?;
    let has_log = ledger.audit().is_some();
    let erased = writer.with(|db| {
        let tx = db.write()?;
        tx.execute("UPDATE source SET head = ?1 WHERE name = ?2", cells![head, ledger.source()])?;
        tx.execute("DELETE FROM record WHERE sub = ?1 OR actor = ?1", cells![subject])?;
        // Also where it is a part of what somebody looked for; a short one is a part of too much.
        let name = serde_json::to_string(subject).unwrap_or_default();
        let part = if name.len() > SHORT { name.trim_matches('"') } else { &name };
        tx.execute("DELETE FROM opening WHERE instr(value, ?1) > 0", cells![part])?;
        if name.len() > SHORT {
            tx.execute("UPDATE block SET why = NULL WHERE instr(why, ?1) > 0", cells![subject])?;
        }
        // Who has a lifted block in mind is told all of them anew. What an issuer has revoked is forgotten,
        // too.
        let named = "DELETE FROM block WHERE kind IN ('user', 'disabled', 'revoked') AND value = ?1";
        if tx.execute(named, cells![subject])? > 0 {
            super::feed::begin_epoch(&tx)?;
        }
        if has_log {
            let (shown, sealed) = (json!({ "records": records }), json!({ "by": by }));
            leaves::append(
                &tx,
                Event { kind: leaf::Kind::Erasure, offset: now_ms, shown, sealed: Some(&sealed) },
                now_ms,
            )?;
        }
        tx.commit()?;
        Ok(records)
    });
    erased.map(Ok).map_err(text)
}

/// Writes blanks over those lines of the files that name a subject and have been read; answers the beginning
/// by which the file is known from now on.
fn scrub(folder: &Path, follower: &mut Follower, subject: &str) -> std::io::Result<Vec<u8>> {
    let path = records_file(folder);
    let names = spellings(subject);
    let old = turned(&path);
    let read = follower.place().clone();
    for path in [path, old] {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
        let is_read = super::follow::identity_of(&path)? == Some((read.device, read.inode));
        // What is there besides the one that is read now has been read before, or will be.
        let end = match (is_read, path.extension().is_some_and(|end| end == "read")) {
            (true, _) => read.offset,
            (false, true) => u64::MAX,
            (false, false) => 0,
        };
        blank(file, end, &names)?;
    }
    follower.begin_anew()
}

/// Writes blanks over lines that have one of these in them, before `end`. Where the disk has got a part back
/// there are zeros, as long as you like.
fn blank(mut file: File, end: u64, names: &[Vec<u8>]) -> std::io::Result<()> {
    let mut found = Vec::new();
    let mut reader = BufReader::with_capacity(1 << 16, &mut file).take(end);
    // The line so far, where it began, and where we are.
    let (mut line, mut from, mut at) = (Vec::new(), 0u64, 0u64);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        let length = memchr::memchr(b'\n', piece).map_or(piece.len(), |newline| newline + 1);
        let part = piece.get(..length).unwrap_or_default();
        let zeros = if line.is_empty() { part.iter().take_while(|byte| **byte == 0).count() } else { 0 };
        if line.is_empty() {
            from = at + zeros as u64;
        }
        // What is longer is no record.
        let room = LONGEST.saturating_sub(line.len());
        line.extend(part.iter().skip(zeros).take(room));
        let is_whole = part.ends_with(b"\n");
        at += length as u64;
        reader.consume(length);
        if is_whole {
            if names.iter().any(|name| contains(&line, name)) {
                found.push((from, line.trim_ascii_end().len()));
            }
            line.clear();
        }
    }
    if names.iter().any(|name| contains(&line, name)) {
        found.push((from, line.trim_ascii_end().len()));
    }
    drop(reader);
    for (at, length) in &found {
        file.seek(SeekFrom::Start(*at))?;
        file.write_all(&vec![b' '; *length])?;
    }
    if found.is_empty() { Ok(()) } else { file.sync_all() }
}

/// How a text may stand in a file: as it is, and as JSON has it.
fn spellings(subject: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(subject).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    // The filter escapes these two, which few others do.
    let escaped = json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let mut all = vec![subject.as_bytes().to_vec(), json.into_bytes(), escaped.into_bytes()];
    all.dedup();
    all
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && memchr::memmem::find(text, part).is_some()
}

/// Works the journal into the database, and makes it empty; in PostgreSQL gives up what rows were.
fn cut_journal(db: &Db) -> Result<(), String> {
    if db.sqlite().is_none() {
        // It does so by itself, later.
        if let Err(error) = db.batch("VACUUM record, opening, block, erasing") {
            tracing::warn!(%error, "PostgreSQL doesn't give up yet what erased rows were");
        }
        return Ok(());
    }
    for _ in 0..50 {
        let is_busy: i64 =
            db.one("PRAGMA wal_checkpoint(TRUNCATE)", &[]).map_err(|e| format!("the ledger: {e}"))?;
        if is_busy == 0 {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // Somebody reads it for long; what is in it is gone at the next turn.
    Ok(())
}

/// Files in which the name still is, and why. The database is written anew once for it: a page may have an
/// old copy. For a process without a connection: it reads the database's files, and who closes a file gives
/// up the locks on it.
///
/// # Errors
/// The disk's.
pub fn what_is_left(folder: &Path, subject: &str) -> Result<Vec<(String, String)>, String> {
    let names = spellings(subject);
    let database = database::file(folder);
    if has_any(&database, &names)? {
        let db = database::open(folder, Use::Desk)?;
        // Where it is a part of what others did, it stays.
        if !is_in_rows(&db, subject).map_err(|e| format!("the ledger: {e}"))? {
            db.batch("VACUUM").map_err(|e| format!("the ledger: {e}"))?;
            cut_journal(&db)?;
        }
    }
    let mut left = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().map_err(|e| format!("{}: {e}", next.display()))?.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && has_any(&path, &names)? {
                let why = match path == database {
                    true => "records of others have the name in them, or what operators wrote",
                    false => "the name is in it",
                };
                left.push((path.display().to_string(), why.to_owned()));
            }
        }
    }
    Ok(left)
}

/// Whether what others did, or what operators wrote, has the name in it.
fn is_in_rows(db: &Db, subject: &str) -> sql::Result<bool> {
    let has = |table: &str, columns: &[String]| -> sql::Result<bool> {
        let any: Vec<String> = columns.iter().map(|column| format!("instr({column}, ?1) > 0")).collect();
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {})", any.join(" OR "));
        db.one(&sql, cells![subject])
    };
    let texts = MEMBERS.iter().filter(|member| member.kind == Kind::Text);
    let columns: Vec<String> =
        texts.map(|member| format!("\"{}\"", member.name)).chain(["more".to_owned()]).collect();
    Ok(has("record", &columns)?
        || has("opening", &["value".to_owned()])?
        || has("block", &["value".to_owned(), "why".to_owned(), "\"by\"".to_owned()])?)
}

fn has_any(path: &Path, names: &[Vec<u8>]) -> Result<bool, String> {
    let longest = names.iter().map(Vec::len).max().unwrap_or(0);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        // It may have gone by now.
        Err(_) => return Ok(false),
    };
    let (mut buffer, mut kept) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(buffer.get_mut(kept..).unwrap_or_default()).map_err(failed)?;
        if read == 0 {
            return Ok(false);
        }
        let filled = buffer.get(..kept + read).unwrap_or_default();
        if names.iter().any(|name| contains(filled, name)) {
            return Ok(true);
        }
        let rest = filled.len().min(longest.saturating_sub(1));
        let from = filled.len() - rest;
        buffer.copy_within(from..from + rest, 0);
        kept = rest;
    }
}
