//! The cases' form, shapes, and what a line of `allow` names.

use super::cases::{Token, original, parse};
use super::mask::Mask;
use super::shape;
use crate::settings::yaml;

fn errors(text: &str) -> Vec<String> {
    let value = yaml(text.as_bytes()).unwrap();
    parse(&value)
        .map(|_| Vec::new())
        .unwrap_or_else(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn the_originals_cases_are_good_and_have_no_lines_of_allow() {
    let cases = original().unwrap();
    assert!(cases.cases.len() >= 25 && cases.allow.is_empty());
    assert!(cases.cases.iter().all(|case| case.allow.is_empty()));
    for token in [Token::Nobody, Token::Reader, Token::Writer] {
        assert!(cases.cases.iter().any(|case| case.token == token));
    }
}

#[test]
fn all_errors_are_told_at_once_with_their_paths() {
    let found = errors(
        "cases:\n\
         - { name: a, path: /a, tokens: reader }\n\
         - { path: b }\n\
         - { name: a, path: /a/../b, method: get, token: secret }\n\
         - { name: c, path: /c, headers: { Authorization: Bearer x, X-A: 1, x-b: a, X-B: b }, body: { a: 1 } }\n\
         - { name: d, path: /d, allow: [{ path: a, why: x }, { header: date, why: x }, { status: 200, why: x }] }\n\
         - { name: e, path: /e, allow: [{ path: /a }, { why: x }, { path: /a, header: vary, why: x }, { path: /a, why: ' ' }] }\n\
         - nothing\n\
         allow: { path: /a }\nmore: 1\n",
    );
    let places: Vec<&str> = found.iter().filter_map(|error| error.split(": ").next()).collect();
    let expected = [
        "more",
        "cases[0].tokens",
        "cases[1].name",
        "cases[1].path",
        "cases[2].name",
        "cases[2].path",
        "cases[2].method",
        "cases[2].token",
        "cases[3].headers.Authorization",
        "cases[3].headers.X-A",
        "cases[3].headers.x-b",
        "cases[3].body",
        "cases[4].allow[0].path",
        "cases[4].allow[1].header",
        "cases[4].allow[2].status",
        "cases[5].allow[0].why",
        "cases[5].allow[1]",
        "cases[5].allow[2]",
        "cases[5].allow[3].why",
        "cases[6]",
        "allow",
    ];
    let mut sorted = places.clone();
    sorted.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted, "{found:#?}");
    assert!(!found.concat().contains("Bearer x") && !found.concat().contains("secret:"));
}

#[test]
fn the_example_of_the_help_is_a_file_of_cases() {
    let (_, example) = super::EXAMPLES.split_once("cases.yaml:\n").unwrap();
    assert_eq!(errors(example), Vec::<String>::new());
}

#[test]
fn a_path_that_would_be_sent_otherwise_is_refused() {
    for (path, good) in [
        ("/a/b?c=d", true),
        ("/a%20b", true),
        ("/", true),
        ("a", false),
        ("", false),
        ("/a b", false),
        ("/a/../b", false),
        ("/%2e%2e/b", false),
        ("/é", false),
        ("/a#b", false),
        ("/a\\\\b", false),
        ("//elsewhere.example/a", true),
        ("@elsewhere.example/", false),
        ("/a\\tb", false),
    ] {
        let found = errors(&format!("cases: [{{ name: a, path: \"{path}\" }}]"));
        assert_eq!(found.is_empty(), good, "{path}: {found:?}");
    }
}

#[test]
fn an_empty_file_and_an_empty_list_say_nothing() {
    for text in ["{}", "[]", "cases: []", "cases:", "allow: 1", "''"] {
        assert!(!errors(text).is_empty(), "{text}");
    }
    assert_eq!(errors("allow: []"), Vec::<String>::new());
}

fn differences(a: &str, b: &str) -> Vec<String> {
    let read = |text: &str| shape::read(text.as_bytes(), &Mask::default()).unwrap();
    let shown = |side: Option<String>| side.unwrap_or("-".to_owned());
    let found = shape::differences(&read(a), &read(b));
    found.into_iter().map(|(path, a, b)| format!("{path} {} {}", shown(a), shown(b))).collect()
}

#[test]
fn shapes_are_members_and_types_and_no_values() {
    for (a, b, expect) in [
        (r#"{"a":1,"b":"x"}"#, r#"{"b":"y","a":2.5}"#, vec![]),
        (r#"{"a":1}"#, r#"{"a":"1"}"#, vec!["/a number string"]),
        (r#"{"a":null}"#, r#"{"a":"1"}"#, vec!["/a null string"]),
        (r#"{"a":true}"#, r#"{"a":false}"#, vec![]),
        (r#"{"a":{"b":{"c":1}}}"#, r#"{}"#, vec!["/a object -"]),
        (r#"{"a":{"b":1}}"#, r#"{"a":[1]}"#, vec!["/a object array"]),
        (r#"{"a":[{"b":1},{"c":1}]}"#, r#"{"a":[{"c":1,"b":1}]}"#, vec![]),
        (r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1},{"b":"1"}]}"#, vec!["/a/*/b number number or string"]),
        (r#"{"a":[]}"#, r#"{"a":[{"b":1}]}"#, vec!["/a/* - object"]),
        (r#"{"a":[null,{"b":1}]}"#, r#"{"a":[{}]}"#, vec!["/a/* null or object object", "/a/*/b number -"]),
        (r#"{"a/b":1,"*":1,"~":1}"#, r#"{}"#, vec!["/a~1b number -", "/~0 number -", "/~2 number -"]),
        ("[1]", "{}", vec![" array object"]),
        (r#"{"a":{"b":1},"a-c":1}"#, r#"{"a-c":"x"}"#, vec!["/a object -", "/a-c number string"]),
    ] {
        assert_eq!(differences(a, b), expect, "{a} {b}");
        let turned = differences(b, a).len();
        assert_eq!(turned, expect.len(), "{b} {a}");
    }
}

#[test]
fn what_has_two_readings_or_no_end_has_no_shape() {
    let many: String = (0..3_000).map(|n| format!("\"m{n}\":1,")).collect();
    for text in [
        r#"{"a":1,"a":2}"#.to_owned(),
        "{".to_owned(),
        "{} {}".to_owned(),
        "[".repeat(65) + &"]".repeat(65),
        format!("{{{many}\"z\":1}}"),
        format!("{{\"{}\":1}}", "k".repeat(2_000)),
    ] {
        assert!(shape::read(text.as_bytes(), &Mask::default()).is_err(), "{}", text.len());
    }
}

#[test]
fn a_mask_takes_out_tokens_and_what_a_terminal_would_obey() {
    let mask = Mask::of(["abc", "abcdef"].into_iter());
    assert_eq!(mask.shown("x abcdef y abc\u{1b}[2J\u{202e}"), "x [token] y [token]\u{fffd}[2J\u{fffd}");
    assert_eq!(Mask::of(["eyJab.C"].into_iter()).shown("ratelimit-eyjAB.cé"), "ratelimit-[token]é");
    let long = [mask.shown(&("k".repeat(300) + "a")), mask.shown(&("k".repeat(300) + "b"))];
    assert!(long[0] != long[1] && long[0].chars().count() < 240, "{long:?}");
}
