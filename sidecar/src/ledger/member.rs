//! The members of a record that have a column of their own, in the order in which a record is shown: each by
//! its name and what it holds. All else of a record is kept as it is, as JSON (contract §10).

/// What a member holds. A value of another kind has no place in the column, and is kept with what has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number from 0 on.
    Number,
    /// `true` or `false`, as 1 or 0.
    Flag,
    /// RFC 3339 in UTC with six decimals, as Unix microseconds.
    Time,
    /// 16 hex digits, as the number that they are.
    Vm,
    /// A list of strings.
    Texts,
}

/// A member and its column, which have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub name: &'static str,
    pub kind: Kind,
}

/// How many there are.
pub const COUNT: usize = 26;
/// Where the time is.
pub const TS: usize = 1;
/// Among the bits for members that are `null`: the record's time isn't in its column, or isn't there at all.
pub const NO_TS: i64 = 1 << COUNT;
/// Where the VM is.
pub const VM: usize = 2;
/// Where the number in the VM is.
pub const SEQ: usize = 3;
/// Where the request's identifier is.
pub const REQUEST_ID: usize = 4;

/// Where those are by which records are counted.
pub const STATUS: usize = 0;
pub const AGENT: usize = 10;
pub const ROUTE: usize = 14;
pub const TOOL: usize = 15;
pub const OPERATION: usize = 16;
pub const DECISION: usize = 17;
pub const REASON: usize = 18;
pub const LATENCY: usize = 20;

/// All of them.
pub const MEMBERS: [Member; COUNT] = [
    of("status", Kind::Number),
    of("ts", Kind::Time),
    of("vm", Kind::Vm),
    of("seq", Kind::Number),
    of("request_id", Kind::Text),
    of("sub", Kind::Text),
    of("tenant", Kind::Text),
    of("issuer", Kind::Text),
    of("machine", Kind::Flag),
    of("client", Kind::Text),
    of("agent", Kind::Text),
    of("actor", Kind::Text),
    of("method", Kind::Text),
    of("path", Kind::Text),
    of("route", Kind::Text),
    of("tool", Kind::Text),
    of("operation", Kind::Text),
    of("decision", Kind::Text),
    of("reason", Kind::Text),
    of("rule", Kind::Text),
    of("latency_us", Kind::Number),
    of("policy", Kind::Text),
    of("session", Kind::Text),
    of("trace_id", Kind::Text),
    of("user_agent", Kind::Text),
    of("address", Kind::Text),
];

/// Members without a column that conditions know: what is deeper in an object has its way with dots.
pub const DEEPER: [Member; 6] = [
    of("needed", Kind::Texts),
    of("have", Kind::Texts),
    of("watched", Kind::Texts),
    of("shadow.decision", Kind::Text),
    of("shadow.reason", Kind::Text),
    of("shadow.status", Kind::Number),
];

const fn of(name: &'static str, kind: Kind) -> Member {
    Member { name, kind }
}

/// Where the member of this name is.
pub fn find(name: &str) -> Option<usize> {
    MEMBERS.iter().position(|member| member.name == name)
}

/// The columns' names, quoted, with commas.
pub fn columns() -> String {
    MEMBERS.iter().map(|member| format!("\"{}\"", member.name)).collect::<Vec<_>>().join(", ")
}

/// The same for what an operator wrote at `place`.
///
/// # Errors
/// There is none: which there are.
pub fn named(place: &str, name: &str) -> Result<usize, String> {
    let names = || MEMBERS.map(|member| member.name).join(", ");
    find(name)
        .ok_or_else(|| format!("{place}: {name:?} is no member of a record: expected one of {}", names()))
}

#[test]
fn each_place_is_where_its_member_is() {
    let places = [
        (STATUS, "status"),
        (TS, "ts"),
        (VM, "vm"),
        (SEQ, "seq"),
        (AGENT, "agent"),
        (ROUTE, "route"),
        (TOOL, "tool"),
        (OPERATION, "operation"),
        (DECISION, "decision"),
        (REASON, "reason"),
        (LATENCY, "latency_us"),
    ];
    for (at, name) in places {
        assert_eq!(find(name), Some(at), "{name}");
    }
}
