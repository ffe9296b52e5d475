//! Checks a whole log, from its bytes to the root that was signed. In: a log and a key. Out: what is in it,
//! or the first byte that doesn't fit.
//!
//! Each leaf is hashed, and all tiles are made anew: a file that isn't what they come to doesn't fit. Whether
//! a leaf or its hash in a tile was changed, the signed root tells: it follows from one of them alone.

use super::edge::{Edge, Written};
use super::hash::{Hash, is_consistent};
use super::leaf;
use super::note::{Checkpoint, Verifier};
use super::store::{CHECKPOINT, Store};
use super::tile::{self, Smaller, Tile, Tiles as _, WIDTH, span};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What a log was found to be.
#[derive(Debug)]
pub struct Found {
    pub checkpoint: Checkpoint,
    /// Leaves before it aren't kept.
    pub first: u64,
    /// How many leaves there are of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Files that no checkpoint covers yet.
    pub uncovered: u64,
}

/// What is to hold besides the log itself.
#[derive(Debug, Default)]
pub struct Also {
    /// Whose signatures have to be on the checkpoint.
    pub witnesses: Vec<Verifier>,
    /// An earlier checkpoint, of which this one is to be a continuation.
    pub since: Option<String>,
}

/// What every leaf has, and what those have that say from where on the log is kept.
#[derive(Deserialize)]
struct Leaf {
    kind: String,
    minimum: Option<u64>,
}

/// Checks all that there is; `progress` hears how many leaves have been checked, and how many there are.
///
/// # Errors
/// What doesn't fit, and where.
pub fn verify(
    store: &mut Store,
    key: &Verifier,
    also: &Also,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Found, String> {
    let (_, checkpoint) = store.checked(key, &also.witnesses)?;
    let since = also.since.as_deref().map(|note| Checkpoint::read(note, key, &[]));
    let since = since.transpose().map_err(|e| format!("--since: {e}"))?;
    let size = checkpoint.size;
    let first = store.first(size)?;
    let mut walk = Walk::new(store, size, first)?;
    for index in first / WIDTH..size.div_ceil(WIDTH) {
        walk.bundle(index)?;
        progress(((index + 1) * WIDTH).min(size), size);
    }
    let (kinds, uncovered) = walk.end(&checkpoint)?;
    if let Some(old) = since {
        continues(store, &old, &checkpoint, first)?;
    }
    Ok(Found { checkpoint, first, kinds, uncovered })
}

fn continues(store: &mut Store, old: &Checkpoint, new: &Checkpoint, first: u64) -> Result<(), String> {
    if old.size > new.size {
        return Err(format!(
            "{CHECKPOINT}: it has {} leaves, and the one of --since has {}",
            new.size, old.size
        ));
    }
    if old.size < first {
        return Err(format!(
            "--since: it has {} leaves, and those before {first} aren't kept any more: whether this log goes on from it can't be said",
            old.size
        ));
    }
    let proof = tile::consistency(store, old.size, new.size)?;
    match is_consistent(old.size, &old.root, new.size, &new.root, &proof) {
        true => Ok(()),
        false => Err(format!(
            "{CHECKPOINT}: this log is another one than that of --since: its first {} leaves aren't the same",
            old.size
        )),
    }
}

/// A way through all leaves.
struct Walk<'a> {
    store: &'a mut Store,
    size: u64,
    first: u64,
    /// The tree as the leaves make it, and as the tiles of their hashes do.
    by_leaves: Edge,
    by_tiles: Edge,
    /// The first file whose bytes are other ones than those that the leaves make, and where.
    tile_misfit: Option<String>,
    /// The first leaf whose hash isn't that in its tile.
    leaf_misfit: Option<String>,
    kinds: BTreeMap<String, u64>,
    minimum: u64,
}

impl<'a> Walk<'a> {
    fn new(store: &'a mut Store, size: u64, first: u64) -> Result<Self, String> {
        // What went before is known by the tiles above it alone.
        let edge = Edge::of(&mut Smaller { tiles: store, size }, first, Vec::new())?;
        Ok(Self {
            store,
            size,
            first,
            by_tiles: edge.clone(),
            by_leaves: edge,
            tile_misfit: None,
            leaf_misfit: None,
            kinds: BTreeMap::new(),
            minimum: 0,
        })
    }

    /// Takes the leaves of a bundle, and the tile with their hashes.
    fn bundle(&mut self, index: u64) -> Result<(), String> {
        let bundle = Tile::bundle(index, self.size).ok_or("no such bundle")?;
        let row = Tile { level: Some(0), ..bundle };
        let (bytes, path) = self.store.tile(bundle)?;
        let hashes = self.store.hashes(row)?;
        let mut made = Vec::new();
        let mut count = 0;
        for entry in leaf::entries(&bytes) {
            let (at, entry) = entry.map_err(|at| format!("{path}: byte {at}: an entry is cut off"))?;
            if count == bundle.width {
                if path == bundle.path() {
                    return Err(format!("{path}: byte {at}: it has more than {} entries", bundle.width));
                }
                break;
            }
            self.by_leaves.push(entry, &mut made);
            let number = index * WIDTH + count;
            match serde_json::from_slice::<Leaf>(entry) {
                Ok(Leaf { kind, minimum }) => {
                    *self.kinds.entry(kind).or_default() += 1;
                    self.minimum = self.minimum.max(minimum.unwrap_or(0));
                }
                Err(_) => *self.kinds.entry("other".to_owned()).or_default() += 1,
            }
            if hashes.get(count as usize) != Some(&super::hash::of_leaf(entry)) && self.leaf_misfit.is_none()
            {
                self.leaf_misfit =
                    Some(format!("{path}: byte {at}: the entry of leaf {number} isn't what was signed"));
            }
            count += 1;
        }
        if count < bundle.width {
            return Err(format!(
                "{path}: byte {}: it has {count} entries, and should have {}",
                bytes.len(),
                bundle.width
            ));
        }
        let mut ignored = Vec::new();
        hashes.iter().for_each(|hash| self.by_tiles.push_hash(*hash, &mut ignored));
        made.iter().try_for_each(|written| self.compare(written))
    }

