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
            prop_assert!(!once.path.contains("//") && !once.path.split('/').any(|s| s == ".." || s == "."));
        }
    }
}

#[test]
fn each_byte_of_a_target_is_judged_by_itself() {
    for byte in 0..=u8::MAX {
        let visible = (0x21..0x7f).contains(&byte) && byte != b'#';
        assert_eq!(split(&[b'/', byte]).is_ok(), visible, "{byte:#x}");
        // In a path the short way and the long one say the same.
        let (alone, beside) = (normalise(&[b'/', byte]), normalise(&[b'/', byte, b'"']));
        if visible && byte != b'%' {
            assert_eq!(alone.map(|path| path + "\""), beside, "{byte:#x}");
        }
    }
}
