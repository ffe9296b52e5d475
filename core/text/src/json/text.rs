//! Members and items of a JSON text that was checked ([`super::check`]), found where they are wanted: nothing
//! is built for what nobody asks for.

use super::scan::Scanner;
use std::borrow::Cow;
use std::ops::Range;

/// A value of a checked document, as it is written there.
#[derive(Debug, Clone, Copy)]
pub struct Text<'t> {
    whole: &'t str,
    text: &'t str,
}

impl<'t> Text<'t> {
    /// The whole document, without the white space around it.
    pub(super) fn checked(text: &'t str) -> Self {
        Self { whole: text, text: text.trim_matches([' ', '\t', '\r', '\n']) }
    }

    /// A value of a document that was checked, by itself.
    pub fn part(text: &'t str) -> Self {
        Self::checked(text)
    }

    /// As it is written.
    pub fn raw(&self) -> &'t str {
        self.text
    }

    /// The document that it is a part of.
    pub fn document(&self) -> &'t str {
        self.whole
    }

    /// Where it is in the document.
    pub fn range(&self) -> Range<usize> {
        let start = (self.text.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        start..start.saturating_add(self.text.len())
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.text.starts_with('{')
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.text.starts_with('[')
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.text == "null"
    }

    /// Members in their order; none where it is no object.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'t, str>, Text<'t>)> + use<'t> {
        let mut inner = Scanner::inside(self.text, *b"{}");
        let whole = self.whole;
        std::iter::from_fn(move || {
            let scanner = inner.as_mut()?;
            let name = string(scanner.next_value()?)?;
            scanner.take(b':')?;
            let text = scanner.next_value()?;
            scanner.take(b',');
            Some((name, Text { whole, text }))
        })
    }

    /// Items in their order; none where it is no array.
    pub fn items(&self) -> impl Iterator<Item = Text<'t>> + use<'t> {
        let mut inner = Scanner::inside(self.text, *b"[]");
        let whole = self.whole;
        std::iter::from_fn(move || {
            let scanner = inner.as_mut()?;
            let text = scanner.next_value()?;
            scanner.take(b',');
            Some(Text { whole, text })
        })
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<Text<'t>> {
        self.members().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The text of a string; `None`: it is none, or has half of a surrogate pair.
    pub fn as_str(&self) -> Option<Cow<'t, str>> {
        string(self.text)
    }
}

/// The text of a string as it is written in a checked document; `None`: it is none, or has half of a
/// surrogate pair.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { unescape(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// What a string says whose escapes are good; `None`: half of a surrogate pair is among them.
pub(super) fn unescape(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let (char, after) = one(after)?;
        out.push(char);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// The character of the escape that follows a backslash, and what follows it.
fn one(escape: &str) -> Option<(char, &str)> {
    let (kind, rest) = (escape.chars().next()?, escape.get(1..)?);
    let char = match kind {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (unit, rest) = unit(rest)?;
            if !(0xd800..0xdc00).contains(&unit) {
                return Some((char::from_u32(unit)?, rest));
            }
            let (low, rest) = self::unit(rest.strip_prefix("\\u")?)?;
            let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            return Some((char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?, rest));
        }
        '"' | '\\' | '/' => kind,
        _ => return None,
    };
    Some((char, rest))
}

/// Four hexadecimal digits.
fn unit(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(4..)?))
}