    /// Compares a full tile that the leaves make with the one that is there.
    fn compare(&mut self, made: &Written) -> Result<(), String> {
        let path = made.tile.path();
        if made.tile.level.is_some() {
            let there = self.store.read(&path)?.ok_or_else(|| format!("{path}: it isn't there"))?;
            if let Some(at) = difference(&made.bytes, &there)
                && self.tile_misfit.is_none()
            {
                self.tile_misfit =
                    Some(format!("{path}: byte {at}: this hash isn't that of what is under it"));
            }
        }
        self.compare_partials(made)
    }

    /// Those of the sizes before, in a folder: each is the beginning of the tile.
    fn compare_partials(&mut self, made: &Written) -> Result<(), String> {
        let Some(folder) = self.store.as_folder() else { return Ok(()) };
        let partial = folder.join(format!("{}.p", made.tile.full().path()));
        let Ok(entries) = partial.read_dir() else { return Ok(()) };
        let mut widths: Vec<u64> = entries
            .flatten()
            .filter_map(|e| e.file_name().to_str().and_then(|name| name.parse().ok()))
            .collect();
        widths.sort_unstable();
        for width in widths.into_iter().filter(|width| (1..=made.tile.width).contains(width)) {
            let tile = Tile { width, ..made.tile };
            let path = tile.path();
            let Some(there) = self.store.read(&path)? else { continue };
            let expect = match tile.level {
                Some(_) => made.bytes.get(..width as usize * 32).unwrap_or_default(),
                None => {
                    let end = leaf::entries(&made.bytes).flatten().nth(width as usize).map(|(at, _)| at);
                    made.bytes.get(..end.unwrap_or(made.bytes.len())).unwrap_or_default()
                }
            };
            if let Some(at) = difference(expect, &there)
                && self.tile_misfit.is_none()
            {
                self.tile_misfit =
                    Some(format!("{path}: byte {at}: it isn't the beginning of what came after it"));
            }
        }
        Ok(())
    }

    fn end(mut self, checkpoint: &Checkpoint) -> Result<(BTreeMap<String, u64>, u64), String> {
        let partial = self.by_leaves.partial();
        for made in &partial {
            if made.tile.level.is_some() {
                let (there, path) = self.store.tile(made.tile)?;
                let there = tile_bytes(&there, made.tile, &path);
                if let Some(at) = difference(&made.bytes, there)
                    && self.tile_misfit.is_none()
                {
                    self.tile_misfit =
                        Some(format!("{path}: byte {at}: this hash isn't that of what is under it"));
                }
            }
            self.compare_partials(made)?;
        }
        let is_signed = |root: Hash| root == checkpoint.root;
        let found = if is_signed(self.by_leaves.root()) {
            self.tile_misfit
        } else if is_signed(self.by_tiles.root()) || self.leaf_misfit.is_some() {
            self.leaf_misfit
        } else {
            Some(format!("{CHECKPOINT}: its root isn't that of the {} leaves that are there", self.size))
        };
        if let Some(misfit) = found {
            return Err(misfit);
        }
        if self.first > 0 && self.minimum < self.first {
            return Err(format!(
                "{}: it isn't there, and no leaf says that it isn't kept",
                Tile { level: None, index: self.minimum / WIDTH, width: WIDTH }.path()
            ));
        }
        let uncovered = match self.store.as_folder() {
            Some(folder) => strangers(folder, self.size, self.first)?,
            None => 0,
        };
        Ok((self.kinds, uncovered))
    }
}

/// The bytes of a tile that came from a path: of a full one its beginning.
fn tile_bytes<'a>(bytes: &'a [u8], tile: Tile, path: &str) -> &'a [u8] {
    if path == tile.path() { bytes } else { bytes.get(..tile.width as usize * 32).unwrap_or(bytes) }
}

/// Where two texts begin to differ.
fn difference(expect: &[u8], there: &[u8]) -> Option<usize> {
    if expect == there {
        return None;
    }
    let same = expect.iter().zip(there).take_while(|(a, b)| a == b).count();
    Some(same)
}

/// How many files no checkpoint covers, or covers no more.
///
/// # Errors
/// One has no place in a log.
fn strangers(folder: &Path, size: u64, first: u64) -> Result<u64, String> {
    let mut uncovered = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let failed = |e: std::io::Error| format!("{}: {e}", next.display());
        let entries = match next.read_dir() {
            Ok(entries) => entries,
            // Of a tile that has become full meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str).unwrap_or_default();
            if name == CHECKPOINT && kind.is_file() {
                continue;
            }
            let Some(tile) = Tile::at(name).filter(|_| kind.is_file()) else {
                return Err(format!("{}: byte 0: no such file is in a log", path.display()));
            };
            let each = span(tile.level.unwrap_or(0));
            let end = tile.index.saturating_mul(WIDTH).saturating_add(tile.width).saturating_mul(each);
            // Behind the checkpoint, or left behind where the beginning was taken away.
            uncovered += u64::from(end > size || tile.full().end() <= first);
        }
    }
    Ok(uncovered)
}

#[cfg(test)]
mod tests;
