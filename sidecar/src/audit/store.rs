//! Where a log is read from: a folder, or a URL under which it is served. In: paths of the log. Out: bytes,
//! hashes and leaves.

use super::hash::Hash;
use super::leaf;
use super::note::{Checkpoint, LONGEST, Verifier};
use super::tile::{TILE_BYTES, Tile, Tiles, WIDTH};
use crate::fetch;
use crate::ledger::database::{Home, Use};
use crate::ledger::sql::Db;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The checkpoint's path.
pub const CHECKPOINT: &str = "checkpoint";
/// Tiles that are remembered: proofs read some of them again.
const MOST_TILES: usize = 512;
/// The longest bundle: entries of the longest kind.
const BUNDLE_BYTES: usize = 256 * (2 + 65_535);

/// A log to read.
pub struct Store {
    place: Place,
    known: HashMap<Tile, Vec<Hash>>,
}

enum Place {
    Folder(PathBuf),
    Table(Home, Db),
    Url(String, tokio::runtime::Runtime),
}

impl Store {
    /// That in a folder.
    pub fn folder(folder: &Path) -> Self {
        Self { place: Place::Folder(folder.to_owned()), known: HashMap::new() }
    }

    /// That at a URL, or else in a folder.
    ///
    /// # Errors
    /// The system's.
    pub fn at(place: &str) -> Result<Self, String> {
        if !place.starts_with("https://") && !place.starts_with("http://") {
            return Ok(Self::folder(Path::new(place)));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let url = place.trim_end_matches('/').to_owned();
        Ok(Self { place: Place::Url(url, runtime), known: HashMap::new() })
    }

    /// That of a ledger.
    ///
    /// # Errors
    /// It can't be reached.
    pub fn of(home: &Home) -> Result<Self, String> {
        if !home.is_shared() {
            return Ok(Self::folder(&super::shelf::folder(&home.folder)));
        }
        Ok(Self { place: Place::Table(home.clone(), home.open(Use::Desk)?), known: HashMap::new() })
    }

    /// What it is called where something is the matter with it.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Folder(folder) => folder.display().to_string(),
            Place::Table(..) => "the audit log in PostgreSQL".to_owned(),
            Place::Url(url, _) => url.clone(),
        }
    }

    /// The folder, where it is in one.
    pub fn as_folder(&self) -> Option<&Path> {
        if let Place::Folder(folder) = &self.place { Some(folder) } else { None }
    }

    /// The same once more.
    ///
    /// # Errors
    /// It can't be reached.
    pub fn clone_for_reading(&self) -> Result<Self, String> {
        match &self.place {
            Place::Folder(folder) => Ok(Self::folder(folder)),
            Place::Table(home, _) => Self::of(home),
            Place::Url(url, _) => Self::at(url),
        }
    }

    /// What lies at a path of the log; `None`: nothing does.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match &self.place {
            Place::Folder(folder) => match read_file(&folder.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                // A file in the place of a folder.
                Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(None),
                Err(error) => Err(format!("{path}: {error}")),
            },
            Place::Table(_, db) => super::shelf::row(db, path).map_err(|e| format!("{path}: {e}")),
            Place::Url(url, runtime) => {
                let (status, body) = runtime.block_on(fetch::send(&format!("{url}/{path}"), BUNDLE_BYTES))?;
                match status {
                    200 => Ok(Some(body)),
                    404 | 410 => Ok(None),
                    status => Err(format!("{url}/{path} answered {status}")),
                }
            }
        }
    }

    /// The newest checkpoint, as it is written.
    ///
    /// # Errors
    /// There is none.
    pub fn checkpoint(&self) -> Result<String, String> {
        let missing = || format!("{}: no audit log is there", self.name());
        let bytes = self.read(CHECKPOINT)?.ok_or_else(missing)?;
        if bytes.len() > LONGEST {
            return Err(format!("{CHECKPOINT}: it is too long"));
        }
        String::from_utf8(bytes)
            .map_err(|e| format!("{CHECKPOINT}: byte {} is no UTF-8", e.utf8_error().valid_up_to()))
    }

    /// The newest checkpoint, checked.
    ///
    /// # Errors
    /// What isn't so.
    pub fn checked(&self, key: &Verifier, witnesses: &[Verifier]) -> Result<(String, Checkpoint), String> {
        let text = self.checkpoint()?;
        let checkpoint = Checkpoint::read(&text, key, witnesses).map_err(|e| format!("{CHECKPOINT}: {e}"))?;
        Ok((text, checkpoint))
    }

    /// A tile or bundle, and the path that it came from: where one that isn't full has gone, the full one.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn tile(&self, tile: Tile) -> Result<(Vec<u8>, String), String> {
        let mut path = tile.path();
        let mut found = self.read(&path)?;
        if found.is_none() && !tile.is_full() {
            found = self.read(&tile.full().path())?;
            if found.is_some() {
                path = tile.full().path();
            }
        }
        found.map(|bytes| (bytes, path.clone())).ok_or_else(|| format!("{path}: it isn't there"))
    }

    /// The leaf at an index of a tree of this size.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn leaf(&self, index: u64, size: u64) -> Result<Vec<u8>, String> {
        let tile = Tile::bundle(index / WIDTH, size).ok_or("no such leaf")?;
        let (bytes, path) = self.tile(tile)?;
        let found = leaf::entries(&bytes).nth((index % WIDTH) as usize);
        match found {
            Some(Ok((_, entry))) => Ok(entry.to_vec()),
            _ => Err(format!("{path}: it is too short")),
        }
    }

    /// The first leaf that there is: those before it aren't kept any more.
    ///
    /// # Errors
    /// It can't be read.
    pub fn first(&self, size: u64) -> Result<u64, String> {
        let is_there = |index: u64| match Tile::bundle(index, size) {
            Some(tile) => match self.tile(tile) {
                Ok(_) => Ok(true),
                Err(_) if self.read(&tile.path())?.is_none() => Ok(false),
                Err(error) => Err(error),
            },
            None => Ok(true),
        };
        let (mut low, mut high) = (0, size.div_ceil(WIDTH));
        if is_there(0)? {
            return Ok(0);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_there(middle)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if low * WIDTH > size {
            return Err(format!(
                "{}: it isn't there",
                Tile::bundle(size / WIDTH, size).map_or(String::new(), |tile| tile.path())
            ));
        }
        Ok(low * WIDTH)
    }
}

