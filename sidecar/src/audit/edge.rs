//! The right edge of a growing tree: leaves in, tiles and the root out. What it holds is less than a tile of
//! each level.

use super::hash::{Hash, of_leaf, of_nothing, of_row};
use super::leaf;
use super::tile::{Tile, Tiles, WIDTH, span};

/// The edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// For each level the hashes of its last tile.
    rows: Vec<Vec<Hash>>,
    /// The entries of the last bundle.
    bundle: Vec<u8>,
}

/// A tile or bundle with its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    pub tile: Tile,
    pub bytes: Vec<u8>,
}

impl Edge {
    /// That of a tree of this size. `bundle` are the entries of its last bundle, which isn't full.
    ///
    /// # Errors
    /// A tile that isn't there.
    pub fn of(tiles: &mut dyn Tiles, size: u64, bundle: Vec<u8>) -> Result<Self, String> {
        let mut rows = Vec::new();
        for level in 0..8 {
            let hashes = size / span(level);
            if hashes == 0 {
                break;
            }
            let tile = Tile::of(level, hashes / WIDTH, size);
            rows.push(tile.map_or(Ok(Vec::new()), |tile| tiles.hashes(tile))?);
        }
        Ok(Self { size, rows, bundle })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of all leaves.
    pub fn root(&self) -> Hash {
        let mut rest: Option<Hash> = None;
        for row in &self.rows {
            let row: Vec<Hash> = row.iter().copied().chain(rest).collect();
            rest = if row.is_empty() { None } else { Some(of_row(&row)) };
        }
        rest.unwrap_or_else(of_nothing)
    }

    /// Takes a leaf; what it makes full goes to `full`.
    pub fn push(&mut self, leaf: &[u8], full: &mut Vec<Written>) {
        leaf::add_entry(&mut self.bundle, leaf);
        if (self.size + 1).is_multiple_of(WIDTH) {
            let tile = Tile { level: None, index: self.size / WIDTH, width: WIDTH };
            full.push(Written { tile, bytes: std::mem::take(&mut self.bundle) });
        }
        self.push_hash(of_leaf(leaf), full);
    }

    /// The same for one of which the hash alone is known.
    pub fn push_hash(&mut self, hash: Hash, full: &mut Vec<Written>) {
        self.size += 1;
        let mut up = Some(hash);
        let mut level = 0;
        while let Some(hash) = up.take() {
            if self.rows.len() as u32 == level {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(level as usize) else { return };
            row.push(hash);
            if row.len() as u64 == WIDTH {
                let index = self.size / span(level) / WIDTH - 1;
                let tile = Tile { level: Some(level), index, width: WIDTH };
                full.push(Written { tile, bytes: row.concat() });
                up = Some(of_row(row));
                row.clear();
            }
            level += 1;
        }
    }

    /// What isn't full, as it is now.
    pub fn partial(&self) -> Vec<Written> {
        let row = |(level, row): (usize, &Vec<Hash>)| {
            let level = level as u32;
            let tile = Tile::of(level, self.size / span(level) / WIDTH, self.size)?;
            Some(Written { tile, bytes: row.concat() })
        };
        let bundle = Tile::bundle(self.size / WIDTH, self.size);
        let bundle = bundle.map(|tile| Written { tile, bytes: self.bundle.clone() });
        self.rows.iter().enumerate().filter_map(row).chain(bundle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Hash, of_leaf, of_row};
    use super::super::tile::{Tile, Tiles};
    use super::Edge;
    use std::collections::BTreeMap;

    /// Tiles as they were written last.
    #[derive(Default)]
    struct Disk(BTreeMap<String, Vec<u8>>);

    impl Tiles for Disk {
        fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, String> {
            let bytes = self.0.get(&tile.path()).ok_or_else(|| tile.path())?;
            Ok(bytes.as_chunks().0.to_vec())
        }
    }

    /// Whatever steps a tree grows in, its tiles and roots are the same, and it goes on from them.
    #[test]
    fn a_tree_grows_in_any_steps_and_goes_on_from_its_tiles() {
        let leaves: Vec<Vec<u8>> = (0..70_000u32).map(|n| n.to_be_bytes().to_vec()).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| of_leaf(leaf)).collect();
        let (mut edge, mut disk, mut full) = (Edge::default(), Disk::default(), Vec::new());
        assert_eq!(edge.root(), of_row(&[]));
        let mut from = 0;
        for to in [1, 2, 255, 256, 257, 700, 65_535, 65_536, 65_537, 65_793, 70_000] {
            for leaf in &leaves[from..to] {
                edge.push(leaf, &mut full);
            }
            from = to;
            assert_eq!(edge.root(), of_row(&hashes[..to]), "{to}");
            let partial = edge.partial();
            let bundle = partial.iter().find(|written| written.tile.level.is_none());
            let bundle = bundle.map(|written| written.bytes.clone()).unwrap_or_default();
            for written in full.drain(..).chain(partial) {
                assert_eq!(Tile::at(&written.tile.path()), Some(written.tile));
                let bytes =
                    written.tile.level.map_or(written.bytes.len(), |_| written.tile.width as usize * 32);
                assert_eq!(written.bytes.len(), bytes);
                disk.0.insert(written.tile.path(), written.bytes);
            }
            let again = Edge::of(&mut disk, to as u64, bundle).unwrap();
            assert_eq!(again.root(), edge.root(), "{to}");
            edge = again;
        }
        assert_eq!(super::super::tile::root(&mut disk, 70_000).unwrap(), edge.root());
    }
}
