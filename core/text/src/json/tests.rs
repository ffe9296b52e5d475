//! Documents that are taken and refused, and what a strict reading and serde agree on.

use super::*;
#[cfg(not(target_arch = "wasm32"))]
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn duplicate_members_depth_and_trailing_bytes_are_refused() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let cases: &[(&str, bool)] = &[
        (r#"{"a":1}"#, true),
        (r#"{"a":1,"a":2}"#, false),
        (r#"{"x":{"a":1,"a":2}}"#, false),
        (r#"{"\u0061":1,"a":2}"#, false),
        ("{} x", false),
        ("\u{feff}{}", false),
        ("", false),
        (r#"{"exp":1e400}"#, false),
        (&deep(32), true),
        (&deep(33), false),
    ];
    for (text, good) in cases {
        assert_eq!(parse(text.as_bytes(), 32).is_ok(), *good, "{text}");
    }
    assert!(parse(b"\"\xff\"", 32).is_err());
}

#[test]
fn a_duplicate_is_found_among_few_members_and_among_many() {
    for count in [1, 2, 15, 16, 17, 40] {
        let names: Vec<String> = (0..count).map(|at| format!("\"m{at}\":{at}")).collect();
        let object = |last: &str| format!("{{{}{last}}}", names.join(","));
        assert!(view(object("").as_bytes(), 2).is_ok(), "{count}");
        for at in 0..count {
            for last in [format!(",\"m{at}\":0"), format!(",\"\\u006d{at}\":0")] {
                assert!(view(object(&last).as_bytes(), 2).is_err(), "{count} {last}");
            }
        }
        assert!(view(object(",\"m\":0").as_bytes(), 2).is_ok(), "{count}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #[test]
    fn a_check_takes_what_a_view_takes(text in odd_json()) {
        let read = view(text.as_bytes(), 8);
        let checked = check(text.as_bytes(), Bounds { depth: 8, values: 1_000 });
        // A view has no lone surrogates and no numbers out of range.
        if let Err(why) = &read {
            let may = why.contains("surrogate") || why.contains("number out of range") || why.contains("hex escape");
            prop_assert!(may || checked.is_err(), "{text} {why}");
        }
        if let Ok(View::Object(members)) = &read {
            let names: Vec<_> = checked.unwrap().members().map(|(name, _)| name.into_owned()).collect();
            prop_assert_eq!(names, members.keys().map(str::to_owned).collect::<Vec<_>>());
        }
        if read.is_ok() {
            prop_assert!(checked.is_ok(), "{text} {:?}", checked.err());
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, 8);
    }

    #[test]
    fn a_view_is_the_value_that_serde_reads(value in any_value(4)) {
        for text in [value.to_string(), escaped(&value.to_string())] {
            let read = parse(text.as_bytes(), 32).unwrap();
            prop_assert_eq!(&read, &value);
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_text(text in "\\PC{0,64}") {
        let mut out = String::new();
        write_string(&mut out, &text, 4096);
        let back: String = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(back, text);
    }
}

#[test]
fn every_text_is_written_as_json_whatever_way_it_takes() {
    for c in (0..=0x3000).filter_map(char::from_u32) {
        for text in [format!("a{c}"), format!("a{c}\u{e9}")] {
            let mut out = String::new();
            write_string(&mut out, &text, 64);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            assert!(
                !out.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')),
                "{out:?}"
            );
        }
    }
    for (number, least, text) in
        [(0, 1, "0"), (7, 4, "0007"), (u64::MAX, 1, "18446744073709551615"), (12, 0, "12")]
    {
        let mut out = String::new();
        write_padded(&mut out, number, least);
        assert_eq!(out, text);
    }
}

/// The letter `e` as an escape, which stands for the same in every text.
#[cfg(not(target_arch = "wasm32"))]
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let (mut inside, mut after_backslash) = (false, false);
    for c in json.chars() {
        match c {
            '"' if !after_backslash => inside = !inside,
            _ => {}
        }
        let is_plain_e = inside && !after_backslash && c == 'e';
        if is_plain_e {
            out.push_str("\\u0065")
        } else {
            out.push(c)
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    out
}

#[cfg(not(target_arch = "wasm32"))]
fn any_value(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-f\\PC]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 64, 24, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
            proptest::collection::btree_map("[a-f]{0,3}", inner, 0..24)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const BOUNDS: Bounds = Bounds { depth: 32, values: 1_000 };

#[test]
fn a_check_names_what_is_wrong() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let many = |n: usize| format!("[{}0]", "0,".repeat(n - 2));
    let cases: &[(&str, Result<(), Fault>)] = &[
        (r#"{"a":1}"#, Ok(())),
        (" {\t\"a\" :\n[ 1 , -0.5e+7 , 0 , true,false,null , {} , [] , \"\" ]\r} ", Ok(())),
        (r#"{"a":[1e999,"\ud800","\udc00\ud800"],"b":"\ud83d\ude00"}"#, Ok(())),
        (r#"{"a":1,"a":2}"#, Err(Fault::Duplicate)),
        (r#"{"x":[{"a":1,"b":{},"\u0061":2}]}"#, Err(Fault::Duplicate)),
        (r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#, Ok(())),
        (r#"{"\ud83d\ude00":1,"😀":2}"#, Err(Fault::Duplicate)),
        (r#"{"\ud800":1}"#, Err(Fault::Surrogate)),
        (r#"{"\udc00\ud800":1}"#, Err(Fault::Surrogate)),
        (r#"{"\ud800\u0041":1}"#, Err(Fault::Surrogate)),
        ("{} x", Err(Fault::Syntax)),
        ("{}{}", Err(Fault::Syntax)),
        ("\u{feff}{}", Err(Fault::Syntax)),
        ("", Err(Fault::Syntax)),
        ("  ", Err(Fault::Syntax)),
        ("\"\u{1}\"", Err(Fault::Syntax)),
        ("\"\n\"", Err(Fault::Syntax)),
        (r#""\x""#, Err(Fault::Syntax)),
        (r#""\u12g4""#, Err(Fault::Syntax)),
        (r#""\u12"#, Err(Fault::Syntax)),
        (r#""\"#, Err(Fault::Syntax)),
        (r#""a"#, Err(Fault::Syntax)),
        ("\u{a0}1", Err(Fault::Syntax)),
        (&deep(32), Ok(())),
        (&deep(33), Err(Fault::Depth)),
        (&many(1_000), Ok(())),
        (&many(1_001), Err(Fault::Values)),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text.as_bytes(), BOUNDS).map(|_| ()), *expected, "{text}");
    }
    assert_eq!(check(b"\"\xff\"", BOUNDS).map(|_| ()), Err(Fault::Encoding));
    for bad in [
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "truE",
        "nul",
        "1 2",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "{1:1}",
        "[}",
        "{]",
        "[1}",
        r#"{"a":1]"#,
        "]",
        "}",
        "[",
        "{",
        "'a'",
        "-01",
        "1e1.5",
        "--1",
        "[1]]",
        ",",
        ":",
    ] {
        assert_eq!(check(bad.as_bytes(), BOUNDS).map(|_| ()), Err(Fault::Syntax), "{bad}");
    }
}

#[test]
fn a_check_finds_a_duplicate_among_few_members_and_among_many() {
    for count in [1, 2, 15, 16, 17, 40] {
        let names: Vec<String> = (0..count).map(|at| format!("\"m{at}\":{{\"m0\":1}}")).collect();
        let object = |last: &str| format!("[{{{}{last}}}]", names.join(","));
        assert!(check(object("").as_bytes(), BOUNDS).is_ok(), "{count}");
        for at in 0..count {
            for last in [format!(",\"m{at}\":0"), format!(",\"\\u006d{at}\":0")] {
                let fault = check(object(&last).as_bytes(), BOUNDS).map(|_| ());
                assert_eq!(fault, Err(Fault::Duplicate), "{count} {last}");
            }
        }
    }
}

#[test]
fn a_text_shows_members_and_items_as_they_are_written() {
    let text = check(
        br#" {"a" : [ 1, "x\"]" , {"b":2} ] , "\u0062":"\ud83d\ude00\n", "c":"\ud800", "d":{}, "e":[] } "#,
        BOUNDS,
    )
    .unwrap();
    assert!(text.is_object() && !text.is_array());
    let names: Vec<_> = text.members().map(|(name, value)| (name.into_owned(), value.raw())).collect();
    let expected = [
        ("a", r#"[ 1, "x\"]" , {"b":2} ]"#),
        ("b", r#""\ud83d\ude00\n""#),
        ("c", r#""\ud800""#),
        ("d", "{}"),
        ("e", "[]"),
    ];
    assert_eq!(names, expected.map(|(name, raw)| (name.to_owned(), raw)));
    let items: Vec<_> = text.get("a").unwrap().items().map(|item| item.raw()).collect();
    assert_eq!(items, ["1", r#""x\"]""#, r#"{"b":2}"#]);
    assert_eq!(text.get("b").unwrap().as_str().as_deref(), Some("😀\n"));
    assert_eq!(text.get("c").unwrap().as_str(), None);
    assert_eq!(text.get("d").unwrap().members().count() + text.get("e").unwrap().items().count(), 0);
    // What it is not has nothing.
    assert_eq!(text.items().count() + text.get("a").unwrap().members().count(), 0);
    assert_eq!(text.get("a").unwrap().range(), 8..31);
}

/// Texts that are JSON, or nearly.
#[cfg(not(target_arch = "wasm32"))]
fn odd_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\"",
            "\"\\u0061\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\\\\"",
            "1",
            "0",
            "-",
            "1e9",
            "1e999",
            "0.5",
            "01",
            "true",
            "null",
            "fals",
            " ",
            "\n",
            "\"",
            "\\",
            "{\"a\":",
            "[1,",
            "é",
            "\u{1}",
        ])
        .prop_map(str::to_owned),
        any_value(3).prop_map(|value| value.to_string()),
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        any_value(4).prop_map(|value| escaped(&value.to_string())),
    ]
}
