//! Paths, roots and proofs, against the words of RFC 6962 and C2SP tlog-tiles.

use super::super::hash::{Hash, includes, is_consistent, of_leaf, of_row};
use super::{Tile, Tiles, consistency, inclusion, root, span};
use std::collections::HashMap;

/// All leaves' hashes in memory; each tile is made from them by the specification's own words.
struct Memory(Vec<Hash>, HashMap<Tile, Vec<Hash>>);

impl Tiles for Memory {
    fn hashes(&mut self, tile: Tile) -> Result<Vec<Hash>, String> {
        let level = tile.level.ok_or("a bundle")?;
        let span = span(level) as usize;
        let first = tile.index as usize * 256;
        let row = || {
            (first..first + tile.width as usize)
                .map(|at| of_row(&self.0[at * span..(at + 1) * span]))
                .collect()
        };
        Ok(self.1.entry(tile).or_insert_with(row).clone())
    }
}

fn memory(size: u64) -> Memory {
    Memory((0..size).map(|n| of_leaf(&n.to_be_bytes())).collect(), HashMap::new())
}

#[test]
fn paths_are_those_of_the_specification() {
    for (level, index, width, path) in [
        (Some(0), 0, 256, "tile/0/000"),
        (Some(0), 273, 112, "tile/0/273.p/112"),
        (Some(1), 1_234_067, 256, "tile/1/x001/x234/067"),
        (Some(63), 1_000, 1, "tile/63/x001/000.p/1"),
        (None, 999, 255, "tile/entries/999.p/255"),
    ] {
        let tile = Tile { level, index, width };
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::at(path), Some(tile));
    }
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/1000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/../0",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries",
        "tile/ENTRIES/000",
        "tile/0/000.p/1/2",
        "/tile/0/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/x01/000",
        "tile/0/0x1",
    ] {
        assert_eq!(Tile::at(path), None, "{path}");
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_specifications_example() {
    let count = |level| {
        (0..).map_while(|index| Tile::of(level, index, 70_000)).map(|tile| tile.width).collect::<Vec<_>>()
    };
    let level0 = count(0);
    assert_eq!((level0.len(), level0.last()), (274, Some(&112)));
    assert_eq!(count(1), [256, 17]);
    assert_eq!(count(2), [1]);
    assert!(count(3).is_empty());
    assert_eq!(Tile::of(1, 0, 256), Some(Tile { level: Some(1), index: 0, width: 1 }));
    assert_eq!(Tile::of(63, 0, u64::MAX), None);
}

/// Roots of RFC 6962's own test: the eight leaves that all implementations use.
#[test]
fn roots_are_known_answers() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let mut memory = Memory(leaves.map(of_leaf).to_vec(), HashMap::new());
    let hex = |size| super::super::hash::hex(&root(&mut memory, size).unwrap());
    let roots: Vec<String> = (0..=8).map(hex).collect();
    assert_eq!(roots[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(roots[1], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(roots[2], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    assert_eq!(roots[8], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

/// Every proof of small trees holds for what it is about, and for nothing else.
#[test]
fn proofs_hold_for_what_they_are_about_alone() {
    let mut all = memory(70);
    let roots: Vec<Hash> = (0..=70).map(|size| root(&mut all, size).unwrap()).collect();
    for size in 1..=70u64 {
        for index in 0..size {
            let proof = inclusion(&mut all, index, size).unwrap();
            let leaf = all.0[index as usize];
            assert!(includes(index, size, &leaf, &proof, &roots[size as usize]), "{index} of {size}");
            assert!(!includes(index, size, &of_leaf(b"x"), &proof, &roots[size as usize]));
            assert!(!includes(index, size, &leaf, &proof, &roots[size as usize - 1]));
            assert!(!includes(index + 1, size, &leaf, &proof, &roots[size as usize]) || size == 1);
            if let Some((_, shorter)) = proof.split_last() {
                assert!(!includes(index, size, &leaf, shorter, &roots[size as usize]));
            }
            let longer = [proof.as_slice(), &[leaf]].concat();
            assert!(!includes(index, size, &leaf, &longer, &roots[size as usize]));
        }
        for old in 0..=size {
            let proof = consistency(&mut all, old, size).unwrap();
            let [before, after] = [roots[old as usize], roots[size as usize]];
            assert!(is_consistent(old, &before, size, &after, &proof), "{old} of {size}");
            assert!(!is_consistent(old, &of_leaf(b"x"), size, &after, &proof));
            assert!(!is_consistent(old, &before, size, &of_leaf(b"x"), &proof) || old == 0);
            let longer = [proof.as_slice(), &[before]].concat();
            assert!(!is_consistent(old, &before, size, &after, &longer));
        }
        assert!(!is_consistent(size, &roots[size as usize], size - 1, &roots[size as usize - 1], &[]));
    }
}

/// Over tiles of more than one level, at sizes around their edges.
#[test]
fn large_trees_are_read_from_tiles_of_all_levels() {
    let mut all = memory(66_000);
    for size in [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 66_000u64] {
        let whole = of_row(&all.0[..size as usize]);
        assert_eq!(root(&mut all, size).unwrap(), whole, "{size}");
        for index in [0, 1, 200, size / 2, size - 1] {
            let proof = inclusion(&mut all, index, size).unwrap();
            assert!(includes(index, size, &all.0[index as usize], &proof, &whole), "{index} of {size}");
        }
        for old in [1, 2, 255, 256.min(size), size / 2, size - 1] {
            let before = of_row(&all.0[..old as usize]);
            let proof = consistency(&mut all, old, size).unwrap();
            assert!(is_consistent(old, &before, size, &whole, &proof), "{old} of {size}");
        }
    }
}
