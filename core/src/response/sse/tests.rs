//! Events in every cut and form, with a cut that takes the word "secret" out of lists and can't read what
//! isn't JSON.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

struct Secrets;

impl Messages for Secrets {
    fn cut(&self, text: &str) -> Result<Option<String>, Refusal> {
        serde_json::from_str::<serde_json::Value>(text).map_err(|_| Refusal::NotFilterable)?;
        Ok(text.contains("secret").then(|| text.replace("secret", "")))
    }
    fn wants(&self, _: &Scan) -> bool {
        false
    }
    fn see(&mut self, message: &str) {
        panic!("nobody wanted {message}");
    }
}

/// What goes on of a stream that comes in chunks of `size`, and whether it came to its end.
fn shown(stream: &[u8], size: usize, max: usize) -> (Vec<u8>, bool) {
    let mut events = Events::new(max, false);
    let mut out = Vec::new();
    for chunk in stream.chunks(size) {
        match events.feed(chunk, false, &mut Secrets) {
            Ok(bytes) => out.extend(bytes),
            Err(Ended(bytes)) => {
                out.extend(bytes);
                return (out, false);
            }
        }
    }
    match events.feed(b"", true, &mut Secrets) {
        Ok(bytes) => out.extend(bytes),
        Err(Ended(bytes)) => {
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
        ("data: {\"result\":{\"tools\":\"secret\"}}\n\n", "data: {\"result\":{\"tools\":\"\"}}\n\n"),
        (
            "data:{\"result\":{\"tools\":\"secret\"}}\r\n\r\nid: 1\r\n\r\n",
            "data: {\"result\":{\"tools\":\"\"}}\r\n\r\nid: 1\r\n\r\n",
        ),
        (
            "data: {\"result\":{\r\ndata: \"tools\":\"secret\"}}\r\n\r\n",
            "data: {\"result\":{\r\ndata: \"tools\":\"\"}}\r\n\r\n",
        ),
        (
            "event: a\rdata: {\"result\":{\"tools\":\"secret\"}}\r\rdata\r\r",
            "event: a\rdata: {\"result\":{\"tools\":\"\"}}\r\rdata\r\r",
        ),
        (
            "\u{feff}data: {\"result\":{\ndata: \"tools\":\"secret\"\ndata:}}\nid: 7\n\n",
            "\u{feff}data: {\"result\":{\ndata: \"tools\":\"\"\ndata: }}\nid: 7\n\n",
        ),
        ("data: {\"result\":{\"tools\":\"secret\"}}", "data: {\"result\":{\"tools\":\"\"}}\n"),
        (
            "data: {\"result\":{\ndata\ndata: \"tools\":\"secret\"}}\ndataset: x\n\n",
            "data: {\"result\":{\ndata: \ndata: \"tools\":\"\"}}\ndataset: x\n\n",
        ),
        ("data: plain [text]\n\ndata\n\nretry: 5\n\n", "data: plain [text]\n\ndata\n\nretry: 5\n\n"),
        (
            "dataset: {\"result\":{\"tools\":\"secret\"}}\nmetadata: x\n\n",
            "dataset: {\"result\":{\"tools\":\"secret\"}}\nmetadata: x\n\n",
        ),
    ] {
        check(stream, expect, true);
    }
}

#[test]
fn what_some_reader_could_take_for_data_ends_the_stream_before_it() {
    let fine = "data: [1]\n\n";
    for bad in [
        "data: {\"result\":{\"tools\":\"secret\"}} x\n\n",
        "data: \u{feff}{\"result\":{\"tools\":\"secret\"}}\n\n",
        "data: /* */ {\"result\":{\"tools\":\"secret\"}}\n\n",
        "data: x\ndata: {\"result\":{\"tools\":\"secret\"}}\n\n",
        " data: {\"result\":{\"tools\":\"secret\"}}\n\n",
        "Data: {\"result\":{\"tools\":\"secret\"}}\n\n",
        "DATA : {\"result\":{\"tools\":\"secret\"}}\n\n",
        "\u{feff}data: {\"result\":{\"tools\":\"secret\"}}\n\n",
        "da\0ta: {\"result\":{\"tools\":\"secret\"}}\n\n",
        "\u{fffd}data\u{fffd}: {\"result\":{\"tools\":\"secret\"}}\n\n",
        ": x\u{2028}data: {\"result\":{\"tools\":\"secret\"}}\n\n",
        "id: \u{85}data: {\"result\":{\"tools\":\"secret\"}}\n\n",
    ] {
        check(&format!("{fine}{bad}"), fine, false);
        // Whatever is left at the end is a line.
        check(&format!("{fine}{}", bad.trim_end()), fine, false);
    }
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
fn what_is_no_list_goes_on_byte_for_byte_whatever_its_size_or_oddity() {
    let data = "a".repeat(3_000);
    let fine = "data: [1]\n\n";
    for event in [
        "data: {\"method\":\"x\",\"params\":{\"secret\":\"\\ud83d\"}}\n\n".to_owned(),
        "data: {\"method\":\"x\",\"params\":{\"secret\":1e999}}\n\n".to_owned(),
        "data: {\"method\":\"x\",\"method\":\"y\",\"secret\":NaN}\n\n".to_owned(),
        "data: {\"result\":{\"content\":[],\"tools\":[\"secret\"]}}\n\n".to_owned(),
        "data: secret {name}\n\n".to_owned(),
        format!("data: {{\"method\":\"x\",\"params\":{{\"secret\":\"{data}\"}}}}\r\n\r\n"),
        format!("id: 1\rdata: {{\"method\":\"x\",\rdata:\"params\":\"{data}\"}}\rid: 2\rdata: \r\r"),
        format!("event: x\ndata: \"{data}\n: ping\ndata: {data}\"\nretry: 1\n\n"),
        format!("data: {{\"result\":{{\"content\":\"secret{data}\"}}}}\n\n"),
    ] {
        let stream = format!("{fine}{event}{fine}");
        for size in [1, 2, 3, 7, 64, 999, stream.len()] {
            let (out, end) = shown(stream.as_bytes(), size, 1_000);
            assert_eq!((String::from_utf8(out).unwrap(), end), (stream.clone(), true), "by {size}");
        }
    }
    let odd = b"data: {\"method\":\"\xff\"}\n\n: \xff\n\n";
    assert_eq!(shown(odd, 3, 1_000), (odd.to_vec(), true));
}

#[test]
fn a_list_over_the_cap_ends_the_stream_before_its_member() {
    let data = "a".repeat(3_000);
    for event in [
        format!("data: {{\"result\":{{\"x\":\"{data}\",\"tools\":[\"secret\"]}}}}\n\n"),
        format!("data: {{\"result\":{{\"tools\":[\"secret{data}\"]}}}}\n\n"),
        format!("data: {{\"x\":\"{data}\",\ndata: \"re\\u0073ult\":{{\"tools\":[\"secret\"]}}}}\n\n"),
        format!("data: {{\"result\":{{\"content\":\"{data}\"}},\"result\":{{\"tools\":[\"secret\"]}}}}\n\n"),
        format!("data: {{\"x\":\"{data}\"}} {{\"result\":{{\"tools\":[\"secret\"]}}}}\n\n"),
        format!("data: \"{data}\"\n data: {{\"result\":{{\"tools\":[\"secret\"]}}}}\n\n"),
        format!(": {data}\n\n"),
    ] {
        for size in [1, 3, 64, 999, event.len()] {
            let (out, end) = shown(event.as_bytes(), size, 1_000);
            let out = String::from_utf8(out).unwrap();
            assert!(
                !end && !out.contains("secret") || event.starts_with(':') && size == event.len(),
                "by {size}: {out}"
            );
        }
    }
}

/// What goes on after each chunk.
fn each(chunks: &[&str]) -> Vec<String> {
    let mut events = Events::new(1_000, false);
    let shown = |chunk: &&str| {
        String::from_utf8(events.feed(chunk.as_bytes(), false, &mut Secrets).unwrap()).unwrap()
    };
    chunks.iter().map(shown).collect()
}

#[test]
fn what_belongs_to_no_event_goes_on_at_once() {
    for (chunks, expect) in [
        (&[":\r\n", ": ping\r\n", "\r\n", ":\r\n"][..], &[":\r\n", ": ping\r\n", "\r\n", ":\r\n"][..]),
        (
            &[":\r", ":\r", "data: 1\r\r", "data: 2\r", "\r"],
            &[":\r", ":\r", "data: 1\r\r", "", "data: 2\r\r"],
        ),
        (&[":\r", "\n:\r", "\ndata: 1\r\n\r", "\n:"], &[":\r", "\n:\r", "\ndata: 1\r\n\r", "\n"]),
        (&[": a", "b\n", "data: {\"x\":", "1}\n", "\n"], &["", ": ab\n", "", "", "data: {\"x\":1}\n\n"]),
        (&["event: x\n", ": ping\n", "data: 1\n\n"], &["", "event: x\n: ping\n", "data: 1\n\n"]),
        (&["data: 1\n", ": ping\n", "\n"], &["", "", "data: 1\n: ping\n\n"]),
        (
            &["data: {\"result\":{\"tools\":\"secret\"}}\r", "\r", "\n: x\n"],
            &["", "data: {\"result\":{\"tools\":\"\"}}\r\r", "\n: x\n"],
        ),
    ] {
        assert_eq!(each(chunks), expect, "{chunks:?}");
    }
}

/// What goes on of a stream of these chunks, and whether it came to its end.
fn fed(chunks: &[&str]) -> (String, bool) {
    let mut events = Events::new(1_000, false);
    let mut out = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        match events.feed(chunk.as_bytes(), at + 1 == chunks.len(), &mut Secrets) {
            Ok(bytes) => out.extend(bytes),
            Err(Ended(bytes)) => {
                out.extend(bytes);
                return (String::from_utf8(out).unwrap(), false);
            }
        }
    }
    (String::from_utf8(out).unwrap(), true)
}

/// An event that could still become a list: of one that has gone on nothing can be cut any more.
#[test]
fn half_the_cap_is_held_of_an_event_that_is_no_list_so_far_whatever_went_before_it() {
    let begin = |length: usize| format!("data: {{\"id\":\"{}\"", "x".repeat(length - 14));
    let (rest, cut) = (",\"result\":{\"tools\":\"secret\"}}\n\n", ",\"result\":{\"tools\":\"\"}}\n\n");
    let before = format!("data: \"{}\"\n\n", "x".repeat(400));
    for length in [200, 499, 500] {
        for before in ["", &before] {
            let first = format!("{before}{}", begin(length));
            let whole = format!("{first}{cut}");
            assert_eq!(fed(&[&first, rest]), (whole, true), "{} {length}", before.len());
        }
    }
    assert_eq!(fed(&[&begin(501), rest]), (begin(501), false));
}

#[test]
fn a_list_and_what_is_no_json_are_held_up_to_the_cap() {
    let list = |word: &str, length: usize| {
        let event = |pad: &str| format!("data: {{\"result\":{{\"tools\":\"{word}{pad}\"}}}}\n\n");
        event(&"x".repeat(length - event("").len()))
    };
    let cut = list("secret", 1_000).replace("secret", "");
    for at in [600, 999, 1_000] {
        let whole = list("secret", 1_000);
        assert_eq!(fed(&[&whole[..at], &whole[at..]]), (cut.clone(), true), "{at}");
    }
    assert_eq!(fed(&[&list("secret", 1_001)]), (String::new(), false));
    let plain = format!("data: plain {}", "x".repeat(600));
    assert_eq!(fed(&[&plain, "x\n\n"]), (format!("{plain}x\n\n"), true));
    // A line that isn't data is whole before it goes on, too.
    let comment = |length: usize| format!(":{}", "x".repeat(length - 1));
    assert_eq!(fed(&[&comment(1_000), "\n\n"]), (format!("{}\n\n", comment(1_000)), true));
    assert_eq!(fed(&[&comment(1_001), "\n\n"]), (String::new(), false));
}

#[test]
fn a_chunk_that_was_written_anew_is_bound_and_the_next_is_not() {
    let list = "data: {\"result\":{\"tools\":\"secret\"}}\n\n";
    let mut events = Events::new(1_000, false);
    for (chunk, is_bound) in
        [("data: 1\n\n", false), (list, true), (&format!("{list}data: 1\n\n"), true), (": x\n\n", false)]
    {
        assert!(events.feed(chunk.as_bytes(), false, &mut Secrets).is_ok());
        assert_eq!(events.is_bound(), is_bound, "{chunk}");
    }
    assert!(Events::new(1_000, true).is_bound(), "headers that wait for what was asked for");
}

/// With a byte order mark before it, the first one too.
#[test]
fn each_message_that_is_wanted_is_seen_as_readers_see_it() {
    struct Sees(Vec<String>);
    impl Messages for Sees {
        fn cut(&self, _: &str) -> Result<Option<String>, Refusal> {
            Ok(None)
        }
        fn wants(&self, _: &Scan) -> bool {
            true
        }
        fn see(&mut self, message: &str) {
            self.0.push(message.to_owned());
        }
    }
    let mut sees = Sees(Vec::new());
    let stream = "\u{feff}data: {\"id\":1}\n\ndata: {\"id\":\ndata: 2}\n\n";
    let shown = Events::new(1_000, false).feed(stream.as_bytes(), true, &mut sees);
    assert_eq!((shown, sees.0), (Ok(stream.into()), vec!["{\"id\":1}".into(), "{\"id\":\n2}".into()]));
}

/// Readers skip it at the beginning of a stream alone.
#[test]
fn a_byte_order_mark_behind_what_has_gone_on_is_none() {
    let long = format!("data: \"{}\n", "x".repeat(600));
    assert_eq!(fed(&[&long, "\u{feff}data: 1\n\n"]), (long.clone(), false));
    assert_eq!(fed(&[&long, "data: 1\n\n"]), (format!("{long}data: 1\n\n"), true));
}

#[test]
fn where_lists_were_asked_for_every_result_is_read() {
    let mut events = Events::new(1_000, true);
    let unreadable = b"data: {\"method\":1e999}\n\ndata: {\"result\":1e999}\n\n";
    let Err(Ended(before)) = events.feed(unreadable, false, &mut Secrets) else { panic!("it went on") };
    assert_eq!(before, b"data: {\"method\":1e999}\n\n");
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

/// Random streams: where they are cut makes no difference, and what is no list comes out as it came.
#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn events() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
        let lines = [
            ": ping",
            ":",
            "id: 1",
            "event: x",
            "data: 1",
            "data",
            "data:{\"method\":\"secret\",",
            "data: \"x\":1}",
            "data: {\"result\":{\"tools\":\"secret\"}}",
            "data: {\"result\":{",
            "data: \"tools\":\"secret\"}}",
            "",
            "data: {\"result\":{\"content\":[],\"tools\":\"x\"}}",
            "data: secret",
            "retry: 5",
            "",
        ];
        let ends = ["\n", "\r\n", "\r"];
        proptest::collection::vec(
            (proptest::sample::select(lines.to_vec()), proptest::sample::select(ends.to_vec())),
            0..30,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn where_a_stream_is_cut_makes_no_difference(lines in events(), size in 1usize..40) {
            let stream: String = lines.iter().flat_map(|(line, end)| [*line, *end]).collect();
            let whole = shown(stream.as_bytes(), stream.len().max(1), 1_000);
            let (out, end) = shown(stream.as_bytes(), size, 1_000);
            prop_assert_eq!((String::from_utf8(out).unwrap(), end), (String::from_utf8(whole.0).unwrap(), whole.1));
            if !stream.contains("tools") && whole.1 {
                let (out, _) = shown(stream.as_bytes(), size, 1_000);
                prop_assert_eq!(String::from_utf8(out).unwrap(), stream);
            }
        }
    }
}
