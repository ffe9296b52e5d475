//! Nobody finds a list with what the caller may not use. In: what a client sees. Out: a panic where the most
//! lenient reader finds a name in a list that the caller isn't shown by the rules.

use super::Case;
use super::drive::Seen;
use crate::loose::{self, Loose, values};
use crate::rules::{KINDS, Kind};
use crate::stream;

pub fn check(case: &Case<'_>, seen: &Seen) {
    let text = loose::text(&seen.body);
    if !case.answer.is_stream() {
        return look(case, &text);
    }
    // Some clients don't look at the type, but drop the mark and blanks before it.
    let whole = String::from_utf8_lossy(&seen.body);
    let whole = whole.strip_prefix('\u{feff}').unwrap_or(&whole);
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}');
    if whole.trim_start_matches(is_blank).starts_with(['{', '[']) {
        look(case, &text);
    }
    stream::events(&text).iter().filter_map(stream::Event::data).for_each(|data| look(case, &data));
    stream::sloppy(&text).iter().for_each(|data| look(case, data));
}

fn look(case: &Case<'_>, text: &str) {
    let values = values(text);
    for message in values.iter().flat_map(Loose::messages) {
        let results: Vec<&Loose> = message.like("result").collect();
        let is_one = results.len() == 1 && message.members().iter().any(|(name, _)| name == "result");
        let is_asked = message.like("id").any(|id| case.asks(id).is_some());
        for result in results {
            let has_content = result.members().iter().any(|(name, _)| name == "content");
            // By its form a tool's result.
            if is_one && has_content && !is_asked {
                continue;
            }
            for kind in KINDS {
                result.like(kind.member()).for_each(|list| look_at(case, kind, list));
            }
        }
    }
}

fn look_at(case: &Case<'_>, kind: Kind, list: &Loose) {
    assert!(matches!(list, Loose::Array(_)), "{kind:?}: no array: {list:?}");
    for item in list.items() {
        let names: Vec<&Loose> = item.like(kind.name()).collect();
        assert!(!names.is_empty(), "{kind:?}: an item without a name: {item:?}");
        for name in names {
            let text = name.text();
            assert!(text.is_some(), "{kind:?}: a name that is no text: {name:?}");
            let is_shown = text.is_some_and(|text| case.shows(kind, text));
            assert!(is_shown, "{kind:?}: not the caller's: {name:?}");
        }
    }
}
