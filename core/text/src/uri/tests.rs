//! URIs in one spelling, in others, and what they look like.

use super::*;
#[cfg(not(target_arch = "wasm32"))]
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn the_one_spelling_of_a_uri_is_accepted() {
    for uri in [
        "notes://admin/plan",
        "notes://",
        "notes:///plan",
        "notes:plan",
        "notes:/plan",
        "notes://admin:8080/plan?a=b&c=d'e'#f",
        "greeting://Alice",
        "repo://%40scope%2Fpkg",
        "note://my%20note",
        "file:///a/b%20c.txt",
        "file:///",
        "file:///C:/a/",
        "urn:isbn:0451450523",
        "mailto:ann@example.com",
        "data:text/plain,a%20b",
        "https://a.example/",
        "https://a.example:8443/x?y#z",
        "http://127.0.0.1/",
        "http://[::1]:5051/a",
        "notes://caf%C3%A9/a",
        "notes://a/caf\u{e9}/\u{65e5}\u{672c}",
        "a+b-c.d1://x",
        "db://t/rows[1]/x;v=1",
        "notes://a/100%25",
    ] {
        assert_eq!(check(uri, Form::Uri), Ok(()), "{uri}");
        assert_eq!(check(uri, Form::Template), Ok(()), "{uri}");
    }
    for template in [
        "notes://{id}",
        "greeting://{userName}/x{?q,r*}",
        "https://{host}:{port}/{+path}",
        "file:///{path}",
        "notes://a/{b}{#c}",
    ] {
        assert_eq!(check(template, Form::Template), Ok(()), "{template}");
        assert_eq!(check(template, Form::Uri), Err(UriFault::Character), "{template}");
    }
}

#[test]
fn every_other_spelling_is_refused() {
    use UriFault::*;
    for (uri, fault) in [
        ("", Scheme),
        ("notes", Scheme),
        ("/admin", Scheme),
        ("Notes://admin/plan", Scheme),
        ("FILE:///a", Scheme),
        (" notes://admin", Scheme),
        ("\tnotes://admin", Scheme),
        ("\u{feff}notes://admin", Scheme),
        ("no\u{200b}tes://admin", Scheme),
        ("no\ntes://admin", Scheme),
        ("1a:b", Scheme),
        ("no%74es://admin", Scheme),
        ("notes://admin ", Character),
        ("notes://admin\u{a0}", Character),
        ("notes://ad\nmin", Character),
        ("notes://ad\tmin", Character),
        ("notes://ad\0min", Character),
        ("notes://a/\u{200b}b", Character),
        ("notes://a/\u{feff}", Character),
        ("notes://a/\u{ff41}dmin", Character),
        ("notes://a/\u{ff0f}", Character),
        ("notes:\\\\admin", Character),
        ("notes://a\\b", Character),
        ("notes://a/{b}", Character),
        ("notes://a/b|c", Character),
        ("notes://a/<b>", Character),
        ("notes://a/b c", Character),
        ("notes://a#b#c", Character),
        ("https://a.example/?a='b'", Character),
        ("notes://a/sec%72et", Escape),
        ("notes://a/%7E", Escape),
        ("notes://a/%2e%2E", Escape),
        ("notes://a/%2E./b", Escape),
        ("notes://a/%c3%a9", Escape),
        ("notes://a/%2fb", Escape),
        ("notes://a/%", Escape),
        ("notes://a/%4", Escape),
        ("notes://a/%zz", Escape),
        ("notes://a/%+1", Escape),
        ("notes://a/%00", Escape),
        ("notes://a/%0A", Escape),
        ("notes://a/%7F", Escape),
        ("notes://a/%252e%252E", Escape),
        ("notes://a/%C0%AF", Escape),
        ("notes://a/%FF", Escape),
        ("notes://a/../b", DotSegment),
        ("notes://a/./b", DotSegment),
        ("notes://a/..", DotSegment),
        ("notes://a/.", DotSegment),
        ("notes:../b", DotSegment),
        ("notes:..", DotSegment),
        ("urn:a/../b", DotSegment),
        ("file:///public/../secret/a", DotSegment),
        ("file:///a/..%2Fsecret", DotSegment),
        ("file:///a/..%5Csecret", DotSegment),
        ("file:///a%2F..%2Fsecret", DotSegment),
        ("notes://a/..;x/b", DotSegment),
        ("notes://a/..%3Fb", DotSegment),
        ("file:/secret/a", Authority),
        ("file:secret/a", Authority),
        ("file://localhost/secret/a", Authority),
        ("file://host/a", Authority),
        ("file://", Empty),
        ("file:////secret/a", Empty),
        ("file:///secret//a", Empty),
        ("https:a.example/", Authority),
        ("https:/a.example/", Authority),
        ("https:///a.example/", Authority),
        ("https://A.example/", Authority),
        ("https://a.example./", Authority),
        ("https://a..example/", Authority),
        ("https://a.example:443/", Authority),
        ("http://a.example:80/", Authority),
        ("ws://a.example:80/", Authority),
        ("wss://a.example:443/", Authority),
        ("ftp://a.example:21/", Authority),
        ("https://a.example:/", Authority),
        ("https://a.example:08443/", Authority),
        ("https://a.example:+81/", Authority),
        ("https://a.example:99999/", Authority),
        ("https://ann@a.example/", Authority),
        ("https://%61.example/", Escape),
        ("https://a%21.example/", Authority),
        ("https://caf\u{e9}.example/", Authority),
        ("http://127.1/", Authority),
        ("http://0x7f.0.0.1/", Authority),
        ("http://2130706433/", Authority),
        ("http://[::0:1]/", Authority),
        ("http://[::FFFF]/", Authority),
        ("http://[::ffff:127.0.0.1]/", Authority),
        ("notes://@admin/plan", Authority),
        ("notes://ann@admin/plan", Authority),
        ("notes://admin:/plan", Authority),
        ("notes://admin:x/plan", Authority),
        ("notes://:1/plan", Authority),
        ("notes://\u{e9}/plan", Authority),
        ("https://a.example", Empty),
        ("https://a.example?x", Empty),
        ("notes://admin/plan?", Empty),
        ("notes://admin/plan#", Empty),
        ("notes://admin/plan?#x", Empty),
        ("notes:", Empty),
    ] {
        assert_eq!(check(uri, Form::Uri), Err(fault), "{uri:?}");
        if !uri.contains('{') {
            assert_eq!(check(uri, Form::Template), Err(fault), "{uri:?}");
        }
    }
    for template in
        ["notes://{a", "notes://a}", "notes://{}", "notes://{a b}", "Notes://{a}", "notes://{a}/../b"]
    {
        assert!(check(template, Form::Template).is_err(), "{template}");
    }
}

