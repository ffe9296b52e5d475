//! Server-sent events (WHATWG HTML §9.2.6), read as they come: bytes in, out what may go on of them, each
//! list as the cuts leave it. Bytes are never decoded before a line is whole, and each is looked at once.
//!
//! What is no list by its form (`form`) goes on byte for byte: comments before an event's data at once, an
//! event when it ends, and of one that is longer than is held as much as has come, for as long as nobody
//! could find a list in it.

use crate::mcp::form::{Form, Scan, names_a_list};
use crate::refusal::Refusal;

/// The state between two chunks.
#[derive(Debug, Clone)]
pub struct Events {
    /// What hasn't gone on of the event that is open.
    pending: Vec<u8>,
    max: usize,
    /// Lists were asked for: a result that is none is not what was asked for.
    is_asked: bool,
    opening: Opening,
    /// Something has gone on.
    begun: bool,
    /// Up to where `pending` has been looked at, and where its last line begins.
    scanned: usize,
    line_start: usize,
    /// A line has ended with a carriage return, to which a line feed may still belong.
    after_return: bool,
    /// The open event's data, and whether it has any.
    scan: Scan,
    has_data: bool,
    /// The last line is data, which was scanned up to here.
    fed: Option<usize>,
    /// The open event is longer than is held: it goes on as it comes.
    flows: bool,
    /// What the last chunk gave isn't what came.
    has_changed: bool,
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
pub struct Ended(pub Vec<u8>);

/// An event that can't be shown, or not be read safely.
struct Unreadable;

/// Who reads the messages of a stream: the data of its events.
pub trait Messages {
    /// What is shown of a message that may be a list; `None`: all of it.
    ///
    /// # Errors
    /// Nothing of it may be shown.
    fn cut(&self, message: &str) -> Result<Option<String>, Refusal>;
    /// Whether somebody wants to see a message that begins like this.
    fn wants(&self, scan: &Scan) -> bool;
    /// One that is shown, as the upstream sent it.
    fn see(&mut self, message: &str);
}

/// A line in `pending`: where it ends, and where the next one begins.
struct Line {
    end: usize,
    next: usize,
}

impl Events {
    /// A stream of which at most `max` bytes of an event are held; `is_asked`: it answers for lists.
    pub fn new(max: usize, is_asked: bool) -> Self {
        Self {
            pending: Vec::new(),
            max,
            is_asked,
            opening: Opening::Mark(0),
            begun: false,
            scanned: 0,
            line_start: 0,
            after_return: false,
            scan: Scan::default(),
            has_data: false,
            fed: None,
            flows: false,
            has_changed: false,
        }
    }

    /// Whether what the last chunk gave may not be longer than the host holds: it was written anew, or the
    /// host has kept what came before.
    pub fn is_bound(&self) -> bool {
        self.is_asked || self.has_changed
    }

    /// Takes a chunk (the last one with `end`) and gives what can go on.
    ///
    /// # Errors
    /// An event that can't be cut; nothing of it goes on.
    pub fn feed(&mut self, chunk: &[u8], end: bool, messages: &mut dyn Messages) -> Result<Vec<u8>, Ended> {
        let mut out = Vec::with_capacity(chunk.len());
        if self.opens_as_json(chunk) {
            return Err(Ended(out));
        }
        self.has_changed = false;
        self.pending.extend_from_slice(chunk);
        if self.opening != Opening::Past && !end {
            // Until it is known for a stream, nothing of it goes on.
            return if self.pending.len() > self.max { Err(Ended(out)) } else { Ok(out) };
        }
        let mut from = 0;
        while let Some(line) = self.next_line(&mut from, &mut out, end) {
            if self.line(&line, &mut from, &mut out, messages).is_err() {
                return Err(Ended(out));
            }
        }
        self.take_data(self.pending.len());
        if end && from < self.pending.len() {
            // Whatever is left at the end is an event.
            from = self
                .event(from, self.pending.len(), &mut out, messages)
                .map_err(|_| Ended(std::mem::take(&mut out)))?;
        } else if self.flows || self.pending.len() - from > self.held() {
            from = self.flow(from, &mut out).map_err(|_| Ended(std::mem::take(&mut out)))?;
        }
        self.begun |= from > 0;
        self.pending.drain(..from);
        self.scanned -= from;
        self.line_start = self.line_start.saturating_sub(from);
        self.fed = self.fed.map(|fed| fed.saturating_sub(from));
        Ok(out)
    }

