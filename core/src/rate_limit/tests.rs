//! Counters: exact, bounded, and nearest their end first out.

use super::address;
use super::table::{Kind, SLOTS, WAYS, count, peek};
use crate::config::policy::AddressRange;
#[cfg(not(target_arch = "wasm32"))]
use crate::hash::{self, Secret};
use crate::shared::{ABSENT, MemoryTable, SharedTable, TableFault};
use std::cell::Cell;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const WINDOW: u64 = 60_000;

/// Keys of one slot.
fn rivals() -> impl Iterator<Item = u64> {
    (1..).map(|n| n * SLOTS)
}

#[test]
fn a_window_starts_with_the_first_request_and_lets_max_pass() {
    let table = MemoryTable::default();
    for n in 1..=3 {
        let counted = count(&table, Kind::Callers, 7, 3, 1, WINDOW, 1_000 + n).unwrap();
        assert_eq!(
            (counted.count, counted.over, counted.ends),
            (u32::try_from(n).unwrap(), false, 1_001 + WINDOW)
        );
    }
    assert!(count(&table, Kind::Callers, 7, 3, 1, WINDOW, 5_000).unwrap().over);
    assert!(peek(&table, Kind::Callers, 7, 3, 1_000 + WINDOW).unwrap().over);
    assert!(!peek(&table, Kind::Callers, 7, 3, 1_001 + WINDOW).unwrap().over);
    assert!(!count(&table, Kind::Callers, 7, 3, 1, WINDOW, 1_001 + WINDOW).unwrap().over, "a new window");
    assert!(!count(&table, Kind::Callers, 8, 3, 1, WINDOW, 5_000).unwrap().over, "another key");
    assert!(count(&table, Kind::Callers, 9, 0, 1, WINDOW, 5_000).unwrap().over, "a limit of nothing");
}

#[test]
fn a_clock_that_was_set_back_shuts_nobody_out() {
    let table = MemoryTable::default();
    assert!(!count(&table, Kind::Callers, 7, 1, 1, WINDOW, 100 * WINDOW).unwrap().over);
    assert!(!count(&table, Kind::Callers, 7, 1, 1, WINDOW, 5).unwrap().over);
}

/// Each worker reads the clock before it counts, and another may come between.
#[test]
fn a_worker_that_read_the_clock_before_the_window_began_counts_in_it() {
    let table = MemoryTable::default();
    assert!(!count(&table, Kind::Callers, 7, 2, 1, WINDOW, 10_000).unwrap().over);
    assert_eq!(count(&table, Kind::Callers, 7, 2, 1, WINDOW, 9_999).unwrap().count, 2);
    assert!(count(&table, Kind::Callers, 7, 2, 1, WINDOW, 9_000).unwrap().over);
    assert!(count(&table, Kind::Callers, 7, 2, 1, WINDOW, 10_000).unwrap().over);
}

#[test]
fn a_full_slot_drops_what_is_nearest_its_end_and_what_is_at_its_limit_last() {
    let table = MemoryTable::default();
    let keys: Vec<u64> = rivals().take(WAYS + 2).collect();
    // The first is at its limit and nearest its end; the others follow a millisecond apart.
    for (at, key) in keys.iter().take(WAYS).enumerate() {
        let max = if at == 0 { 1 } else { 5 };
        assert!(!count(&table, Kind::Callers, *key, max, 1, WINDOW, at as u64).unwrap().evicted_live);
    }
    assert!(count(&table, Kind::Callers, keys[WAYS], 5, 1, WINDOW, 100).unwrap().evicted_live);
    assert!(
        count(&table, Kind::Callers, keys[0], 1, 1, WINDOW, 100).unwrap().over,
        "nobody escapes a limit by a crowd"
    );
    assert_eq!(peek(&table, Kind::Callers, keys[1], 5, 100).unwrap().count, 0, "the second went");
    // Expired entries go first, and are no live ones.
    assert!(!count(&table, Kind::Callers, keys[WAYS + 1], 5, 1, WINDOW, WINDOW + 50).unwrap().evicted_live);
}

#[test]
fn addresses_never_drop_a_live_entry_and_strangers_do_not_pay_for_a_full_table() {
    let table = MemoryTable::default();
    let keys: Vec<u64> = rivals().take(WAYS + 1).collect();
    for key in keys.iter().take(WAYS) {
        assert!(!count(&table, Kind::Addresses, *key, 5, 1, WINDOW, 0).unwrap().over);
    }
    for _ in 0..20 {
        let stranger = count(&table, Kind::Addresses, keys[WAYS], 5, 1, WINDOW, 1).unwrap();
        assert!(!stranger.over && stranger.no_room && !stranger.evicted_live);
    }
    assert_eq!(peek(&table, Kind::Addresses, keys[0], 5, 1).unwrap().count, 1, "who is counted stays so");
    let later = count(&table, Kind::Addresses, keys[WAYS], 5, 1, WINDOW, WINDOW).unwrap();
    assert!(!later.over && !later.no_room && later.count == 1);
}

