//! JSON as the most lenient of readers takes it. In: a text. Out: a tree in which members may be there twice,
//! and of what breaks off as much as was there.
//!
//! Words may be anything, escapes nobody has agreed on are read all the same, commas may be missing or too
//! many. A second reading next to the core's: it shares nothing with it, and it may find more than any real
//! reader does.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loose {
    Object(Vec<(String, Loose)>),
    Array(Vec<Loose>),
    Text(String),
    /// A number, or one of the words.
    Word(String),
}

/// Deeper than this nobody looks.
const MAX_DEPTH: usize = 300;

/// Bytes as a text; those that are no characters are dropped.
pub fn text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
}

/// All values of a text, one after the other, up to where it can't be read.
pub fn values(text: &str) -> Vec<Loose> {
    let mut reader = Reader { rest: text.trim_start_matches('\u{feff}') };
    let mut values = Vec::new();
    while let Some((value, is_whole)) = reader.value(0) {
        values.push(value);
        if !is_whole {
            break;
        }
    }
    values
}

impl Loose {
    /// Members with this name, as readers that fold case or end names at a NUL take it.
    pub fn like<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Loose> {
        self.members()
            .iter()
            .filter(move |(member, _)| folded(member) == name.to_lowercase())
            .map(|(_, value)| value)
    }

    /// The members; none where it is no object.
    pub fn members(&self) -> &[(String, Loose)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The items; none where it is no array.
    pub fn items(&self) -> &[Loose] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether it and all in it can be read in one way: no member is there twice in any spelling.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Object(members) => {
                let mut names: Vec<String> = members.iter().map(|(name, _)| folded(name)).collect();
                names.sort();
                names.windows(2).all(|two| two.first() != two.last())
                    && members.iter().all(|(name, value)| is_plain_name(name) && value.is_plain())
            }
            Self::Array(items) => items.iter().all(Self::is_plain),
            Self::Text(_) | Self::Word(_) => true,
        }
    }

    /// Whether a name is there twice in one object, letter by letter.
    pub fn has_double(&self) -> bool {
        match self {
            Self::Object(members) => {
                let mut names: Vec<&String> = members.iter().map(|(name, _)| name).collect();
                names.sort();
                names.windows(2).any(|two| two.first() == two.last())
                    || members.iter().any(|(_, value)| value.has_double())
            }
            Self::Array(items) => items.iter().any(Self::has_double),
            Self::Text(_) | Self::Word(_) => false,
        }
    }

    /// How deep it is: an empty object or array has one level.
    pub fn depth(&self) -> usize {
        match self {
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Text(_) | Self::Word(_) => 0,
        }
    }

    /// The messages: an object, or those in arrays.
    pub fn messages(&self) -> Vec<&Loose> {
        match self {
            Self::Object(_) => vec![self],
            Self::Array(items) => items.iter().flat_map(Self::messages).collect(),
            Self::Text(_) | Self::Word(_) => Vec::new(),
        }
    }
}

/// Lower-case ASCII letters that stand for themselves in all readers, or a name that nobody asks for.
fn is_plain_name(name: &str) -> bool {
    name.is_ascii() && !name.contains(|c: char| c.is_ascii_control())
}

/// A name as the sloppiest reader has it.
pub fn folded(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    name.to_lowercase().replace('\u{17f}', "s")
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// A value, and whether it was whole; `None`: there is none.
    fn value(&mut self, depth: usize) -> Option<(Loose, bool)> {
        self.space();
        match self.rest.chars().next()? {
            '{' if depth < MAX_DEPTH => Some(self.object(depth)),
            '[' if depth < MAX_DEPTH => Some(self.array(depth)),
            '"' => {
                let (text, is_whole) = self.text();
                Some((Loose::Text(text), is_whole))
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || ",:{}[]\"".contains(c);
                let end = self.rest.find(is_end).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                (!word.is_empty()).then(|| (Loose::Word(word.to_owned()), true))
            }
        }
    }

    fn object(&mut self, depth: usize) -> (Loose, bool) {
        self.skip();
        let mut members = Vec::new();
        loop {
            self.commas();
            if self.take('}') {
                return (Loose::Object(members), true);
            }
            let Some((name, true)) = self.value(depth + 1) else { return (Loose::Object(members), false) };
            let (Loose::Text(name) | Loose::Word(name)) = name else {
                return (Loose::Object(members), false);
            };
            self.space();
            if !self.take(':') {
                return (Loose::Object(members), false);
            }
            let Some((value, is_whole)) = self.value(depth + 1) else {
                return (Loose::Object(members), false);
            };
            members.push((name, value));
            if !is_whole {
                return (Loose::Object(members), false);
            }
        }
    }

    fn array(&mut self, depth: usize) -> (Loose, bool) {
        self.skip();
        let mut items = Vec::new();
        loop {
            self.commas();
            if self.take(']') {
                return (Loose::Array(items), true);
            }
            let Some((item, is_whole)) = self.value(depth + 1) else { return (Loose::Array(items), false) };
            items.push(item);
            if !is_whole {
                return (Loose::Array(items), false);
            }
        }
    }

    fn text(&mut self) -> (String, bool) {
        self.skip();
        let mut out = String::new();
        while let Some(c) = self.rest.chars().next() {
            self.skip();
            match c {
                '"' => return (out, true),
                '\\' => self.escape(&mut out),
                c => out.push(c),
            }
        }
        (out, false)
    }

    fn escape(&mut self, out: &mut String) {
        let Some(c) = self.rest.chars().next() else { return };
        self.skip();
        match c {
            'u' => match self.unit() {
                // The first half of a pair.
                Some(first @ 0xd800..0xdc00) => {
                    let kept = self.rest;
                    let second = self.rest.strip_prefix("\\u").and_then(|rest| {
                        self.rest = rest;
                        self.unit().filter(|second| (0xdc00..0xe000).contains(second))
                    });
                    if second.is_none() {
                        self.rest = kept;
                    }
                    let code = second.map(|second| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                    out.extend(code.and_then(char::from_u32));
                }
                // Half a pair alone is dropped.
                Some(unit) => out.extend(char::from_u32(unit)),
                None => out.push('u'),
            },
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            c => out.push(c),
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.rest = self.rest.get(4..)?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn commas(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}
