//! The file of records has an end: what is in the ledger goes from the disk. In: how far the file has been
//! read, and a way to tell Envoy to open its file again. Out: the file is under another name until Envoy has
//! begun the next one and all of it has been read, and is then deleted. Where Envoy can't be told, what has
//! been read is given back to the disk, and the file stays.

use super::follow::{Place, identity_of, turned};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// A file that is longer is turned.
const MOST: u64 = 64 * 1024 * 1024;
const LEAST: u64 = 256 * 1024;
/// Between two looks, and between two tries to tell an Envoy that can't be told.
const PAUSE_MS: i64 = 10_000;
const LONG_PAUSE_MS: i64 = 600_000;
/// What stays of a file that can't be turned: by its beginning it is known.
const KEPT: u64 = 4_096;

/// Tells Envoy to open its file again.
pub type Reopen = Box<dyn Fn() -> Result<(), String> + Send>;

/// Has what was read on the disk, before anything of it is deleted.
pub type Settle<'a> = &'a mut dyn FnMut() -> std::io::Result<()>;

/// The one that turns the file.
pub struct Turn {
    path: PathBuf,
    reopen: Reopen,
    /// When it was last looked, and when Envoy couldn't be told.
    looked_ms: i64,
    failed_ms: i64,
    /// Up to where the file's beginning was given back.
    given_back: u64,
    has_told: bool,
}

impl Turn {
    /// For the file at this path.
    pub fn new(path: PathBuf, reopen: Reopen) -> Self {
        Self { path, reopen, looked_ms: 0, failed_ms: 0, given_back: 0, has_told: false }
    }

    /// One look: `place` is how far has been read, and is in the ledger.
    ///
    /// # Errors
    /// The disk's.
    pub fn step(
        &mut self,
        place: &Place,
        max_bytes: u64,
        now_ms: i64,
        settle: Settle<'_>,
    ) -> std::io::Result<()> {
        let old = turned(&self.path);
        let is_read_from =
            |path: &Path| Ok::<_, std::io::Error>(identity_of(path)? == Some((place.device, place.inode)));
        let there = identity_of(&old)?;
        if there.is_some() && there == identity_of(&self.path)? {
            // The way back was not ended.
            std::fs::remove_file(&old)?;
        } else if there.is_some() {
            // What is taken of the next one was read after the last of this one.
            if place.offset > 0 && !is_read_from(&old)? {
                settle()?;
                std::fs::remove_file(&old)?;
            } else if self.is_due(now_ms) {
                self.tell(&old, place, now_ms, settle)?;
            }
        } else if place.offset >= (max_bytes / 4).clamp(LEAST, MOST)
            && is_read_from(&self.path)?
            && self.is_due(now_ms)
        {
            if is_over(self.failed_ms, LONG_PAUSE_MS, now_ms) {
                std::fs::rename(&self.path, &old)?;
                self.tell(&old, place, now_ms, settle)?;
            } else {
                self.give_back(place, settle)?;
            }
        }
        Ok(())
    }

    fn is_due(&mut self, now_ms: i64) -> bool {
        let is_due = is_over(self.looked_ms, PAUSE_MS, now_ms);
        if is_due {
            self.looked_ms = now_ms;
        }
        is_due
    }

    fn tell(&mut self, old: &Path, place: &Place, now_ms: i64, settle: Settle<'_>) -> std::io::Result<()> {
        let Err(reason) = (self.reopen)() else {
            (self.given_back, self.failed_ms) = (0, 0);
            return Ok(());
        };
        self.failed_ms = now_ms;
        if !std::mem::replace(&mut self.has_told, true) {
            tracing::warn!(%reason, "envoy can't be told to begin another file of records: what has been read is given back to the disk, and the file's length stays");
        }
        // It goes on with this one, unless it was told after all: then there is another by now.
        match rename_back(old, &self.path) {
            Ok(()) => self.give_back(place, settle),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whole blocks of the file that nobody reads again.
    #[cfg(target_os = "linux")]
    fn give_back(&mut self, place: &Place, settle: Settle<'_>) -> std::io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let (from, to) = (self.given_back.max(KEPT), place.offset / KEPT * KEPT);
        if to <= from {
            return Ok(());
        }
        settle()?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A file system that can't keeps what it has.
        if fallocate(&file, flags, from, to - from).is_ok() {
            self.given_back = to;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn give_back(&mut self, _: &Place, _: Settle<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// Gives a file its name again, unless there is another of that name.
#[cfg(target_os = "linux")]
fn rename_back(old: &Path, path: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, old, CWD, path, RenameFlags::NOREPLACE)?)
}

#[cfg(not(target_os = "linux"))]
fn rename_back(old: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::hard_link(old, path)?;
    std::fs::remove_file(old)
}

/// A clock that was set back waits for nothing.
fn is_over(since_ms: i64, pause_ms: i64, now_ms: i64) -> bool {
    !(since_ms..since_ms + pause_ms).contains(&now_ms)
}
