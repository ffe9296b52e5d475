//! Conditions: what is asked of a request and its caller. A condition is true, false or unknown; who judges
//! by it says what follows from each.

use super::limits::AddressRange;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// This doesn't hold.
    Not(Box<Self>),
    /// A field is as this says.
    Field(Field, Operator),
    /// It is such a time.
    Time(Hours),
}

/// What is known of a request and its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The user, as upstreams and records name them.
    User,
    /// The tenant, with the issuer's prefix.
    Tenant,
    /// The issuer's identifier, as the policy has it.
    Issuer,
    /// The groups.
    Groups,
    /// The scopes that count on the route.
    Scopes,
    /// The client's id.
    Client,
    /// The agent that the client is.
    Agent,
    /// Who acts for the user.
    Actor,
    /// Whether it is a machine.
    Machine,
    /// How the user signed in.
    Acr,
    /// How long ago that was.
    AuthAge,
    /// A claim: its place in [`super::Rules::claims`].
    Claim(usize),
    /// The route's path pattern.
    Route,
    /// The method.
    Method,
    /// The path, normalised.
    Path,
    /// The host that the client named, without port.
    Host,
    /// A header: its place in [`super::Rules::headers`].
    Header(usize),
    /// The client's address.
    Address,
    /// The tool that is called.
    Tool,
    /// The prompt that is asked for.
    Prompt,
    /// The URI of a resource that is read.
    Resource,
    /// An argument of a tool or a prompt: its place in [`super::Rules::arguments`].
    Argument(usize),
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// Whether it is there.
    Exists(bool),
    /// It is one of these.
    In(Vec<Scalar>),
    /// It is a text that begins so.
    Prefix(Template),
    /// It is a text that ends so.
    Suffix(Template),
    /// It is a text that a pattern fits.
    Glob(Template),
    /// It is a number between these, both in.
    Between(Option<Number>, Option<Number>),
    /// It is a set that has all of these.
    Contains(Vec<Template>),
    /// It is a set that has nothing but these.
    SubsetOf(Vec<Template>),
    /// It is an address in one of these.
    Cidr(Vec<AddressRange>),
}

/// A value that a field may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(Template),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Flag(bool),
}

/// A number: whole ones are compared as such.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(i64),
    /// Any other, and never NaN.
    Real(f64),
}

/// A text, in which the caller may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its pieces, in their order.
    pub pieces: Vec<Piece>,
    /// The same as a sloppy reader takes them, where it is compared with names; else empty.
    pub folded: Vec<Piece>,
    /// Whether it begins with `/`: then paths are compared by where they lead.
    pub is_path: bool,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// One or more characters; in patterns alone.
    Star,
    /// `{user}`.
    User,
    /// `{tenant}`.
    Tenant,
    /// `{client}`.
    Client,
}

/// Times of a week, in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// From when on the zone is so many seconds ahead of UTC, in Unix seconds and in order; before the first,
    /// as then.
    pub offsets: Vec<(i64, i32)>,
    /// Days, Monday first.
    pub days: [bool; 7],
    /// Minutes of a day, the end exclusive; it may lie on the next day. `None`: all of it.
    pub span: Option<(u16, u16)>,
    /// Whether those hours are meant (`inside`), or all others (`outside`).
    pub is_inside: bool,
}
