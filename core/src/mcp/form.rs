//! Whether a JSON text is a list, told while its bytes come: bytes in, out whether any reader may find a list
//! in what has come so far.
//!
//! By its form a message is a list where its `result` is an object with `tools`, `prompts`, `resources` or
//! `resourceTemplates`, and without `content`. The text is read loosely, as the loosest of readers might:
//! numbers and texts that strict JSON doesn't have are passed over, members that are there twice or under
//! another spelling count. What isn't even JSON's structure is `Broken`. State is bounded whatever comes, and
//! each byte is looked at once.

use super::kind::KINDS;
use super::strict::is_lookalike;
use crate::json::{self, View};

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 1_024;
/// So much of a member's name is kept: all that matter fit, each of their characters escaped.
const MAX_NAME: usize = 128;
/// Members of results that are no lists: what has one can go on before it is whole.
pub(super) const OF_OTHERS: [&str; 5] =
    ["content", "structuredContent", "contents", "messages", "completion"];

/// What a text was in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nobody finds a list in it.
    Other,
    /// A list, or what somebody could take for one.
    List,
    /// It isn't JSON.
    Broken,
}

/// A text as far as it has come.
#[derive(Debug, Clone)]
pub struct Scan {
    state: State,
    /// Which of the open levels are objects, the outermost first, and how many there are.
    objects: Vec<u64>,
    depth: usize,
    /// The depth of the message that is open: an object in nothing but arrays.
    message: Option<usize>,
    /// The depth of its result's object, while that is open.
    result: Option<usize>,
    /// The value that comes is a result.
    is_result: bool,
    name: Vec<u8>,
    is_long: bool,
    seen: Seen,
    /// A message before this one was a list; one had a result.
    has_list: bool,
    has_result: bool,
}

/// What has been seen of a message.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// So many of its members are its result to some reader.
    results: usize,
    /// One of them under another spelling.
    is_misspelt: bool,
    is_list: bool,
    has_content: bool,
    is_other: bool,
    names_task: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value comes, or right behind a bracket its end.
    Value {
        first: bool,
    },
    /// A member's name comes, or right behind a brace its end.
    Name {
        first: bool,
    },
    Colon,
    /// A value has ended.
    After,
    Text {
        is_name: bool,
        is_escape: bool,
    },
    Word,
    Broken,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            state: State::Value { first: false },
            objects: Vec::new(),
            depth: 0,
            message: None,
            result: None,
            is_result: false,
            name: Vec::new(),
            is_long: false,
            seen: Seen::default(),
            has_list: false,
            has_result: false,
        }
    }
}

impl Seen {
    fn is_list(self) -> bool {
        self.is_list && !(self.is_plain() && self.has_content)
    }

    /// All readers see the same result.
    fn is_plain(self) -> bool {
        self.results == 1 && !self.is_misspelt
    }
}

