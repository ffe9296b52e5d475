//! What the cache keeps, what it forgets, and that a token is found by all of its bytes.

use super::*;
use crate::testing::{NOW_S, gate, token};
use serde_json::json;
use std::collections::HashSet;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: u64 = NOW_S * 1000;

/// Claims behind a signature, of a token that ends in an hour.
fn principal() -> Arc<Principal> {
    let mut gate = gate(json!({"routes": [{"path": "/*"}]}));
    let token = token().mint();
    assert_eq!(gate.status("GET", "/x", &token), 200);
    gate.tokens.borrow_mut().find(token.as_bytes(), NOW).unwrap()
}

/// Bytes of this length that end as no other's.
fn numbered(number: usize, length: usize) -> Vec<u8> {
    let mut token = vec![b'a'; length];
    token.splice(length - 8.., format!("{number:08}").into_bytes());
    token
}

/// How many tokens of a length there are after each is inserted.
fn lengths(count: usize, length: usize) -> Vec<usize> {
    let (mut cache, principal) = (TokenCache::default(), principal());
    assert!(cache.is_empty());
    let mut insert = |number| {
        cache.insert(&numbered(number, length), Arc::clone(&principal), 1);
        assert!(!cache.is_empty());
        cache.len()
    };
    (0..count).map(&mut insert).collect()
}

#[test]
fn two_generations_hold_so_many_bytes_each() {
    // Four of a mebibyte fill one.
    assert_eq!(lengths(13, 1024 * 1024), [1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 5]);
    // One that is larger than all has one for itself.
    assert_eq!(lengths(4, MAX_BYTES + 1), [1, 2, 2, 2]);
}

#[test]
fn two_generations_hold_so_many_tokens_each() {
    let counts = lengths(2 * MAX_ENTRIES + 2, 24);
    assert_eq!(counts[..2 * MAX_ENTRIES], (1..=2 * MAX_ENTRIES).collect::<Vec<_>>());
    assert_eq!(counts[2 * MAX_ENTRIES..], [MAX_ENTRIES + 1, MAX_ENTRIES + 2]);
}

#[test]
fn what_is_asked_for_again_stays_and_what_is_not_goes() {
    let (mut cache, principal) = (TokenCache::default(), principal());
    let length = 1024 * 1024;
    let insert = |cache: &mut TokenCache, numbers: std::ops::Range<usize>| {
        for number in numbers {
            cache.insert(&numbered(number, length), Arc::clone(&principal), 1);
        }
    };
    insert(&mut cache, 0..5);
    // Of the old generation: it moves, and is there once.
    assert!(cache.find(&numbered(0, length), NOW).is_some());
    assert_eq!(cache.len(), 5);
    insert(&mut cache, 5..9);
    assert!(cache.find(&numbered(0, length), NOW).is_some());
    for gone in 1..4 {
        assert!(cache.find(&numbered(gone, length), NOW).is_none(), "{gone}");
    }
}

#[test]
fn a_token_that_has_ended_is_found_in_neither_generation() {
    let (mut cache, principal) = (TokenCache::default(), principal());
    let [young, old] = [1, 0].map(|number| numbered(number, MAX_BYTES));
    cache.insert(&old, Arc::clone(&principal), 1);
    cache.insert(&young, principal, 1);
    let later = NOW + 2 * 3_600_000;
    assert!(cache.find(&young, later).is_none() && cache.find(&old, later).is_none());
    assert!(cache.find(&young, NOW).is_some());
}

/// A verdict belongs to the whole token: another one may end as a good one does.
#[test]
fn a_token_is_found_by_all_of_its_bytes() {
    let principal = principal();
    for length in [48, 50, 64] {
        let good = numbered(1, length);
        // As the younger generation's, and as the old one's.
        for turns in [false, true] {
            let mut cache = TokenCache::default();
            cache.insert(&good, Arc::clone(&principal), 1);
            if turns {
                cache.insert(&numbered(2, MAX_BYTES), Arc::clone(&principal), 1);
            }
            for at in 0..length - 16 {
                let mut other = good.clone();
                other[at] ^= 1;
                assert!(cache.find(&other, NOW).is_none(), "{length} {at}");
            }
            for other in
                [&good[16..], &good[1..], &[&b"aaaaaaaaaaaaaaaa"[..], &good].concat(), &good[length - 15..]]
            {
                assert!(cache.find(other, NOW).is_none(), "{length} {}", other.len());
            }
            assert!(cache.find(&good, NOW).is_some());
        }
    }
}

#[test]
fn what_is_shorter_than_any_signature_is_not_kept() {
    let mut cache = TokenCache::default();
    cache.insert(b"fifteen bytes..", principal(), 1);
    assert!(cache.is_empty() && cache.find(b"fifteen bytes..", NOW).is_none());
}

#[test]
fn tokens_of_a_key_that_is_gone_go_from_both_generations_and_others_stay() {
    let (mut cache, principal) = (TokenCache::default(), principal());
    // 0 to 3 become the old generation, 4 and 5 are young; even ones have key 0.
    for number in 0..6 {
        cache.insert(&numbered(number, 1024 * 1024), Arc::clone(&principal), number as u64 % 2);
    }
    cache.retain_keys(IssuerId(1), |_| false);
    assert_eq!(cache.len(), 6, "another issuer's");
    cache.retain_keys(IssuerId(0), |key| key == 0);
    for number in 0..6 {
        let found = cache.find(&numbered(number, 1024 * 1024), NOW).is_some();
        assert_eq!(found, number % 2 == 0, "{number}");
    }
}

/// Else entries would lie on top of each other, and be found one by one.
#[test]
fn tails_that_differ_in_any_of_their_letters_have_other_hashes() {
    let hash = |tail: u128| {
        let mut hasher = TailHasher::default();
        hasher.write_u128(tail);
        hasher.finish()
    };
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for at in 0..15 {
        // Two letters next to each other say 4,096 things.
        let tail = |number: usize| {
            let mut tail = *b"abcdefghijklmnop";
            (tail[at], tail[at + 1]) = (letters[number / 64], letters[number % 64]);
            u128::from_le_bytes(tail)
        };
        let hashes: HashSet<u64> = (0..4_096).map(|number| hash(tail(number))).collect();
        assert_eq!(hashes.len(), 4_096, "{at}");
    }
}

/// What isn't a tail is hashed, too, should it ever be: by all of its bytes, and their order.
#[test]
fn other_bytes_than_tails_are_told_apart() {
    let hash = |bytes: &[u8]| {
        let mut hasher = TailHasher::default();
        hasher.write(bytes);
        hasher.finish()
    };
    let short = [&b""[..], b"a", b"b", b"ab", b"ba", b"aa", b"aaa", b"ca", b"\xff", b"\xff\xff"];
    let all = [&short[..], &[b"aaaaaaaaa", b"aaaaaaaa`"]].concat().into_iter().map(hash).collect::<Vec<_>>();
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "{at}");
    }
}
