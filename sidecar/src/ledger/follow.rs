//! The file of records as it grows. In: its path, and how far it was read before. Out: its whole lines, and
//! the place behind them. A torn line waits for its rest; a file that takes the place of another, or is
//! shorter than what was read of it, is read from its beginning, and the other to its end before.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The name of the file that Envoy writes.
pub const FILE: &str = "decisions.jsonl";
/// What is longer is no record.
pub const LONGEST: usize = 256 * 1024;
/// Lines that are taken together.
const MOST_LINES: usize = 4_000;
/// Bytes of a file's beginning by which it is known: a time and a request's id are in them.
const HEAD: usize = 128;

/// A file, and how much of it counts as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub device: i64,
    pub inode: i64,
    pub offset: u64,
    /// The first bytes of what has been read.
    pub head: Vec<u8>,
}

/// The file of records in a sidecar's folder.
pub fn records_file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// What it is called while the rest of it is read, and Envoy writes another.
pub fn turned(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".read");
    PathBuf::from(name)
}

/// Whether a folder has one of them.
///
/// # Errors
/// The disk's.
pub fn has_file(folder: &Path) -> std::io::Result<bool> {
    let file = records_file(folder);
    Ok(file.try_exists()? || turned(&file).try_exists()?)
}

/// Whole lines, each with the byte of the file at which it begins.
#[derive(Debug)]
pub struct Piece<'a> {
    pub lines: Vec<(u64, &'a [u8])>,
    /// Lines that are too long, or whose end never came.
    pub ignored: u64,
    /// What counts as read once the lines have been taken.
    pub place: Place,
    /// Bytes of the buffer.
    pub length: usize,
}

/// The file under its path, or the one that was there before.
pub struct Follower {
    path: PathBuf,
    /// How much is read at once, besides a torn line.
    room: usize,
    file: Option<File>,
    place: Place,
    /// What was read behind the place.
    buffer: Vec<u8>,
    /// What was dropped of a line that is too long, between place and buffer.
    dropped: u64,
    /// Lines of the file before whose end never came.
    torn: u64,
}

impl Follower {
    /// Goes on at `place`, where its file is still there, if only under another name next to it.
    ///
    /// # Errors
    /// A file is there and can't be read.
    pub fn new(path: PathBuf, place: Option<Place>, room: usize) -> std::io::Result<Self> {
        let place = place.unwrap_or_default();
        let file = if place == Place::default() { None } else { find(&path, &place)? };
        let place = if file.is_some() { place } else { Place::default() };
        Ok(Self { path, room, file, place, buffer: Vec::new(), dropped: 0, torn: 0 })
    }

    /// Reads on; answers whether there may be more at once.
    ///
    /// # Errors
    /// The disk's: nothing is lost, and nothing skipped.
    pub fn fill(&mut self) -> std::io::Result<bool> {
        if self.file.is_none() {
            let file = regular(&self.path)?;
            if file.is_none() && self.path.exists() {
                return Err(std::io::Error::other(format!("{} is no file", self.path.display())));
            }
            self.go_on_with(file)?;
        }
        if self.buffer.len() >= self.room && self.has_line() {
            return Ok(true);
        }
        let end = self.end();
        let Some(file) = &mut self.file else { return Ok(false) };
        if file.metadata()?.len() < end || !begins_with(file, &self.place.head)? {
            // What is written anew is read anew.
            let again = file.try_clone()?;
            self.go_on_with(Some(again))?;
            return Ok(true);
        }
        file.seek(SeekFrom::Start(end))?;
        let room = self.room.saturating_sub(self.buffer.len()).max(LONGEST / 4) as u64;
        let read = file.take(room).read_to_end(&mut self.buffer)?;
        if self.buffer.len() > LONGEST && !self.has_line() {
            self.dropped += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(read as u64 == room)
    }

    /// The whole lines that there are; `None`: none.
    ///
    /// # Errors
    /// The disk's.
    pub fn piece(&mut self) -> std::io::Result<Option<Piece<'_>>> {
        let mut place = self.place.clone();
        let mut lines = Vec::new();
        let (mut ignored, mut length) = (self.torn, 0);
        let mut long = self.dropped > 0;
        for line in self.buffer.split_inclusive(|b| *b == b'\n').take(MOST_LINES) {
            let Some((b'\n', text)) = line.split_last() else { break };
            let at = place.offset + self.dropped + length as u64;
            length += line.len();
            if std::mem::take(&mut long) || text.len() > LONGEST {
                ignored += 1;
            } else if !text.trim_ascii().is_empty() {
                lines.push((at, text));
            }
        }
        if length == 0 {
            return Ok(None);
        }
        place.offset += self.dropped + length as u64;
        let wanted = HEAD.min(usize::try_from(place.offset).unwrap_or(HEAD));
        if let Some(file) = self.file.as_mut().filter(|_| place.head.len() < wanted) {
            place.head = head(file, wanted)?;
        }
        Ok(Some(Piece { lines, ignored, place, length }))
    }

