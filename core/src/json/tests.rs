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

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, 8);
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
