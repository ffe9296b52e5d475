//! Events in every cut and form, with a filter that takes the word "secret" out of JSON and can't read what isn't JSON.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn filter(text: &str) -> Result<Option<String>, Unfilterable> {
    serde_json::from_str::<serde_json::Value>(text).map_err(|_| Unfilterable)?;
    Ok(text.contains("secret").then(|| text.replace("secret", "")))
}

/// What goes on of a stream that comes in chunks of `size`, and whether it came to its end.
fn shown(stream: &[u8], size: usize, max: usize) -> (Vec<u8>, bool) {
    let mut events = Events::new(max);
    let mut out = Vec::new();
    for chunk in stream.chunks(size) {
        match events.feed(chunk, false, &filter) {
            Ok(bytes) => out.extend(bytes),
            Err(Cut(bytes)) => {
                out.extend(bytes);
                return (out, false);
            }
        }
    }
    match events.feed(b"", true, &filter) {
        Ok(bytes) => out.extend(bytes),
        Err(Cut(bytes)) => {
            out.extend(bytes);
            return (out, false);
        }
    }
    (out, true)
}

fn check(stream: &str, expect: &str, whole: bool) {
    for size in 1..=stream.len().max(1) {
        let (out, end) = shown(stream.as_bytes(), size, 1000);
        assert_eq!((String::from_utf8(out).unwrap().as_str(), end), (expect, whole), "{stream:?} by {size}");
    }
}

#[test]
fn only_the_data_of_an_event_changes_wherever_the_chunks_are_cut() {
    for (stream, expect) in [
        ("", ""),
        ("\n\n\n", "\n\n\n"),
        (": ping\n\n", ": ping\n\n"),
        ("data: {\"x\":\"secret\"}\n\n", "data: {\"x\":\"\"}\n\n"),
        ("data:{\"x\":\"secret\"}\r\n\r\nid: 1\r\n\r\n", "data: {\"x\":\"\"}\r\n\r\nid: 1\r\n\r\n"),
        ("event: a\rdata: {\"x\":\"secret\"}\r\rdata\r\r", "event: a\rdata: {\"x\":\"\"}\r\rdata\r\r"),
        (
            "\u{feff}data: {\ndata: \"x\":\"secret\"\ndata:}\nid: 7\n\n",
            "\u{feff}data: {\ndata: \"x\":\"\"\ndata: }\nid: 7\n\n",
        ),
        ("data: {\"x\":\"secret\"}", "data: {\"x\":\"\"}\n"),
        ("data: plain [text]\n\ndata\n\nretry: 5\n\n", "data: plain [text]\n\ndata\n\nretry: 5\n\n"),
        ("dataset: {\"x\":\"secret\"}\nmetadata: x\n\n", "dataset: {\"x\":\"secret\"}\nmetadata: x\n\n"),
    ] {
        check(stream, expect, true);
    }
}

#[test]
fn what_some_reader_could_take_for_data_ends_the_stream_before_it() {
    let fine = "data: [1]\n\n";
    for bad in [
        "data: {\"x\":\"secret\"} x\n\n",
        "data: \u{feff}{\"x\":\"secret\"}\n\n",
        "data: /* */ {\"x\":\"secret\"}\n\n",
        "data: x\ndata: {\"x\":\"secret\"}\n\n",
        " data: {\"x\":\"secret\"}\n\n",
        "Data: {\"x\":\"secret\"}\n\n",
        "DATA : {\"x\":\"secret\"}\n\n",
        "\u{feff}data: {\"x\":\"secret\"}\n\n",
        ": x\u{2028}data: {\"x\":\"secret\"}\n\n",
        "id: \u{85}data: {\"x\":\"secret\"}\n\n",
    ] {
        check(&format!("{fine}{bad}"), fine, false);
    }
    assert!(!shown(b"data: {\"\xff\"]\n\n", 3, 1000).1);
}

#[test]
fn json_under_the_type_of_a_stream_is_no_stream_whatever_space_is_before_it() {
    for space in ["", " ", "\n", "\n\n", "\r\n\r\n\t ", "\u{feff}", "\u{feff}\n\n", "\u{c}\n"] {
        for body in ["{\"result\":{}}", "[{}]"] {
            for size in 1..=8 {
                let (out, end) = shown(format!("{space}{body}").as_bytes(), size, 1000);
                assert!(!end && out.is_empty(), "{space:?}{body} by {size}");
            }
        }
    }
}

#[test]
fn an_event_over_the_cap_ends_the_stream_however_it_comes() {
    let event = |n: usize| format!("data: [\"{}\"]\n\n", "a".repeat(n - 12));
    for size in [1, 7, 64, 1000] {
        assert_eq!(shown(event(64).as_bytes(), size, 64), (event(64).into_bytes(), true), "{size}");
        let (out, end) = shown(format!("{}{}", event(20), event(65)).as_bytes(), size, 64);
        assert_eq!((String::from_utf8(out).unwrap(), end), (event(20), false), "{size}");
    }
}

/// Bytes that would take minutes if each chunk, or each event, cost as much as all before it.
#[test]
fn each_byte_costs_the_same() {
    let many = "\n".repeat(1 << 20);
    assert_eq!(shown(many.as_bytes(), 1 << 20, 1 << 20), (many.into_bytes(), true));
    let long = format!("data: \"{}\"\n\n", "a".repeat((1 << 20) - 20));
    assert_eq!(shown(long.as_bytes(), 1, 1 << 20), (long.clone().into_bytes(), true));
    let space = " ".repeat(1 << 20);
    assert_eq!(shown(space.as_bytes(), 1, 1 << 20), (space.clone().into_bytes(), true));
}