/// Else whoever is over a limit could push others' counts out.
#[test]
fn what_is_not_counted_changes_nothing() {
    let table = MemoryTable::default();
    let keys: Vec<u64> = rivals().take(WAYS + 1).collect();
    for (kind, cell) in [(Kind::Callers, "gatewaystack.c.0"), (Kind::Addresses, "gatewaystack.a.0")] {
        for key in keys.iter().take(WAYS) {
            count(&table, kind, *key, 1, 1, WINDOW, 0).unwrap();
        }
        let before = table.read(cell);
        let of_others = count(&table, kind, keys[WAYS], 1, 2, WINDOW, 1).unwrap();
        assert!(of_others.over || of_others.no_room, "{kind:?}");
        assert!(count(&table, kind, keys[0], 1, 1, WINDOW, 1).unwrap().over, "{kind:?}");
        assert_eq!(table.read(cell), before, "{kind:?}");
    }
}

#[test]
fn memory_is_bounded_by_slots_and_ways() {
    let table = MemoryTable::default();
    for key in rivals().take(10_000) {
        count(&table, Kind::Callers, key, 5, 1, WINDOW, 0).unwrap();
    }
    let (bytes, _) = table.read("gatewaystack.c.0").unwrap().unwrap();
    assert_eq!(bytes.len(), WAYS * 24);
}

// Natively alone: in WebAssembly the end-to-end test shows it.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_million_users_take_no_more_memory_than_the_table_has() {
    let table = MemoryTable::default();
    let crowd = |from: u64, to: u64| {
        for user in from..to {
            let key = hash::keyed(Secret(1, 2), &[b"user", &user.to_le_bytes()]);
            count(&table, Kind::Callers, key, 5, 1, WINDOW, 0).unwrap();
        }
        table.size()
    };
    let (cells, bytes) = crowd(0, 1_000_000);
    println!("a million users: {cells} cells, {bytes} bytes");
    assert!(cells as u64 <= SLOTS && bytes <= cells * WAYS * 24);
    let (later, more) = crowd(1_000_000, 1_300_000);
    println!("300,000 more: {later} cells, {more} bytes");
    assert!(later as u64 <= SLOTS && more <= bytes + bytes / 20, "{bytes}, then {more}");
}

#[test]
fn foreign_bytes_in_a_cell_count_as_empty_and_a_contended_cell_fails() {
    let counted = MemoryTable::default();
    for _ in 0..3 {
        count(&counted, Kind::Callers, 7, 5, 1, WINDOW, 0).unwrap();
    }
    let (entry, _) = counted.read("gatewaystack.c.7").unwrap().unwrap();
    for (foreign, found) in [
        (b"not a slot".to_vec(), 1),
        ([&entry[..], b"x"].concat(), 1),
        (entry.repeat(WAYS + 1), 1),
        (entry.clone(), 4),
    ] {
        let table = MemoryTable::default();
        assert_eq!(table.write("gatewaystack.c.7", &foreign, ABSENT), Ok(true));
        let counted = count(&table, Kind::Callers, 7, 5, 1, WINDOW, 0);
        assert_eq!(counted.map(|c| c.count), Ok(found), "{}", foreign.len());
    }

    struct Contended(Cell<u32>);
    impl SharedTable for Contended {
        fn read(&self, _: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
            Ok(Some((Vec::new(), 7)))
        }
        fn write(&self, _: &str, _: &[u8], cas: u32) -> Result<bool, TableFault> {
            assert_eq!(cas, 7);
            self.0.set(self.0.get() + 1);
            Ok(false)
        }
    }
    let table = Contended(Cell::new(0));
    assert_eq!(count(&table, Kind::Callers, 7, 5, 1, WINDOW, 0), Err(TableFault));
    assert_eq!(table.0.get(), 1_000);
}

#[test]
fn addresses_lose_their_port_and_ipv6_its_host() {
    let parse = |text| address::parse(text).unwrap();
    assert_eq!(parse("192.0.2.1:4711"), parse("192.0.2.1"));
    assert_eq!(parse("[::ffff:192.0.2.1]:4711"), parse("192.0.2.1"));
    assert_eq!(address::key(parse("[2001:db8::1]:1")), address::key(parse("[2001:db8::ffff:2]:2")));
    assert_ne!(address::key(parse("[2001:db8::1]:1")), address::key(parse("[2001:db8:0:1::1]:1")));
    assert_ne!(address::key(parse("192.0.2.1:1")), address::key(parse("192.0.2.2:1")));
    assert_eq!(address::parse("/tmp/socket"), None);
    assert_eq!(address::of_source(Some(b"192.0.2.1:4711".to_vec())), Some(parse("192.0.2.1")));
    assert_eq!((address::of_source(Some(b"\xff".to_vec())), address::of_source(None)), (None, None));
    let range = |base: &str, prefix| AddressRange { base: base.parse().unwrap(), prefix };
    assert!(address::contains(&range("203.0.113.0", 24), parse("203.0.113.9:1")));
    assert!(!address::contains(&range("203.0.113.0", 24), parse("203.0.114.9:1")));
    assert!(address::contains(&range("0.0.0.0", 0), parse("203.0.114.9:1")));
    assert!(!address::contains(&range("0.0.0.0", 0), parse("[2001:db8::1]:1")));
    assert!(address::contains(&range("2001:db8::", 32), parse("[2001:db8:1::1]:1")));
}
