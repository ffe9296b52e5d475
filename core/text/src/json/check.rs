//! JSON read strictly, and nothing built from it: bytes in, the same text as a [`Text`] out, or what is wrong
//! with it (RFC 8259). Memory grows by the names of the objects that are open alone, so that a body of many
//! small values takes no more than itself.
//!
//! `{"a":[1e999,"\ud800"]}` is accepted, since nobody is asked for these values yet; `{"a":1,"a":2}`,
//! `{"\ud800":1}`, `[01]` and trailing bytes are not.

use super::text::{Text, unescape};
use crate::{bytes, sorted};
use std::borrow::Cow;

/// What a document may have at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Nesting; the outermost object or array is 1.
    pub depth: usize,
    /// Values of all kinds, those within others counted, too.
    pub values: usize,
}

impl Bounds {
    /// As many values as any body or answer may have, and nesting up to `depth`.
    pub const fn of(depth: usize) -> Self {
        Self { depth, values: 1_000_000 }
    }
}

/// Why a document isn't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not UTF-8.
    Encoding,
    /// Not JSON, or there are bytes after it.
    Syntax,
    /// A name stands twice in one object: some readers take the first, some the last.
    Duplicate,
    /// A name has half of a surrogate pair, which readers replace, keep or drop.
    Surrogate,
    /// Nested too deeply.
    Depth,
    /// Too many values.
    Values,
}

impl Fault {
    /// In words, to go on with after "the body".
    pub fn reason(self) -> &'static str {
        match self {
            Self::Encoding => "isn't UTF-8",
            Self::Syntax => "isn't JSON",
            Self::Duplicate => "has a member twice in one object",
            Self::Surrogate => "has a member whose name holds a lone surrogate",
            Self::Depth => "is nested too deeply",
            Self::Values => "has too many values",
        }
    }
}

/// Reads `bytes` within `bounds`.
///
/// # Errors
/// The first [`Fault`] found.
pub fn check(bytes: &[u8], bounds: Bounds) -> Result<Text<'_>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Encoding)?;
    let mut reader = Reader { text, at: 0, bounds, values: 0, open: Vec::new(), names: Vec::new() };
    reader.document()?;
    Ok(Text::checked(text))
}

/// An object or array that hasn't ended.
struct Open {
    is_object: bool,
    /// Where its names begin.
    names: usize,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    bounds: Bounds,
    values: usize,
    open: Vec<Open>,
    names: Vec<Cow<'t, str>>,
}

/// Most names that are compared one by one as they come. Many, which a client may send, are sorted when all
/// are there.
const FEW: usize = 16;

/// What is in a string as it is; bytes from 0x80 on, too, since the text is UTF-8.
static PLAIN: [bool; 256] = plain();

const fn plain() -> [bool; 256] {
    let mut table = [true; 256];
    let mut at = 0;
    while at < 0x20 {
        #[expect(clippy::indexing_slicing, reason = "in a constant, and within bounds")]
        {
            table[at] = false;
        }
        at += 1;
    }
    #[expect(clippy::indexing_slicing, reason = "in a constant, and within bounds")]
    {
        table[b'"' as usize] = false;
        table[b'\\' as usize] = false;
    }
    table
}

/// What a number, or one of the three words, is made of.
static WORD: [bool; 256] = bytes::set(b"+-.", true);

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            self.values += 1;
            if self.values > self.bounds.values {
                return Err(Fault::Values);
            }
            if !self.value()? && self.close()? {
                return Ok(());
            }
        }
    }

    /// Reads up to the end of one value, or to where the first one within it begins: then `true`.
    fn value(&mut self) -> Result<bool, Fault> {
        self.space();
        match self.byte() {
            Some(b'{') => {
                self.enter(true)?;
                if self.take(b'}') {
                    self.leave()?;
                    return Ok(false);
                }
                self.name()?;
                Ok(true)
            }
            Some(b'[') => {
                self.enter(false)?;
                if self.take(b']') {
                    self.leave()?;
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b'"') => self.string().map(|_| false),
            Some(_) => self.word().map(|()| false),
            None => Err(Fault::Syntax),
        }
    }

    /// Goes on behind a value: to the next one (`false`), or to the end of the document.
    fn close(&mut self) -> Result<bool, Fault> {
        while let Some(is_object) = self.open.last().map(|open| open.is_object) {
            if self.take(b',') {
                if is_object {
                    self.name()?;
                }
                return Ok(false);
            }
            if !self.take(if is_object { b'}' } else { b']' }) {
                return Err(Fault::Syntax);
            }
            self.leave()?;
        }
        self.space();
        if self.at == self.text.len() { Ok(true) } else { Err(Fault::Syntax) }
    }

    fn enter(&mut self, is_object: bool) -> Result<(), Fault> {
        if self.open.len() >= self.bounds.depth {
            return Err(Fault::Depth);
        }
        self.at += 1;
        self.open.push(Open { is_object, names: self.names.len() });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Fault> {
        let Some(Open { names: from, .. }) = self.open.pop() else { return Err(Fault::Syntax) };
        let names = self.names.get(from..).unwrap_or_default();
        if names.len() > FEW {
            let places = sorted::places(names.iter().map(AsRef::as_ref).collect());
            if places.iter().zip(places.iter().skip(1)).any(|((name, _), (next, _))| name == next) {
                return Err(Fault::Duplicate);
            }
        }
        self.names.truncate(from);
        Ok(())
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<(), Fault> {
        self.space();
        if self.byte() != Some(b'"') {
            return Err(Fault::Syntax);
        }
        let (raw, escaped) = self.string()?;
        let name =
            if escaped { unescape(raw).map(Cow::Owned).ok_or(Fault::Surrogate)? } else { Cow::Borrowed(raw) };
        let from = self.open.last().map_or(0, |open| open.names);
        let names = self.names.get(from..).unwrap_or_default();
        if names.len() < FEW && names.contains(&name) {
            return Err(Fault::Duplicate);
        }
        self.names.push(name);
        if self.take(b':') { Ok(()) } else { Err(Fault::Syntax) }
    }

    /// What stands between the quotes, and whether it has an escape.
    fn string(&mut self) -> Result<(&'t str, bool), Fault> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.skip(&PLAIN);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or the end.
                _ => return Err(Fault::Syntax),
            }
        }
        let inner = self.text.get(start..self.at).ok_or(Fault::Syntax)?;
        self.at += 1;
        Ok((inner, escaped))
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let length = match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return Err(Fault::Syntax),
        };
        self.at += length;
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.skip(&WORD);
        let word = self.text.as_bytes().get(start..self.at).unwrap_or_default();
        if matches!(word, b"true" | b"false" | b"null") || is_number(word) {
            Ok(())
        } else {
            Err(Fault::Syntax)
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// One byte, and the white space before it.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let is_there = self.byte() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn skip(&mut self, table: &[bool; 256]) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let belongs = |byte: &u8| table.get(usize::from(*byte)).is_some_and(|belongs| *belongs);
        self.at += rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len());
    }
}

/// RFC 8259 §6, whatever its size.
fn is_number(word: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest.first() == Some(&b'0') {
        return false;
    }
    let mut rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}
