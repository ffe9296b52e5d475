//! What operators and auditors ask of an audit log. In: the policy, or a place and a key. Out: text on
//! standard output, or why not.

use super::hash::hex;
use super::leaf::{self, Kind, commitment};
use super::log;
use super::note::Verifier;
use super::proof;
use super::store::Store;
use super::tile::{Tile, WIDTH};
use super::verify::{self, Also};
use crate::clock::{now_ms, rfc3339};
use crate::ledger::erase::{Erasing, what_is_left};
use crate::ledger::leaves::{self, Event};
use crate::ledger::operate::{Trouble, existing, look, say, system_user};
use crate::ledger::sql::{self, Db};
use crate::ledger::{Home, Use, sealed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatewaystack_core::config::policy::Policy;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the sidecar is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// A key as it was given: itself, or the file that it is in.
///
/// # Errors
/// It is none.
pub fn read_key(text: &str) -> Result<Verifier, Trouble> {
    let given = if text.contains('+') && !Path::new(text).exists() {
        text.to_owned()
    } else {
        read_file(Path::new(text), 4_096)?
    };
    Verifier::read(&given).map_err(|e| Trouble::Use(format!("--key: {e}")))
}

/// A text file of at most so many bytes.
fn read_file(path: &Path, most: usize) -> Result<String, Trouble> {
    let failed = |e: String| Trouble::Use(format!("{}: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut text = String::new();
    file.take(most as u64 + 1).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
    if text.len() > most { Err(failed(format!("it has more than {most} bytes"))) } else { Ok(text) }
}

fn home(policy: &Policy) -> Result<Home, Trouble> {
    Home::of(policy).map_err(Trouble::Other)
}

/// The public key of the log in a data folder.
///
/// # Errors
/// There is none.
pub fn own_key(policy: &Policy) -> Result<Verifier, Trouble> {
    let found = log::key(&home(policy)?).map_err(Trouble::Other)?;
    let missing = || {
        Trouble::Other(format!(
            "DATA_DIR: {} has no audit log yet: the sidecar begins it, where `audit.log` is true",
            policy.own.data_dir
        ))
    };
    found.map(|signer| signer.verifier().clone()).ok_or_else(missing)
}

/// Prints the public key.
///
/// # Errors
/// There is none.
pub fn key(policy: &Policy) -> Result<(), Trouble> {
    say(&format!("{}\n", own_key(policy)?.text()))
}

/// Prints a new private key, for sidecars that can't each make the file of one they share.
///
/// # Errors
/// The name can't be a log's.
pub fn new_key(name: &str) -> Result<(), Trouble> {
    let signer = log::new_key(name).map_err(Trouble::Use)?;
    say(&format!("{}\n", signer.secret()))
}

/// The log of a policy's ledger.
///
/// # Errors
/// It can't be reached.
pub fn own_log(policy: &Policy) -> Result<Store, Trouble> {
    Store::of(&home(policy)?).map_err(Trouble::Other)
}

/// What is to be verified.
pub struct Wanted {
    pub log: Store,
    pub key: Verifier,
    pub witnesses: Vec<Verifier>,
    pub since: Option<PathBuf>,
    pub json: bool,
}

/// Checks a whole log.
///
/// # Errors
/// What doesn't fit.
pub fn verify(wanted: Wanted) -> Result<(), Trouble> {
    let Wanted { log: mut store, key, witnesses, since, json } = wanted;
    let since = since.map(|file| read_file(&file, super::note::LONGEST)).transpose()?;
    let mut progress = Progress::new();
    let found = verify::verify(&mut store, &key, &Also { witnesses, since }, &mut |done, all| {
        progress.tell(done, all)
    });
    progress.end();
    let found = found.map_err(Trouble::Other)?;
    let (size, root) = (found.checkpoint.size, STANDARD.encode(found.checkpoint.root));
    if json {
        return say(&format!(
            "{}\n",
            json!({ "size": size, "root": root, "origin": found.checkpoint.origin })
        ));
    }
    let mut text = format!("all fits: {size} leaves of {}, root {root}\n", found.checkpoint.origin);
    if found.first > 0 {
        text.push_str(&format!("leaves before {} aren't kept any more\n", found.first));
    }
    for (kind, count) in &found.kinds {
        text.push_str(&format!("{count:>12}  {}\n", kind.escape_debug()));
    }
    if found.uncovered > 0 {
        text.push_str(&format!(
            "{} files aren't covered by the checkpoint, and say nothing\n",
            found.uncovered
        ));
    }
    say(&text)
}

/// A line on standard error, where somebody looks at it and it takes long.
struct Progress {
    began: Instant,
    told: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { began: Instant::now(), told: None }
    }

    fn tell(&mut self, done: u64, all: u64) {
        let is_due = self.told.unwrap_or(self.began).elapsed() > Duration::from_secs(1);
        if is_due && std::io::stderr().is_terminal() {
            eprint!("\r{done} of {all} leaves");
            self.told = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.told.is_some() {
            eprintln!();
        }
    }
}

/// Prints the proof of a request's record; with `opens` also what its leaf commits to.
///
/// # Errors
/// There is none of it, or no checkpoint covers it yet.
pub fn prove(policy: &Policy, request_id: &str, opens: bool) -> Result<(), Trouble> {
    let mut db = existing(policy, Use::Search)?;
    let (_, mut store, note, checkpoint) = log::newest(&home(policy)?).map_err(Trouble::Other)?;
    let found =
        sealed::by_request(&db, request_id).map_err(|e| Trouble::Other(format!("the ledger: {e}")))?;
    let index = match &found {
        Some(found) => found.leaf,
        // The ledger may have forgotten what the log has.
        None => leaf_of(&store, request_id, checkpoint.size)?.ok_or_else(|| {
            Trouble::Other(format!(
                "neither the ledger nor the audit log has a record of request {request_id:?}"
            ))
        })?,
    };
    if index >= checkpoint.size {
        return Err(Trouble::Other(
            "no checkpoint covers this record yet: ask again after `audit.checkpoint`".to_owned(),
        ));
    }
    is_of(&store.leaf(index, checkpoint.size).map_err(Trouble::Other)?, request_id, found.as_ref())?;
    let mut text = proof::write(&mut store, index, &note, &checkpoint).map_err(Trouble::Other)?;
    if opens {
        let Some(found) = found else {
            return Err(Trouble::Other("what opens this leaf isn't in the ledger any more: it was erased, or is older than `ledger.keep`".to_owned()));
        };
        look(policy, &mut db, &json!({ "by": system_user(), "request_id": request_id }));
        text.push_str(&format!("{}\n", proof::opening(&found.salt, &found.text)));
    }
    say(&text)
}

/// Whether a leaf is what the ledger says that it is.
fn is_of(leaf: &[u8], request_id: &str, found: Option<&sealed::Sealed>) -> Result<(), Trouble> {
    let leaf: Value = serde_json::from_slice(leaf).unwrap_or_default();
    let text = |name: &str| leaf.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_its = request_id.starts_with(&text("request_id")) && text("kind") == "record";
    let is_sealed =
        found.is_none_or(|found| text("commitment") == hex(&commitment(&found.salt, &found.text)));
    if is_its && is_sealed {
        Ok(())
    } else {
        Err(Trouble::Other(
            "the ledger and the audit log don't belong together: its leaf isn't this record's".to_owned(),
        ))
    }
}

/// The last leaf that is about a request, out of all.
fn leaf_of(store: &Store, request_id: &str, size: u64) -> Result<Option<u64>, Trouble> {
    let first = store.first(size).map_err(Trouble::Other)?;
    let mut progress = Progress::new();
    for index in (first / WIDTH..size.div_ceil(WIDTH)).rev() {
        let Some(tile) = Tile::bundle(index, size) else { continue };
        let (bytes, _) = store.tile(tile).map_err(Trouble::Other)?;
        progress.tell(size - index * WIDTH, size);
        let is_it = |entry: &[u8]| {
            let leaf: Option<Value> = serde_json::from_slice(entry).ok();
            let has =
                |leaf: &Value, name: &str, text: &str| leaf.get(name).and_then(Value::as_str) == Some(text);
            leaf.is_some_and(|leaf| has(&leaf, "kind", "record") && has(&leaf, "request_id", request_id))
        };
        let entries: Vec<_> = leaf::entries(&bytes).take(tile.width as usize).flatten().collect();
        if let Some(at) = entries.iter().rposition(|(_, entry)| is_it(entry)) {
            progress.end();
            return Ok(Some(index * WIDTH + at as u64));
        }
    }
    progress.end();
    Ok(None)
}

/// Checks a proof in a file.
///
/// # Errors
/// What doesn't hold.
pub fn check_proof(file: &Path, key: &Verifier, witnesses: &[Verifier], json: bool) -> Result<(), Trouble> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(proof::LONGEST as u64).read_to_string(&mut text);
        read.map_err(|e| Trouble::Other(format!("can't read standard input: {e}")))?;
        text
    } else {
        read_file(file, proof::LONGEST)?
    };
    let shown = proof::check(&text, key, witnesses).map_err(Trouble::Other)?;
    let (index, origin, size) = (shown.index, &shown.checkpoint.origin, shown.checkpoint.size);
    if json {
        let value = json!({ "index": index, "size": size, "origin": origin, "leaf": shown.leaf, "value": shown.value });
        return say(&format!("{value}\n"));
    }
    let mut text = format!("it holds: leaf {index} of the {size} of {origin} is\n{}\n", shown.leaf);
    if let Some(value) = shown.value {
        text.push_str(&format!("and commits to\n{value}\n"));
    }
    say(&text)
}

/// Prints what never came.
///
/// # Errors
/// No ledger; the disk's.
pub fn gaps(policy: &Policy, json: bool) -> Result<(), Trouble> {
    let db = existing(policy, Use::Search)?;
    let disk = |e: sql::Error| Trouble::Other(format!("the ledger: {e}"));
    let rows = db.all("SELECT vm, from_seq, to_seq, at FROM gap ORDER BY id", &[], |row| {
        let vm: i64 = row.get(0)?;
        let (from, to): (u64, u64) = (row.get(1)?, row.get(2)?);
        Ok((format!("{:016x}", vm.cast_unsigned()), from, to, rfc3339(row.get(3)?)))
    });
    let rows: Vec<_> = rows.map_err(disk)?;
    if json {
        let all = rows.iter().map(|(vm, from, to, at)| json!({ "vm": vm, "from": from, "to": to, "at": at }));
        return say(&format!("{}\n", Value::Array(all.collect())));
    }
    let line = |(vm, from, to, at): &(String, u64, u64, String)| {
        format!("{at}  VM {vm}  {from} to {to}: {} records never came\n", to - from + 1)
    };
    say(&if rows.is_empty() { "nothing is missing\n".to_owned() } else { rows.iter().map(line).collect() })
}

/// Erases a person's records: what opens their leaves is gone afterwards, the proofs stay.
///
/// # Errors
/// There is nobody of that name; somebody is blocked under it; the disk's.
pub fn erase(policy: &Policy, subject: &str) -> Result<(), Trouble> {
    if subject.is_empty() {
        return Err(Trouble::Use("--subject: expected a record's `sub`".to_owned()));
    }
    let db = existing(policy, Use::Desk)?;
    let asked = Erasing::ask(&db, subject, system_user(), now_ms())
        .map_err(|e| Trouble::Other(format!("the ledger: {e}")))?;
    let until = Instant::now() + PATIENCE;
    let mut is_tried = false;
    let erased = loop {
        match asked.answer(&db).map_err(|e| Trouble::Other(format!("the ledger: {e}")))? {
            Some(answer) => break answer.map_err(Trouble::Other)?,
            None if Instant::now() > until => {
                asked.withdraw(&db).map_err(|e| Trouble::Other(format!("the ledger: {e}")))?;
                return Err(Trouble::Other(
                    "the sidecar holds this ledger, and didn't do it within a minute: see its log".to_owned(),
                ));
            }
            // Nobody serves this ledger: then it is done here.
            None => {
                if !is_tried {
                    is_tried = true;
                    if let Err(error) = crate::ledger::tail::erase_alone(policy) {
                        asked.withdraw(&db).map_err(|e| Trouble::Other(format!("the ledger: {e}")))?;
                        return Err(Trouble::Other(error));
                    }
                } else {
                    std::thread::sleep(LOOK);
                }
            }
        }
    };
    for sidecar in &erased.absent {
        eprintln!(
            "sidecar {sidecar} wasn't there: its file of records may have the name; ask again when it is back"
        );
    }
    if erased.records == 0 {
        return Err(Trouble::Other(format!("no record is of {subject:?}")));
    }
    // Before the files are read.
    drop(db);
    let elsewhere = what_is_left(Path::new(&policy.own.data_dir), subject).map_err(Trouble::Other)?;
    say(&format!("{} records erased\n", erased.records))?;
    for (file, why) in elsewhere {
        eprintln!("{file}: {why}");
    }
    Ok(())
}

/// Copies the log as it is now into a folder, for somebody who is to check it: the log in `audit/`, its key
/// in `audit.vkey`; with `opens` what opens its leaves, too.
///
/// # Errors
/// The log doesn't fit; the folder isn't empty; the disk's.
pub fn export(policy: &Policy, to: &Path, opens: bool) -> Result<(), Trouble> {
    let other = |e: String| Trouble::Other(e);
    let disk = |e: std::io::Error| Trouble::Other(format!("{}: {e}", to.display()));
    let mut db = existing(policy, Use::Desk)?;
    if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Trouble::Use(format!(
            "{}: expected a folder that is empty, or isn't there",
            to.display()
        )));
    }
    let (signer, store, note, checkpoint) = log::newest(&home(policy)?).map_err(other)?;
    if policy.own.audit.is_some() {
        tell(&mut db, to, Copied::Log { opens }, checkpoint.size)?;
    }
    let log = to.join("audit");
    copy(&store, &note, checkpoint.size, &log)?;
    let key = crate::private::file(&to.join("audit.vkey"));
    key.and_then(|mut file| writeln!(file, "{}", signer.verifier().text())).map_err(disk)?;
    if opens {
        let file = crate::private::file(&to.join("openings.jsonl")).map_err(disk)?;
        let mut file = std::io::BufWriter::new(file);
        let written = sealed::all(&db, checkpoint.size, &mut |index, salt, text| {
            let value = json!({ "leaf": index, "salt": hex(salt), "value": leaf::value(text) });
            writeln!(file, "{value}")
        });
        written.and_then(|()| file.flush().map_err(|e| e.to_string())).map_err(other)?;
    }
    let mut copied = Store::folder(&log);
    verify::verify(&mut copied, signer.verifier(), &Also::default(), &mut |_, _| ()).map_err(other)?;
    let size = checkpoint.size;
    say(&format!("{size} leaves are in {}, and all fits\n", log.display()))
}

