//! What stands between brackets is found as a JSON parser finds it.

use super::Part;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Members and items are those that `serde_json` finds, with the same texts, at every depth.
fn agrees(part: &Part<'_>) {
    let text = part.text();
    let members: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(text).ok();
    let found = part.members();
    assert_eq!(found.is_some(), members.is_some(), "{text}");
    for (name, member) in found.iter().flatten() {
        assert_eq!(members.as_ref().unwrap()[name].get(), member.text(), "{text}");
        agrees(member);
    }
    assert_eq!(found.map(|found| found.len()), members.map(|members| members.len()), "{text}");
    let items: Option<Vec<&RawValue>> = serde_json::from_str(text).ok();
    let found = part.items();
    let texts = |items: &[Part<'_>]| items.iter().map(|item| item.text().to_owned()).collect::<Vec<_>>();
    let expect = items.map(|items| items.iter().map(|item| item.get().to_owned()).collect::<Vec<_>>());
    assert_eq!(found.as_deref().map(texts), expect, "{text}");
    found.iter().flatten().for_each(agrees);
    assert_eq!(part.string(), serde_json::from_str(text).ok(), "{text}");
}

#[test]
fn values_end_where_a_parser_says() {
    for text in [
        "{}",
        " [ ] ",
        "null",
        "-1.5e+3",
        r#""a\"b\\""#,
        r#"{"a":1,"b":[1,-2.5E-3,true,null],"c":{"d":"}"}}"#,
        "[ 1 ,\t\"]\" ,\r\n{ \"a\" : [ ] , \"\\u0062\" : \"\\\\\" } ]",
        r#"[[["\"[{"]],{"{":"\\\"}"},"é€😀"]"#,
    ] {
        let part = Part::whole(text);
        agrees(&part);
        assert_eq!(&text[part.range()], part.text());
    }
}

#[test]
fn what_cannot_be_followed_is_nothing() {
    for text in
        ["", "{", "[1", "[1,]", "[,1]", "[1 2]", "[1]]", "[1]x", "[\"a]", "[\"a\\", "[}", "[{]", "[\u{e9}]"]
    {
        assert!(Part::whole(text).items().is_none(), "{text}");
    }
    for text in ["{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}", "{\"a\" 1}", "{\"a\":1", "{\"\\x\":1}"] {
        assert!(Part::whole(text).members().is_none(), "{text}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::{Part, agrees};
    use proptest::prelude::*;
    use serde_json::Value;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            r#"[\\"{}\[\],: ]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\]{0,3}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_is_cut_as_a_parser_cuts_it(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            agrees(&Part::whole(&text.unwrap()));
        }
    }
}
