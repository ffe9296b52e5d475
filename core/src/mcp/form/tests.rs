//! Texts in every cut: what some reader could take for a list, and what nobody can.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn form(text: &[u8]) -> Form {
    let forms: Vec<Form> = [1, 2, 3, 7, text.len().max(1)]
        .into_iter()
        .map(|size| {
            let mut scan = Scan::default();
            text.chunks(size).for_each(|chunk| scan.feed(chunk));
            scan.end()
        })
        .collect();
    assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?} {}", String::from_utf8_lossy(text));
    forms[0]
}

fn check(text: &str, expect: Form) {
    assert_eq!(form(text.as_bytes()), expect, "{text}");
}

#[test]
fn lists_are_found_wherever_their_members_stand() {
    for text in [
        r#"{"result":{"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"nextCursor":"n","_meta":{"content":1},"tools":[{"content":[]}]}}"#,
        r#"{"result":{"prompts":[]},"id":1}"#,
        r#" { "result" : { "a" : [ {"tools":[]} , {} ] , "resources" : [] } } "#,
        r#"{"result":{"resourceTemplates":[]}}"#,
        r#"[{"method":"x"},{"result":{"tools":[]}}]"#,
        r#"[{"result":{"tools":[]}},{"method":"x"},{"result":{"content":[]}}]"#,
        r#"[[{"result":{"tools":[]}}]]"#,
        r#"{"result":{"tools":{}}}"#,
        r#"{"result":{"tools":1e999,"x":NaN}}"#,
        r#"{"result":{"x":"\ud83d","tools":[]}}"#,
    ] {
        check(text, Form::List);
    }
}

#[test]
fn what_another_reader_could_find_counts() {
    for text in [
        r#"{"result":{"content":[]},"result":{"tools":[]}}"#,
        r#"{"result":{"tools":[]},"result":{"content":[]}}"#,
        r#"{"result":{"tools":[]},"Result":{"content":[]}}"#,
        r#"{"re\u0073ult":{"to\u006fls":[]}}"#,
        r#"{"\u0072\u0065\u0073\u0075\u006c\u0074":{"\u0074ools":[]}}"#,
        r#"{"RESULT":{"Tools":[]}}"#,
        r#"{"Result":{"tools":[],"content":[]}}"#,
        r#"{"result":{"TOOL\u017f":[]}}"#,
        r#"{"result\u0000x":{"tools\u0000":[]}}"#,
        r#"{"result":{"tools":[],"Content":[]}}"#,
        r#"{"result":{"to\ud800ols":[]}}"#,
        r#"{"result":{"t\x6fols":[]}}"#,
        r#"{"resul\ud800t":{"tools":[]}}"#,
    ] {
        check(text, Form::List);
    }
    assert_eq!(form(b"{\"result\":{\"to\xffols\":[]}}"), Form::List);
    let long = format!("{{\"result\":{{\"tools\\u0000{}\":[]}}}}", "x".repeat(500));
    check(&long, Form::List);
    // Kept whole, and no JSON: nobody knows what it is to others.
    let odd = format!("{{\"result\":{{\"to\\x6fls{}\":[]}}}}", "x".repeat(MAX_NAME - 8));
    check(&odd, Form::List);
    // What some readers drop makes a long name a short one.
    for dropped in [b"\\ud800".as_slice(), b"\\uDFFF", b"\xff", b"\xc3"] {
        let text = [b"{\"result\":{\"to".as_slice(), &dropped.repeat(200), b"ols\":[]}}"].concat();
        assert_eq!(form(&text), Form::List);
        let text = [b"{\"".as_slice(), &dropped.repeat(200), b"result\":{\"tools\":[]}}"].concat();
        assert_eq!(form(&text), Form::List);
    }
    // Wherever what is kept of it ends.
    for before in 0..9 {
        let name = ["x".repeat(before), "to\u{e9}ols\\n".repeat(50)].concat();
        check(&format!("{{\"result\":{{\"{name}\\u00e9\":[]}}}}"), Form::Other);
    }
}

#[test]
fn what_is_no_list_is_none_whatever_else_is_odd_in_it() {
    for text in [
        "",
        " \n",
        "7",
        "null",
        r#""{\"result\":{\"tools\":[]}}""#,
        r#"{"method":"notifications/message","params":{"result":{"tools":[]},"data":"\ud83d"}}"#,
        r#"{"method":"notifications/progress","params":{"progress":1e999,"total":-Infinity}}"#,
        r#"{"method":"x","method":"y","params":{"a":1,"a":2}}"#,
        r#"{"result":{"content":[{"type":"text","text":"{\"result\":{\"tools\":[]}}"}],"tools":[1]}}"#,
        r#"{"result":{"tools":[1],"content":[]}}"#,
        r#"{"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":{}}}}"#,
        r#"{"result":[{"tools":[]}]}"#,
        r#"{"result":"tools"}"#,
        r#"{"error":{"tools":[]},"tools":[]}"#,
        r#"{"a":{"result":{"tools":[]}}}"#,
        r#"{"result":{"toolset":[],"tool":[],"my tools":[]}}"#,
        r#"[{"result":{"content":[]}},{"result":{}}]"#,
    ] {
        check(text, Form::Other);
    }
    assert_eq!(form(b"{\"method\":\"x\",\"params\":{\"\xff\":\"\xfe\n\"}}"), Form::Other);
    let deep = format!("{{\"method\":\"x\",\"params\":{}1{}}}", "[".repeat(900), "]".repeat(900));
    check(&deep, Form::Other);
}