/// What a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    Log { opens: bool },
    Ledger,
}

/// Says in the log, of this size now, that something is copied into a folder.
///
/// # Errors
/// The ledger's.
pub fn tell(db: &mut Db, to: &Path, copied: Copied, size: u64) -> Result<(), Trouble> {
    let text = |e: sql::Error| Trouble::Other(format!("the ledger: {e}"));
    let (opens, backup) = match copied {
        Copied::Log { opens } => (opens, false),
        Copied::Ledger => (true, true),
    };
    let sealed = json!({ "by": system_user(), "to": to.display().to_string(), "opens": opens });
    let shown = json!({ "size": size, "opens": opens, "backup": backup });
    let offset = i64::try_from(size).unwrap_or(i64::MAX);
    let tx = db.write().map_err(text)?;
    let event = Event { kind: Kind::Export, offset, shown, sealed: Some(&sealed) };
    leaves::append(&tx, event, now_ms()).map_err(text)?;
    tx.commit().map_err(text)
}

/// Copies the tiles of a tree of this size, and its checkpoint last.
///
/// # Errors
/// A tile that isn't there; the disk's.
pub fn copy(store: &Store, note: &str, size: u64, to: &Path) -> Result<(), Trouble> {
    let other = |e: String| Trouble::Other(e);
    let disk = |e: std::io::Error| Trouble::Other(format!("{}: {e}", to.display()));
    let put = |path: &str, bytes: &[u8]| -> Result<(), Trouble> {
        let file = to.join(path);
        if let Some(around) = file.parent() {
            crate::private::folder(around).map_err(disk)?;
        }
        let mut file = crate::private::file(&file).map_err(disk)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(disk)
    };
    let first = store.first(size).map_err(other)?;
    let mut progress = Progress::new();
    for level in std::iter::once(None).chain((0..8).map(Some)) {
        let span = super::tile::span(level.unwrap_or(0));
        for index in first / span / WIDTH.. {
            let Some(tile) = Tile::of(level.unwrap_or(0), index, size) else { break };
            let tile = Tile { level, ..tile };
            let (bytes, path) = store.tile(tile).map_err(other)?;
            let wanted = match level {
                _ if path == tile.path() => bytes.len(),
                Some(_) => tile.width as usize * 32,
                None => {
                    let next = leaf::entries(&bytes).flatten().nth(tile.width as usize);
                    next.map_or(bytes.len(), |(at, _)| at)
                }
            };
            put(&tile.path(), bytes.get(..wanted).unwrap_or(&bytes))?;
            if level.is_none() {
                progress.tell((index + 1) * WIDTH, size);
            }
        }
    }
    progress.end();
    put(super::store::CHECKPOINT, note.as_bytes())
}
