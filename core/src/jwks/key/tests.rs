//! Which numbers make a key, and how it is written for the host.

use super::*;
use crate::testing::{base64url, key_a};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A number of so many bits that ends in `last`.
fn number(bits: usize, last: u8) -> Vec<u8> {
    let mut bytes = vec![0; bits.div_ceil(8)];
    bytes[0] = 1 << ((bits - 1) % 8);
    *bytes.last_mut().unwrap() |= last;
    bytes
}

#[test]
fn a_modulus_has_2048_to_8192_bits_and_an_exponent_32_and_both_are_odd() {
    let (good_n, good_e) = (number(2048, 1), vec![1, 0, 1]);
    let is_key = |n: &[u8], e: &[u8]| RsaKey::from_base64url(&base64url(n), &base64url(e), None).is_ok();
    for (bits, last, good) in [
        (2047, 1, false),
        (2048, 1, true),
        (2049, 3, true),
        (2048, 2, false),
        (8192, 1, true),
        (8192, 2, false),
        (8193, 1, false),
    ] {
        assert_eq!(is_key(&number(bits, last), &good_e), good, "{bits} {last}");
    }
    for (e, good) in [
        (&[0xff, 0xff][..], false),
        (&[1, 0, 0], false),
        (&[1, 0, 1], true),
        (&[1, 0, 2], false),
        (&[1, 1, 1], true),
        (&[0xff, 0xff, 0xff, 0xff], true),
        (&[1, 0, 0, 0, 1], false),
    ] {
        assert_eq!(is_key(&good_n, e), good, "{e:?}");
    }
}

/// As `openssl rsa -pubout -outform der` writes them.
#[test]
fn a_key_is_written_in_der() {
    let begin = "30820122300d06092a864886f70d01010105000382010f003082010a028201";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let n = base64_of(&key_a().jwk()["n"]);
    let short = number(2049, 1);
    for (n, e, around) in [
        // The first bit is the sign: such a number has a zero before it.
        (&n, &[1, 0, 1][..], (format!("{begin}0100"), "0203010001".to_owned())),
        (&short, &[1, 0, 1], (format!("{begin}01"), "0203010001".to_owned())),
        (
            &short,
            &[0x80, 0, 0, 1],
            (
                begin.replace("0122", "0124").replace("010f", "0111").replace("010a", "010c") + "01",
                "02050080000001".to_owned(),
            ),
        ),
    ] {
        let key = RsaKey::from_base64url(&base64url(n), &base64url(e), None).unwrap();
        assert_eq!(hex(&key.spki), format!("{}{}{}", around.0, hex(n), around.1));
        assert_eq!((&key.modulus, key.exponent.as_slice()), (n, e));
        assert_eq!(Key::Rs256(key).signature_length(), n.len());
    }
}

fn base64_of(text: &serde_json::Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

/// What was verified by a key ends with it, and a key by another name is another.
#[test]
fn keys_are_told_apart_by_all_that_they_are() {
    let of = |n: &[u8], e: &[u8], kid| {
        RsaKey::from_base64url(&base64url(n), &base64url(e), kid).unwrap().fingerprint
    };
    let (n, e) = (number(2048, 1), [1, 0, 1]);
    let all = [
        of(&n, &e, None),
        of(&n, &e, Some("")),
        of(&n, &e, Some("a")),
        of(&n, &[1, 1, 1], None),
        of(&number(2048, 3), &e, None),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "{at}");
    }
    assert_eq!(of(&n, &e, Some("a")), all[2]);
}
