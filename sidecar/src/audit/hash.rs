//! Merkle trees (RFC 6962 §2.1): how leaves and nodes are hashed, and what a proof says of a root. In:
//! hashes. Out: a hash, or whether a proof holds. Where hashes lie is none of its business.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// SHA-256.
pub type Hash = [u8; 32];

/// The root of a tree without leaves.
pub fn of_nothing() -> Hash {
    Sha256::digest(b"").into()
}

/// That of a leaf.
pub fn of_leaf(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// That of a node over two.
pub fn of_node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over a row of nodes or leaves that stand side by side: a tree of that many leaves.
pub fn of_row(row: &[Hash]) -> Hash {
    match row {
        [] => of_nothing(),
        [one] => *one,
        row => {
            let (left, right) = row.split_at(split(row.len() as u64) as usize);
            of_node(&of_row(left), &of_row(right))
        }
    }
}

/// The largest power of two below `size`, which is 2 at least.
pub fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Whether `proof` takes the leaf of this hash at `index` into the tree of `size` leaves and this root (RFC
/// 9162 §2.1.3.2).
pub fn includes(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = of_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = of_node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of that of `new` leaves (RFC 9162
/// §2.1.4.2).
pub fn is_consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == of_nothing();
    }
    let mut rest = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = of_node(sibling, &old_hash);
            new_hash = of_node(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = of_node(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// In lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
