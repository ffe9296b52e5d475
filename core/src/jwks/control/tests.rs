//! Who may fetch when, and in which cells that stands.

use super::*;
use crate::shared::MemoryTable;
use crate::testing::policy;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: u64 = 1_000_000;
const HOUR: u64 = 3_600_000;
/// The default of `max_stale`.
const DAY: u64 = 24 * HOUR;

/// Else a changed policy would meet the keys of another issuer, or of another place.
#[test]
fn other_keys_are_in_other_cells() {
    let cells_of = |issuer: Value| {
        let issuer = &policy(json!({ "issuers": [issuer] })).issuers[0];
        [control_cell(issuer), document_cell(issuer)]
    };
    let of = |issuer: &str, uri: &str, cluster: &str| json!({ "issuer": issuer, "audiences": ["a"], "jwks_uri": uri, "jwks_cluster": cluster });
    let cells = [
        of("https://a.example/", "https://a.example/keys", "a"),
        of("https://b.example/", "https://a.example/keys", "a"),
        of("https://a.example/", "https://b.example/keys", "a"),
        of("https://a.example/", "https://a.example:444/keys", "a"),
        of("https://a.example/", "https://a.example/other", "a"),
        of("https://a.example/", "https://localhost:9/keys", "a"),
        of("https://a.example/", "http://localhost:9/keys", "a"),
        of("https://a.example/", "https://a.example/keys", "b"),
        json!({ "issuer": "https://a.example/", "audiences": ["a"], "jwks_cluster": "a" }),
    ]
    .map(cells_of)
    .concat();
    for (at, one) in cells.iter().enumerate() {
        assert!(!cells[..at].contains(one), "{at}");
    }
}

#[test]
fn a_cell_keeps_what_was_changed_and_is_written_for_nothing_else() {
    let table = MemoryTable::default();
    assert_eq!(read(&table, "a"), Ok(Control::default()));
    assert_eq!(update(&table, "a", |control| control.generation), Ok(0));
    assert_eq!(table.size(), (0, 0), "nothing has changed");
    update(&table, "a", |control| control.generation = 7).unwrap();
    assert_eq!(read(&table, "a").map(|control| control.generation), Ok(7));
    assert_eq!(read(&table, "b"), Ok(Control::default()));
    assert_eq!(Control::decode(b"garbage"), Control::default());
    let mut full = Control::default();
    for kid in 1..=40 {
        full.remember_refused(kid);
    }
    assert!(full.take_lease(9, NOW));
    full.succeed(8, NOW, (HOUR, DAY), None);
    full.fail(8, NOW);
    full.forced_at = 5;
    assert_eq!(Control::decode(&full.encode()), full);
}

/// When the next fetch is due and until when a worker fetches, both from now; whether another may.
#[test]
fn one_worker_fetches_what_is_due_and_a_dead_one_or_a_clock_set_back_blocks_nobody() {
    for (due, leased, taken) in [
        (0, 0, true),
        (1, 0, false),
        (0, 1, false),
        (0, 16_000, false),
        // No longer than two of the longest intervals, or of the longest leases.
        (2 * HOUR, 0, false),
        (2 * HOUR + 1, 0, true),
        (0, 32_000, false),
        (0, 32_001, true),
        (1, 32_001, false),
    ] {
        let before = Control { next_at: NOW + due, lease_until: NOW + leased, ..Control::default() };
        let mut control = before;
        assert_eq!(control.take_lease(7, NOW), taken, "{due} {leased}");
        let after = Control { lease_until: NOW + 16_000, lease_holder: 7, ..before };
        assert_eq!(control, if taken { after } else { before }, "{due} {leased}");
        assert_eq!(before.is_leased(NOW), leased > 0, "{leased}");
    }
    let mut control = Control::default();
    assert!(control.take_lease(1, NOW) && !control.take_lease(2, NOW + 15_999));
    assert!(control.take_lease(2, NOW + 16_000), "it has had time for three requests");
    // Whoever comes late doesn't end another's.
    control.fail(1, NOW + 16_001);
    assert!(control.is_leased(NOW + 16_001));
    control.succeed(1, NOW + 16_001, (HOUR, DAY), None);
    assert!(control.is_leased(NOW + 16_001));
    control.succeed(2, NOW + 16_002, (HOUR, DAY), None);
    assert!(!control.is_leased(NOW + 16_002));
}

