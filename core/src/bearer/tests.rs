//! The forms of `Authorization`, and what each is read as.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_header_is_read_as_rfc_6750_says() {
    let cases: &[(&[u8], Bearer<'_>)] = &[
        (b"Bearer a.b.c", Bearer::Signed("a.b.c")),
        (b"bEARER   a.b.c", Bearer::Signed("a.b.c")),
        (b"Bearer a.b.c=", Bearer::Signed("a.b.c=")),
        (b"Bearer a.b=.c", Bearer::Malformed),
        (b"Bearer", Bearer::Malformed),
        (b"Bearer ", Bearer::Malformed),
        (b"Bearer\ta.b.c", Bearer::Malformed),
        (b"Bearer \ta.b.c", Bearer::Malformed),
        (b"Bearer a.b.c ", Bearer::Malformed),
        (b"Bearer a b", Bearer::Malformed),
        (b"Bearer ===", Bearer::Malformed),
        (b"Bearer \xff.b.c", Bearer::Malformed),
        (b"Bearer a.b.c,Bearer d.e.f", Bearer::Doubled),
        (b"Basic eDp5,Bearer d.e.f", Bearer::Doubled),
        (b"Bearer a.b.c, Basic x", Bearer::Doubled),
        (b"Basic eDp5,Basic eDp5", Bearer::Doubled),
        (b"Basic eDo=,Digest a=\"b\"", Bearer::Doubled),
        (b"Digest a=\"b\",Basic eDp5", Bearer::Doubled),
        (b"Digest a=\"b\", c=d, Negotiate", Bearer::Doubled),
        (b"Digest a=\"b\",Digest c=\"d\"", Bearer::Doubled),
        (b"Digest a=\"b,Basic eDp5", Bearer::Doubled),
        (b"Basic eDp5,", Bearer::Doubled),
        (b",Basic eDp5", Bearer::Doubled),
        (b"a,b", Bearer::Doubled),
        (b"Digest a=\"b, Basic c\", d = e", Bearer::Absent),
        (b"Basic eDp5", Bearer::Absent),
        (b"Digest a=\"b\", c=\"d\"", Bearer::Absent),
        (b"BearerX a.b.c", Bearer::Absent),
        (b"", Bearer::Absent),
        (b"Bearer abc", Bearer::Opaque),
        (b"Bearer a.b", Bearer::Opaque),
        (b"Bearer a.b.c.d", Bearer::Opaque),
        (b"Bearer a.b.c.d.e", Bearer::Encrypted),
    ];
    for (value, expect) in cases {
        assert_eq!(parse(Some(value)), *expect, "{}", String::from_utf8_lossy(value));
        let peeked = peek(Some(value));
        assert_eq!(peeked.read(), *expect, "read later: {}", String::from_utf8_lossy(value));
        // What is refused before a route is known doesn't wait to be read.
        let early = matches!(expect, Bearer::Absent | Bearer::Doubled | Bearer::TooLong);
        assert!(!early || peeked == *expect, "{}", String::from_utf8_lossy(value));
    }
    assert_eq!(parse(None), Bearer::Absent);
}

#[test]
fn a_token_over_16_kib_is_not_looked_at() {
    let value = |n: usize| format!("Bearer a.b.{}", "c".repeat(n - 4));
    assert!(matches!(parse(Some(value(MAX_TOKEN).as_bytes())), Bearer::Signed(_)));
    assert_eq!(parse(Some(value(MAX_TOKEN + 1).as_bytes())), Bearer::TooLong);
    assert_eq!(peek(Some(value(MAX_TOKEN + 1).as_bytes())), Bearer::TooLong);
    assert!(matches!(peek(Some(value(MAX_TOKEN).as_bytes())), Bearer::Unread(_)));
}
