//! Edits of a JSON text that leave every other byte as it was: the places of members and items in, new text for some of them out.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
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

    fn part(&self, raw: &'t RawValue) -> Self {
        Self { whole: self.whole, text: raw.get() }
    }

    /// Members in their order; `None`: no object.
    pub fn members(&self) -> Option<Vec<(String, Part<'t>)>> {
        let Members(members) = serde_json::from_str(self.text).ok()?;
        Some(members.into_iter().map(|(name, raw)| (name, self.part(raw))).collect())
    }

    /// A member.
    pub fn member(&self, name: &str) -> Option<Part<'t>> {
        self.members()?.into_iter().find(|(member, _)| member == name).map(|(_, part)| part)
    }

    /// Items in their order; `None`: no array.
    pub fn items(&self) -> Option<Vec<Part<'t>>> {
        let Items(items) = serde_json::from_str(self.text).ok()?;
        Some(items.into_iter().map(|raw| self.part(raw)).collect())
    }

    /// The text of a JSON string.
    pub fn string(&self) -> Option<String> {
        serde_json::from_str(self.text).ok()
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
    pub fn apply(mut self, text: &str) -> Option<String> {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, with) in &self.0 {
            out.push_str(text.get(at..range.start)?);
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

struct Members<'t>(Vec<(String, &'t RawValue)>);
struct Items<'t>(Vec<&'t RawValue>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl<'de: 't, 't> Deserialize<'de> for Items<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<&'de RawValue>()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}
