//! What is kept of a value.

use super::{Trouble, value_of};

const HASH: &str = "sha256:d7fab94e1b5540e560ba61820f8887781e81579f871c9bb96e9fd95f0d2ac9e9";

#[test]
fn of_a_token_its_hash_is_kept_and_of_anything_else_the_value() {
    for (kind, value, kept) in [
        ("token", "eyJ.eyJ.s-_9", HASH),
        ("token", "a.b", "a.b"),
        ("token", "a.b.c.d", "a.b.c.d"),
        ("token", "a..c", "a..c"),
        ("token", "a.b.c=", "a.b.c="),
        ("token", " eyJ.eyJ.s-_9 \n", HASH),
        ("token", "Bearer eyJ.eyJ.s-_9", HASH),
        ("token", "bearer  eyJ.eyJ.s-_9\r\n", HASH),
        ("user", "eyJ.eyJ.s", "eyJ.eyJ.s"),
        ("user", " ann\n", "ann"),
        ("user", "auth0|ü", "auth0|ü"),
    ] {
        assert_eq!(value_of(kind, value).unwrap(), kept);
    }
    for value in ["", "a\nb", "\u{7f}", &"x".repeat(1_025)] {
        assert!(matches!(value_of("user", value), Err(Trouble::Use(_))), "{value:?}");
    }
    // What was meant as a token must not be kept as it is.
    for value in ["eyJhbGciOiJSUzI1NiJ9.eyJ", "eyJhbGciOiJSUzI1NiJ9.e y.s", "Basic a.b.c", "a b"] {
        assert!(matches!(value_of("token", value), Err(Trouble::Use(_))), "{value:?}");
    }
}
