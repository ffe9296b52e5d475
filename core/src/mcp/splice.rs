//! Edits of a JSON text that leave every other byte as it was: the places of members and items in, new text for some of them out.

use crate::bytes;
use crate::json::{self, View};
use crate::sorted::sorted;
use std::ops::Range;

/// A part of a larger text, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Part<'t> {
    whole: &'t str,
    text: &'t str,
}

/// Changes to a text.
#[derive(Debug, Default)]
pub struct Splices(Vec<(Range<usize>, String)>);

impl<'t> Part<'t> {
    /// The whole text, without the white space around its value.
    pub fn whole(text: &'t str) -> Self {
        Self { whole: text, text: text.trim_matches([' ', '\t', '\r', '\n']) }
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Where it is in the whole.
    pub fn range(&self) -> Range<usize> {
        let start = (self.text.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        start..start.saturating_add(self.text.len())
    }

    fn part(&self, text: &'t str) -> Self {
        Self { whole: self.whole, text }
    }

    /// Members in their order; `None`: no object.
    pub fn members(&self) -> Option<Vec<(String, Part<'t>)>> {
        let mut members = Vec::new();
        Scanner::each(self.text, *b"{}", &mut |scanner| {
            let name = self.part(scanner.value()?).string()?;
            scanner.take(b':')?;
            members.push((name, self.part(scanner.value()?)));
            Some(())
        })?;
        Some(members)
    }

    /// A member.
    pub fn member(&self, name: &str) -> Option<Part<'t>> {
        self.members()?.into_iter().find(|(member, _)| member == name).map(|(_, part)| part)
    }

    /// Items in their order; `None`: no array.
    pub fn items(&self) -> Option<Vec<Part<'t>>> {
        let mut items = Vec::new();
        Scanner::each(self.text, *b"[]", &mut |scanner| {
            items.push(self.part(scanner.value()?));
            Some(())
        })?;
        Some(items)
    }

    /// The text of a JSON string.
    pub fn string(&self) -> Option<String> {
        match json::view(self.text.as_bytes(), 1).ok()? {
            View::String(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl Splices {
    /// Replaces a range.
    pub fn replace(&mut self, range: Range<usize>, with: String) {
        self.0.push((range, with));
    }

    /// Sets a member of an object, which keeps its place where it is there.
    pub fn set_member(&mut self, object: &Part<'_>, name: &str, value: &str) -> Option<()> {
        let members = object.members()?;
        match members.iter().find(|(member, _)| member == name) {
            Some((_, old)) if old.text() == value => {}
            Some((_, old)) => self.replace(old.range(), value.to_owned()),
            None => {
                let end = object.range().end.saturating_sub(1);
                let comma = if members.is_empty() { "" } else { "," };
                self.replace(end..end, format!("{comma}\"{name}\":{value}"));
            }
        }
        Some(())
    }

    /// Keeps these items of an array alone; their texts may have splices of their own.
    pub fn keep(&mut self, array: &Part<'_>, all: &[Part<'_>], kept: &[bool]) {
        let mut first = true;
        for (at, item) in all.iter().enumerate() {
            let stays = kept.get(at).copied().unwrap_or(false);
            let range = item.range();
            // From the end of the item before (or the bracket) to the end of this one: the comma goes with what follows it.
            let start = match at.checked_sub(1).and_then(|before| all.get(before)) {
                Some(before) => before.range().end,
                None => array.range().start.saturating_add(1),
            };
            if !stays {
                self.replace(start..range.end, String::new());
            } else if first && at > 0 {
                self.replace(start..range.start, String::new());
            }
            first &= !stays;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with all of them; `None`: they overlap, which is a fault of ours.
    pub fn apply(self, text: &str) -> Option<String> {
        // Two at one place keep their order.
        let places = self.0.iter().zip(0..).map(|((range, _), place)| (range.start, range.end, place));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (_, _, place) in sorted(places.collect::<Vec<(usize, usize, usize)>>()) {
            let (range, with) = self.0.get(place)?;
            out.push_str(text.get(at..range.start)?);
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// Finds where values end in a text that was read as strict JSON before ([`crate::json::view`]); what it can't follow all the same is nothing.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

/// What ends a value without a quote, or begins one within another.
static STRUCTURE: [bool; 256] = bytes::set(b"\"{}[]", false);

impl<'t> Scanner<'t> {
    /// Has `item` take each item (or member) between the brackets, which are all of `text`.
    fn each(
        text: &'t str,
        [open, close]: [u8; 2],
        item: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let mut scanner = Self { text, at: 0 };
        scanner.take(open)?;
        if scanner.take(close).is_none() {
            item(&mut scanner)?;
            while scanner.take(b',').is_some() {
                item(&mut scanner)?;
            }
            scanner.take(close)?;
        }
        (scanner.at == text.len()).then_some(())
    }

    /// One byte, and the white space before it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.byte() == Some(byte)).then(|| self.at += 1)
    }

    /// The text of one value, without the white space before it.
    fn value(&mut self) -> Option<&'t str> {
        self.skip_space();
        let start = self.at;
        match self.byte()? {
            b'"' => self.skip_string()?,
            b'{' | b'[' => self.skip_nested()?,
            _ => self.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')),
        }
        self.text.get(start..self.at).filter(|text| !text.is_empty())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            // Most of a list is texts, in which most words of eight bytes end and escape nothing.
            let (words, _) = self.text.as_bytes().get(self.at..)?.as_chunks::<8>();
            let plain = words.iter().position(|word| has_quote_or_backslash(*word));
            self.at += plain.unwrap_or(words.len()) * 8;
            self.skip_while(|byte| byte != b'"' && byte != b'\\');
            match self.byte()? {
                b'"' => break,
                // What is escaped ends nothing.
                _ => self.at += 2,
            }
        }
        self.at += 1;
        Some(())
    }

    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.byte()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ => self.skip_while(|byte| !STRUCTURE.get(usize::from(byte)).is_some_and(|is| *is)),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// By arithmetic on all eight bytes at once: a byte that is zero after the exclusive or borrows from its highest bit.
fn has_quote_or_backslash(word: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_ne_bytes(word);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    (zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')))) != 0
}

#[cfg(test)]
mod tests;
