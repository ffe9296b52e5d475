//! The audit log on the disk, as the one process that writes it has it (C2SP tlog-tiles). In: leaves. Out:
//! tiles, and then a checkpoint that covers them.
//!
//! Everything that a checkpoint covers is on the disk before it. What lies behind the last one is cut at a
//! start, and comes again from the ledger.

use super::edge::{Edge, Written};
use super::hash::{Hash, of_leaf};
use super::leaf;
use super::note::{Checkpoint, Signer, Verifier};
pub use super::shelf::folder;
use super::shelf::{Shelf, replace};
use super::store::{CHECKPOINT, Store};
use super::tile::{Tile, WIDTH, span};
use crate::ledger::database::Home;
use crate::private;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The log's key.
///
/// # Errors
/// There is none, or it is broken.
pub fn key(home: &Home) -> Result<Option<Signer>, String> {
    let path = home.key_file();
    match fs::read_to_string(&path) {
        Ok(text) => Signer::read(&text).map(Some).map_err(|e| format!("{}: {e}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The log.
pub struct Log {
    /// What there is, for whoever reads.
    store: Store,
    shelf: Shelf,
    signer: Signer,
    edge: Edge,
    /// The size that the last checkpoint covers; `None`: there is no checkpoint.
    covered: Option<u64>,
    /// Leaves before it aren't kept.
    first: u64,
}

impl Log {
    /// Opens a log, and begins one where there is none; `origin` is the name of a new one, `known` how far
    /// the ledger knows it to have come. `None`: another sidecar writes it.
    ///
    /// # Errors
    /// Why it can't go on: it doesn't fit its checkpoint, for one.
    pub fn open(home: &Home, origin: &str, known: u64) -> Result<Option<Self>, String> {
        let shelf = Shelf::of(home)?;
        if shelf.hold()? { Self::on(shelf, home, origin, known).map(Some) } else { Ok(None) }
    }

    /// The same on a shelf that is held.
    ///
    /// # Errors
    /// Why it can't go on.
    pub fn on(shelf: Shelf, home: &Home, origin: &str, known: u64) -> Result<Self, String> {
        let store = Store::of(home)?;
        let has_checkpoint = store.read(CHECKPOINT)?.is_some();
        let signer = match key(home)? {
            Some(signer) => signer,
            None if has_checkpoint || known > 0 => {
                return Err(format!(
                    "{} is gone, and another key would begin another log: put it back",
                    home.key_file().display()
                ));
            }
            None => make_key(home, origin)?,
        };
        if !has_checkpoint && known > 0 {
            return Err(format!("{} is gone, or its checkpoint is: put back what there was", store.name()));
        }
        if has_checkpoint {
            let (_, checkpoint) = store.checked(signer.verifier(), &[])?;
            if checkpoint.size < known {
                return Err(format!(
                    "it has {} leaves, and the ledger knows of {known}: {} is older than the ledger; put back the newer one",
                    checkpoint.size,
                    store.name()
                ));
            }
        }
        if let Shelf::Folder { folder, .. } = &shelf {
            private::folder(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        let mut this = Self { store, shelf, signer, edge: Edge::default(), covered: None, first: 0 };
        if has_checkpoint {
            this.go_on()?;
        }
        this.cut()?;
        Ok(this)
    }

    /// Goes on behind the checkpoint, where the edge of the tree fits it.
    fn go_on(&mut self) -> Result<(), String> {
        let (_, checkpoint) = self.store.checked(self.signer.verifier(), &[])?;
        let size = checkpoint.size;
        let bundle = match Tile::bundle(size / WIDTH, size) {
            Some(tile) => self.store.tile(tile)?.0,
            None => Vec::new(),
        };
        // Where it was full already, what is behind isn't covered.
        let mut covered = Vec::new();
        for entry in leaf::entries(&bundle).take((size % WIDTH) as usize) {
            let (_, entry) = entry.map_err(|at| format!("the last bundle is broken at byte {at}"))?;
            leaf::add_entry(&mut covered, entry);
        }
        let hashes: Vec<Hash> = leaf::entries(&covered).flatten().map(|(_, entry)| of_leaf(entry)).collect();
        let edge = Edge::of(&mut self.store, size, covered)?;
        let row = edge.partial().into_iter().find(|written| written.tile.level == Some(0));
        let fits = row.map_or(hashes.is_empty(), |row| row.bytes == hashes.concat());
        if !fits || edge.root() != checkpoint.root {
            return Err(
                "the end of the audit log doesn't fit its checkpoint: `gatewaystack audit verify` says where"
                    .to_owned(),
            );
        }
        self.first = self.store.first(size)?;
        (self.edge, self.covered) = (edge, Some(size));
        Ok(())
    }

    /// Takes away what lies behind the checkpoint.
    fn cut(&self) -> Result<(), String> {
        let size = self.edge.size();
        for level in std::iter::once(None).chain((0..8).map(Some)) {
            let last = size / span(level.unwrap_or(0)) / WIDTH;
            let width = size / span(level.unwrap_or(0)) % WIDTH;
            for index in last.. {
                let path = Tile { level, index, width: WIDTH }.path();
                let partials = self.shelf.partials(&path)?;
                if !self.shelf.remove(&path)? && partials.is_empty() {
                    break;
                }
                let kept = if index == last { width } else { 0 };
                for name in partials {
                    if name.parse::<u64>().map_or(true, |width| width > kept) {
                        self.shelf.remove_partial(&path, &name)?;
                    }
                }
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
    pub fn store(&self) -> &Store {
        &self.store
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
        self.shelf.settle()?;
        let mut note = self.signer.checkpoint(self.size(), &self.root());
        note.push_str(&cosign(&self.store, &note, self.size()));
        self.shelf.replace(CHECKPOINT, &note)?;
        self.covered = Some(self.size());
        Ok(())
    }

    fn write(&mut self, written: &Written) -> Result<(), String> {
        self.shelf.put(&written.tile.path(), &written.bytes)
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
                self.shelf.remove_partials(&Tile { level, index, width: WIDTH }.path())?;
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
            for index in self.missing(level, minimum / each)?..minimum / each {
                let tile = Tile { level, index, width: WIDTH };
                self.shelf.remove(&tile.path())?;
                self.shelf.remove_partials(&tile.path())?;
            }
        }
        self.first = self.first.max(minimum);
        Ok(())
    }

    /// How many of the first tiles have been taken away.
    fn missing(&self, level: Option<u32>, most: u64) -> Result<u64, String> {
        let (mut low, mut high) = (0, most);
        while low < high {
            let index = low + (high - low) / 2;
            if self.shelf.has(&Tile { level, index, width: WIDTH }.path())? {
                high = index;
            } else {
                low = index + 1;
            }
        }
        Ok(low)
    }
}

/// A new key for a log of this name.
///
/// # Errors
/// It can't be a log's name.
pub fn new_key(origin: &str) -> Result<Signer, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("the system has no random numbers: {e}"))?;
    Signer::of(origin, seed)
}

fn make_key(home: &Home, origin: &str) -> Result<Signer, String> {
    let signer = new_key(origin)?;
    put_key(home, &signer)?;
    Ok(signer)
}

/// Writes a key where the log of a ledger has it.
///
/// # Errors
/// The disk's.
pub fn put_key(home: &Home, signer: &Signer) -> Result<(), String> {
    let path = home.key_file();
    let around = path.parent().unwrap_or(Path::new("."));
    private::folder(around).map_err(|e| format!("{}: {e}", around.display()))?;
    replace(&path.with_extension("key.new"), &path, &format!("{}\n", signer.secret()))
}

/// The checkpoint of a log that others read, checked with the key that is next to it.
///
/// # Errors
/// There is no key, or the checkpoint isn't its.
pub fn newest(home: &Home) -> Result<(Signer, Store, String, Checkpoint), String> {
    let Some(signer) = key(home)? else {
        return Err(format!("{}: no audit log has begun there", home.folder.display()));
    };
    let store = Store::of(home)?;
    let (text, checkpoint) = store.checked(signer.verifier(), &[])?;
    Ok((signer, store, text, checkpoint))
}

#[cfg(test)]
mod tests;
