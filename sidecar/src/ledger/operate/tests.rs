//! What is kept of a value.

use super::{Trouble, value_of};

#[test]
fn of_a_token_its_hash_is_kept_and_of_anything_else_the_value() {
    for (kind, value, kept) in [
        ("token", "eyJ.eyJ.s-_9", "sha256:d7fab94e1b5540e560ba61820f8887781e81579f871c9bb96e9fd95f0d2ac9e9"),
        ("token", "a.b", "a.b"),
        ("token", "a.b.c.d", "a.b.c.d"),
        ("token", "a..c", "a..c"),
        ("token", "a.b.c=", "a.b.c="),
        ("user", "eyJ.eyJ.s", "eyJ.eyJ.s"),
        ("user", "auth0|ü", "auth0|ü"),
    ] {
        assert_eq!(value_of(kind, value).unwrap(), kept);
    }
    for value in ["", "a\nb", "\u{7f}", &"x".repeat(1_025)] {
        assert!(matches!(value_of("user", value), Err(Trouble::Use(_))), "{value:?}");
    }
}