impl Scan {
    /// Takes more of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(rest);
        }
    }

    /// Whether somebody may find a list in what has come.
    pub fn may_be_list(&self) -> bool {
        self.has_list || self.seen.is_list()
    }

    /// Whether it isn't JSON.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether there was a result.
    pub fn has_result(&self) -> bool {
        self.has_result
    }

    /// Whether it is the result of something else than a list, so far.
    pub fn is_other(&self) -> bool {
        !self.is_broken() && !self.may_be_list() && self.seen.is_other && self.seen.is_plain()
    }

    /// Whether its result has what a task's id is in.
    pub fn names_task(&self) -> bool {
        self.seen.names_task
    }

    /// What it was, where nothing more comes.
    pub fn end(&self) -> Form {
        let is_whole = match self.state {
            // Nothing at all is no list.
            State::After | State::Word | State::Value { .. } => self.depth == 0,
            _ => false,
        };
        if !is_whole {
            Form::Broken
        } else if self.may_be_list() {
            Form::List
        } else {
            Form::Other
        }
    }

    /// Takes one byte or a run of them, and gives what is left.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some((byte, after)) = bytes.split_first() else { return bytes };
        match self.state {
            State::Broken => return &[],
            State::Text { is_name, is_escape } => return self.text(bytes, is_name, is_escape),
            State::Word => {
                let end = bytes.iter().position(|byte| !is_word(*byte));
                let Some(end) = end else { return &[] };
                self.state = State::After;
                return bytes.get(end..).unwrap_or_default();
            }
            State::Value { .. } | State::Name { .. } | State::Colon | State::After => {}
        }
        if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            self.token(*byte);
        }
        after
    }

    fn token(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Value { .. }, b'{' | b'[') => return self.open(byte == b'{'),
            (State::Value { .. }, b'"') => State::Text { is_name: false, is_escape: false },
            (State::Value { .. }, byte) if is_word(byte) => State::Word,
            (State::Name { .. }, b'"') => {
                self.name.clear();
                self.is_long = false;
                State::Text { is_name: true, is_escape: false }
            }
            (State::Value { first: true } | State::After, b']') => return self.close(false),
            (State::Name { first: true } | State::After, b'}') => return self.close(true),
            (State::Colon, b':') => State::Value { first: false },
            (State::After, b',') if self.depth > 0 => {
                if self.is_object() {
                    State::Name { first: false }
                } else {
                    State::Value { first: false }
                }
            }
            _ => State::Broken,
        };
    }

    fn text<'b>(&mut self, bytes: &'b [u8], is_name: bool, is_escape: bool) -> &'b [u8] {
        let (from, end) = (usize::from(is_escape), |byte: &u8| matches!(byte, b'"' | b'\\'));
        let found = bytes.get(from..).and_then(|rest| rest.iter().position(end)).map(|at| at + from);
        let is_kept = is_name && [self.message, self.result].contains(&Some(self.depth));
        if is_kept {
            self.keep(bytes.get(..found.unwrap_or(bytes.len())).unwrap_or_default());
        }
        let Some(at) = found else {
            self.state = State::Text { is_name, is_escape: false };
            return &[];
        };
        if bytes.get(at) == Some(&b'\\') {
            if is_kept {
                self.keep(b"\\");
            }
            self.state = State::Text { is_name, is_escape: true };
        } else if is_name {
            self.state = State::Colon;
            self.member();
        } else {
            self.state = State::After;
        }
        bytes.get(at + 1..).unwrap_or_default()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_NAME.saturating_sub(self.name.len());
        self.is_long |= bytes.len() > room;
        self.name.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// A member's name is whole.
    fn member(&mut self) {
        let depth = Some(self.depth);
        self.is_result = false;
        if depth == self.message {
            let name = self.spelling();
            let is = |wanted: &str| {
                name.as_deref().is_none_or(|name| name == wanted || is_lookalike(name, wanted))
            };
            if is("result") {
                self.is_result = true;
                self.has_result = true;
                self.seen.results += 1;
                self.seen.is_misspelt |= name.as_deref() != Some("result");
            }
        } else if depth == self.result {
            let name = self.spelling();
            let is = |wanted: &str| {
                name.as_deref().is_none_or(|name| name == wanted || is_lookalike(name, wanted))
            };
            self.seen.is_list |= KINDS.iter().any(|kind| is(kind.member()));
            self.seen.has_content |= name.as_deref() == Some("content");
            self.seen.is_other |= name.as_deref().is_some_and(|name| OF_OTHERS.contains(&name));
            self.seen.names_task |= matches!(name.as_deref(), Some("task" | "taskId"));
        }
    }

    /// The name that was kept, unescaped; `None`: readers may differ about it.
    fn spelling(&self) -> Option<String> {
        if self.is_long {
            return (!is_shortened(&self.name)).then(String::new);
        }
        let quoted = [b"\"", self.name.as_slice(), b"\""].concat();
        match json::view(&quoted, 1) {
            Ok(View::String(name)) => Some(name.into_owned()),
            _ => None,
        }
    }

    fn is_object(&self) -> bool {
        let at = self.depth.saturating_sub(1);
        self.objects.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn open(&mut self, is_object: bool) {
        if self.depth >= MAX_DEPTH {
            self.state = State::Broken;
            return;
        }
        let (word, bit) = (self.depth / 64, 1u64 << (self.depth % 64));
        if self.objects.len() <= word {
            self.objects.push(0);
        }
        if let Some(word) = self.objects.get_mut(word) {
            *word = if is_object { *word | bit } else { *word & !bit };
        }
        self.depth += 1;
        if is_object && self.message.is_none() {
            self.message = Some(self.depth);
            self.seen = Seen::default();
        } else if is_object && self.is_result && self.message == self.depth.checked_sub(1) {
            self.result = Some(self.depth);
        }
        self.state = if is_object { State::Name { first: true } } else { State::Value { first: true } };
    }

    fn close(&mut self, is_object: bool) {
        if self.depth == 0 || self.is_object() != is_object {
            self.state = State::Broken;
            return;
        }
        if self.result == Some(self.depth) {
            self.result = None;
        }
        if self.message == Some(self.depth) {
            self.message = None;
            self.has_list |= self.seen.is_list();
        }
        self.depth -= 1;
        self.state = State::After;
    }
}

/// Whether some reader takes a long name that begins so for a shorter one: it ends names at a NUL, or drops
/// what is no character.
fn is_shortened(name: &[u8]) -> bool {
    // The last character may have been cut.
    let is_text = std::str::from_utf8(name).map_or_else(|error| error.error_len().is_none(), |_| true);
    let is_half =
        |escape: &[u8]| matches!(escape, [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F']);
    !is_text
        || name.contains(&0)
        || name.windows(6).any(|escape| escape == b"\\u0000")
        || name.windows(4).any(is_half)
}

/// What numbers and words are made of, those that strict JSON doesn't have among them.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}

/// Whether a text that isn't JSON names what a list has: some reader may find one in it all the same.
pub fn names_a_list(text: &[u8]) -> bool {
    if !text.contains(&b'{') {
        return false;
    }
    // Names may be escaped in ways that nobody has agreed on.
    if text.windows(2).any(|two| matches!(two, [b'\\', b'u' | b'U' | b'x' | b'0'..=b'9'])) {
        return true;
    }
    let folded: String = String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !matches!(c, '\0' | '\u{fffd}'))
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .collect();
    KINDS.iter().any(|kind| folded.contains(&kind.member().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
