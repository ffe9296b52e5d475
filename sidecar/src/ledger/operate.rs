//! What operators ask of a data folder's ledger, whether or not the sidecar runs. In: the policy and what
//! they want. Out: text on standard output, or why not: it was used wrongly, or it isn't so.

use super::block::{self, Block};
use super::database::{Home, Use};
use super::leaves::{Event, append};
use super::member;
use super::retention::Limits;
use super::search::{self, Form, Search};
use super::sql::{self, Db};
use crate::audit::leaf::Kind;
use crate::clock::{now_ms, rfc3339};
use gatewaystack_core::config::policy::Policy;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{ErrorKind, Read as _, Write};
use std::time::Duration;

/// Longest value that can be blocked, in bytes.
const LONGEST_VALUE: usize = 1_024;
/// Longest reason, in characters.
const LONGEST_WHY: usize = 256;
/// How often those who follow look for more.
const LOOK: Duration = Duration::from_millis(200);
/// A token may be longer than the hash of it that is kept.
const LONGEST_INPUT: u64 = 64 * 1024;

/// Why it wasn't done.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It can't be meant so.
    Use(String),
    /// It isn't so, or can't be done.
    Other(String),
}

/// Which records.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Not older than this, in milliseconds.
    pub since_ms: Option<i64>,
    pub condition: Option<String>,
    /// Members to count by.
    pub by: Vec<String>,
    pub limit: Option<u64>,
    pub json: bool,
    /// Also those that come later.
    pub follows: bool,
}

/// Prints records, or counts them.
///
/// # Errors
/// No ledger; a condition that isn't one; a member that there isn't.
pub fn records(policy: &Policy, wanted: &Wanted) -> Result<(), Trouble> {
    let by = wanted.by.iter().map(|name| member::named("by", name)).collect::<Result<Vec<_>, _>>();
    let by = by.map_err(Trouble::Use)?;
    let (db, search, form) = wanted.begun(policy)?;
    let mut out = Pipe { to: std::io::stdout().lock(), is_over: false };
    let done = match by.as_slice() {
        [] => search::records(&db, &search, form, &mut out),
        by => search::counts(&db, &search, by, form, &mut out),
    };
    if out.is_over { Ok(()) } else { done.map_err(Trouble::Other) }
}

/// Prints records as they come, until the process is ended or nobody reads any more.
///
/// # Errors
/// No ledger; a condition that isn't one.
pub fn tail(policy: &Policy, wanted: &Wanted) -> Result<(), Trouble> {
    let (db, search, form) = wanted.begun(policy)?;
    let mut out = Pipe { to: std::io::stdout().lock(), is_over: false };
    let done = search::follow(&db, &search, form, &mut out, &mut || {
        std::thread::sleep(LOOK);
        true
    });
    if out.is_over { Ok(()) } else { done.map_err(Trouble::Other) }
}

/// That somebody has looked, and for what. One who looks while nothing can be written has the more reason to
/// look.
pub(crate) fn look(policy: &Policy, db: &mut Db, sealed: &serde_json::Value) {
    if !has_log(policy) {
        return;
    }
    let now_ms = now_ms();
    let mut append = || {
        let tx = db.write()?;
        let event = Event { kind: Kind::Look, offset: now_ms, shown: json!({}), sealed: Some(sealed) };
        append(&tx, event, now_ms)?;
        tx.commit()
    };
    let done: sql::Result<()> = append();
    if let Err(error) = done {
        eprintln!("the audit log doesn't know of this look: {error}");
    }
}

impl Wanted {
    /// The ledger, what is looked for there, and the form in which it is told.
    fn begun(&self, policy: &Policy) -> Result<(Db, Search, Form), Trouble> {
        let condition = self.condition.as_deref().map(super::condition::read).transpose();
        let condition = condition.map_err(Trouble::Use)?;
        let mut db = existing(policy, Use::Search)?;
        super::condition::prepare(&db).map_err(disk)?;
        let sealed = json!({
            "by": system_user(), "where": self.condition, "since_ms": self.since_ms, "follows": self.follows
        });
        look(policy, &mut db, &sealed);
        let since_us = self.since_ms.map(|ms| now_ms().saturating_sub(ms).saturating_mul(1_000));
        let form = if self.json { Form::Json } else { Form::People };
        Ok((db, Search { since_us, condition, limit: self.limit }, form))
    }
}

/// Blocks a value, for so many milliseconds or for ever.
///
/// # Errors
/// A value that can't be one; too many blocks; the disk's.
pub fn block(
    policy: &Policy,
    kind: &str,
    value: &str,
    span_ms: Option<i64>,
    why: Option<&str>,
) -> Result<(), Trouble> {
    let value = value_of(kind, value)?;
    if why.is_some_and(|why| why.chars().count() > LONGEST_WHY || why.chars().any(char::is_control)) {
        return Err(Trouble::Use(format!(
            "--why: expected at most {LONGEST_WHY} characters, none a control character"
        )));
    }
    let since_ms = now_ms();
    let new = Block {
        kind: kind.to_owned(),
        value,
        why: why.map(str::to_owned),
        since_ms,
        until_ms: span_ms.map(|span| since_ms.saturating_add(span)),
        by: system_user(),
    };
    let mut db = opened(policy, Use::Desk)?;
    match block::block(&mut db, &new, has_log(policy)).map_err(disk)? {
        true => say(&format!("{kind} is blocked{}\n", until(new.until_ms))),
        false => {
            Err(Trouble::Other(format!("{} blocks hold already, and that is all there may be", block::MOST)))
        }
    }
}

