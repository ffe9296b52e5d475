//! Where the hashes of a tree lie: tiles of 256 (C2SP tlog-tiles). In: a size, an index. Out: which tile, and
//! its path. And what follows from tiles alone: roots and proofs, whoever has the tiles.

use super::hash::{Hash, of_node, of_nothing, of_row, split};

/// Hashes in a full tile, and leaves in a full bundle.
pub const WIDTH: u64 = 256;
/// A full tile, in bytes.
pub const TILE_BYTES: usize = 256 * 32;
/// The path of the bundles.
pub const ENTRIES: &str = "entries";

/// A tile of hashes, or a bundle of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// `None`: a bundle of leaves.
    pub level: Option<u32>,
    pub index: u64,
    /// Hashes or leaves in it; 256: it is full.
    pub width: u64,
}

/// Leaves under one hash of a tile of this level.
pub fn span(level: u32) -> u64 {
    1u64.checked_shl(8 * level).unwrap_or(0)
}

impl Tile {
    /// The tile of hashes of a tree of `size` leaves; `None`: that tree has none there.
    pub fn of(level: u32, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_div(span(level)).unwrap_or(0);
        let width = hashes.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
        (width > 0).then_some(Self { level: Some(level), index, width })
    }

    /// The bundle with the same leaves as a tile of level 0.
    pub fn bundle(index: u64, size: u64) -> Option<Self> {
        Self::of(0, index, size).map(|tile| Self { level: None, ..tile })
    }

    pub fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// The same, full.
    pub fn full(&self) -> Self {
        Self { width: WIDTH, ..*self }
    }

    /// The leaves that it spans end before this one, where it is full.
    pub fn end(&self) -> u64 {
        self.index.saturating_add(1).saturating_mul(span(self.level.unwrap_or(0)).saturating_mul(WIDTH))
    }

    /// `tile/0/x001/234.p/5`
    pub fn path(&self) -> String {
        let mut path = match self.level {
            Some(level) => format!("tile/{level}/"),
            None => format!("tile/{ENTRIES}/"),
        };
        path.push_str(&number(self.index));
        if !self.is_full() {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }

    /// Which one lies at a path; `None`: none does.
    pub fn at(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = match level {
            ENTRIES => None,
            level => Some(small(level).filter(|level| *level < 64)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, u64::from(small(width).filter(|w| (1..256).contains(w))?)),
            None => (rest, WIDTH),
        };
        let mut number_so_far = 0u64;
        let mut parts = index.split('/').peekable();
        while let Some(part) = parts.next() {
            let digits = if parts.peek().is_some() { part.strip_prefix('x')? } else { part };
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            number_so_far = number_so_far.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { level, index: number_so_far, width };
        (tile.path() == path).then_some(tile)
    }
}

/// A decimal number without a sign and leading zeros.
fn small(text: &str) -> Option<u32> {
    let is_one = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_one)
}

/// `x001/x234/067`
fn number(index: u64) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        path.insert_str(0, &format!("x{:03}/", rest % 1_000));
        rest /= 1_000;
    }
    path
}

/// Whoever has tiles.
pub trait Tiles {
    /// The hashes of a tile, as many as its width says.
    ///
    /// # Errors
    /// It isn't there, or isn't one.
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, String>;
}

/// Tiles of a smaller tree, out of those of a larger one that begins with it.
pub struct Smaller<'a> {
    pub tiles: &'a mut dyn Tiles,
    /// Leaves of the larger one.
    pub size: u64,
}

impl Tiles for Smaller<'_> {
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, String> {
        let larger = Tile::of(tile.level.unwrap_or(0), tile.index, self.size).ok_or("no such tile")?;
        let mut hashes = self.tiles.hashes(larger)?;
        hashes.truncate(usize::try_from(tile.width).unwrap_or(0));
        Ok(hashes)
    }
}

/// The root of the first `size` leaves.
///
/// # Errors
/// A tile that isn't there.
pub fn root(tiles: &mut dyn Tiles, size: u64) -> Result<Hash, String> {
    if size == 0 { Ok(of_nothing()) } else { subtree(tiles, 0, size, size) }
}

/// The proof that the leaf at `index` is in the tree of `size` leaves, from its sibling up.
///
/// # Errors
/// A tile that isn't there.
pub fn inclusion(tiles: &mut dyn Tiles, index: u64, size: u64) -> Result<Vec<Hash>, String> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(subtree(tiles, middle, to, size)?);
            to = middle;
        } else {
            proof.push(subtree(tiles, from, middle, size)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is the beginning of that of `size` leaves.
///
/// # Errors
/// A tile that isn't there.
pub fn consistency(tiles: &mut dyn Tiles, old: u64, size: u64) -> Result<Vec<Hash>, String> {
    let mut proof = Vec::new();
    if old == 0 || old >= size {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, size);
    // Whether what is left of the old tree is all of it.
    let mut is_whole = true;
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(subtree(tiles, middle, to, size)?);
            to = middle;
        } else {
            proof.push(subtree(tiles, from, middle, size)?);
            from = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        proof.push(subtree(tiles, from, to, size)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The hash over the leaves from `from` to before `to`, in a tree of `size`: a node of it, or its right edge.
fn subtree(tiles: &mut dyn Tiles, from: u64, to: u64, size: u64) -> Result<Hash, String> {
    let count = to - from;
    if count.is_power_of_two() {
        let level = count.trailing_zeros() / 8;
        let (first, hashes) = (from / span(level), count / span(level));
        let index = first / WIDTH;
        let tile = Tile::of(level, index, size).ok_or("no such tile")?;
        let row = tiles.hashes(tile)?;
        let at = (first - index * WIDTH) as usize;
        let row = row.get(at..at + hashes as usize).ok_or_else(|| format!("{} is too short", tile.path()))?;
        return Ok(of_row(row));
    }
    let middle = from + split(count);
    Ok(of_node(&subtree(tiles, from, middle, size)?, &subtree(tiles, middle, to, size)?))
}

#[cfg(test)]
mod tests;
