//! Lines for a terminal: texts of our own and of others in; what may be shown out, escaped and cut.

use std::fmt::Write as _;

/// Longest value that is shown, in characters.
const CUT: usize = 256;

/// A line of the diagnosis.
pub fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<11} {value}");
}

/// Names with spaces between them; `none` where there are none.
pub fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { shown(&items.join(" ")) }
}

/// A text of somebody else's as a terminal may have it.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(CUT) {
        if c == ' ' || c.is_ascii_graphic() { out.push(c) } else { out.extend(c.escape_default()) }
    }
    if text.chars().nth(CUT).is_some() {
        out.push_str("...");
    }
    out
}
