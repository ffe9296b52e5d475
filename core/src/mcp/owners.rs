//! To whom something belongs that a server gave out (a session's id, a task's): keyed hashes in, "nobody knows", "yours" or "another's" out.
//!
//! Bounded as the counters are (`rate_limit/table.rs`): a key belongs to one slot of ten entries, and a slot is one shared cell, changed by compare-and-swap. A full
//! slot drops the entry that was used longest ago, which is then unknown, as after a restart.

use crate::json::write_number;
use crate::shared::{SharedTable, TableFault, swap};

/// Slots of one table: ten times as many entries, in some 8 MB with the host's overhead.
pub const SLOTS: u64 = 16_384;
/// Entries of one slot.
pub const WAYS: usize = 10;
const ENTRY: usize = 24;
/// An entry's last use is written when it is older than this: else each use would be a write.
const STALE_MS: u64 = 60_000;

/// What belongs to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Mcp-Session-Id`.
    Sessions,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It was never given out here, or long ago.
    Unknown,
    /// The caller's.
    Caller,
    /// Somebody else's.
    Another,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    owner: u64,
    used: u64,
}

/// Whose `key` is; the caller's counts as used now.
///
/// # Errors
/// The shared table failed.
pub fn find(
    table: &dyn SharedTable,
    kind: Kind,
    key: u64,
    caller: u64,
    now: u64,
) -> Result<Owner, TableFault> {
    let bytes = table.read(&cell(kind, key))?.map(|(bytes, _)| bytes).unwrap_or_default();
    let Some(entry) = decode(&bytes).into_iter().find(|entry| entry.key == key) else {
        return Ok(Owner::Unknown);
    };
    if entry.owner != caller {
        return Ok(Owner::Another);
    }
    if now.abs_diff(entry.used) > STALE_MS {
        give(table, kind, key, caller, now)?;
    }
    Ok(Owner::Caller)
}

/// It is the caller's from now on.
///
/// # Errors
/// The shared table failed.
pub fn give(table: &dyn SharedTable, kind: Kind, key: u64, caller: u64, now: u64) -> Result<(), TableFault> {
    swap(table, &cell(kind, key), |bytes| {
        let mut entries = decode(bytes.unwrap_or_default());
        entries.retain(|entry| entry.key != key);
        if entries.len() >= WAYS {
            let oldest = entries.iter().enumerate().min_by_key(|(_, entry)| entry.used).map(|(at, _)| at);
            entries.swap_remove(oldest.unwrap_or_default());
        }
        entries.push(Entry { key, owner: caller, used: now });
        (Some(encode(&entries)), ())
    })
}

/// It is over: nobody's any more.
///
/// # Errors
/// The shared table failed.
pub fn release(table: &dyn SharedTable, kind: Kind, key: u64) -> Result<(), TableFault> {
    swap(table, &cell(kind, key), |bytes| {
        let mut entries = decode(bytes.unwrap_or_default());
        let before = entries.len();
        entries.retain(|entry| entry.key != key);
        ((entries.len() < before).then(|| encode(&entries)), ())
    })
}

fn cell(kind: Kind, key: u64) -> String {
    let mut name = String::with_capacity(24);
    name.push_str(match kind {
        Kind::Sessions => "gatewaystack.s.",
    });
    write_number(&mut name, key % SLOTS);
    name
}

/// Anything that isn't a slot counts as empty: other plugins can write where we write.
fn decode(bytes: &[u8]) -> Vec<Entry> {
    if !bytes.len().is_multiple_of(ENTRY) || bytes.len() > ENTRY * WAYS {
        return Vec::new();
    }
    let word = |entry: &[u8], at: usize| {
        entry.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).unwrap_or_default()
    };
    let entry = |bytes: &[u8]| Entry { key: word(bytes, 0), owner: word(bytes, 8), used: word(bytes, 16) };
    bytes.chunks_exact(ENTRY).map(entry).collect()
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY);
    for entry in entries {
        for word in [entry.key, entry.owner, entry.used] {
            out.extend(word.to_le_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{ABSENT, MemoryTable};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const KIND: Kind = Kind::Sessions;

    #[test]
    fn what_was_given_is_the_callers_until_it_is_released_or_given_to_another() {
        let table = MemoryTable::default();
        let whose = |key, caller| find(&table, KIND, key, caller, 5).unwrap();
        assert_eq!(whose(7, 1), Owner::Unknown);
        give(&table, KIND, 7, 1, 5).unwrap();
        assert_eq!((whose(7, 1), whose(7, 2), whose(8, 2)), (Owner::Caller, Owner::Another, Owner::Unknown));
        assert_eq!(whose(7 + SLOTS, 2), Owner::Unknown, "another key of the slot");
        give(&table, KIND, 7, 2, 5).unwrap();
        assert_eq!((whose(7, 1), whose(7, 2)), (Owner::Another, Owner::Caller));
        release(&table, KIND, 7).unwrap();
        release(&table, KIND, 7).unwrap();
        assert_eq!((whose(7, 1), whose(7, 2)), (Owner::Unknown, Owner::Unknown));
    }

    #[test]
    fn a_full_slot_drops_what_was_used_longest_ago_and_memory_is_bounded() {
        let table = MemoryTable::default();
        let key = |n: u64| n * SLOTS;
        for n in 0..10 {
            give(&table, KIND, key(n), 1, n).unwrap();
        }
        // The first was used since.
        assert_eq!(find(&table, KIND, key(0), 1, STALE_MS * 2).unwrap(), Owner::Caller);
        give(&table, KIND, key(10), 1, 11).unwrap();
        assert_eq!(find(&table, KIND, key(1), 1, 11).unwrap(), Owner::Unknown);
        assert_eq!(find(&table, KIND, key(0), 1, 11).unwrap(), Owner::Caller);
        for n in 0..10_000 {
            give(&table, KIND, key(n), 1, n).unwrap();
        }
        assert_eq!(table.size(), (1, WAYS * ENTRY));
    }

    #[test]
    fn foreign_bytes_in_a_cell_count_as_empty() {
        let table = MemoryTable::default();
        assert_eq!(table.write("gatewaystack.s.7", b"not a slot", ABSENT), Ok(true));
        assert_eq!(find(&table, KIND, 7, 1, 0), Ok(Owner::Unknown));
        give(&table, KIND, 7, 1, 0).unwrap();
        assert_eq!(find(&table, KIND, 7, 1, 0), Ok(Owner::Caller));
    }
}
