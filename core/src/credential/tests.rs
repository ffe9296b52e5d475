//! The forms of `Authorization`, and what each is read as.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_header_is_read_as_rfc_6750_says() {
    use AuthorizationFault::{Doubled, Malformed};
    let token = |token| Ok(Some(Credential::bearer(token)));
    let cases: &[(&[u8], Presented<'_>)] = &[
        (b"Bearer a.b.c", token(Token::Signed("a.b.c"))),
        (b"bEARER   a.b.c", token(Token::Signed("a.b.c"))),
        (b"Bearer   a.b.c", token(Token::Signed("a.b.c"))),
        (b"Bearer a.b.c=", token(Token::Signed("a.b.c="))),
        (b"Bearer a.b=.c", Err(Malformed)),
        (b"Bearer", Err(Malformed)),
        (b"Bearer ", Err(Malformed)),
        (b"Bearer\ta.b.c", Err(Malformed)),
        (b"Bearer/a.b.c", Err(Malformed)),
        (b"Bearer \ta.b.c", Err(Malformed)),
        (b"Bearer a.b.c ", Err(Malformed)),
        (b"Bearer a b", Err(Malformed)),
        (b"Bearer ===", Err(Malformed)),
        (b"Bearer \xff.b.c", Err(Malformed)),
        (b"Bearer a.b.c,Bearer d.e.f", Err(Doubled)),
        (b"Basic eDp5,Bearer d.e.f", Err(Doubled)),
        (b"Bearer a.b.c, Basic x", Err(Doubled)),
        (b"Basic eDp5,Basic eDp5", Err(Doubled)),
        (b"Basic eDo=,Digest a=\"b\"", Err(Doubled)),
        (b"Digest a=\"b\",Basic eDp5", Err(Doubled)),
        (b"Digest a=\"b\", c=d, Negotiate", Err(Doubled)),
        (b"Digest a=\"b\",Digest c=\"d\"", Err(Doubled)),
        (b"Digest a=\"b,Basic eDp5", Err(Doubled)),
        (b"Basic eDp5,", Err(Doubled)),
        (b"Bearer a=b,c=d", Err(Doubled)),
        (b"Digest a=\"bearer x\", b=c", Err(Doubled)),
        (b",Basic eDp5", Err(Doubled)),
        (b"a,b", Err(Doubled)),
        (b"Digest a=b, =c", Err(Doubled)),
        (b"Digest a=b, c=", Err(Doubled)),
        (b"Digest a=b, c=\"", Err(Doubled)),
        (b"Digest a=\"b, Basic c\", d = e", Ok(None)),
        (b"Basic eDp5", Ok(None)),
        (b"Digest a=\"b\", c=\"d\"", Ok(None)),
        (b"BearerX a.b.c", Ok(None)),
        (b"", Ok(None)),
        (b"Bearer abc", token(Token::Opaque)),
        (b"Bearer a.b", token(Token::Opaque)),
        (b"Bearer a.b.c.d", token(Token::Opaque)),
        (b"Bearer a.b.c.d.e", token(Token::Encrypted)),
    ];
    for (value, expect) in cases {
        assert_eq!(parse(Some(value)), *expect, "{}", String::from_utf8_lossy(value));
        let peeked = peek(Some(value));
        let read = peeked.and_then(|shown| shown.map(Credential::read).transpose());
        assert_eq!(read, *expect, "read later: {}", String::from_utf8_lossy(value));
        // What is refused before a route is known doesn't wait to be read.
        let early = matches!(expect, Ok(None) | Err(Doubled | AuthorizationFault::TooLong));
        assert!(!early || peeked == *expect, "{}", String::from_utf8_lossy(value));
    }
    assert_eq!(parse(None), Ok(None));
}

#[test]
fn a_token_over_16_kib_is_not_looked_at() {
    let value = |n: usize| format!("Bearer a.b.{}", "c".repeat(n - 4));
    assert_eq!(MAX_TOKEN, 16_384);
    assert!(matches!(
        parse(Some(value(MAX_TOKEN).as_bytes())),
        Ok(Some(Credential { token: Token::Signed(_), .. }))
    ));
    assert_eq!(parse(Some(value(MAX_TOKEN + 1).as_bytes())), Err(AuthorizationFault::TooLong));
    assert_eq!(peek(Some(value(MAX_TOKEN + 1).as_bytes())), Err(AuthorizationFault::TooLong));
    assert!(matches!(
        peek(Some(value(MAX_TOKEN).as_bytes())),
        Ok(Some(Credential { token: Token::Unread(_), .. }))
    ));
}