/// Lifts a block.
///
/// # Errors
/// There is none; the disk's.
pub fn unblock(policy: &Policy, kind: &str, value: &str) -> Result<(), Trouble> {
    let value = value_of(kind, value)?;
    let mut db = existing(policy, Use::Desk)?;
    let by = has_log(policy).then(system_user);
    match block::unblock(&mut db, kind, &value, now_ms(), by).map_err(disk)? {
        true if matches!(kind, "revoked" | "issuer") => say("tokens aren't revoked any more\n"),
        true => say(&format!("{kind} isn't blocked any more\n")),
        false => Err(Trouble::Other(format!("no block holds for this {kind}"))),
    }
}

/// Prints the blocks that hold.
///
/// # Errors
/// No ledger; the disk's.
pub fn blocks(policy: &Policy, revoked: bool, json: bool) -> Result<(), Trouble> {
    let db = existing(policy, Use::Desk)?;
    let list = if revoked { block::revoked } else { block::list };
    let blocks = list(&db, now_ms()).map_err(disk)?;
    if json {
        let all: Vec<_> = blocks
            .iter()
            .map(|block| {
                let Block { kind, value, why, since_ms, until_ms, by } = block;
                json!({ "kind": kind, "value": value, "why": why, "since": rfc3339(*since_ms),
                        "until": until_ms.map(rfc3339), "by": by })
            })
            .collect();
        return say(&format!("{}\n", serde_json::Value::Array(all)));
    }
    let line = |block: &Block| {
        let mut text = format!("{:<8}  ", block.kind);
        crate::plain::plain(&mut text, &block.value);
        match block.until_ms.filter(|_| revoked) {
            Some(ms) => text.push_str(&format!("  issued until {}", rfc3339(ms))),
            None => text.push_str(&until(block.until_ms)),
        }
        for (name, value) in [("by", &block.by), ("for", &block.why)] {
            if let Some(value) = value {
                text.push_str(&format!("  {name} {}", value.escape_debug()));
            }
        }
        text + "\n"
    };
    let none = if revoked { "no token is revoked\n" } else { "nobody is blocked\n" };
    say(&if blocks.is_empty() { none.to_owned() } else { blocks.iter().map(line).collect() })
}

/// Whether what is done has a leaf in the audit log.
fn has_log(policy: &Policy) -> bool {
    policy.own.audit.is_some()
}

/// What is kept of a value: of a token its hash, but of its id the id.
fn value_of(kind: &str, value: &str) -> Result<String, Trouble> {
    let mut read = String::new();
    let value = if value == "-" {
        let input = std::io::stdin().lock().take(LONGEST_INPUT);
        let failed = |e| Trouble::Other(format!("can't read standard input: {e}"));
        std::io::BufReader::new(input).read_to_string(&mut read).map_err(failed)?;
        read.as_str()
    } else {
        value
    };
    // No name begins or ends with a blank: one that is there came with a copy.
    let value = value.trim_ascii();
    if kind == "token" {
        let bare = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let value = bare.map_or(value, |(_, token)| token.trim_ascii());
        if is_jwt(value) {
            let hash = Sha256::digest(value.as_bytes());
            return Ok(hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}")));
        }
        if value.starts_with("eyJ") || value.contains(char::is_whitespace) {
            return Err(Trouble::Use(
                "VALUE: expected a token (three parts with dots between them), or its `jti`".to_owned(),
            ));
        }
    }
    if value.is_empty() || value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
        return Err(Trouble::Use(format!(
            "VALUE: expected 1 to {LONGEST_VALUE} bytes without control characters"
        )));
    }
    Ok(value.to_owned())
}

/// Three parts of base64url, with dots between them.
fn is_jwt(value: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    value.split('.').count() == 3 && value.split('.').all(is_part)
}

pub(crate) fn system_user() -> Option<String> {
    let named = |name: &&str| std::env::var(name).ok().filter(|user| !user.is_empty() && user.len() <= 256);
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(named)
}

fn until(until_ms: Option<i64>) -> String {
    until_ms.map_or(String::new(), |ms| format!("  until {}", rfc3339(ms)))
}

/// A ledger that is there.
pub(crate) fn existing(policy: &Policy, usage: Use) -> Result<Db, Trouble> {
    let home = Home::of(policy).map_err(Trouble::Other)?;
    if Limits::of(policy).is_some() && !home.exists() {
        return Err(Trouble::Other(format!(
            "DATA_DIR: {} has no ledger yet: the sidecar makes it, or the first block",
            home.folder.display()
        )));
    }
    opened(policy, usage)
}

fn opened(policy: &Policy, usage: Use) -> Result<Db, Trouble> {
    if Limits::of(policy).is_none() {
        return Err(Trouble::Other("ledger.on: there is no ledger where this isn't true".to_owned()));
    }
    let home = Home::of(policy).map_err(Trouble::Other)?;
    let place = if home.is_shared() { "ledger.store" } else { "DATA_DIR" };
    home.open(usage).map_err(|error| Trouble::Other(format!("{place}: {error}")))
}

fn disk(error: sql::Error) -> Trouble {
    Trouble::Other(format!("the ledger: {error}"))
}

pub(crate) fn say(text: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Trouble::Other(e.to_string()))
}

/// Who has read enough, as `head` has, ends the pipe: that is no error.
struct Pipe<W> {
    to: W,
    is_over: bool,
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes);
        self.is_over |= written.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests;
