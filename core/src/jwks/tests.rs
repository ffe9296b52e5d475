//! Key sets, what is skipped in them, and who may fetch when.

use super::control::{Control, FETCH_TIMEOUT_MS, FORCED_FLOOR_MS, Force};
use super::discovery::{Fetch, Next, Request};
use super::*;
use crate::config::policy::{HttpUrl, JwksSource};
use crate::testing::{key_a, key_b};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn with(name: &str, value: Value) -> Value {
    let mut jwk = key_a().jwk();
    jwk[name] = value;
    jwk
}

/// Else a changed policy would meet the keys of another issuer, or of another place.
#[test]
fn other_keys_are_in_other_cells() {
    let cell = |issuer: Value| {
        let policy = json!({ "issuers": [issuer] });
        control::control_cell(&crate::testing::policy(policy).issuers[0])
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
    .map(cell);
    for (at, one) in cells.iter().enumerate() {
        assert!(!cells[..at].contains(one), "{at}");
    }
}

/// The default of `max_stale`.
const DAY: u64 = 86_400_000;

#[test]
fn a_key_is_used_only_where_all_its_members_allow_rs256() {
    let mut bare = key_a().jwk();
    for name in ["use", "alg", "kid"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let small = crate::testing::base64url([0xff; 255]);
    let large = crate::testing::base64url([0xff; 1025]);
    let cases = [
        (key_a().jwk(), true),
        (bare, true),
        (with("key_ops", json!(["verify"])), true),
        (with("key_ops", json!(["sign"])), false),
        (with("key_ops", json!("verify")), false),
        (with("use", json!("enc")), false),
        (with("alg", json!("RS512")), false),
        (with("alg", json!(null)), false),
        (with("kty", json!("EC")), false),
        (with("kid", json!(7)), false),
        (with("n", json!("not base64url!")), false),
        (with("n", json!(small)), false),
        (with("n", json!(large)), false),
        (with("e", json!("Aw")), false),
        (with("e", json!("AQAA")), false),
        (with("e", json!("AQAAAAE")), false),
        (with("e", json!("")), false),
        (with("e", json!("AAEAAQ")), true),
        (json!(7), false),
    ];
    for (jwk, usable) in cases {
        let set = parse(&document(&[key_b().jwk(), jwk.clone()])).unwrap();
        assert_eq!((set.len(), set.skipped), if usable { (2, 0) } else { (1, 1) }, "{jwk}");
    }
}

#[test]
fn a_document_without_a_usable_key_is_no_set() {
    let large = vec![b' '; MAX_DOCUMENT + 1];
    let mut duplicate = document(&[key_a().jwk()]);
    duplicate.splice(0..1, b"{\"keys\":[],".iter().copied());
    for bytes in [
        &b""[..],
        b"{}",
        b"[]",
        b"<html>",
        b"{\"keys\":{}}",
        b"{\"keys\":[]}",
        &document(&[with("use", json!("enc"))]),
        &large,
        &duplicate,
    ] {
        assert!(parse(bytes).is_err());
    }
}

#[test]
fn keys_are_found_by_kid_and_without_one_only_alone() {
    let one = parse(&document(&[key_a().jwk()])).unwrap();
    let two = parse(&document(&[key_a().jwk(), key_b().jwk()])).unwrap();
    let six = parse(&document(&vec![key_a().jwk(); 6])).unwrap();
    assert_eq!(one.candidates(None).map(|k| k.len()), Some(1));
    assert_eq!(two.candidates(None), None);
    assert_eq!(two.candidates(Some("b")).map(|k| k.len()), Some(1));
    assert_eq!(two.candidates(Some("c")).map(|k| k.len()), Some(0));
    assert_eq!(six.candidates(Some("a")).map(|k| k.len()), Some(4));
}

#[test]
fn one_worker_fetches_and_a_dead_one_blocks_nobody() {
    let (now, mut control) = (1_000_000, Control::default());
    assert!(control.take_lease(1, now));
    assert!(!control.take_lease(2, now + 10));
    assert!(control.take_lease(2, now + 3 * FETCH_TIMEOUT_MS + 1_000));
    control.succeed(2, now + 20_000, (300_000, DAY), None);
    assert_eq!((control.generation, control.failures), (1, 0));
    assert!(!control.take_lease(1, now + 20_001), "not due");
    assert!(control.take_lease(1, now + 20_000 + 300_000));
    control.fail(1, now + 400_000);
    assert_eq!(control.next_at, now + 401_000);
    for _ in 0..9 {
        control.fail(1, now);
    }
    assert_eq!(control.next_at, now + 30_000, "backoff ends at 30 s");
    assert_eq!(Control::decode(&control.encode()), control);
    assert_eq!(Control::decode(b"garbage"), Control::default());
}

#[test]
fn max_age_wins_within_bounds() {
    for (max_age, least, most) in [
        (None, 270_000, 300_000),
        (Some(1), 27_000, 30_000),
        (Some(60), 54_000, 60_000),
        (Some(u64::MAX), 3_240_000, 3_600_000),
    ] {
        for holder in [0, 50, 99] {
            let mut control = Control::default();
            control.succeed(holder, 0, (300_000, DAY), max_age);
            assert!((least..=most).contains(&control.next_at), "{max_age:?} {holder} {}", control.next_at);
        }
    }
}

#[test]
fn keys_are_fetched_again_before_they_are_too_old() {
    for (refresh, max_stale) in [(300_000, 300_000), (30_000, 30_000), (300_000, 1_800_000)] {
        let mut control = Control::default();
        control.succeed(0, 0, (refresh, max_stale), Some(3_600));
        assert_eq!(control.next_at, max_stale / 10 * 9);
    }
}

#[test]
fn unknown_kids_force_one_fetch_in_thirty_seconds() {
    let (now, mut control) = (1_000_000, Control::default());
    control.succeed(1, now, (300_000, DAY), None);
    assert_eq!(control.force(now + 1), Force::Wait);
    assert_eq!(control.force(now + 1), Force::Wait, "forced, and not begun yet: others wait for it, too");
    assert!(control.take_lease(1, now + 1), "it is due at once");
    assert_eq!(control.force(now + 2), Force::Wait, "under way");
    control.succeed(1, now + 3, (300_000, DAY), None);
    assert_eq!(control.force(now + 4), Force::Spent(30));
    assert_eq!(control.force(now + FORCED_FLOOR_MS), Force::Spent(1));
    assert_eq!(control.force(now + 1 + FORCED_FLOOR_MS), Force::Wait);
    for kid in 1..=33 {
        control.remember_refused(kid);
    }
    assert!(
        !control.was_refused(1)
            && control.was_refused(2)
            && control.was_refused(33)
            && !control.was_refused(0)
    );
}

fn url(path: &str) -> HttpUrl {
    HttpUrl {
        tls: true,
        host: "idp.example".into(),
        port: 443,
        authority: "idp.example".into(),
        path: path.into(),
    }
}

#[test]
fn keys_are_discovered_only_on_the_issuers_own_host() {
    let start = || Fetch::start("https://idp.example/t/", &JwksSource::Discover(url("/t/")));
    let document_of = |issuer: &str, jwks: &str| json!({"issuer": issuer, "jwks_uri": jwks}).to_string();
    let path = |next: Next| match next {
        Next::Request(_, Request { path, .. }) => path,
        other => panic!("{other:?}"),
    };
    let (fetch, request) = start();
    assert_eq!(request.path, "/t/.well-known/openid-configuration");
    let good = document_of("https://idp.example/t", "https://idp.example:443/keys?x=1");
    assert_eq!(path(fetch.answer(Some(200), good.as_bytes())), "/keys?x=1");
    for bad in [
        document_of("https://evil.example/t", "https://idp.example/keys"),
        document_of("https://idp.example/t", "https://evil.example/keys"),
        document_of("https://idp.example/t", "https://idp.example.evil/keys"),
        document_of("https://idp.example/t", "https://idp.example@evil/keys"),
        document_of("https://idp.example/t", "http://idp.example/keys"),
        document_of("https://idp.example/t", "https://idp.example/k\r\nx"),
        "junk".into(),
    ] {
        let Next::Request(second, request) = start().0.answer(Some(200), bad.as_bytes()) else {
            panic!("{bad}")
        };
        assert_eq!(request.path, "/t/.well-known/oauth-authorization-server");
        assert_eq!(path(second.answer(Some(302), b"")), "/t/.well-known/jwks.json");
    }
    assert!(matches!(start().0.answer(None, b""), Next::Failed(_)));
}

#[test]
fn a_configured_place_takes_one_request_and_no_redirect() {
    let start = || Fetch::start("https://idp.example/", &JwksSource::Uri(url("/jwks")));
    assert_eq!(start().1.path, "/jwks");
    let good = document(&[key_a().jwk()]);
    assert!(matches!(start().0.answer(Some(200), &good), Next::Keys(..)));
    for (status, body) in
        [(Some(302), &good), (Some(500), &good), (None, &good), (Some(200), &b"{}".to_vec())]
    {
        assert!(matches!(start().0.answer(status, body), Next::Failed(_)));
    }
}
