//! Names as sloppy readers take them: trimmed, without case, with what can't be seen left out and look-alikes
//! of letters read as those. Text in, a key out, by which two names that such a reader takes for one are
//! found to be the same.
//!
//! `Purge ` and `purge` have one key; `ｐurge` (full width) has none, for it isn't printable ASCII.

/// The key of a name, trimmed and in lower case; `None` where it isn't printable ASCII: what readers make of
/// that (NFKC, accents, zero-width characters) has no end.
pub fn folded(name: &str) -> Option<String> {
    let is_printable = name.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    is_printable.then(|| name.trim_matches(' ').to_ascii_lowercase())
}

/// What a sloppy reader makes of a character: the ASCII one that it looks like, by NFKC, case folding or best
/// fit; `None`: nothing.
pub fn plain(c: char) -> Option<char> {
    let code = u32::from(c);
    let from = |start: u32, first: char| char::from_u32(u32::from(first) + (code - start)).unwrap_or(c);
    Some(match c {
        c if c.is_ascii() => return (!c.is_ascii_control()).then(|| c.to_ascii_lowercase()),
        '\u{ff01}'..='\u{ff5e}' => from(0xff01, '!').to_ascii_lowercase(),
        '\u{24b6}'..='\u{24cf}' => from(0x24b6, 'a'),
        '\u{24d0}'..='\u{24e9}' => from(0x24d0, 'a'),
        // Mathematical letters, alphabet by alphabet, upper case before lower case, and digits.
        '\u{1d400}'..='\u{1d6a3}' => char::from_u32(u32::from('a') + (code - 0x1d400) % 26).unwrap_or(c),
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_u32(u32::from('0') + (code - 0x1d7ce) % 10).unwrap_or(c),
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        // Turkish: without a dot, and with one.
        '\u{131}' | '\u{130}' => 'i',
        c if c.is_whitespace() => ' ',
        c if is_unseen(c) => return None,
        c => c.to_lowercase().next().unwrap_or(c),
    })
}

/// Control characters, and those that format and take no room.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests;