#[test]
fn a_second_reading_is_told() {
    for (uri, other) in [
        ("notes://a/b", None),
        ("notes://a%20b%7B", None),
        ("notes://a%2Fb", Some("notes://a/b")),
        ("notes://a%5Cb%3Ac", Some("notes://a/b:c")),
        ("repo://%40scope%2Fpkg", Some("repo://@scope/pkg")),
        ("notes://a/caf\u{e9}", Some("notes://a/caf%C3%A9")),
    ] {
        assert_eq!(decoded(uri).as_deref(), other, "{uri}");
    }
}

#[test]
fn look_alikes_have_one_key() {
    for uri in [
        "notes://admin/plan",
        "notes://Admin/PLAN",
        "notes:///admin/plan",
        "notes:admin/plan",
        "notes://admin//plan",
        "notes://admin/plan/",
        "notes://admin/plan#x",
        "notes://admin%2Fplan",
        "notes://admin%5Cplan",
        "notes://admin./plan.",
        "notes://admin/plan%20",
        "notes://admin/%20plan",
        "notes://admin/plan::$DATA",
        "notes://admin:$I30:$INDEX_ALLOCATION/plan",
        "notes://admin/%EF%BD%90lan",
        "notes://admin/pl%C2%ADan",
    ] {
        assert_eq!(folded(uri), "notes://admin/plan", "{uri}");
        assert!(folded(uri).starts_with(&folded_start("notes://Admin/")), "{uri}");
        assert!(folded(uri).starts_with(&folded_start("notes://Admin/p")), "{uri}");
        assert!(folded(uri).starts_with(&folded_start("notes:")), "{uri}");
        assert!(!folded(uri).starts_with(&folded_start("notes://admin/plan/")), "{uri}");
    }
    for other in [
        "notes://admin",
        "notes://admin/plan?x",
        "notes://adminplan",
        "notes://admin/plans",
        "file:///admin/plan",
    ] {
        assert_ne!(folded(other), "notes://admin/plan", "{other}");
    }
    assert_eq!(folded_start(""), "");
}