#[test]
fn after_failures_the_next_fetch_waits_longer_and_half_a_minute_at_most() {
    let mut control = Control::default();
    let waits = [1, 2, 4, 8, 16, 30, 30, 30].map(|_| {
        control.fail(1, NOW);
        control.next_at - NOW
    });
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert_eq!((control.failures, control.generation), (8, 0));
    control.succeed(1, NOW, (HOUR, DAY), None);
    assert_eq!((control.failures, control.generation, control.fetched_at), (0, 1, NOW));
}

/// The policy's interval and `max_stale`, the answer's `max-age`, the worker; when the next fetch is.
#[test]
fn max_age_wins_within_bounds_and_workers_do_not_all_ask_at_once() {
    for (refresh, max_stale, max_age, holder, next) in [
        (300_000, DAY, None, 0, 300_000),
        (300_000, DAY, None, 1, 299_700),
        (300_000, DAY, None, 50, 285_000),
        (300_000, DAY, None, 99, 270_300),
        (300_000, DAY, None, 100, 300_000),
        (300_000, DAY, None, 250, 285_000),
        (300_000, DAY, Some(1), 0, 30_000),
        (300_000, DAY, Some(60), 0, 60_000),
        (300_000, DAY, Some(60), 10, 59_400),
        (300_000, DAY, Some(u64::MAX), 0, HOUR),
        // Before the keys are too old.
        (300_000, 300_000, Some(3_600), 0, 270_000),
        (30_000, 30_000, Some(3_600), 0, 27_000),
        (300_000, 1_800_000, Some(3_600), 0, 1_620_000),
    ] {
        let mut control = Control::default();
        control.succeed(holder, NOW, (refresh, max_stale), max_age);
        assert_eq!(control.next_at - NOW, next, "{refresh} {max_stale} {max_age:?} {holder}");
    }
}

/// When a fetch was forced last, when the next is due, until when a worker fetches; what an unknown `kid` is
/// told, and whether it forces one.
#[test]
fn unknown_kids_force_one_fetch_in_thirty_seconds() {
    let later = NOW + 300_000;
    for (forced_at, next_at, lease_until, now, answer, forces) in [
        (0, 0, 0, NOW, Force::Wait, true),
        (0, later, 0, NOW, Force::Wait, true),
        (0, later, 0, 10_000, Force::Wait, true),
        (NOW - 10, NOW - 10, 0, NOW, Force::Wait, false),
        (NOW - 10, later, NOW + 1, NOW, Force::Wait, false),
        (NOW - 60_000, later, NOW, NOW, Force::Wait, true),
        (NOW - 10, later, 0, NOW, Force::Spent(30), false),
        (NOW, later, 0, NOW, Force::Spent(30), false),
        (NOW - 29_000, later, 0, NOW, Force::Spent(1), false),
        (NOW - 29_999, later, 0, NOW, Force::Spent(1), false),
        (NOW - 30_000, later, 0, NOW, Force::Wait, true),
        // The clock was set back.
        (NOW + 5, NOW + 5, 0, NOW, Force::Wait, true),
        (NOW + 5, later, 0, NOW, Force::Wait, true),
    ] {
        let case = format!("{forced_at} {next_at} {lease_until} {now}");
        let before = Control { forced_at, next_at, lease_until, ..Control::default() };
        let mut control = before;
        assert_eq!(control.force(now), answer, "{case}");
        let after = Control { forced_at: now, next_at: now, ..before };
        assert_eq!(control, if forces { after } else { before }, "{case}");
        // Where newer keys are there already, they are looked at first.
        let mut newer = before;
        assert_eq!(newer.force_unless_newer(before.generation + 1, now), Force::Wait, "{case}");
        assert_eq!(newer, before, "{case}");
        assert_eq!(newer.force_unless_newer(before.generation, now), answer, "{case}");
    }
}

#[test]
fn the_last_refused_kids_are_remembered() {
    let mut control = Control::default();
    for kid in [1, 1, 1].into_iter().chain(1..=33) {
        control.remember_refused(kid);
    }
    let known = [0, 1, 2, 33, 34].map(|kid| control.was_refused(kid));
    assert_eq!(known, [false, false, true, true, false]);
}
