//! Counters in bounded memory (contract §6): a hashed key in, the count of its window out.
//!
//! The table is set-associative: a key belongs to one slot of ten entries, and a slot is one shared cell,
//! changed by compare-and-swap. So counts are exact under any concurrency, and memory is flat whatever the
//! number of keys. A full slot drops expired entries first, then the entry nearest its end, an entry at its
//! limit last; address counters never drop a live entry: an address for which there is no room isn't counted.

use crate::json::write_number;
use crate::shared::{SharedTable, TableFault, swap};

/// Slots of one table. With 256 bytes each and the host's overhead, a full table measures about 25 MB.
pub const SLOTS: u64 = 65_536;
/// Entries of one slot.
pub const WAYS: usize = 10;
const ENTRY: usize = 24;
/// Longest time between reading the clock and counting, for a worker that gets no processor in between.
const LATE_MS: u64 = 10_000;

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Users and tenants.
    Callers,
    /// Addresses.
    Addresses,
}

/// What a key's window says after counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Requests counted in the window.
    pub count: u32,
    /// End of the window.
    pub ends: u64,
    /// Whether this request is over the limit (and so not counted).
    pub over: bool,
    /// Whether a live entry had to go.
    pub evicted_live: bool,
    /// Whether it wasn't counted, since there is room for live entries alone: strangers mustn't pay for a
    /// flood of addresses.
    pub no_room: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: u64,
    ends: u64,
    count: u32,
    max: u32,
}

/// Counts `weight` requests of `key`: all of them, or none where they don't fit.
///
/// # Errors
/// The shared table failed.
pub fn count(
    table: &dyn SharedTable,
    kind: Kind,
    key: u64,
    max: u32,
    weight: u32,
    window: u64,
    now: u64,
) -> Result<Counted, TableFault> {
    swap(table, &cell(kind, key), |bytes| {
        let mut entries = decode(bytes.unwrap_or_default());
        let counted = count_in(&mut entries, kind, key, max, weight, window, now);
        ((!counted.over && !counted.no_room).then(|| encode(&entries)), counted)
    })
}

/// Looks at `key` without counting.
///
/// # Errors
/// The shared table failed.
pub fn peek(
    table: &dyn SharedTable,
    kind: Kind,
    key: u64,
    max: u32,
    now: u64,
) -> Result<Counted, TableFault> {
    let bytes = table.read(&cell(kind, key))?.map(|(bytes, _)| bytes).unwrap_or_default();
    let found = decode(&bytes).into_iter().find(|e| e.key == key && e.ends > now);
    Ok(found.map_or(Counted { count: 0, ends: now, over: false, evicted_live: false, no_room: false }, |e| {
        Counted { count: e.count, ends: e.ends, over: e.count >= max, evicted_live: false, no_room: false }
    }))
}

fn count_in(
    entries: &mut Vec<Entry>,
    kind: Kind,
    key: u64,
    max: u32,
    weight: u32,
    window: u64,
    now: u64,
) -> Counted {
    // An end much further off than the window comes from a clock that was set back: it would shut its user
    // out for as long. A little further off it is where another worker, which read the clock later, was
    // first: that window is everybody's.
    let furthest = now.saturating_add(window).saturating_add(LATE_MS);
    entries.retain(|e| e.ends > now && (e.key != key || e.ends <= furthest));
    if let Some(entry) = entries.iter_mut().find(|e| e.key == key) {
        let over = entry.count.saturating_add(weight) > max;
        entry.count += if over { 0 } else { weight };
        entry.max = max;
        return Counted { count: entry.count, ends: entry.ends, over, evicted_live: false, no_room: false };
    }
    let mut evicted_live = false;
    if entries.len() >= WAYS {
        let soonest = entries.iter().map(|e| e.ends).min().unwrap_or(now);
        if kind == Kind::Addresses {
            return Counted { count: 0, ends: soonest, over: false, evicted_live: false, no_room: true };
        }
        let victim =
            entries.iter().enumerate().min_by_key(|(_, e)| (e.count >= e.max, e.ends)).map(|(at, _)| at);
        if let Some(at) = victim {
            entries.swap_remove(at);
            evicted_live = true;
        }
    }
    let over = weight > max;
    let entry = Entry { key, ends: now.saturating_add(window), count: if over { 0 } else { weight }, max };
    entries.push(entry);
    Counted { count: entry.count, ends: entry.ends, over, evicted_live, no_room: false }
}

fn cell(kind: Kind, key: u64) -> String {
    let mut name = String::with_capacity(24);
    name.push_str(match kind {
        Kind::Callers => "gatewaystack.c.",
        Kind::Addresses => "gatewaystack.a.",
    });
    write_number(&mut name, key % SLOTS);
    name
}

/// Anything that isn't a slot counts as empty: other plugins can write where we write.
fn decode(bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(WAYS);
    if !bytes.len().is_multiple_of(ENTRY) || bytes.len() > ENTRY * WAYS {
        return entries;
    }
    let word = |c: &[u8], at: usize| {
        c.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).unwrap_or_default()
    };
    let half = |c: &[u8], at: usize| {
        c.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default()
    };
    entries.extend(bytes.chunks_exact(ENTRY).map(|c| Entry {
        key: word(c, 0),
        ends: word(c, 8),
        count: half(c, 16),
        max: half(c, 20),
    }));
    entries
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY);
    for e in entries {
        out.extend(e.key.to_le_bytes());
        out.extend(e.ends.to_le_bytes());
        out.extend(e.count.to_le_bytes());
        out.extend(e.max.to_le_bytes());
    }
    out
}
