//! Tokens' headers and claims, rule by rule, and the verifier on known answers.

use super::*;
use crate::testing::{key_a, policy, token};
use serde_json::json;
use signature::{Portable, SignatureVerifier, VerifierFault, passes_known_answer};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_portable_verifier_passes_the_known_answer_test() {
    assert!(passes_known_answer(&Portable, &crate::jwks::Algorithm::ALL));
}

#[test]
fn verifiers_that_always_say_the_same_fail_the_known_answer_test() {
    struct Always(Result<bool, VerifierFault>);
    impl SignatureVerifier for Always {
        fn verify(&self, _: &crate::jwks::Key, _: &[u8], _: &[u8]) -> Result<bool, VerifierFault> {
            self.0
        }
    }
    for answer in [Ok(true), Ok(false), Err(VerifierFault)] {
        for algorithm in crate::jwks::Algorithm::ALL {
            assert!(!passes_known_answer(&Always(answer), &[algorithm]));
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let good = token().mint();
    assert!(decode(&good).is_ok());
    // "QQ" and "QR" decode to the same byte where stray bits are ignored.
    assert!(decode("QQ.QQ.QQ").is_ok());
    for bad in ["QR.QQ.QQ", "QQ.QQ.QR", "QQ=.QQ.QQ", "QQ==.QQ.QQ", "Q.QQ.QQ", "Q+.QQ.QQ", "QQ.QQ", "", "."] {
        assert_eq!(decode(bad).err(), Some(TokenFault::Malformed), "{bad}");
    }
}

/// They are read before the signature is, so a forged token must not cost more than its length.
#[test]
fn thousands_of_scopes_are_read_once_each_and_in_their_order() {
    let policy = policy(json!({"routes": []}));
    let many: Vec<String> = (0..4_000).map(|n| format!("{n:x}")).collect();
    let text = format!("{0} {0}", many.join(" "));
    let claims = json!({"iss": crate::testing::ISSUER, "aud": "x", "sub": "u", "exp": 1e10, "scope": text, "scp": many});
    let read = claims::parse(claims.to_string().as_bytes(), &policy, crate::testing::NOW_S * 1000).unwrap();
    assert_eq!(read.scopes(), many);
}

#[test]
fn every_bit_of_a_token_counts() {
    let policy = policy(json!({"routes": []}));
    let jwks = json!({"keys": [key_a().jwk()]}).to_string();
    let keys = crate::jwks::parse(jwks.as_bytes()).unwrap();
    let candidates = keys.candidates(crate::jwks::Algorithm::Rs256, Some("a")).unwrap();
    let good = token().mint();
    let verify = |text: &str| {
        let Ok(parts) = decode(text) else { return false };
        claims::parse(&parts.payload, &policy, crate::testing::NOW_S * 1000).is_ok()
            && header::parse(&parts.header).is_ok()
            && matches!(
                signature::verify(&Portable, &candidates, parts.signed, &parts.signature),
                Ok(Some(_))
            )
    };
    assert!(verify(&good));
    for at in (0..good.len()).step_by(7) {
        let mut other = good.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        assert!(!verify(std::str::from_utf8(&other).unwrap()), "byte {at}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
proptest::proptest! {
    #[test]
    fn base64url_reads_back_what_was_written_and_nothing_else(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..60), text in "[A-Za-z0-9_=+/-]{1,24}") {
        let written = crate::testing::base64url(&bytes);
        let token = format!("{written}.{written}.{written}");
        let parts = decode(&token).unwrap();
        proptest::prop_assert_eq!((&parts.header, &parts.payload, &parts.signature), (&bytes, &bytes, &bytes));
        // What is read has one spelling only.
        if let Ok(parts) = decode(&format!("{text}.QQ.QQ")) {
            proptest::prop_assert_eq!(crate::testing::base64url(&parts.header), text);
        }
    }

    #[test]
    fn any_claims_are_judged_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120)) {
        let policy = policy(json!({"routes": []}));
        let _ = claims::parse(&bytes, &policy, 0);
        let _ = header::parse(&bytes);
    }

    #[test]
    fn any_value_in_any_claim_is_judged_without_a_panic(
        name in "iss|aud|sub|exp|nbf|iat|scope|org_id|gty|azp",
        value in "-?[0-9]{1,25}(\\.[0-9]{1,5})?(e-?[0-9]{1,4})?|\"\\PC{0,10}\"|\\[\\]|\\{\\}|null|true",
    ) {
        let policy = policy(json!({"routes": []}));
        let mut claims = format!("{{\"{name}\":{value}");
        for (other, value) in [("iss", "\"https://idp.example/\""), ("aud", "\"x\""), ("sub", "\"u\""), ("exp", "99999999999")] {
            if other != name {
                claims.push_str(&format!(",\"{other}\":{value}"));
            }
        }
        claims.push('}');
        if let Ok(good) = claims::parse(claims.as_bytes(), &policy, 1_790_000_000_000) {
            proptest::prop_assert_eq!(good.issuer().0, 0);
        }
    }

    #[test]
    fn any_text_is_split_or_refused(text in "[A-Za-z0-9_.=+-]{0,60}") {
        if let Ok(parts) = decode(&text) {
            use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};
            let encode = |bytes: &[u8]| BASE64_URL.encode(bytes);
            let again = format!("{}.{}.{}", encode(&parts.header), encode(&parts.payload), encode(&parts.signature));
            proptest::prop_assert_eq!(again, text);
        }
    }
}
