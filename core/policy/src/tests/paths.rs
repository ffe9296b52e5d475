//! Path patterns and how they lie to each other.

use crate::bounds::Span;
use crate::overlap::{covers, overlaps};
use crate::values::{duration, pattern, url};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_pattern_is_kept_in_its_normal_form() {
    for (text, expect) in [
        ("/", Some("/")),
        ("/v1/", Some("/v1")),
        ("/%61dmin/%c3%a9", Some("/admin/%C3%A9")),
        ("/v1/*/notes", Some("/v1/*/notes")),
        ("/*", Some("/*")),
        ("/v1/{id}/a%3Ab%40%24", Some("/v1/%7Bid%7D/a:b@$")),
        ("/v1/%2a/%2A/*", Some("/v1/%2A/%2A/*")),
        ("/v1/a%2Ab", Some("/v1/a%2Ab")),
        ("/v1/a.", None),
        ("/v1/a%20", None),
        ("/v1/%20a/*", None),
        ("/v1/a::$DATA", None),
        ("", None),
        ("v1", None),
        ("/v1/*/", None),
        ("/v1*", None),
        ("/a//b", None),
        ("/a/../b", None),
        ("/a;b", None),
        ("/a%2fb", None),
        ("/a?b", None),
        ("/a b", None),
        ("/caf\u{e9}", None),
    ] {
        assert_eq!(pattern::parse(text).ok().map(|p| p.1).as_deref(), expect, "{text}");
    }
}

/// `/%2A` is the star itself, and `/*` anything.
#[test]
fn an_escaped_star_is_no_wildcard() {
    let (pattern, _) = pattern::parse("/v1/%2A").unwrap();
    assert_eq!((pattern.segments, pattern.rest), (vec![Some("v1".to_owned()), Some("*".to_owned())], false));
    assert_eq!(pattern::literal("/v1/%2A/").as_deref(), Ok("/v1/*"));
    assert_eq!(pattern::literal("/").as_deref(), Ok("/"));
    assert!(pattern::literal("/v1/*").is_err() && pattern::literal("/*/a").is_err());
}

#[test]
fn patterns_overlap_or_cover() {
    for (a, b, overlap, cover) in [
        ("/a", "/a", true, true),
        ("/a", "/b", false, false),
        ("/a/*", "/a", false, false),
        ("/a/*", "/a/b", true, true),
        ("/a/*", "/a/b/c", true, true),
        ("/a/b", "/a/*", true, false),
        ("/a/*/c", "/a/b/*", true, false),
        ("/a/*/c", "/a/b/c", true, true),
        ("/*", "/a", true, true),
        ("/*", "/", false, false),
        ("/a/*", "/a/*/c/*", true, true),
        ("/a/*/c/*", "/a/*", true, false),
        ("/a/b/*", "/a/*", true, false),
    ] {
        let parse = |text: &str| pattern::parse(text).unwrap().0;
        assert_eq!(overlaps(&parse(a), &parse(b)), overlap, "{a} {b}");
        assert_eq!(overlaps(&parse(b), &parse(a)), overlap, "{b} {a}");
        assert_eq!(covers(&parse(a), &parse(b)), cover, "{a} covers {b}");
    }
}

#[test]
fn urls_are_read_strictly() {
    for (text, expect) in [
        ("https://a.example", Some("a.example /")),
        ("HTTPS://A.example:443/x?y=z", Some("a.example /x?y=z")),
        ("http://[::1]:5051/", Some("[::1]:5051 /")),
        ("https://a.example:0/", None),
        ("https://a.example:+1/", None),
        ("https://a@b.example/", None),
        ("https://", None),
        ("https://a..b/", None),
        ("https://1.2.3.4.5/", None),
        ("https://a.example/#x", None),
        ("https:/a.example", None),
    ] {
        let got = url::parse(text).ok().map(|u| format!("{} {}", u.authority, u.path));
        assert_eq!(got.as_deref(), expect, "{text}");
    }
    assert!(url::is_loopback("127.8.9.1") && url::is_loopback("::1") && url::is_loopback("a.localhost"));
    assert!(!url::is_loopback("127.0.0.1.example.com") && !url::is_internal("10.0.0.1"));
}

#[test]
fn durations_need_a_unit() {
    for (text, expect) in [
        ("0", Some(0)),
        ("500ms", Some(500)),
        ("5m", Some(300_000)),
        ("5", None),
        ("", None),
        ("-1s", None),
        ("1h30m", None),
    ] {
        assert_eq!(duration::within(text, Span { least: 0, most: 86_400_000 }).ok(), expect, "{text}");
    }
    let any = Span { least: 0, most: u64::MAX };
    assert!(duration::within("99999999999999999999s", any).is_err());
}