#[test]
fn the_right_spelling_is_named() {
    for (text, right) in [
        ("Notes://Admin/Plan", Some("notes://admin/Plan")),
        (" notes://a ", Some("notes://a")),
        ("file:/a", Some("file:///a")),
        ("file://localhost/a", Some("file:///a")),
        ("notes://a/sec%72et/%c3%a9", Some("notes://a/secret/%C3%A9")),
        ("notes://a/caf\u{e9} b", Some("notes://a/caf%C3%A9%20b")),
        ("notes://a/caf\u{e9}", Some("notes://a/caf%C3%A9")),
        ("notes://Caf\u{e9}", Some("notes://caf%C3%A9")),
        ("https://A.example", Some("https://a.example/")),
        ("notes://a\\b?", Some("notes://a/b")),
        ("notes://a/../b", None),
        ("notes://a/b", None),
        ("a", None),
    ] {
        assert_eq!(spelled(text).as_deref(), right, "{text}");
    }
}

#[test]
fn what_a_uri_may_begin_with_is_told_from_what_none_does() {
    for start in [
        "",
        "notes://",
        "notes:",
        "notes://adm",
        "file:///secret/",
        "file:",
        "file:/",
        "https://a.ex",
        "https://a.example:8",
        "n",
        "urn:a:",
    ] {
        assert_eq!(check_start(start), Ok(()), "{start}");
    }
    for start in [
        "Notes://",
        "file:/secret/",
        "file://localhost/",
        "notes://a/../",
        "notes://a/%72",
        "notes://a b/",
        "/a",
        " notes:",
    ] {
        assert!(check_start(start).is_err(), "{start}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]

    /// The standard's own reader gives an accepted URI back as it was, byte for byte.
    #[test]
    fn an_accepted_uri_comes_out_of_another_reader_as_it_went_in(
        scheme in "(notes|file|https?|wss?|ftp|urn|[a-z]{1,3}|[a-zA-Z0-9+. ]{1,4})",
        slashes in "(:/{0,4}|:\\\\{0,2}|)",
        rest in "([a-cA-C0-9.]{1,4}|%[0-9A-F][0-9A-F]|%[a-f0-9]{2}|[/:@?#\\[\\].;'|^`{}~!$&()*+,=_%\" <>-]|\\.\\.|//|::1|0x7f|localhost|C:|:80|:443|\u{e9}|\u{ff41}|[\t\n\u{a0}]){0,10}",
    ) {
        let text = format!("{scheme}{slashes}{rest}");
        if check(&text, Form::Uri).is_ok() {
            let read = decoded_text(&text);
            if let Ok(url) = url::Url::parse(&text) {
                prop_assert_eq!(url.as_str(), read.as_str());
            }
            prop_assert_eq!(spelled(&read), None);
            // What else it is read as has the same key.
            prop_assert_eq!(decoded(&text).map_or_else(|| folded(&text), |other| folded(&other)), folded(&text));
        }
    }

    #[test]
    fn whatever_a_uri_is_its_key_begins_with_that_of_its_beginning(
        text in "[a-c]{1,2}:([/a-cA-C.: ]|%20|%2F){0,12}", cut in 0usize..20,
    ) {
        let is_whole = |start: &&str| !start.ends_with('%') && !start.ends_with("%2");
        if let Some(start) = text.get(..cut).filter(is_whole).filter(|start| !start.ends_with([' ', '.', ':', '0'])) {
            let (whole, start) = (folded(&text), folded_start(start));
            // A rule's beginning is followed by one character or more, which a slash or blank alone may not
            // be.
            prop_assert!(whole.starts_with(start.trim_end_matches('/')), "{} {}", whole, start);
        }
    }
}

/// What isn't ASCII as the standard's reader shows it.
#[cfg(not(target_arch = "wasm32"))]
fn decoded_text(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).bytes();
            if c.is_ascii() { c.to_string() } else { bytes.map(|b| format!("%{b:02X}")).collect() }
        })
        .collect()
}