    /// The piece up to `place` has been taken.
    pub fn taken(&mut self, place: Place, length: usize) {
        self.place = place;
        self.dropped = 0;
        self.torn = 0;
        self.buffer.drain(..length.min(self.buffer.len()));
    }

    /// What has been read was changed by ourselves: the file is known by what its beginning is now.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin_anew(&mut self) -> std::io::Result<Vec<u8>> {
        if let Some(file) = &mut self.file {
            self.place.head = head(file, self.place.head.len())?;
        }
        Ok(self.place.head.clone())
    }

    /// How far has been taken.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether a whole line has been read and not taken.
    pub fn has_line(&self) -> bool {
        self.buffer.contains(&b'\n')
    }

    /// Bytes that haven't been read.
    pub fn unread(&self) -> u64 {
        let length = |file: &File| file.metadata().map_or(0, |file| file.len());
        self.file.as_ref().map_or(0, length).saturating_sub(self.end())
    }

    /// How far the file has been read.
    fn end(&self) -> u64 {
        self.place.offset + self.dropped + self.buffer.len() as u64
    }

    /// Whether another file is to be read now: for when this one's end is reached. It has to have something
    /// in it: then whoever writes has gone over to it, and this one's rest never comes.
    ///
    /// # Errors
    /// The disk's.
    pub fn moves_on(&mut self) -> std::io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let Some(next) = regular(&self.path)? else { return Ok(false) };
        let there = next.metadata()?;
        let is_same = identity(&there) == (self.place.device, self.place.inode);
        if is_same || there.len() == 0 || file.metadata()?.len() > self.end() {
            return Ok(false);
        }
        self.torn += u64::from(self.dropped > 0 || !self.buffer.trim_ascii().is_empty());
        self.go_on_with(Some(next))?;
        Ok(true)
    }

    fn go_on_with(&mut self, file: Option<File>) -> std::io::Result<()> {
        let (device, inode) = match &file {
            Some(file) => identity(&file.metadata()?),
            None => (0, 0),
        };
        self.place = Place { device, inode, ..Place::default() };
        self.buffer.clear();
        self.dropped = 0;
        self.file = file;
        Ok(())
    }
}

/// Ends the last line of a file that somebody wrote when he was ended himself, so that it doesn't take the
/// next one with it. For whoever starts the writer again, before it does.
///
/// # Errors
/// The disk's.
pub fn end_torn_line(path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let Some(mut file) = regular(path)? else { return Ok(()) };
    let mut last = [0];
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { File::options().append(true).open(path)?.write_all(b"\n") }
}

/// The file of a place: at the path, or where it was moved to from there.
fn find(path: &Path, place: &Place) -> std::io::Result<Option<File>> {
    let is_it = |file: &mut File| -> std::io::Result<bool> {
        let there = file.metadata()?;
        Ok(identity(&there) == (place.device, place.inode)
            && there.len() >= place.offset
            && begins_with(file, &place.head)?)
    };
    if let Some(mut file) = regular(path)?
        && is_it(&mut file)?
    {
        return Ok(Some(file));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let Ok(entries) = folder.read_dir() else { return Ok(None) };
    let named = |other: &std::ffi::OsStr| {
        other.as_encoded_bytes().starts_with(name.as_encoded_bytes()) && other != name
    };
    for entry in entries.flatten().filter(|entry| named(&entry.file_name())) {
        if let Ok(Some(mut file)) = regular(&entry.path())
            && is_it(&mut file)?
        {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn begins_with(file: &mut File, beginning: &[u8]) -> std::io::Result<bool> {
    // Blanks are what was erased in it.
    let there = head(file, beginning.len())?;
    let is_same = |(now, before): (&u8, &u8)| now == before || *now == b' ';
    Ok(there.len() == beginning.len() && there.iter().zip(beginning).all(is_same))
}

fn head(file: &mut File, length: usize) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(0))?;
    file.take(length as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Not a pipe and not a terminal: a container may have its standard output there. `None`: nothing.
fn regular(path: &Path) -> std::io::Result<Option<File>> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which file is at a path; `None`: none that can be followed.
///
/// # Errors
/// The disk's.
pub fn identity_of(path: &Path) -> std::io::Result<Option<(i64, i64)>> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => Ok(Some(identity(&there))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity(file: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev().cast_signed(), file.ino().cast_signed())
}

/// When it was made, where the system knows; else the beginning alone says which it is.
#[cfg(not(unix))]
fn identity(file: &Metadata) -> (i64, i64) {
    let made = file.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    (0, made.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