#[test]
fn what_is_not_json_is_broken() {
    for text in [
        "{",
        r#"{"result":{"tools":[]}"#,
        r#"{"result":{"tools":[]}} x"#,
        r#"{"a":1}{"result":{"tools":[]}}"#,
        r#"{'result':{'tools':[]}}"#,
        r#"{result:{tools:[]}}"#,
        r#"/* */{"result":{"tools":[]}}"#,
        r#"{"params":{/*"*/},"result":{"tools":[]}}"#,
        "\u{feff}{\"result\":{\"tools\":[]}}",
        r#"{"a":[}]"#,
        r#"{"a":[1}}"#,
        r#"[{"a":1]]"#,
        r#"{"a":1}}"#,
        "1]",
        r#"{"a" 1}"#,
        r#"{"a":1,}"#,
        r#"[1,]"#,
        r#"[1 2]"#,
        "]",
        r#"7,{"result":{"tools":[]}}"#,
        "x {",
        ",",
    ] {
        check(text, Form::Broken);
    }
    check(&"[".repeat(2_000), Form::Broken);
    for (text, expect) in [
        (r#"{result:{tools:[]}}"#, true),
        (r#"{'Prompts':1}"#, true),
        (r#"{'to\u006fls':1}"#, true),
        (r#"{'to\x6fls':1}"#, true),
        ("{'re\u{17f}ourceTemplates'}", true),
        ("{\0t\0o\0o\0l\0s\0", true),
        ("hello {name}", false),
        ("tools", false),
        ("<html>{}</html>", false),
    ] {
        assert_eq!(names_a_list(text.as_bytes()), expect, "{text}");
    }
}

#[test]
fn what_has_content_can_go_on_at_once_and_is_still_watched() {
    let mut scan = Scan::default();
    scan.feed(br#"{"jsonrpc":"2.0","id":7,"result":{"_meta":{},"#);
    assert!(!scan.is_other() && !scan.may_be_list());
    scan.feed(br#""content":[{"#);
    assert!(scan.is_other());
    scan.feed(br#""x":1}],"tools":[]}"#);
    assert!(scan.is_other() && !scan.may_be_list());
    scan.feed(br#","result":{"#);
    assert!(scan.may_be_list() && !scan.is_other(), "another reader takes the other one");
    let mut scan = Scan::default();
    scan.feed(br#"{"result":{"contents":[],"tools""#);
    assert!(scan.may_be_list() && !scan.is_other());
}

/// Bytes that would take minutes if state grew with them.
#[test]
fn state_is_bounded() {
    let mut scan = Scan::default();
    scan.feed(b"{\"result\":{\"");
    for _ in 0..1_000 {
        scan.feed(&[b'a'; 1_024]);
    }
    assert!(scan.name.capacity() <= 2 * MAX_NAME);
    scan.feed(b"\":1,\"tools\":");
    assert!(scan.may_be_list());
}

/// Random texts against a straightforward second reader, which has all of one in memory.
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const NAMES: [&str; 9] =
        ["result", "tools", "prompts", "content", "contents", "id", "Tools", "a\u{fc}", "_meta"];

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\\u{e9}{}\\[\\]:,]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn is_list(value: &Value) -> bool {
        if let Value::Array(items) = value {
            return items.iter().any(is_list);
        }
        let Some(Value::Object(result)) = value.get("result") else { return false };
        let lists = ["tools", "prompts", "resources", "resourcetemplates"];
        result.keys().any(|name| lists.contains(&name.to_lowercase().as_str()))
            && !result.contains_key("content")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_form_is_what_a_reader_of_the_whole_text_finds(
            value in values(), is_pretty in any::<bool>(), cuts in proptest::collection::vec(1usize..9, 1..9),
        ) {
            let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let mut scan = Scan::default();
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                scan.feed(part);
                rest = after;
            }
            let expect = if is_list(&value) { Form::List } else { Form::Other };
            prop_assert_eq!(scan.end(), expect, "{}", text);
        }

        #[test]
        fn no_bytes_panic_and_none_cut_short_are_whole(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut scan = Scan::default();
            scan.feed(&bytes);
            let _ = (scan.end(), scan.is_other(), names_a_list(&bytes));
        }
    }
}
