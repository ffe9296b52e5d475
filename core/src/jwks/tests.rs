//! Key sets, what is skipped in them, and where they are found.

use super::discovery::{Fault, Fetch, Next, Request};
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
        (with("alg", json!(null)), true),
        (with("use", json!(null)), true),
        (with("key_ops", json!(null)), true),
        (with("kid", json!(null)), true),
        (with("x5c", json!(null)), true),
        (with("kty", json!(null)), false),
        (with("n", json!(null)), false),
        (with("n", json!(format!("{}==", key_a().jwk()["n"].as_str().unwrap()))), true),
        (with("e", json!("AQAB=")), true),
        (with("e", json!("AQ=AB")), false),
        (with("e", json!("=")), false),
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
fn what_is_skipped_has_a_reason() {
    for (jwk, kid, why) in [
        (with("kty", json!("EC")), Some("a"), "its alg isn't ES256"),
        (with("use", json!("enc")), Some("a"), "its use isn't sig"),
        (with("alg", json!("RS512")), Some("a"), "its alg isn't RS256"),
        (with("key_ops", json!(["sign"])), Some("a"), "its key_ops don't have verify"),
        (with("kid", json!(7)), None, "its kid isn't a text"),
        (with("n", json!(null)), Some("a"), "it has no n or no e"),
        (with("n", json!("a+b/")), Some("a"), "its n or its e isn't base64url"),
        (with("n", json!("AQAB")), Some("a"), "its modulus isn't an odd number of 2048 to 8192 bits"),
        (with("e", json!("Aw")), Some("a"), "its exponent isn't an odd number from 65537 to 4294967295"),
        (json!(7), None, "it isn't an object"),
    ] {
        let found = skipped(&document(&[key_b().jwk(), jwk]));
        assert_eq!(found, [(kid.map(str::to_owned), why)]);
    }
    assert_eq!(skipped(&document(&vec![json!(1); 100])).len(), 16);
    assert_eq!(skipped(b"junk"), []);
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
fn a_document_has_256_kib_at_most() {
    let of = |length: usize| {
        let mut document = document(&[key_a().jwk()]);
        document.resize(length, b' ');
        document
    };
    assert_eq!(parse(&of(262_144)).map(|set| (set.len(), set.is_empty())), Ok((1, false)));
    let fault = parse(&of(262_145)).unwrap_err();
    assert_eq!(fault.text(), "the document is over 256 KiB");
    assert!(KeySet::default().is_empty());
}

#[test]
fn keys_are_found_by_kid_and_without_one_only_alone() {
    let one = parse(&document(&[key_a().jwk()])).unwrap();
    let two = parse(&document(&[key_a().jwk(), key_b().jwk()])).unwrap();
    let six = parse(&document(&vec![key_a().jwk(); 6])).unwrap();
    assert_eq!(one.candidates(Algorithm::Rs256, None).map(|k| k.len()), Some(1));
    assert_eq!(two.candidates(Algorithm::Rs256, None), None);
    assert_eq!(two.candidates(Algorithm::Rs256, Some("b")).map(|k| k.len()), Some(1));
    assert_eq!(two.candidates(Algorithm::Rs256, Some("c")).map(|k| k.len()), Some(0));
    assert_eq!(six.candidates(Algorithm::Rs256, Some("a")).map(|k| k.len()), Some(4));
}

/// Seconds since the keys were fetched and failures since, and when the next fetch is due; what a token's
/// keys come to.
#[test]
fn keys_are_trusted_until_they_are_too_old_and_a_client_is_told_when_to_come_back() {
    let gate = crate::testing::gate(json!({"routes": []}));
    let (mut ring, now, max_stale) = (gate.keys, crate::testing::NOW_S * 1000, 60_000);
    let id = crate::config::policy::IssuerId(0);
    let set = ring.held(id).unwrap().set.clone();
    for (has_keys, age, failures, next_in, expect) in [
        (true, 0, 0, 0, "keys"),
        (true, 60_000, 3, 0, "keys"),
        (true, 60_001, 3, 0, "1"),
        (true, 60_001, 0, 7_001, "8"),
        (true, 60_001, 0, 99_000, "30"),
        (false, 0, 0, 5_000, "not yet"),
        (false, 0, 1, 5_000, "5"),
    ] {
        let held = ring.held_mut(id).unwrap();
        held.set = set.clone().filter(|_| has_keys);
        (held.fetched_at, held.failures, held.next_at) = (now - age, failures, now + next_in);
        let found = match ring.find(id, (Algorithm::Rs256, Some("a")), max_stale, now) {
            Lookup::Keys(keys) if keys.len() == 1 => "keys".to_owned(),
            Lookup::NotYet => "not yet".to_owned(),
            Lookup::Unavailable(seconds) => seconds.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expect, "{has_keys} {age} {failures} {next_in}");
        assert_eq!(ring.are_fresh(id, max_stale, now), age <= max_stale, "{age}");
    }
    let nobody = crate::config::policy::IssuerId(1);
    assert!(!ring.are_fresh(nobody, max_stale, now) && ring.held(nobody).is_none());
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
    let largest = format!("{good}{}", " ".repeat(262_144 - good.len()));
    assert_eq!(path(start().0.answer(Some(200), largest.as_bytes())), "/keys?x=1");
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
        let mut asked = Vec::new();
        let mut next = second.answer(Some(302), b"");
        while let Next::Request(fetch, request) = next {
            asked.push(request.path);
            next = fetch.answer(Some(404), b"");
        }
        // RFC 8414 §3.1, and the same of OpenID's document.
        let inserted = ["/.well-known/oauth-authorization-server/t", "/.well-known/openid-configuration/t"];
        assert_eq!(asked, [&inserted[..], &["/t/.well-known/jwks.json"]].concat());
    }
    let inserted = {
        let mut next = start().0.answer(Some(404), b"");
        for _ in 0..2 {
            let Next::Request(fetch, request) = next else { panic!("{next:?}") };
            next = fetch.answer(
                if request.path.starts_with("/.well") { Some(200) } else { Some(404) },
                good.as_bytes(),
            );
        }
        path(next)
    };
    assert_eq!(inserted, "/keys?x=1");
    assert!(matches!(start().0.answer(None, b""), Next::Failed(_)));
}

