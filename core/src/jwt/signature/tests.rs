//! The portable verifier on good signatures of many keys, and on what forgers send.

use super::*;
use crate::testing::{base64url, key_a};
use crypto_bigint::{BoxedUint, Resize as _};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(key: &RsaKey, text: &[u8], signature: &[u8], expect: Result<bool, VerifierFault>, case: &str) {
    assert_eq!(verify_rs256(key, text, signature), expect, "{case}");
}

/// A signature that OpenSSL accepts.
struct Good {
    name: String,
    key: RsaKey,
    text: Vec<u8>,
    signature: Vec<u8>,
}

/// A line each: bits of the modulus, exponent, modulus, text, signature; keys of `openssl genpkey -pkeyopt
/// rsa_keygen_pubexp:…`, signatures of `openssl dgst -sha256 -sign`.
fn good() -> Vec<Good> {
    include_str!("good.txt").lines().map(read).collect()
}

fn read(line: &str) -> Good {
    let [bits, exponent, n, text, signature] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let name = format!("{bits} bits, exponent {exponent}, {text}");
    let e = exponent.parse::<u32>().unwrap().to_be_bytes();
    let key = RsaKey::from_base64url(&base64url(hex(n)), &base64url(e), None).unwrap();
    assert_eq!(number(&key.modulus).bit_width_vartime().to_string(), bits);
    Good { name, key, text: text.into(), signature: hex(signature) }
}

