//! Texts of clients for a terminal: bounded, and in characters that neither it nor who splits at blanks takes
//! for something else.

/// Longest text of a client's in a line, in characters.
pub const CUT: usize = 256;

/// Appends `text` to `line`.
pub fn plain(line: &mut String, text: &str) {
    for c in text.chars().take(CUT) {
        match c {
            '\\' => line.push_str("\\\\"),
            '!'..='~' => line.push(c),
            c => line.extend(c.escape_unicode()),
        }
    }
}
