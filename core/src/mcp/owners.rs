//! To whom something belongs that a server gave out (a session's id, a task's): keyed hashes in, "nobody
//! knows", "yours" or "another's" out.
//!
//! Bounded as the counters are (`rate_limit/table.rs`): a key belongs to one slot of ten entries, and a slot
//! is one shared cell, changed by compare-and-swap. A full slot drops the entry that was used longest ago,
//! which is then unknown, as after a restart.

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
    /// A task's id.
    Tasks,
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

/// The same where an owner may be one of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<T> {
    /// It was never given out here, or long ago.
    Unknown,
    /// The caller's, as this one of them.
    Recognised(T),
    /// Somebody else's, or nobody's.
    Another,
}

/// What two were given is nobody's: nobody's hash, except for a chance of one in 2^64.
const NOBODY: u64 = 0;

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
    Ok(match whose(table, kind, key, |owner| (owner == caller).then_some(()), Some(now))? {
        Whose::Unknown => Owner::Unknown,
        Whose::Recognised(()) => Owner::Caller,
        Whose::Another => Owner::Another,
    })
}

/// Whose `key` is, by what the caller recognises as its own; that counts as used `now`. `None`: it is only
/// looked at.
///
/// # Errors
/// The shared table failed.
pub fn whose<T>(
    table: &dyn SharedTable,
    kind: Kind,
    key: u64,
    recognise: impl FnOnce(u64) -> Option<T>,
    now: Option<u64>,
) -> Result<Whose<T>, TableFault> {
    let bytes = table.read(&cell(kind, key))?.map(|(bytes, _)| bytes).unwrap_or_default();
    let Some(entry) = decode(&bytes).into_iter().find(|entry| entry.key == key) else {
        return Ok(Whose::Unknown);
    };
    let Some(found) = Some(entry.owner).filter(|owner| *owner != NOBODY).and_then(recognise) else {
        return Ok(Whose::Another);
    };
    if let Some(now) = now.filter(|now| now.abs_diff(entry.used) > STALE_MS) {
        touch(table, kind, entry, now)?;
    }
    Ok(Whose::Recognised(found))
}

/// It was used now, if it still is whose it was.
fn touch(table: &dyn SharedTable, kind: Kind, seen: Entry, now: u64) -> Result<(), TableFault> {
    swap(table, &cell(kind, seen.key), |bytes| {
        let mut entries = decode(bytes.unwrap_or_default());
        let entry = entries.iter_mut().find(|entry| (entry.key, entry.owner) == (seen.key, seen.owner));
        let found = entry.map(|entry| entry.used = now);
        (found.map(|()| encode(&entries)), ())
    })
}

/// It is the caller's from now on.
///
/// # Errors
/// The shared table failed.
pub fn give(table: &dyn SharedTable, kind: Kind, key: u64, caller: u64, now: u64) -> Result<(), TableFault> {
    swap(table, &cell(kind, key), |bytes| {
        let entries = decode(bytes.unwrap_or_default());
        (Some(encode(&with(entries, Entry { key, owner: caller, used: now }))), ())
    })
}

/// It is `owner`'s, unless it was another's: then it is nobody's, for the one must not get what the other was
/// given. Answers whether it is.
///
/// # Errors
/// The shared table failed.
pub fn claim(
    table: &dyn SharedTable,
    kind: Kind,
    key: u64,
    owner: u64,
    now: u64,
) -> Result<bool, TableFault> {
    swap(table, &cell(kind, key), |bytes| {
        let entries = decode(bytes.unwrap_or_default());
        let before = entries.iter().find(|entry| entry.key == key).map(|entry| entry.owner);
        let is_owners = before.is_none_or(|before| before == owner);
        let owner = if is_owners { owner } else { NOBODY };
        (Some(encode(&with(entries, Entry { key, owner, used: now }))), is_owners)
    })
}

