//! Names that sloppy readers take for another.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_name_has_a_key_where_it_is_printable_ascii() {
    for (name, key) in [
        ("purge", Some("purge")),
        (" PurgE  ", Some("purge")),
        ("weekly report", Some("weekly report")),
        ("", Some("")),
        ("purge\u{a0}", None),
        ("\u{ff50}urge", None),
        ("pu\u{200b}rge", None),
        ("pu\u{ad}rge", None),
        ("purge\0", None),
        ("purge\t", None),
        ("n\u{f6}te", None),
    ] {
        assert_eq!(folded(name).as_deref(), key, "{name:?}");
    }
}

#[test]
fn look_alikes_become_the_letters_that_they_look_like() {
    let read = |text: &str| text.chars().filter_map(plain).collect::<String>();
    for text in [
        "userid",
        "USERID",
        "\u{ff35}\u{ff33}er\u{ff29}d",
        "u\u{17f}er\u{131}d",
        "user\u{130}d",
        "\u{24e4}\u{24c8}erid",
        "\u{1d42e}\u{1d609}serid\u{0}".replace('\u{1d609}', "").as_str(),
        "\u{feff}us\u{200d}er\u{ad}id\u{1}",
    ] {
        assert_eq!(read(text), "userid", "{text:?}");
    }
    assert_eq!(read("\u{212a}\u{1d7d8}\u{1d7ff}\u{3000}"), "k09 ");
    assert_ne!(read("\u{fc}serid"), "userid");
}
