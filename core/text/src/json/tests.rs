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
