//! Server-sent events (WHATWG HTML §9.2.6), filtered as they come: bytes in, whole events out, each with its data as a filter leaves it. Bytes are
//! kept until an event is whole, never decoded before, and each is looked at once.

use super::list::Unfilterable;

/// The state between two chunks.
#[derive(Debug, Clone)]
pub struct Events {
    pending: Vec<u8>,
    max: usize,
    opening: Opening,
    /// An event has gone on.
    begun: bool,
    /// Up to where `pending` has been looked at, and where its last line begins.
    scanned: usize,
    line_start: usize,
}

/// What has come of a stream before anything but white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// So many bytes of a byte order mark.
    Mark(usize),
    /// White space, blank lines too: JSON may still follow.
    Space,
    /// More.
    Past,
}

/// A stream that can't go on: what is whole and may still be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut(pub Vec<u8>);

/// Filters an event's data; `None`: it stays.
pub type Filter<'f> = &'f dyn Fn(&str) -> Result<Option<String>, Unfilterable>;

impl Events {
    /// A stream whose events are at most `max` bytes long.
    pub fn new(max: usize) -> Self {
        Self { pending: Vec::new(), max, opening: Opening::Mark(0), begun: false, scanned: 0, line_start: 0 }
    }

    /// Takes a chunk (the last one with `end`) and gives what can go on.
    ///
    /// # Errors
    /// An event that can't be filtered; nothing of it goes on.
    pub fn feed(&mut self, chunk: &[u8], end: bool, filter: Filter<'_>) -> Result<Vec<u8>, Cut> {
        let mut out = Vec::with_capacity(chunk.len());
        if self.opens_as_json(chunk) {
            return Err(Cut(out));
        }
        self.pending.extend_from_slice(chunk);
        if self.opening != Opening::Past && !end {
            // Until it is known for a stream, nothing of it goes on.
            return if self.pending.len() > self.max { Err(Cut(out)) } else { Ok(out) };
        }
        let mut from = 0;
        while let Some(to) = self.event_end(from, end) {
            let event = self.pending.get(from..to).unwrap_or_default();
            let shown =
                if event.len() > self.max { Err(Unfilterable) } else { one(event, !self.begun, filter) };
            match shown {
                Ok(Some(event)) => out.extend_from_slice(event.as_bytes()),
                Ok(None) => out.extend_from_slice(event),
                Err(Unfilterable) => return Err(Cut(out)),
            }
            self.begun = true;
            from = to;
        }
        self.pending.drain(..from);
        self.scanned -= from;
        self.line_start -= from;
        if self.pending.len() > self.max { Err(Cut(out)) } else { Ok(out) }
    }

    /// A list that is only typed as a stream: some clients would read it all the same, blank lines before it or not.
    fn opens_as_json(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            self.opening = match (self.opening, byte) {
                (Opening::Past, _) => return false,
                (Opening::Mark(at), byte) if BOM.get(at) == Some(byte) => Opening::Mark(at + 1),
                (_, b'{' | b'[') => return true,
                (_, b' ' | b'\t' | b'\r' | b'\n' | b'\x0b' | b'\x0c') => Opening::Space,
                _ => Opening::Past,
            };
        }
        false
    }

    /// Where the event that begins at `from` ends, its blank line included. At the end whatever is left is one.
    fn event_end(&mut self, from: usize, end: bool) -> Option<usize> {
        while let Some(byte) = self.pending.get(self.scanned) {
            let after = match (byte, self.pending.get(self.scanned + 1)) {
                (b'\r', Some(b'\n')) => self.scanned + 2,
                // Its line feed may come with the next chunk.
                (b'\r', None) if !end => return None,
                (b'\n' | b'\r', _) => self.scanned + 1,
                _ => {
                    self.scanned += 1;
                    continue;
                }
            };
            let is_blank = self.scanned == self.line_start;
            (self.line_start, self.scanned) = (after, after);
            if is_blank {
                return Some(after);
            }
        }
        let all = self.pending.len();
        if !end || from == all {
            return None;
        }
        self.line_start = all;
        Some(all)
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines with their ends.
fn lines(event: &str) -> Vec<(&str, &str)> {
    let mut lines = Vec::new();
    let mut rest = event;
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let mark = match after.as_bytes() {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (mark, after) = after.split_at(mark);
        lines.push((line, mark));
        rest = after;
    }
    lines
}

fn data(line: &str) -> Option<&str> {
    let value = line.strip_prefix("data")?;
    match value.strip_prefix(':') {
        Some(value) => Some(value.strip_prefix(' ').unwrap_or(value)),
        None if value.is_empty() => Some(""),
        None => None,
    }
}

/// What some readers take for the end of a line, and the specification doesn't (Python's `splitlines`).
const OTHER_LINE_ENDS: [char; 8] =
    ['\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// A line that isn't data by the specification, and is for a sloppy reader: ` data:`, `Data:`, or behind another kind of line end.
fn seems_data(line: &str) -> bool {
    line.split(OTHER_LINE_ENDS).any(|part| {
        let name = part.split(':').next().unwrap_or_default();
        name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0')
            .eq_ignore_ascii_case("data")
    })
}

/// One event as it may be shown; `None`: as it is.
fn one(event: &[u8], first: bool, filter: Filter<'_>) -> Result<Option<String>, Unfilterable> {
    let text = std::str::from_utf8(event).map_err(|_| Unfilterable)?;
    // Readers skip a byte order mark at the beginning of a stream (§9.2.5).
    let (mark, text) = match text.strip_prefix('\u{feff}').filter(|_| first) {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let lines = lines(text);
    if lines.iter().any(|(line, _)| data(line).is_none() && seems_data(line)) {
        return Err(Unfilterable);
    }
    let parts: Vec<&str> = lines.iter().filter_map(|(line, _)| data(line)).collect();
    let payload = parts.join("\n");
    // No object, no list. Whatever has one must be read, however it begins.
    if !payload.contains('{') {
        return Ok(None);
    }
    let Some(filtered) = filter(&payload)? else { return Ok(None) };
    let mut out = String::with_capacity(event.len());
    out.push_str(mark);
    let mut written = false;
    for (line, end) in lines {
        if data(line).is_none() {
            out.push_str(line);
            out.push_str(end);
        } else if !written {
            written = true;
            for part in filtered.split('\n') {
                out.push_str("data: ");
                out.push_str(part);
                out.push_str(if end.is_empty() { "\n" } else { end });
            }
        }
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests;