/// What comes after it fails for reasons that tell less.
#[test]
fn discovery_that_fails_says_its_first_reason() {
    let document = |issuer: &str, jwks: &str| json!({"issuer": issuer, "jwks_uri": jwks}).to_string();
    let good = document("https://idp.example/", "https://idp.example/keys");
    for (status, body, fault) in [
        (301, String::new(), Fault::Redirect),
        (500, String::new(), Fault::Status),
        (200, format!("\u{feff}{good}"), Fault::ByteOrderMark),
        (200, "<html>".to_owned(), Fault::NotJson),
        (200, "[]".to_owned(), Fault::NotJson),
        (200, "{\"issuer\":1,\"issuer\":1}".to_owned(), Fault::NotJson),
        (200, " ".repeat(MAX_DOCUMENT + 1), Fault::TooLarge),
        (200, document("https://idp.example/{tenantid}/v2.0", "https://idp.example/keys"), Fault::Template),
        (200, document("https://other.example/", "https://idp.example/keys"), Fault::OtherIssuer),
        (200, "{}".to_owned(), Fault::OtherIssuer),
        (200, json!({"issuer": "https://idp.example"}).to_string(), Fault::NoKeys),
        (200, document("https://idp.example/", "https://www.other.example/certs"), Fault::OtherHost),
        (200, document("https://idp.example/", "http://idp.example/keys"), Fault::OtherHost),
    ] {
        let (fetch, _) = Fetch::start("https://idp.example/", &JwksSource::Discover(url("/")));
        assert_eq!(fetch.fault(status, body.as_bytes()), Some(fault), "{body:.60}");
        assert!(fault.text().starts_with("the discovery document"), "{fault:?}");
        let mut next = fetch.answer(Some(status), body.as_bytes());
        while let Next::Request(fetch, _) = next {
            assert_eq!(fetch.fault(404, b""), None);
            next = fetch.answer(Some(404), b"");
        }
        assert!(matches!(next, Next::Failed(why) if why == fault.text()), "{next:?}");
    }
    // Where the keys were found all the same, nothing has failed; without any document the keys' own answer
    // says why.
    let (fetch, _) = Fetch::start("https://idp.example/", &JwksSource::Discover(url("/")));
    let Next::Request(fetch, _) = fetch.answer(Some(200), b"junk") else { panic!() };
    let Next::Request(fetch, _) = fetch.answer(Some(404), b"") else { panic!() };
    assert!(matches!(fetch.clone().answer(Some(200), &self::document(&[key_a().jwk()])), Next::Keys(..)));
    let (fetch, _) = Fetch::start("https://idp.example/", &JwksSource::Discover(url("/")));
    let Next::Request(fetch, _) = fetch.answer(Some(404), b"") else { panic!() };
    let Next::Request(fetch, _) = fetch.answer(Some(404), b"") else { panic!() };
    assert!(matches!(fetch.answer(Some(404), b""), Next::Failed("the key set's server did not answer 200")));
}

#[test]
fn a_configured_place_takes_one_request_and_no_redirect() {
    let start = || Fetch::start("https://idp.example/", &JwksSource::Uri(url("/jwks")));
    assert_eq!(start().1.path, "/jwks");
    let good = document(&[key_a().jwk()]);
    assert!(matches!(start().0.answer(Some(200), &good), Next::Keys(..)));
    let other = b"{}".to_vec();
    for (status, body, why) in [
        (Some(302), &good, "the key set's server did not answer 200"),
        (Some(500), &good, "the key set's server did not answer 200"),
        (None, &good, "the key set's server did not answer"),
        (Some(200), &other, "the document is not a JWK Set"),
    ] {
        assert!(matches!(start().0.answer(status, body), Next::Failed(said) if said == why), "{status:?}");
    }
}