fn hex(text: &str) -> Vec<u8> {
    let text = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

/// Big-endian, with as many leading zeros as it takes.
fn bytes(number: &BoxedUint, length: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    [vec![0; length - significant.len()], significant].concat()
}

fn public(key: &crate::testing::Key) -> RsaKey {
    RsaKey::from_base64url(key.jwk()["n"].as_str().unwrap(), "AQAB", None).unwrap()
}

#[test]
fn good_signatures_of_every_length_and_exponent_are_accepted_and_one_over_another_text_is_not() {
    let good = good();
    assert_eq!(good.len(), 14);
    for Good { name, key, text, signature } in &good {
        check(key, text, signature, Ok(true), name);
        check(key, b"another text", signature, Ok(false), name);
    }
}

#[test]
fn a_signature_has_no_second_form() {
    for Good { name, key, text, signature } in good().iter().filter(|good| good.key.modulus.len() <= 260) {
        let k = signature.len();
        let mut others = vec![
            ("without its last byte", signature[..k - 1].to_vec()),
            ("without its first byte", signature[1..].to_vec()),
            ("with a byte more", [signature, &[0][..]].concat()),
            ("with a leading zero", [&[0], &signature[..]].concat()),
            ("empty", Vec::new()),
            ("very long", vec![0xa5; 100_000]),
        ];
        // The same residue: as many times the modulus more as the length has room for, up to three.
        let n = number(&key.modulus);
        let mut more = number(signature).resize(k as u32 * 8 + 64);
        for _ in 0..3 {
            more = more.wrapping_add(&n);
            if more.bit_width_vartime() <= k as u32 * 8 {
                others.push(("and the modulus", bytes(&more, k)));
            }
        }
        for (what, other) in others {
            check(key, text, &other, Ok(false), &format!("{name}: {what}"));
        }
    }
}

/// Without these, the case above would pass where no sum had room.
#[test]
fn some_of_the_keys_leave_room_for_a_signature_and_the_modulus() {
    let room = |good: &Good| good.key.modulus[0] < 0x80;
    assert!(good().iter().filter(|good| room(good)).count() >= 3);
    assert!(good().iter().any(|good| good.signature[0] == 0), "a good signature with a leading zero");
}

#[test]
fn no_bit_of_a_signature_is_free() {
    let Good { name, key, text, signature } = read(include_str!("good.txt").lines().next().unwrap());
    for bit in (0..signature.len() * 8).step_by(61) {
        let mut other = signature.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        check(&key, &text, &other, Ok(false), &format!("{name}: bit {bit}"));
    }
}

#[test]
fn numbers_that_are_their_own_power_are_no_signatures() {
    let key = public(&key_a());
    let n = number(&key.modulus);
    let less = |by: u64| bytes(&n.wrapping_sub(BoxedUint::from(by)), 256);
    for (name, number) in [
        ("0", vec![0; 256]),
        ("1", bytes(&BoxedUint::from(1u64), 256)),
        ("n - 1", less(1)),
        ("n", less(0)),
        ("2^2048 - 1", vec![0xff; 256]),
    ] {
        check(&key, b"text", &number, Ok(false), name);
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): what a good signature opens to.
fn encoded(text: &[u8], length: usize) -> Vec<u8> {
    let info = [hex("3031300d060960864801650304020105000420"), Sha256::digest(text).to_vec()].concat();
    [&[0, 1][..], &vec![0xff; length - 3 - info.len()], &[0], &info].concat()
}

/// What a signature stands for, were it made by one who has the private key and no scruples.
fn forgeries(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let digest = Sha256::digest(text).to_vec();
    let info = |prefix: &str| [hex(prefix), digest.clone()].concat();
    let t = info("3031300d060960864801650304020105000420");
    // Whole, with as much padding as there is room for.
    let padded = |first: [u8; 2], t: &[u8]| [&first[..], &vec![0xff; 256 - 3 - t.len()], &[0], t].concat();
    // RFC 8017 wants eight bytes and all the room that there is.
    let short = |padding: usize, tail: u8| {
        let mut m = [&[0, 1][..], &vec![0xff; padding], &[0], &t].concat();
        m.resize(256, tail);
        m
    };
    let good = padded([0, 1], &t);
    let with = |at: usize, byte: u8| {
        let mut m = good.clone();
        m[at] = byte;
        m
    };
    vec![
        ("garbage behind a padding of eight", short(8, 0xa5)),
        ("zeros behind a padding of eight", short(8, 0)),
        ("a padding of seven", short(7, 0xff)),
        ("no padding", short(0, 0xff)),
        ("one byte of garbage", short(201, 0x11)),
        ("no NULL", padded([0, 1], &info("302f300b06096086480165030402010420"))),
        (
            "the outer length in the long form",
            padded([0, 1], &info("308131300d060960864801650304020105000420")),
        ),
        (
            "the inner length in the long form",
            padded([0, 1], &info("303230810d060960864801650304020105000420")),
        ),
        (
            "the digest's length in the long form",
            padded([0, 1], &info("3032300d06096086480165030402010500048120")),
        ),
        ("NULL with content", padded([0, 1], &info("3033300f0609608648016503040201050201020420"))),
        ("SHA-384's name", padded([0, 1], &info("3031300d060960864801650304020205000420"))),
        ("SHA-512's name", padded([0, 1], &info("3031300d060960864801650304020305000420"))),
        ("SHA-1's name", padded([0, 1], &info("302d300906052b0e03021a05000420"))),
        ("the digest alone", padded([0, 1], &digest)),
        ("half the digest", padded([0, 1], &t[..t.len() - 16])),
        ("another text's digest", padded([0, 1], &[&t[..19], &Sha256::digest("another")].concat())),
        ("the padding of encryption", padded([0, 2], &t)),
        ("the padding of type 0", padded([0, 0], &t)),
        ("a first byte that isn't zero", padded([1, 1], &t)),
        ("no zero before DigestInfo", with(256 - t.len() - 1, 0xff)),
        ("a zero at the padding's start", with(2, 0)),
        ("another byte in the padding", with(100, 0xfe)),
        ("a zero at the padding's end", with(256 - t.len() - 2, 0)),
        ("another tag", with(256 - t.len(), 0x31)),
        ("the digest's first byte", with(256 - 32, good[256 - 32] ^ 1)),
        ("the digest's last byte", with(255, good[255] ^ 0x80)),
    ]
}

#[test]
fn what_isnt_the_encoded_digest_byte_for_byte_is_refused() {
    let (private, text) = (key_a(), b"text");
    let key = public(&private);
    check(&key, text, &private.raw(&encoded(text, 256)), Ok(true), "well encoded");
    for (name, message) in forgeries(text) {
        assert_eq!(message.len(), 256, "{name}");
        check(&key, text, &private.raw(&message), Ok(false), name);
    }
}

#[test]
fn a_key_out_of_bounds_is_a_fault() {
    let good = public(&key_a());
    let modulus = |bits: usize, last: u8| {
        let mut n = vec![0xa5; bits.div_ceil(8)];
        n[0] = 1 << ((bits - 1) % 8);
        *n.last_mut().unwrap() = last;
        RsaKey { modulus: n, ..good.clone() }
    };
    for (name, key, expect) in [
        ("2047 bits", modulus(2047, 1), Err(VerifierFault)),
        ("2048 bits", modulus(2048, 1), Ok(false)),
        ("8192 bits", modulus(8192, 1), Ok(false)),
        ("8193 bits", modulus(8193, 1), Err(VerifierFault)),
        ("an even modulus", modulus(2048, 2), Err(VerifierFault)),
        ("no modulus", RsaKey { modulus: Vec::new(), ..good.clone() }, Err(VerifierFault)),
    ] {
        check(&key, b"text", &vec![1; key.modulus.len()], expect, name);
    }
    let exponent = |exponent: &[u8]| RsaKey { exponent: exponent.to_vec(), ..good.clone() };
    for (name, key) in [
        ("exponent 0", exponent(&[])),
        ("exponent 1", exponent(&[1])),
        ("exponent 65538", exponent(&[1, 0, 2])),
    ] {
        check(&key, b"text", &[1; 256], Err(VerifierFault), name);
    }
    // These the crate would take, but no key set brings them.
    let padded = RsaKey { modulus: [&[0], &good.modulus[..]].concat(), ..good.clone() };
    for (name, key) in [
        ("exponent 3", exponent(&[3])),
        ("exponent 65535", exponent(&[0xff, 0xff])),
        ("exponent 2^32 + 1", exponent(&[1, 0, 0, 0, 1])),
        ("a modulus with a leading zero", padded),
    ] {
        assert_eq!(verify_rs256(&key, b"text", &[1; 256]), Err(VerifierFault), "{name}");
    }
}
