//! What becomes of an event stream. In: an upstream's stream and what the client sees. Out: a panic where an
//! event that is no list, or a line next to it, isn't the same byte for byte, where a list isn't as the rules
//! leave it, or where a comment waits for nothing.

use super::Case;
use super::drive::{End, Seen};
use super::expect::{self, Expected};
use crate::stream::{Event, Line, events, lines};
use serde_json::Value;

const MARK: char = '\u{feff}';

/// How much the stream may have grown, where that is known.
pub fn check(case: &Case<'_>, seen: &Seen) -> Option<usize> {
    let text = std::str::from_utf8(case.answer.text).ok()?;
    let body = std::str::from_utf8(&seen.body).ok();
    // A stream's only mark is that at its beginning.
    let (marked, text) = (text.starts_with(MARK), text.strip_prefix(MARK).unwrap_or(text));
    let begin = text.trim_start_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}']);
    if begin.starts_with(['{', '[']) {
        assert!(seen.end != End::Whole && seen.body.is_empty(), "a list that is only typed as a stream");
        return None;
    }
    // While nothing but blanks has come, it may still be a list, and it waits.
    let blanks = text.len() - begin.len();
    if begin.is_empty() || blanks > case.route.1 / 2 || !lines(text).iter().all(Line::is_plain) {
        return None;
    }
    let sent = events(text);
    let expected: Vec<Expected> = sent.iter().map(|event| of(case, event)).collect();
    if expected.contains(&Expected::Odd) {
        return None;
    }
    comments(seen, text, marked);
    let added =
        expected.iter().map(|expected| if let Expected::Changed(_, added) = expected { *added } else { 0 });
    let added: usize = added.sum();
    assert!(body.is_some(), "text became something else: {}", seen.shown());
    let body = body.unwrap_or_default();
    assert!(body.is_empty() || body.starts_with(MARK) == marked, "the mark: {}", seen.shown());
    let shown = events(body.strip_prefix(MARK).unwrap_or(body));
    let is_refused = expected.contains(&Expected::Refused);
    if seen.end == End::Whole {
        assert!(
            !is_refused && shown.len() == sent.len(),
            "{} events of {}: {}",
            shown.len(),
            sent.len(),
            seen.shown()
        );
    } else {
        let has_room = text.len() + added <= case.room;
        assert!(is_refused || !has_room, "ends without a reason: {}", seen.shown());
    }
    let last = if seen.end == End::Whole { None } else { shown.len().checked_sub(1) };
    for (at, ((sent, shown), expected)) in sent.iter().zip(&shown).zip(&expected).enumerate() {
        if last == Some(at) {
            begun(sent, shown, expected);
        } else {
            whole(sent, shown, expected);
        }
    }
    Some(added)
}

/// What becomes of one event.
fn of(case: &Case<'_>, event: &Event<'_>) -> Expected {
    let text = event.text();
    let (is_short, is_asked) = (text.len() <= case.route.1 / 2, !case.question.lists.is_empty());
    let Some(data) = event.data() else { return if is_short { Expected::Same } else { Expected::Odd } };
    // No object, no list.
    if !text.contains('{') {
        return if is_short { Expected::Same } else { Expected::Odd };
    }
    let lines = event.others().iter().map(|line| line.text.len()).max().unwrap_or(0);
    match expect::of(case, &data) {
        Expected::Same if is_short || (!is_asked && lines <= case.route.1 / 2) => Expected::Same,
        expected if is_short => expected,
        _ => Expected::Odd,
    }
}

fn whole(sent: &Event<'_>, shown: &Event<'_>, expected: &Expected) {
    if let Expected::Changed(value, _) = expected {
        let data = shown.data().and_then(|data| serde_json::from_str::<Value>(&data).ok());
        assert!(data.as_ref() == Some(value), "expected {value}, but {shown:?}");
        assert!(sent.others() == shown.others(), "lines beside data: {sent:?}, then {shown:?}");
    } else {
        assert!(sent == shown, "no list: {sent:?}, then {shown:?}");
    }
}

/// The last of a stream that breaks off.
fn begun(sent: &Event<'_>, shown: &Event<'_>, expected: &Expected) {
    let is_part = sent.text().starts_with(&shown.text());
    if matches!(expected, Expected::Changed(..)) && !is_part {
        whole(sent, shown, expected);
    } else {
        assert!(is_part, "{sent:?}, then {shown:?}");
    }
}

/// A comment goes on at once where no data waits before it.
fn comments(seen: &Seen, text: &str, marked: bool) {
    let mark = if marked { MARK.len_utf8() } else { 0 };
    for (come, gone) in &seen.steps {
        let Some(come) = come.checked_sub(mark).and_then(|come| text.get(..come)) else { continue };
        let events = events(come);
        let Some(open) = events.last().filter(|event| !event.is_whole() && event.data().is_none()) else {
            continue;
        };
        let Some(line) = open.0.last().filter(|line| line.text.starts_with(':') && !line.end.is_empty())
        else {
            continue;
        };
        let gone = seen.body.get(..*gone).unwrap_or_default();
        let line = [line.text, line.end].concat();
        assert!(
            gone.ends_with(line.as_bytes()),
            "a comment waits: {come:?}, {}",
            String::from_utf8_lossy(gone)
        );
    }
}