    /// A list that is only typed as a stream: some clients would read it all the same, blank lines before it
    /// or not.
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

    /// The next whole line. At the end whatever is left is one.
    fn next_line(&mut self, from: &mut usize, out: &mut Vec<u8>, end: bool) -> Option<Line> {
        if std::mem::take(&mut self.after_return) {
            match self.pending.get(self.scanned) {
                None => self.after_return = true,
                Some(b'\n') => {
                    // The event before has gone on already.
                    if *from == self.scanned {
                        out.push(b'\n');
                        *from += 1;
                    }
                    self.scanned += 1;
                    self.line_start = self.scanned;
                }
                Some(_) => {}
            }
        }
        let rest = self.pending.get(self.scanned..).unwrap_or_default();
        let found = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        self.scanned += found.unwrap_or(rest.len());
        match found {
            Some(_) => {
                let at = self.scanned;
                self.after_return = self.pending.get(at) == Some(&b'\r');
                self.scanned = at + 1;
                Some(Line { end: at, next: at + 1 })
            }
            None if end && self.line_start < self.scanned => {
                Some(Line { end: self.scanned, next: self.scanned })
            }
            None => None,
        }
    }

    /// Judges a whole line, and with a blank one the event before it.
    fn line(
        &mut self,
        line: &Line,
        from: &mut usize,
        out: &mut Vec<u8>,
        messages: &mut dyn Messages,
    ) -> Result<(), Unreadable> {
        self.take_data(line.end);
        let is_data = self.fed.take().is_some();
        let text = self.pending.get(self.text_start()..line.end).unwrap_or_default();
        let (is_blank, is_comment) = (!is_data && text.is_empty(), text.first() == Some(&b':'));
        if text == b"data" && !is_data {
            self.add_data();
        } else if !is_data && !is_blank && seems_data(&String::from_utf8_lossy(text)) {
            return Err(Unreadable);
        }
        self.line_start = line.next;
        if is_blank {
            *from = self.event(*from, line.next, out, messages)?;
        } else if is_comment && !self.has_data {
            // It belongs to no event.
            out.extend_from_slice(self.pending.get(*from..line.next).unwrap_or_default());
            *from = line.next;
            self.begun = true;
        }
        Ok(())
    }

    /// Where the text of the last line begins: readers skip a byte order mark at the beginning of a stream
    /// (§9.2.5).
    fn text_start(&self) -> usize {
        let has_mark = !self.begun && self.line_start == 0 && self.pending.starts_with(BOM);
        self.line_start + if has_mark { BOM.len() } else { 0 }
    }

    /// Scans the last line up to `to`, where it is data.
    fn take_data(&mut self, to: usize) {
        let from = match self.fed {
            Some(fed) => fed,
            None => {
                let start = self.text_start();
                if !self.pending.get(start..to).is_some_and(|line| line.starts_with(b"data:")) {
                    return;
                }
                self.add_data();
                start + b"data:".len()
            }
        };
        self.scan.feed(self.pending.get(from..to).unwrap_or_default());
        self.fed = Some(to);
    }

    /// The next line of data begins.
    fn add_data(&mut self) {
        if self.has_data {
            self.scan.feed(b"\n");
        }
        self.has_data = true;
    }

