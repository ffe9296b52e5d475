//! Refusals for people: decision records in, one line for each that refused on standard output out. The
//! records are the file's, which Envoy writes and which is the buffer: who reads our output slowly holds up
//! nothing but these lines.
//!
//! `2026-11-29T22:58:01.123456Z 403 deny insufficient_scope POST /v1/notes route=/v1/* sub=ann tenant=acme`

use crate::plain::plain;
use serde_json::Value;
use std::fs::{File, Metadata};
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(200);
const CHUNK: usize = 64 * 1024;
/// A record is a few kilobytes at most; what is longer is none.
const LONGEST: usize = 64 * 1024;

/// Prints the refusals of a file while it is on.
#[derive(Clone)]
pub struct Refusals {
    on: Arc<AtomicBool>,
}

impl Refusals {
    /// Begins with what the file gets from now on, in a thread of its own, which ends with the process.
    pub fn print(records: PathBuf, on: bool) -> Self {
        let this = Self { on: Arc::new(AtomicBool::new(on)) };
        let shared = this.clone();
        std::thread::spawn(move || {
            let mut tail = Tail::at_the_end(records);
            while tail.read(&mut |record| shared.line(record)).is_ok() {
                std::thread::sleep(PAUSE);
            }
        });
        this
    }

    /// Off where Envoy prints the records themselves there.
    pub fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// An error where nobody reads our output any more.
    fn line(&self, record: &[u8]) -> std::io::Result<()> {
        let Some(line) = self.on.load(Ordering::Relaxed).then(|| line(record)).flatten() else {
            return Ok(());
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    }
}

/// What a file gets, line by line, under whatever name it was opened: rotation moves it away and makes a new
/// one.
struct Tail {
    path: PathBuf,
    open: Option<(File, u64)>,
    rest: Vec<u8>,
    /// In the middle of a line that is too long.
    skips: bool,
}

impl Tail {
    fn at_the_end(path: PathBuf) -> Self {
        let open = regular(&path).and_then(|mut file| {
            let end = file.seek(SeekFrom::End(0)).ok()?;
            Some((file, end))
        });
        Self { path, open, rest: Vec::new(), skips: false }
    }

    /// Tells each line that is whole; an error is that of `tell`.
    fn read(&mut self, tell: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        self.drain(tell)?;
        let moved = match (&self.open, std::fs::metadata(&self.path)) {
            (_, Err(_)) => false,
            (None, Ok(_)) => true,
            (Some((file, at)), Ok(there)) => {
                file.metadata().map_or(true, |here| !is_same(&here, &there) || there.len() < *at)
            }
        };
        if moved {
            self.open = regular(&self.path).map(|file| (file, 0));
            self.rest.clear();
            self.skips = false;
            self.drain(tell)?;
        }
        Ok(())
    }

    fn drain(&mut self, tell: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some((file, at)) = &mut self.open {
            let count = file.read(&mut chunk).unwrap_or(0);
            if count == 0 {
                break;
            }
            *at += count as u64;
            self.take(chunk.get(..count).unwrap_or_default(), tell)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        bytes: &[u8],
        tell: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let ends = piece.ends_with(b"\n");
            if !self.skips && self.rest.len() + piece.len() <= LONGEST {
                self.rest.extend_from_slice(piece);
            } else {
                self.skips = true;
            }
            if ends {
                if !self.skips {
                    tell(&self.rest)?;
                }
                self.rest.clear();
                self.skips = false;
            }
        }
        Ok(())
    }
}

/// Not a pipe and not a terminal: a container may have its standard output there.
fn regular(path: &Path) -> Option<File> {
    std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    File::open(path).ok()
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// The line of a record; `None` where nothing was refused.
fn line(record: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let decision = text("decision").filter(|decision| !matches!(*decision, "allow" | "unknown"))?;
    let status = match record.get("status") {
        Some(Value::Number(status)) => status.to_string(),
        _ => "0".to_owned(),
    };
    let mut line = String::new();
    for part in [text("ts").unwrap_or("-"), &status, decision] {
        plain(&mut line, part);
        line.push(' ');
    }
    for (at, name) in ["reason", "method", "path"].iter().enumerate() {
        line.push_str(if at == 0 { "" } else { " " });
        plain(&mut line, text(name).filter(|text| !text.is_empty()).unwrap_or("-"));
    }
    for name in ["route", "tool", "sub", "tenant", "request_id"] {
        if let Some(text) = text(name).filter(|text| !text.is_empty()) {
            line.push_str(&format!(" {name}="));
            plain(&mut line, text);
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests;
