//! Edits of a JSON text that leave every other byte as it was: the places of members and items in, new text
//! for some of them out.

use crate::json::scan::Scanner;
use crate::json::text;
use crate::sorted::sorted;
use std::borrow::Cow;
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
            let name = self.part(scanner.next_value()?).string()?;
            scanner.take(b':')?;
            members.push((name, self.part(scanner.next_value()?)));
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
            items.push(self.part(scanner.next_value()?));
            Some(())
        })?;
        Some(items)
    }

    /// The text of a JSON string.
    pub fn string(&self) -> Option<String> {
        text::string(self.text).map(Cow::into_owned)
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
            // From the end of the item before (or the bracket) to the end of this one: the comma goes with
            // what follows it.
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

#[cfg(test)]
mod tests;