    /// An event has ended: it goes on, maybe filtered. Gives where the next one begins.
    fn event(
        &mut self,
        from: usize,
        to: usize,
        out: &mut Vec<u8>,
        messages: &mut dyn Messages,
    ) -> Result<usize, Unreadable> {
        let event = self.pending.get(from..to).unwrap_or_default();
        let is_read = self.is_read();
        let shown = match self.scan.end() {
            _ if self.flows || event.len() > self.max => {
                if is_read || self.scan.is_broken() {
                    return Err(Unreadable);
                }
                None
            }
            Form::Broken if is_read || names_a_list(event) => return Err(Unreadable),
            Form::Broken => None,
            Form::List | Form::Other if is_read => one(event, !self.begun, &self.scan, messages)?,
            Form::List | Form::Other => {
                // Of a longer one than is held until it is no list, how much came at once would decide.
                if event.len() <= self.held()
                    && messages.wants(&self.scan)
                    && let Ok(event) = Event::read(event, !self.begun)
                {
                    messages.see(&event.message());
                }
                None
            }
        };
        out.extend_from_slice(shown.as_deref().map_or(event, str::as_bytes));
        self.has_changed |= shown.is_some();
        self.begun = true;
        self.scan = Scan::default();
        (self.has_data, self.flows) = (false, false);
        Ok(to)
    }

    /// How much of the open event is held. What is no list so far goes on earlier, so that a whole chunk more
    /// is no more than the host holds.
    fn held(&self) -> usize {
        if self.is_read() || self.scan.is_broken() { self.max } else { self.max / 2 }
    }

    /// Whether the open event must be read strictly.
    fn is_read(&self) -> bool {
        self.scan.may_be_list() || self.is_asked && self.scan.has_result()
    }

    /// Lets go what has come of an event that is longer than is held. A line that isn't data is whole before
    /// it goes on.
    fn flow(&mut self, from: usize, out: &mut Vec<u8>) -> Result<usize, Unreadable> {
        let to = if self.fed.is_some() { self.pending.len() } else { self.line_start.max(from) };
        if self.is_read() || self.scan.is_broken() || self.pending.len() - to > self.max {
            return Err(Unreadable);
        }
        out.extend_from_slice(self.pending.get(from..to).unwrap_or_default());
        self.flows = true;
        Ok(to)
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

/// A line that isn't data by the specification, and is for a sloppy reader: ` data:`, `Data:`, behind another
/// kind of line end, or with bytes in it that stand for no character, which some readers drop.
fn seems_data(line: &str) -> bool {
    line.split(OTHER_LINE_ENDS).any(|part| {
        let name = part.split(':').next().unwrap_or_default();
        let name: String = name.chars().filter(|c| !matches!(c, '\0' | '\u{fffd}')).collect();
        name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').eq_ignore_ascii_case("data")
    })
}

/// An event as every reader takes it apart.
struct Event<'e> {
    mark: &'static str,
    lines: Vec<(&'e str, &'e str)>,
}

impl<'e> Event<'e> {
    fn read(event: &'e [u8], first: bool) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(event).map_err(|_| Unreadable)?;
        // Readers skip a byte order mark at the beginning of a stream (§9.2.5).
        let (mark, text) = match text.strip_prefix('\u{feff}').filter(|_| first) {
            Some(rest) => ("\u{feff}", rest),
            None => ("", text),
        };
        let lines = lines(text);
        if lines.iter().any(|(line, _)| data(line).is_none() && seems_data(line)) {
            return Err(Unreadable);
        }
        Ok(Self { mark, lines })
    }

    fn message(&self) -> String {
        let parts: Vec<&str> = self.lines.iter().filter_map(|(line, _)| data(line)).collect();
        parts.join("\n")
    }
}

/// One event as it may be shown; `None`: as it is.
fn one(
    event: &[u8],
    first: bool,
    scan: &Scan,
    messages: &mut dyn Messages,
) -> Result<Option<String>, Unreadable> {
    let read = Event::read(event, first)?;
    let message = read.message();
    let cut = messages.cut(&message).map_err(|_| Unreadable)?;
    if messages.wants(scan) {
        messages.see(&message);
    }
    let Some(cut) = cut else { return Ok(None) };
    let Event { mark, lines } = read;
    let mut out = String::with_capacity(event.len());
    out.push_str(mark);
    let mut written = false;
    for (line, end) in lines {
        if data(line).is_none() {
            out.push_str(line);
            out.push_str(end);
        } else if !written {
            written = true;
            for part in cut.split('\n') {
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
