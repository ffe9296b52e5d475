//! Server-sent events (WHATWG HTML §9.2.6), filtered as they come: bytes in, whole events out, each with its data as a filter leaves it. Bytes are
//! kept until an event is whole, and never decoded before.

use super::list::Unfilterable;

/// The state between two chunks.
#[derive(Debug, Clone)]
pub struct Events {
    pending: Vec<u8>,
    max: usize,
    begun: bool,
}

impl Events {
    /// A stream whose events are at most `max` bytes long.
    pub fn new(max: usize) -> Self {
        Self { pending: Vec::new(), max, begun: false }
    }

    /// Takes a chunk (the last one with `end`) and gives what can go on. `filter` gets each event's data and answers what it becomes, `None` where it
    /// stays.
    ///
    /// # Errors
    /// An event that can't be filtered; nothing of it goes on.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        end: bool,
        filter: &dyn Fn(&str) -> Result<Option<String>, Unfilterable>,
    ) -> Result<Vec<u8>, (Vec<u8>, Unfilterable)> {
        self.pending.extend_from_slice(chunk);
        let mut out = Vec::with_capacity(chunk.len());
        if !self.begun && self.begins_as_json() {
            return Err((out, Unfilterable));
        }
        while let Some(length) = self.whole_event(end) {
            let rest = self.pending.split_off(length);
            let event = std::mem::replace(&mut self.pending, rest);
            match one(&event, !self.begun, filter) {
                Ok(event) => out.extend_from_slice(&event),
                Err(fault) => return Err((out, fault)),
            }
            self.begun = true;
        }
        if self.pending.len() > self.max { Err((out, Unfilterable)) } else { Ok(out) }
    }

    /// A list that is only typed as a stream: some clients would read it all the same.
    fn begins_as_json(&self) -> bool {
        let text = self.pending.strip_prefix(BOM).unwrap_or(&self.pending);
        matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
    }

    /// Where the first event ends, its blank line included. At the end whatever is left is one.
    fn whole_event(&self, end: bool) -> Option<usize> {
        let mut line_start = 0;
        let mut at = 0;
        while let Some(byte) = self.pending.get(at) {
            let after = match (byte, self.pending.get(at + 1)) {
                (b'\n', _) => at + 1,
                (b'\r', Some(b'\n')) => at + 2,
                // Its line feed may come with the next chunk.
                (b'\r', None) if !end => return None,
                (b'\r', _) => at + 1,
                _ => {
                    at += 1;
                    continue;
                }
            };
            if at == line_start {
                return Some(after);
            }
            (line_start, at) = (after, after);
        }
        (end && !self.pending.is_empty()).then_some(self.pending.len())
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

fn one(
    event: &[u8],
    first: bool,
    filter: &dyn Fn(&str) -> Result<Option<String>, Unfilterable>,
) -> Result<Vec<u8>, Unfilterable> {
    let text = std::str::from_utf8(event).map_err(|_| Unfilterable)?;
    // Readers skip a byte order mark at the beginning of a stream (§9.2.5).
    let (mark, text) = match text.strip_prefix('\u{feff}').filter(|_| first) {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let lines = lines(text);
    let parts: Vec<&str> = lines.iter().filter_map(|(line, _)| data(line)).collect();
    let payload = parts.join("\n");
    if !matches!(payload.trim_ascii_start().as_bytes().first(), Some(b'{' | b'[')) {
        return Ok(event.to_vec());
    }
    let Some(filtered) = filter(&payload)? else { return Ok(event.to_vec()) };
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
    Ok(out.into_bytes())
}
