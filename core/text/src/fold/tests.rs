//! Folding, and the tables held to a crate's.

use super::*;
#[cfg(not(target_arch = "wasm32"))]
use unicode_normalization::UnicodeNormalization as _;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(not(target_arch = "wasm32"))]
fn composed(text: &str) -> String {
    nfc(text, Tables::of()).into_iter().filter_map(char::from_u32).collect()
}

#[test]
fn names_that_differ_by_case_or_by_accents_spelling_are_one() {
    for (text, folded) in [
        ("", ""),
        ("Ann@Example.COM", "ann@example.com"),
        ("\u{c9}COLE", "\u{e9}cole"),
        ("E\u{301}COLE", "\u{e9}cole"),
        ("e\u{323}\u{302}", "\u{1ec7}"),
        ("E\u{302}\u{323}", "\u{1ec7}"),
        ("\u{3a3}\u{3c2}\u{3c3}", "\u{3c3}\u{3c3}\u{3c3}"),
        // Simple: never longer.
        ("STRA\u{1e9e}E", "stra\u{df}e"),
        ("Stra\u{df}e", "stra\u{df}e"),
        // Those of Turkish are left as they are; a K of physics is a k.
        ("\u{130}I\u{131}i", "\u{130}i\u{131}i"),
        ("\u{212a}\u{212b}\u{17f}\u{b5}", "k\u{e5}s\u{3bc}"),
        ("\u{410}\u{42f}", "\u{430}\u{44f}"),
        ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
        ("\u{958}", "\u{915}\u{93c}"),
        ("\u{10400}\u{1f600}\u{65e5}", "\u{10428}\u{1f600}\u{65e5}"),
    ] {
        assert_eq!(fold(text), folded, "{text}");
        assert_eq!(fold(folded), folded, "{text}: twice");
    }
}

/// In Unicode 15 and later, which the tables don't have.
#[cfg(not(target_arch = "wasm32"))]
fn is_newer(c: char) -> bool {
    matches!(u32::from(c),
        0x897 | 0xcf3 | 0xece | 0x10d40..=0x10d8f | 0x10ec2..=0x10eff | 0x11241 | 0x105c0..=0x105ff
        | 0x11380..=0x113ff | 0x11f00..=0x11f5f | 0x16100..=0x1613f | 0x16d40..=0x16d7f | 0x1e4d0..=0x1e4ff
        | 0x1e5d0..=0x1e5ff | 0x1acf..=0x1aff
        | 0x5c8 | 0x5c9 | 0x1d127 | 0x1d128 | 0x1d250..=0x1d28f | 0x1e08f | 0x1e6e0..=0x1e6ff)
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn every_character_is_composed_as_another_reader_does() {
    let mut others = Vec::new();
    for c in ('\0'..=char::MAX).filter(|c| !is_newer(*c)) {
        for text in [c.to_string(), format!("a{c}\u{323}\u{301}"), format!("\u{e9}\u{5b0}{c}")] {
            if composed(&text) != text.nfc().collect::<String>() {
                others.push(u32::from(c));
            }
        }
    }
    others.dedup();
    assert!(others.is_empty(), "{} such as {:x?}", others.len(), &others[..others.len().min(40)]);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_character_is_folded_as_its_lower_case_of_its_upper_case() {
    let only = |mut chars: Box<dyn Iterator<Item = char>>| match (chars.next(), chars.next()) {
        (Some(c), None) => Some(c),
        _ => None,
    };
    let mut others = Vec::new();
    for c in ('\0'..=char::MAX).filter(|c| !matches!(c, '\u{130}' | '\u{131}')) {
        let upper = only(Box::new(c.to_uppercase())).unwrap_or(c);
        let lower = only(Box::new(upper.to_lowercase())).unwrap_or(upper);
        let folded = char::from_u32(Tables::of().folded(u32::from(c))).unwrap();
        // Of Cherokee the upper case is the folded form.
        let is_cherokee = matches!(u32::from(c), 0x13a0..=0x13fd | 0xab70..=0xabbf);
        if folded != lower && !is_cherokee {
            others.push((c, folded, lower));
        }
    }
    // What came after the tables, and two ligatures that newer ones make one.
    others.retain(|(c, ..)| !matches!(u32::from(*c), 0xfb05 | 0x1fd3 | 0x1fe3 | 0x1c89 | 0x1c8a | 0xa7cb..=0xa7dc | 0x10d50..=0x10d85 | 0x16ea0..=0x16ed3));
    assert!(others.is_empty(), "{} such as {:x?}", others.len(), &others[..others.len().min(40)]);
}
