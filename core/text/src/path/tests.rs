//! Paths that can't be judged, and the one form of those that can.

use super::*;
#[cfg(not(target_arch = "wasm32"))]
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(target: &str, expect: Result<&str, PathFault>) {
    let got = parse(target.as_bytes()).map(|t| t.path);
    assert_eq!(got.as_deref().map_err(|e| *e), expect, "{target}");
}

#[test]
fn targets_are_normalised_or_refused() {
    use PathFault::*;
    check("/", Ok("/"));
    check("/a/b/", Ok("/a/b/"));
    check("/%61dmin", Ok("/admin"));
    check("/%7euser", Ok("/~user"));
    check("/caf%c3%a9", Ok("/caf%C3%A9"));
    check("/a%20b", Ok("/a%20b"));
    check("/a?x=/../%", Ok("/a"));
    check("", Err(NotAbsolute));
    check("a", Err(NotAbsolute));
    check("*", Err(NotAbsolute));
    check("http://x/a", Err(NotAbsolute));
    check("//", Err(EmptySegment));
    check("//a", Err(EmptySegment));
    check("/a//b", Err(EmptySegment));
    check("/a//", Err(EmptySegment));
    check("/..", Err(DotSegment));
    check("/a/../b", Err(DotSegment));
    check("/a/./b", Err(DotSegment));
    check("/a/.", Err(DotSegment));
    check("/a/%2e%2e/b", Err(Escape));
    check("/a/.%2E/b", Err(Escape));
    check("/a%2fb", Err(Escape));
    check("/a%2Fb", Err(Escape));
    check("/a%5cb", Err(Escape));
    check("/a%25b", Err(Escape));
    check("/a%3bb", Err(Escape));
    check("/a%00b", Err(Escape));
    check("/a%0ab", Err(Escape));
    check("/a%7fb", Err(Escape));
    check("/a%", Err(Escape));
    check("/a%4", Err(Escape));
    check("/a%zz", Err(Escape));
    check("/a%c3", Err(Escape));
    check("/a%ff", Err(Escape));
    check("/a%3Ab%40%21%24%26%27%28%29%2a%2B%2c%3D", Ok("/a:b@!$&'()*+,="));
    check("/{a}|^\"<>`[]", Ok("/%7Ba%7D%7C%5E%22%3C%3E%60%5B%5D"));
    check("/%7ba%7d", Ok("/%7Ba%7D"));
    check("/a.", Err(Lookalike));
    check("/a./", Err(Lookalike));
    check("/a.../b", Err(Lookalike));
    check("/...", Err(Lookalike));
    check("/a%20", Err(Lookalike));
    check("/a%20/b", Err(Lookalike));
    check("/%20a", Err(Lookalike));
    check("/a%20.", Err(Lookalike));
    check("/a.%20", Err(Lookalike));
    check("/%20", Err(Lookalike));
    check("/a%c2%a0", Err(Lookalike));
    check("/%e2%80%83a", Err(Lookalike));
    check("/a::$DATA", Err(Lookalike));
    check("/a:%24data", Err(Lookalike));
    check("/a%3a%24I30/b", Err(Lookalike));
    check("/a:b/c:$", Err(Lookalike));
    check("/a:b$c:d/$e", Ok("/a:b$c:d/$e"));
    // Windows opens nothing by a name that ends in a colon, and Microsoft's Graph has such paths.
    check("/root:/a.txt:/children", Ok("/root:/a.txt:/children"));
    check("/a%3A/b:", Ok("/a:/b:"));
    check("/.a/b.c", Ok("/.a/b.c"));
    check("/a\\b", Err(Character));
    check("/a;b", Err(Character));
    check("/a#b", Err(Character));
    check("/a?b#c", Err(Character));
    check("/a b", Err(Character));
    check("/caf\u{e9}", Err(Character));
    check("/a?\u{e9}", Err(Character));
}

#[test]
fn the_query_stays_byte_for_byte() {
    let target = parse(b"/a?x=%41&y=%zz&&;").unwrap();
    assert_eq!(target.query.as_deref(), Some("x=%41&y=%zz&&;"));
    assert!(!target.changed);
    assert!(parse(b"/%41").unwrap().changed);
}

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #[test]
    fn normalising_twice_changes_nothing_more(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut target = vec![b'/'];
        target.extend(bytes);
        if let Ok(once) = parse(&target) {
            let again = parse(once.path.as_bytes()).unwrap();
            prop_assert_eq!(&again.path, &once.path);
            prop_assert!(!again.changed);
            prop_assert!(!once.path.contains("//") && !once.path.split('/').any(|s| s.ends_with('.')));
            // Each byte has one spelling: decoding all, and encoding what may not be there, comes to the
            // same.
            let decoded = decoded(once.path.as_bytes());
            prop_assert_eq!(spelled(&decoded), once.path.clone());
            prop_assert_eq!(decoded, self::decoded(target.split(|b| *b == b'?').next().unwrap()));
        }
    }
}

/// What escapes stand for.
#[cfg(not(target_arch = "wasm32"))]
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        match path[at] {
            b'%' => {
                let hex = std::str::from_utf8(&path[at + 1..at + 3]).unwrap();
                out.push(u8::from_str_radix(hex, 16).unwrap());
                at += 3;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// RFC 3986 §3.3, as it is.
#[cfg(not(target_arch = "wasm32"))]
fn spelled(bytes: &[u8]) -> String {
    let pchar = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&b);
    bytes.iter().map(|b| if pchar(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[test]
fn each_byte_of_a_target_is_judged_by_itself() {
    for byte in 0..=u8::MAX {
        let visible = (0x21..0x7f).contains(&byte) && byte != b'#';
        assert_eq!(split(&[b'/', byte]).is_ok(), visible, "{byte:#x}");
        // In a path the short way and the long one say the same.
        let (alone, beside) = (normalise(&[b'/', byte]), normalise(&[b'/', byte, b'"']));
        if visible && byte != b'%' {
            assert_eq!(alone.map(|path| path + "%22"), beside, "{byte:#x}");
        }
    }
}
