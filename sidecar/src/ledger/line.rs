//! A line of the record file in, its members out: those with a column, and the rest as JSON. `None` for what
//! is no record: no JSON object, or one without `decision`. Texts stay where they are in the line, unless an
//! escape is in them.

use super::member::{self, COUNT, Kind, MEMBERS};
use super::time;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// What stands in a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The record doesn't have the member, or has it in a form that the column can't take.
    #[default]
    Absent,
    /// `null`.
    Null,
    Text(Cow<'a, str>),
    Number(i64),
}

/// A record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    pub cells: [Cell<'a>; COUNT],
    /// The members that have no column, as one JSON object.
    pub more: Option<String>,
}

impl<'a> Line<'a> {
    /// Reads a line, without its newline.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut scan = Scan { text: std::str::from_utf8(line).ok()?, at: 0 };
        let mut this = Self::default();
        scan.blank();
        scan.eat(b'{')?;
        scan.blank();
        if scan.eat(b'}').is_none() {
            loop {
                let (name, raw_name) = scan.key()?;
                let value = scan.value()?;
                this.take(&name, raw_name, value);
                scan.blank();
                if scan.eat(b',').is_none() {
                    break;
                }
                scan.blank();
            }
            scan.eat(b'}')?;
        }
        scan.blank();
        if let Some(more) = &mut this.more {
            more.push('}');
        }
        let decided = member::find("decision").and_then(|at| this.cells.get(at));
        (scan.at == scan.text.len() && matches!(decided, Some(Cell::Text(_)))).then_some(this)
    }

    /// The number in its VM, where the record has one.
    pub fn place(&self) -> Option<(i64, u64)> {
        match (self.cells.get(member::VM), self.cells.get(member::SEQ)) {
            (Some(Cell::Number(vm)), Some(Cell::Number(seq))) => {
                u64::try_from(*seq).ok().filter(|seq| *seq > 0).map(|seq| (*vm, seq))
            }
            _ => None,
        }
    }

    /// Of a member that is there twice, the last counts.
    fn take(&mut self, name: &str, raw_name: &str, value: Value<'a>) {
        if let Some(at) = member::find(name)
            && let (Some(cell), Some(member)) = (self.cells.get_mut(at), MEMBERS.get(at))
        {
            *cell = value.cell(member.kind);
            if *cell != Cell::Absent {
                return;
            }
        }
        let more = self.more.get_or_insert_default();
        more.push(if more.is_empty() { '{' } else { ',' });
        more.push_str(raw_name);
        more.push(':');
        more.push_str(value.raw);
    }
}

struct Value<'a> {
    raw: &'a str,
    /// Where it is a string that can be read.
    text: Option<Cow<'a, str>>,
}

impl<'a> Value<'a> {
    fn cell(&self, kind: Kind) -> Cell<'a> {
        let read = match (kind, self.raw, &self.text) {
            (Kind::Text, _, Some(text)) => return Cell::Text(text.clone()),
            (_, "null", _) => return Cell::Null,
            (Kind::Flag, "true", _) => Some(1),
            (Kind::Flag, "false", _) => Some(0),
            (Kind::Number, raw, None) if !raw.starts_with('-') => raw.parse().ok(),
            (Kind::Time, _, Some(text)) => time::parse_canonical(text),
            (Kind::Vm, _, Some(text)) => vm(text),
            _ => None,
        };
        read.map_or(Cell::Absent, Cell::Number)
    }
}

/// The number that 16 hex digits, in lower case, are.
pub fn vm(text: &str) -> Option<i64> {
    let is_hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex).map(u64::cast_signed)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found.then_some(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// A member's name, and the same with its quotes.
    fn key(&mut self) -> Option<(Cow<'a, str>, &'a str)> {
        let Value { raw, text } = self.string()?;
        self.blank();
        self.eat(b':')?;
        self.blank();
        Some((text?, raw))
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.peek()? == b'"' {
            return self.string();
        }
        let rest = self.text.get(self.at..)?;
        // Most of them.
        let known = ["null", "true", "false"].into_iter().find(|word| rest.starts_with(word));
        let length = match known {
            Some(word) => word.len(),
            None => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
                values.next()?.ok()?;
                values.byte_offset()
            }
        };
        self.at += length;
        Some(Value { raw: rest.get(..length)?, text: None })
    }

    fn string(&mut self) -> Option<Value<'a>> {
        let from = self.at;
        self.eat(b'"')?;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => return None,
            }
        }
        self.at += 1;
        let raw = self.text.get(from..self.at)?;
        if !escaped {
            return Some(Value { raw, text: Some(Cow::Borrowed(raw.get(1..raw.len() - 1)?)) });
        }
        // Half of a pair is JSON, but no text.
        let text = serde_json::from_str::<String>(raw).ok();
        if text.is_none() {
            serde_json::from_str::<IgnoredAny>(raw).ok()?;
        }
        Some(Value { raw, text: text.map(Cow::Owned) })
    }
}

#[cfg(test)]
mod tests;