impl Tiles for Store {
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, String> {
        if let Some(known) = self.known.get(&tile) {
            return Ok(known.clone());
        }
        let (bytes, path) = self.tile(tile)?;
        let hashes = split(&bytes, &path, tile)?;
        if self.known.len() >= MOST_TILES {
            self.known.clear();
        }
        self.known.insert(tile, hashes.clone());
        Ok(hashes)
    }
}

/// A file of a log: no link, no pipe, and not larger than one can be.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let there = std::fs::symlink_metadata(path)?;
    if there.is_dir() {
        return Err(ErrorKind::NotFound.into());
    }
    if !there.is_file() || there.len() > BUNDLE_BYTES as u64 {
        return Err(std::io::Error::other("it is no file of a log"));
    }
    std::fs::read(path)
}

/// The hashes of a tile's bytes, which came from a path.
///
/// # Errors
/// It has more or less than it should.
pub fn split(bytes: &[u8], path: &str, tile: Tile) -> Result<Vec<Hash>, String> {
    let width = if path == tile.path() { tile.width } else { WIDTH } as usize;
    if bytes.len() != width * 32 || bytes.len() > TILE_BYTES {
        let at = bytes.len().min(width * 32);
        return Err(format!(
            "{path}: byte {at}: it has {} bytes, and should have {}",
            bytes.len(),
            width * 32
        ));
    }
    Ok(bytes.as_chunks().0.iter().take(tile.width as usize).copied().collect())
}