/// A slot with this entry, in the place of what it had under its key.
fn with(mut entries: Vec<Entry>, entry: Entry) -> Vec<Entry> {
    entries.retain(|other| other.key != entry.key);
    if entries.len() >= WAYS {
        let oldest = entries.iter().enumerate().min_by_key(|(_, entry)| entry.used).map(|(at, _)| at);
        entries.swap_remove(oldest.unwrap_or_default());
    }
    entries.push(entry);
    entries
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
        Kind::Tasks => "gatewaystack.k.",
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
        release(&table, KIND, 7).unwrap();
        assert_eq!((whose(7, 1), table.size()), (Owner::Unknown, (0, 0)), "what isn't there takes no room");
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
    fn what_two_claim_is_nobodys_until_it_is_forgotten() {
        let table = MemoryTable::default();
        let whose = |key, caller| find(&table, Kind::Tasks, key, caller, 5).unwrap();
        assert_eq!(claim(&table, Kind::Tasks, 7, 1, 5), Ok(true));
        assert_eq!(claim(&table, Kind::Tasks, 7, 1, 6), Ok(true), "the same again");
        assert_eq!((whose(7, 1), whose(7, 2)), (Owner::Caller, Owner::Another));
        assert_eq!(find(&table, Kind::Sessions, 7, 1, 5), Ok(Owner::Unknown), "a table of its own");
        for owner in [2, 1, 2] {
            assert_eq!(claim(&table, Kind::Tasks, 7, owner, 7), Ok(false));
            assert_eq!((whose(7, 1), whose(7, 2)), (Owner::Another, Owner::Another));
            assert_eq!(whose(7, NOBODY), Owner::Another);
        }
        for n in 1..=10 {
            assert_eq!(claim(&table, Kind::Tasks, 7 + n * SLOTS, 1, 7 + n), Ok(true));
        }
        assert_eq!(whose(7, 1), Owner::Unknown);
    }

    /// Between a look and its note that the key was used, another may have got it.
    #[test]
    fn a_use_takes_nothing_back() {
        let table = MemoryTable::default();
        claim(&table, Kind::Tasks, 7, 1, 0).unwrap();
        let between = |owner: u64| {
            claim(&table, Kind::Tasks, 7, 2, STALE_MS * 2).unwrap();
            (owner == 1).then_some(())
        };
        let found = whose(&table, Kind::Tasks, 7, between, Some(STALE_MS * 2));
        assert_eq!(found, Ok(Whose::Recognised(())));
        assert_eq!(find(&table, Kind::Tasks, 7, 1, STALE_MS * 2), Ok(Owner::Another));
    }

    #[test]
    fn foreign_bytes_in_a_cell_count_as_empty() {
        let entry = encode(&[Entry { key: 7, owner: 1, used: 0 }]);
        for foreign in
            [b"not a slot".to_vec(), Vec::new(), [&entry[..], b"x"].concat(), entry.repeat(WAYS + 1)]
        {
            let table = MemoryTable::default();
            assert_eq!(table.write("gatewaystack.s.7", &foreign, ABSENT), Ok(true));
            assert_eq!(find(&table, KIND, 7, 1, 0), Ok(Owner::Unknown), "{foreign:?}");
            give(&table, KIND, 7, 1, 0).unwrap();
            assert_eq!(find(&table, KIND, 7, 1, 0), Ok(Owner::Caller));
            assert_eq!(table.size(), (1, ENTRY), "{foreign:?}");
        }
    }

    /// Each request of a session is a use.
    #[test]
    fn a_use_within_a_minute_of_the_last_that_was_noted_costs_one_look() {
        let table = MemoryTable::default();
        give(&table, KIND, 7, 1, 0).unwrap();
        for (now, looks) in [(STALE_MS, 1), (STALE_MS + 1, 2), (STALE_MS * 2, 1)] {
            let before = table.reads();
            assert_eq!(find(&table, KIND, 7, 1, now), Ok(Owner::Caller));
            assert_eq!(table.reads() - before, looks, "{now}");
        }
    }
}
