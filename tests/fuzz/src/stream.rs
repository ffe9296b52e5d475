//! Event streams (WHATWG HTML §9.2.6), from the whole text: what is there in, its events out. Read once as
//! the standard says, and once as readers do that split lines wherever Unicode ends one, and look at names
//! without case and blanks.

/// A line with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'t> {
    pub text: &'t str,
    pub end: &'t str,
}

/// The lines of an event, its blank one at the end among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'t>(pub Vec<Line<'t>>);

/// The lines of a text.
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (text, after) = rest.split_at(at);
        let length = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        let (end, after) = after.split_at(length);
        lines.push(Line { text, end });
        rest = after;
    }
    lines
}

/// The events of a stream; what is left at its end is one, too.
pub fn events(text: &str) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let mut open = Vec::new();
    for line in lines(text) {
        open.push(line);
        if line.text.is_empty() {
            events.push(Event(std::mem::take(&mut open)));
        }
    }
    if !open.is_empty() {
        events.push(Event(open));
    }
    events
}

impl<'t> Event<'t> {
    /// What it carries; `None`: nothing.
    pub fn data(&self) -> Option<String> {
        let parts: Vec<&str> = self.0.iter().filter_map(|line| line.data()).collect();
        (!parts.is_empty()).then(|| parts.join("\n"))
    }

    /// Its lines that aren't data.
    pub fn others(&self) -> Vec<Line<'t>> {
        self.0.iter().filter(|line| line.data().is_none()).copied().collect()
    }

    /// As it was written.
    pub fn text(&self) -> String {
        self.0.iter().flat_map(|line| [line.text, line.end]).collect()
    }

    /// Whether it is whole: a blank line ends it.
    pub fn is_whole(&self) -> bool {
        self.0.last().is_some_and(|line| line.text.is_empty())
    }
}

impl<'t> Line<'t> {
    /// What a line of data carries.
    pub fn data(&self) -> Option<&'t str> {
        match self.text.split_once(':') {
            Some(("data", value)) => Some(value.strip_prefix(' ').unwrap_or(value)),
            None if self.text == "data" => Some(""),
            _ => None,
        }
    }

    /// Whether no reader takes it for data, or for more than one line.
    pub fn is_plain(&self) -> bool {
        let name = self.text.split(':').next().unwrap_or_default();
        self.data().is_some() || (!self.text.contains(is_end) && sloppy_name(name) != "data")
    }
}

/// What a sloppy reader finds: the data of each event.
pub fn sloppy(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for line in sloppy_lines(text).into_iter().chain([""]) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if line.is_empty() && !open.is_empty() {
            found.push(open.join("\n"));
            open.clear();
        } else if sloppy_name(name) == "data" {
            open.push(value);
        }
    }
    found
}

/// Without case and blanks, and without what is no character.
fn sloppy_name(name: &str) -> String {
    let name = name.replace(['\0', char::REPLACEMENT_CHARACTER], "");
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_lowercase()
}

fn is_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Python's `splitlines`.
fn sloppy_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let (line, after) = rest.split_at(at);
        lines.push(line);
        let one = after.chars().next().map_or(0, char::len_utf8);
        rest = after.strip_prefix("\r\n").unwrap_or_else(|| after.get(one..).unwrap_or_default());
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
