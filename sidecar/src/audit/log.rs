//! The audit log on the disk, as the one process that writes it has it (C2SP tlog-tiles). In: leaves. Out:
//! tiles, and then a checkpoint that covers them.
//!
//! Everything that a checkpoint covers is on the disk before it. What lies behind the last one is cut at a
//! start, and comes again from the ledger.

use super::edge::{Edge, Written};
use super::hash::{Hash, of_leaf};
use super::leaf;
use super::note::{Checkpoint, Signer, Verifier};
use super::store::{CHECKPOINT, Store};
use super::tile::{Tile, WIDTH, span};
use crate::private;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

const FOLDER: &str = "audit";
const KEY: &str = "audit.key";
/// What a checkpoint and a key are written to first: in the folder around, for the log's has the log alone.
const SCRATCH: &str = "audit.new";

/// The log's folder in a data folder.
pub fn folder(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// The log's key in a data folder.
///
/// # Errors
/// There is none, or it is broken.
pub fn key(data: &Path) -> Result<Option<Signer>, String> {
    let path = data.join(KEY);
    match fs::read_to_string(&path) {
        Ok(text) => Signer::read(&text).map(Some).map_err(|e| format!("{}: {e}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The log.
pub struct Log {
    data: PathBuf,
    folder: PathBuf,
    signer: Signer,
    edge: Edge,
    /// The size that the last checkpoint covers; `None`: there is no checkpoint.
    covered: Option<u64>,
    /// Leaves before it aren't kept.
    first: u64,
    /// Files to be brought to the disk before a checkpoint, and folders that name them.
    fresh: BTreeSet<PathBuf>,
}

impl Log {
    /// Opens the log of a data folder, and begins one where there is none; `origin` is the name of a new
    /// one, `known` how far the ledger knows it to have come.
    ///
    /// # Errors
    /// Why it can't go on: it doesn't fit its checkpoint, for one.
    pub fn open(data: &Path, origin: &str, known: u64) -> Result<Self, String> {
        let folder = folder(data);
        let store = Store::folder(&folder);
        let has_checkpoint = store.read(CHECKPOINT)?.is_some();
        let signer = match key(data)? {
            Some(signer) => signer,
            None if has_checkpoint || known > 0 => {
                return Err(format!(
                    "{} is gone, and another key would begin another log: put it back",
                    data.join(KEY).display()
                ));
            }
            None => make_key(data, origin)?,
        };
        if !has_checkpoint && known > 0 {
            return Err(format!(
                "{} is gone, or its checkpoint is: put back what there was",
                folder.display()
            ));
        }
        if has_checkpoint {
            let (_, checkpoint) = store.checked(signer.verifier(), &[])?;
            if checkpoint.size < known {
                return Err(format!(
                    "it has {} leaves, and the ledger knows of {known}: {} is older than the ledger; put back the newer one",
                    checkpoint.size,
                    folder.display()
                ));
            }
        }
        private::folder(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut this = Self {
            data: data.to_owned(),
            folder,
            signer,
            edge: Edge::default(),
            covered: None,
            first: 0,
            fresh: BTreeSet::new(),
        };
        if has_checkpoint {
            this.go_on(store)?;
        }
        this.cut()?;
        Ok(this)
    }

    /// Goes on behind the checkpoint, where the edge of the tree fits it.
    fn go_on(&mut self, mut store: Store) -> Result<(), String> {
        let (_, checkpoint) = store.checked(self.signer.verifier(), &[])?;
        let size = checkpoint.size;
        let bundle = match Tile::bundle(size / WIDTH, size) {
            Some(tile) => store.tile(tile)?.0,
            None => Vec::new(),
        };
        // Where it was full already, what is behind isn't covered.
        let mut covered = Vec::new();
        for entry in leaf::entries(&bundle).take((size % WIDTH) as usize) {
            let (_, entry) = entry.map_err(|at| format!("the last bundle is broken at byte {at}"))?;
            leaf::add_entry(&mut covered, entry);
        }
        let hashes: Vec<Hash> = leaf::entries(&covered).flatten().map(|(_, entry)| of_leaf(entry)).collect();
        let edge = Edge::of(&mut store, size, covered)?;
        let row = edge.partial().into_iter().find(|written| written.tile.level == Some(0));
        let fits = row.map_or(hashes.is_empty(), |row| row.bytes == hashes.concat());
        if !fits || edge.root() != checkpoint.root {
            return Err(
                "the end of the audit log doesn't fit its checkpoint: `gatewaystack audit verify` says where"
                    .to_owned(),
            );
        }
        self.first = store.first(size)?;
        (self.edge, self.covered) = (edge, Some(size));
        Ok(())
    }

    /// Takes away what lies behind the checkpoint.
    fn cut(&self) -> Result<(), String> {
        let size = self.edge.size();
        for level in std::iter::once(None).chain((0..8).map(Some)) {
            let mut index = size / span(level.unwrap_or(0)) / WIDTH;
            let width = size / span(level.unwrap_or(0)) % WIDTH;
            loop {
                let full = Tile { level, index, width: WIDTH };
                let mut is_over = !self.remove(&full.path())?;
                let partial = self.folder.join(format!("{}.p", full.path()));
                if let Ok(entries) = partial.read_dir() {
                    is_over = false;
                    let kept = if index == size / span(level.unwrap_or(0)) / WIDTH { width } else { 0 };
                    for entry in entries.flatten() {
                        let is_covered = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
                        if is_covered.is_none_or(|width| width > kept) {
                            fs::remove_file(entry.path())
                                .map_err(|e| format!("{}: {e}", entry.path().display()))?;
                        }
                    }
                }
                if is_over {
                    break;
                }
                index += 1;
            }
        }
        Ok(())
    }

    /// Leaves that have been taken.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The size that a checkpoint covers.
    pub fn covered(&self) -> Option<u64> {
        self.covered
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Who signs.
    pub fn verifier(&self) -> &Verifier {
        self.signer.verifier()
    }

    /// What there is, for whoever reads.
    pub fn store(&self) -> Store {
        Store::folder(&self.folder)
    }

    /// Takes a leaf. After an error the log has to be opened anew.
    ///
    /// # Errors
    /// The disk's.
    pub fn push(&mut self, leaf: &[u8]) -> Result<(), String> {
        let mut full = Vec::new();
        self.edge.push(leaf, &mut full);
        full.iter().try_for_each(|written| self.write(written))
    }

    /// Brings all to the disk, and then publishes a checkpoint that covers it. `cosign` is given the note and
    /// answers what is added to it. After an error the log has to be opened anew.
    ///
    /// # Errors
    /// The disk's.
    pub fn publish(&mut self, cosign: impl FnOnce(&Store, &str, u64) -> String) -> Result<(), String> {
        // What a checkpoint covers isn't written again: an end in the middle would take it away.
        let is_covered = |tile: Tile| {
            let there = self.covered.and_then(|size| Tile::of(tile.level.unwrap_or(0), tile.index, size));
            there.is_some_and(|there| there.width == tile.width)
        };
        let new: Vec<Written> = self.edge.partial().into_iter().filter(|new| !is_covered(new.tile)).collect();
        for written in &new {
            self.write(written)?;
        }
        for path in std::mem::take(&mut self.fresh) {
            sync(&path)?;
        }
        let mut note = self.signer.checkpoint(self.size(), &self.root());
        note.push_str(&cosign(&self.store(), &note, self.size()));
        self.replace(&self.folder.join(CHECKPOINT), &note)?;
        self.covered = Some(self.size());
        Ok(())
    }

    fn replace(&self, path: &Path, text: &str) -> Result<(), String> {
        replace(&self.data, path, text)
    }

    fn write(&mut self, written: &Written) -> Result<(), String> {
        let path = self.folder.join(written.tile.path());
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(around) = path.parent() {
            if !around.exists() {
                private::folder(around).map_err(failed)?;
                // Those around it may be new, too.
                let new = around.ancestors().take_while(|folder| folder.starts_with(&self.data));
                self.fresh.extend(new.map(Path::to_owned));
            }
            self.fresh.insert(around.to_owned());
        }
        let mut file = private::file(&path).map_err(failed)?;
        file.set_len(0).and_then(|()| file.write_all(&written.bytes)).map_err(failed)?;
        self.fresh.insert(path.clone());
        if written.tile.is_full() {
            self.fresh.extend(path.parent().map(Path::to_owned));
        }
        Ok(())
    }

    /// Takes away what nobody is promised: the partial tiles of those that have become full and are covered.
    ///
    /// # Errors
    /// The disk's.
    pub fn tidy(&self, before: u64) -> Result<(), String> {
        let Some(covered) = self.covered else { return Ok(()) };
        for level in std::iter::once(None).chain((0..8).map(Some)) {
            let tiles = |size: u64| size / span(level.unwrap_or(0)) / WIDTH;
            for index in tiles(before)..tiles(covered) {
                let partial = self.folder.join(format!("{}.p", Tile { level, index, width: WIDTH }.path()));
                remove_all(&partial)?;
            }
        }
        Ok(())
    }

    /// The first leaf that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Takes away the bundles, and the tiles that proofs of later leaves don't need, before a leaf.
    ///
    /// # Errors
    /// The disk's.
    pub fn prune(&mut self, minimum: u64) -> Result<(), String> {
        for level in std::iter::once(None).chain((0..8).map(Some)) {
            let each = span(level.unwrap_or(0)).saturating_mul(WIDTH);
            for index in self.missing(level, minimum / each)..minimum / each {
                let tile = Tile { level, index, width: WIDTH };
                self.remove(&tile.path())?;
                remove_all(&self.folder.join(format!("{}.p", tile.path())))?;
            }
        }
        self.first = self.first.max(minimum);
        Ok(())
    }

    /// How many of the first tiles have been taken away.
    fn missing(&self, level: Option<u32>, most: u64) -> u64 {
        let (mut low, mut high) = (0, most);
        while low < high {
            let index = low + (high - low) / 2;
            if self.folder.join(Tile { level, index, width: WIDTH }.path()).exists() {
                high = index;
            } else {
                low = index + 1;
            }
        }
        low
    }

    /// Whether a file was there to be removed.
    fn remove(&self, path: &str) -> Result<bool, String> {
        let path = self.folder.join(path);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }
}

fn make_key(data: &Path, origin: &str) -> Result<Signer, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("the system has no random numbers: {e}"))?;
    let signer = Signer::of(origin, seed)?;
    put_key(data, &signer)?;
    Ok(signer)
}

/// Writes a key where the log of a data folder has it.
///
/// # Errors
/// The disk's.
pub fn put_key(data: &Path, signer: &Signer) -> Result<(), String> {
    private::folder(data).map_err(|e| format!("{}: {e}", data.display()))?;
    replace(data, &data.join(KEY), &format!("{}\n", signer.secret()))
}

/// Puts a file in the place of another at once.
fn replace(data: &Path, path: &Path, text: &str) -> Result<(), String> {
    let scratch = data.join(SCRATCH);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = private::file(&scratch).map_err(failed)?;
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
    file.sync_all().and_then(|()| fs::rename(&scratch, path)).map_err(failed)?;
    path.parent().map_or(Ok(()), sync)
}

fn sync(path: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    // A folder can be synced where it can be opened.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(failed)
}

fn remove_all(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The checkpoint of a log that others read, checked with the key that is next to it.
///
/// # Errors
/// There is no key, or the checkpoint isn't its.
pub fn newest(data: &Path) -> Result<(Signer, Store, String, Checkpoint), String> {
    let Some(signer) = key(data)? else {
        return Err(format!("{}: no audit log has begun there", data.display()));
    };
    let store = Store::folder(&folder(data));
    let (text, checkpoint) = store.checked(signer.verifier(), &[])?;
    Ok((signer, store, text, checkpoint))
}

#[cfg(test)]
mod tests;
