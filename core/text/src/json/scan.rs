//! Where values end in a JSON text that was checked before. What it can't follow all the same is nothing.

use crate::bytes;

/// A place in a text.
#[derive(Debug)]
pub struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

/// What ends a value without a quote, or begins one within another.
static STRUCTURE: [bool; 256] = bytes::set(b"\"{}[]", false);

impl<'t> Scanner<'t> {
    /// Has `item` take each item (or member) between the brackets, which are all of `text`.
    pub fn each(
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

    /// At the first item between the brackets, which are all of `text`.
    pub fn inside(text: &'t str, [open, close]: [u8; 2]) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_whole = bytes.len() >= 2 && bytes.first() == Some(&open) && bytes.last() == Some(&close);
        is_whole.then(|| Self { text: text.get(..text.len() - 1).unwrap_or_default(), at: 1 })
    }

    /// One byte, and the white space before it.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.byte() == Some(byte)).then(|| self.at += 1)
    }

    /// The text of one value, without the white space before it.
    pub fn next_value(&mut self) -> Option<&'t str> {
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

/// By arithmetic on all eight bytes at once: a byte that is zero after the exclusive or borrows from its
/// highest bit.
fn has_quote_or_backslash(word: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_ne_bytes(word);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    (zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')))) != 0
}
