//! Contract §8: nothing of anybody else's, whatever the answer looks like.

use super::{Filtered, Unfilterable, filter};
use crate::config::policy::ResponseFilter;
use crate::testing::{gate, token};
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn rule(items: &[&str], keep_missing: bool) -> ResponseFilter {
    let items = items.iter().map(|t| (*t).to_owned()).collect();
    ResponseFilter { items, owner: vec!["owner".to_owned()], keep_missing }
}

fn changed(text: &str) -> Result<Filtered, Unfilterable> {
    Ok(Filtered::Changed(text.to_owned()))
}

#[test]
fn only_the_callers_own_elements_are_left() {
    let top = rule(&[], false);
    for (body, expect) in [
        ("[]", Ok(Filtered::Same)),
        (r#"[{"owner":"ann"}]"#, Ok(Filtered::Same)),
        (r#"[{"owner":"bob"}]"#, changed("[]")),
        (
            r#" [ {"owner":"bob"} , {"owner":"ann","n":1.0} , {"owner":"eve"} ] "#,
            changed(r#" [{"owner":"ann","n":1.0} ] "#),
        ),
        (
            r#"[{"owner":"ann"},{"owner":"bob"},{"owner":"\u0061nn"}]"#,
            changed(r#"[{"owner":"ann"},{"owner":"\u0061nn"}]"#),
        ),
        (r#"{"owner":"ann","x":[1]}"#, Ok(Filtered::Same)),
        (r#"{"owner":"bob"}"#, Ok(Filtered::NotFound)),
        (r#"[{"owner":"Ann"},{"owner":"ann "},{"owner":["ann"]}]"#, Err(Unfilterable)),
        (r#"[{"owner":"Ann"},{"owner":"ann "}]"#, changed("[]")),
        (r#"[{"owner":null}]"#, Err(Unfilterable)),
        (r#"[{"owner":true}]"#, Err(Unfilterable)),
        (r#"[{}]"#, Err(Unfilterable)),
        (r#"["ann"]"#, Err(Unfilterable)),
        (r#"[{"owner":"ann","owner":"bob"}]"#, Err(Unfilterable)),
        (r#"{"x":1}"#, Err(Unfilterable)),
        ("7", Err(Unfilterable)),
        ("null", Err(Unfilterable)),
        ("", Err(Unfilterable)),
        (r#"[{"owner":"ann"}"#, Err(Unfilterable)),
        (r#"[{"owner":"ann"}] x"#, Err(Unfilterable)),
    ] {
        assert_eq!(filter(body.as_bytes(), &top, "ann"), expect, "{body}");
    }
    assert_eq!(filter(b"[\"\xff\"]", &top, "ann"), Err(Unfilterable));
}

#[test]
fn a_pointer_must_find_and_owners_may_be_numbers() {
    let notes = rule(&["data", "notes"], false);
    let of = |list: &str| format!(r#"{{"data":{{"notes":{list},"total":2}}}}"#);
    let body = of(r#"[{"owner":7},{"owner":"7"},{"owner":70},{"owner":-7}]"#);
    assert_eq!(filter(body.as_bytes(), &notes, "7"), changed(&of(r#"[{"owner":7},{"owner":"7"}]"#)));
    let large = of(r#"[{"owner":123456789012345678901234567890}]"#);
    // Numbers past 64 bits lose digits in some readers: they are no owner.
    assert_eq!(filter(large.as_bytes(), &notes, "123456789012345678901234567890"), Ok(Filtered::Same));
    for body in [
        of("{}"),
        of("null"),
        of("7"),
        "{}".into(),
        r#"{"data":[]}"#.into(),
        of(r#"[{"owner":7.0}]"#),
        of(r#"[{"owner":1e1}]"#),
    ] {
        assert_eq!(filter(body.as_bytes(), &notes, "7"), Err(Unfilterable), "{body}");
    }
    let keep = rule(&["data", "notes"], true);
    let body = of(r#"[{"owner":null},{"id":1},{"owner":"bob"},{"owner":"ann"}]"#);
    assert_eq!(
        filter(body.as_bytes(), &keep, "ann"),
        changed(&of(r#"[{"owner":null},{"id":1},{"owner":"ann"}]"#))
    );
    let nested = ResponseFilter { owner: vec!["by".into(), "0".into(), "a/b".into()], ..rule(&[], false) };
    let body = json!([{"by": [{"a/b": "ann"}]}, {"by": [{"a/b": "bob"}]}]).to_string();
    assert_eq!(filter(body.as_bytes(), &nested, "ann"), changed(r#"[{"by":[{"a/b":"ann"}]}]"#));
}

/// RFC 6901 §4: digits without a leading zero.
#[test]
fn an_element_of_an_array_has_one_pointer() {
    let list: Vec<_> = (0..12).map(|n| json!([{"owner": if n == 10 { "ann" } else { "bob" }}])).collect();
    let body = json!(list).to_string();
    for (token, expect) in [
        ("10", Ok(Filtered::Same)),
        ("0", changed(&body.replacen(r#"{"owner":"bob"}"#, "", 1))),
        ("010", Err(Unfilterable)),
        ("00", Err(Unfilterable)),
        ("+10", Err(Unfilterable)),
        ("-", Err(Unfilterable)),
        ("", Err(Unfilterable)),
        ("12", Err(Unfilterable)),
    ] {
        assert_eq!(filter(body.as_bytes(), &rule(&[token], false), "ann"), expect, "{token}");
    }
}

/// A random corpus: whatever comes out has no other owner in its list, and every element of the caller's own.
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn element() -> impl Strategy<Value = Value> {
        let owner = prop_oneof![
            4 => Just(json!("ann")),
            4 => Just(json!("bob")),
            1 => Just(json!(7)),
            1 => Just(Value::Null),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(|n| json!(n)),
            "\\PC{0,6}".prop_map(|s| json!(s))
        ];
        (owner, leaf).prop_map(|(owner, x)| json!({"x": x, "owner": owner, "s": "]},{\"owner\":\"ann\""}))
    }

    proptest! {
        #[test]
        fn no_other_owner_comes_through(elements in proptest::collection::vec(element(), 0..12), pretty in any::<bool>()) {
            let body = json!({"notes": elements, "other": [{"owner": "bob"}]});
            let body = if pretty { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
            let got = match filter(body.as_bytes(), &rule(&["notes"], false), "ann") {
                Ok(Filtered::Same) => body.clone(),
                Ok(Filtered::Changed(text)) => text,
                Ok(Filtered::NotFound) => panic!("it is a list"),
                Err(Unfilterable) => {
                    prop_assert!(elements.iter().any(|e| e["owner"].is_null()));
                    return Ok(());
                }
            };
            let got: Value = serde_json::from_str(&got).unwrap();
            let own: Vec<&Value> = elements.iter().filter(|e| e["owner"] == "ann").collect();
            prop_assert_eq!(got["notes"].as_array().unwrap().iter().collect::<Vec<_>>(), own);
            prop_assert_eq!(&got["other"], &json!([{"owner": "bob"}]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = filter(&body, &rule(&[], false), "ann");
        }
    }
}

#[test]
fn what_asks_for_less_than_the_whole_is_taken_out_where_an_answer_is_read() {
    let mut gate = gate(json!({"routes": [
        {"path": "/notes", "response_filter": {"items": "/", "owner": "/owner"}},
        {"path": "/mcp", "mcp": {"tools": {"t": []}}},
        {"path": "/plain"},
    ]}));
    let bearer = format!("Bearer {}", token().mint());
    let all = ["accept-encoding", "range", "if-range", "if-none-match", "if-modified-since"];
    for (path, gone) in [("/notes", &all[..]), ("/mcp", &all[..1]), ("/plain", &[])] {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(all.map(|name| (name, "x")));
        let got = gate.send("GET", path, &headers);
        for name in all {
            assert_eq!(got.edits().removes(name), gone.contains(&name), "{path} {name}");
        }
        let got = gate.send("GET", path, &headers[..1]);
        assert_eq!(got.edits().remove, [b"authorization".to_vec()], "{path}: nothing more to take out");
    }
}
