//! What is said about the members of a policy: the form of the data that stands next to each of them in
//! [`crate::raw`]. `cargo xtask docs` makes the reference and the schemas of it, and the sidecar the lists of
//! members that it needs.
//!
//! It is constants alone, so that what nobody asks for isn't built: the filter's module has none of it.

mod text;

use crate::bounds::Span;
pub use crate::values::duration::show as shown_duration;
pub use crate::values::size::show as shown_size;
pub use text::*;

/// The members of one object.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Where it stands in a policy: `routes[].mcp`; the policy itself has no name.
    pub name: &'static str,
    /// In the order in which they are told.
    pub members: &'static [Member],
}

/// A member.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it says, in a sentence of Markdown; links are those of `docs/policy.md`.
    pub what: &'static str,
    /// Which values it has: the Rust type.
    pub shape: Shape,
    /// All else.
    pub facts: Facts,
}

/// Which values a type has.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A duration.
    Duration,
    /// A number of bytes.
    Size,
    /// A text, a whole number, or `true` or `false`.
    Scalar,
    /// A text.
    Text,
    /// One of these, in lower case.
    Words(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// Values by name.
    Map(&'static Shape),
    /// An object.
    Object(&'static Section),
    /// A condition (`docs/rules.md`).
    Condition,
    /// A rule of an MCP route: `public`, a list of scopes, or this object.
    Rule(&'static Section),
}

/// A type that a member may have.
pub trait Described {
    /// Which values it has.
    const SHAPE: Shape;
}

/// What the type of a member doesn't say.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Who reads it.
    pub reader: Reader,
    /// A value, as YAML.
    pub example: &'static str,
    /// What a policy without it means.
    pub absent: Absent,
    /// At least and at most, of a number or of bytes, or of a duration in milliseconds.
    pub span: Option<Span>,
    /// How many elements a list, or members a map has.
    pub count: Option<Span<usize>>,
    /// The form of the text, or of each text of a list or map.
    pub text: Option<Text>,
    /// The form of a map's names.
    pub keys: Option<Text>,
    /// The only values of a text.
    pub words: &'static [&'static str],
    /// Whether overrides can't touch it where nobody says otherwise.
    pub is_locked: bool,
    /// The version that had it first.
    pub since: &'static str,
}

/// Who reads a member; the others only check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The filter, in an own gateway and in a mesh.
    Filter,
    /// `render` and the sidecar, which a mesh hasn't.
    Own,
    /// The filter, and `render` or the sidecar.
    Both,
}

/// What a policy without a member means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing: it is required.
    Required,
    /// It is required, unless this variable gives it.
    RequiredOr(&'static str),
    /// The same as with this value (YAML).
    Is(&'static str),
    /// The same as with the first value in an own gateway, and with the second one in a mesh.
    IsIn(&'static str, &'static str),
    /// What these words say.
    Means(&'static str),
}

/// A member that the filter reads, with an example.
pub const fn filter(example: &'static str) -> Facts {
    facts(Reader::Filter, example)
}

/// A member that an own gateway alone reads.
pub const fn own(example: &'static str) -> Facts {
    facts(Reader::Own, example)
}

/// A member that both read.
pub const fn both(example: &'static str) -> Facts {
    facts(Reader::Both, example)
}

const fn facts(reader: Reader, example: &'static str) -> Facts {
    Facts {
        reader,
        example,
        absent: Absent::Means("none"),
        span: None,
        count: None,
        text: None,
        keys: None,
        words: &[],
        is_locked: false,
        since: "0.1.0",
    }
}

impl Facts {
    /// It is required.
    pub const fn required(self) -> Self {
        Self { absent: Absent::Required, ..self }
    }

    /// It is required, unless this variable gives it.
    pub const fn required_or(self, variable: &'static str) -> Self {
        Self { absent: Absent::RequiredOr(variable), ..self }
    }

    /// Its default.
    pub const fn is(self, default: &'static str) -> Self {
        Self { absent: Absent::Is(default), ..self }
    }

    /// Its default in an own gateway, and in a mesh.
    pub const fn is_in(self, gateway: &'static str, mesh: &'static str) -> Self {
        Self { absent: Absent::IsIn(gateway, mesh), ..self }
    }

    /// What a policy without it means, in words.
    pub const fn means(self, words: &'static str) -> Self {
        Self { absent: Absent::Means(words), ..self }
    }

    /// At least and at most.
    pub const fn within(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }

    /// How many.
    pub const fn count(self, count: Span<usize>) -> Self {
        Self { count: Some(count), ..self }
    }

    /// The form of its texts.
    pub const fn text(self, text: Text) -> Self {
        Self { text: Some(text), ..self }
    }

    /// The form of its names.
    pub const fn keys(self, keys: Text) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// The only values.
    pub const fn words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    /// Overrides can't touch it where nobody says otherwise.
    pub const fn locked(self) -> Self {
        Self { is_locked: true, ..self }
    }

    /// The version that had it first, where that isn't the first one.
    pub const fn since(self, version: &'static str) -> Self {
        Self { since: version, ..self }
    }
}

impl Section {
    /// This and the sections below it, each after the one that has it.
    pub fn all(&'static self) -> Vec<&'static Self> {
        let mut all = vec![self];
        for member in self.members {
            for section in member.shape.section().map(Self::all).into_iter().flatten() {
                if !all.iter().any(|other| other.name == section.name) {
                    all.push(section);
                }
            }
        }
        all
    }

    /// The path of one of its members in a policy: `routes[].mcp.tasks`.
    pub fn path(&self, member: &str) -> String {
        if self.name.is_empty() { member.to_owned() } else { format!("{}.{member}", self.name) }
    }
}

impl Shape {
    /// The object that it is, or that its elements are.
    pub fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Object(section) | Self::Rule(section) => Some(section),
            Self::List(inner) | Self::Map(inner) => inner.section(),
            Self::Flag
            | Self::Number
            | Self::Duration
            | Self::Size
            | Self::Scalar
            | Self::Text
            | Self::Condition
            | Self::Words(_) => None,
        }
    }
}

impl Described for bool {
    const SHAPE: Shape = Shape::Flag;
}

impl Described for u64 {
    const SHAPE: Shape = Shape::Number;
}

impl Described for String {
    const SHAPE: Shape = Shape::Text;
}

impl<T: Described> Described for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: Described> Described for std::collections::BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
}
