//! A chain as data: which Envoy is set up, what it is asked, and which status every answer must have.

use super::bootstrap::Fragment;

/// What is measured.
pub struct Chain {
    pub name: &'static str,
    /// For the report: what it is, in a few words.
    pub about: &'static str,
    pub setup: Setup,
    pub load: Load,
    /// Every answer's status. Another one makes a round an error.
    pub status: u16,
    /// What no answer may hold, though the upstream's has it.
    pub hides: Option<&'static str>,
    /// Measured by `--quick`, too.
    pub quick: bool,
}

/// An Envoy: the bootstrap of a policy, as `gatewaystack render` makes it, and what is changed in it.
#[derive(Clone, Copy)]
pub struct Setup {
    pub policy: Policy,
    pub filters: Filters,
    pub answer: Answer,
    /// Whether requests are logged.
    pub log: bool,
    pub workers: usize,
}

/// The policies in `chains/`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Everything that Envoy's own filters can do as well.
    Full,
    /// A token, a scope, a limit per user.
    Minimum,
    /// `Full`, and a limit for addresses that fail.
    Failures,
    /// MCP routes.
    Mcp,
    /// So many routes; the last one is `/r/N/*`.
    Routes(usize),
    /// So many issuers; the last one signs the tokens.
    Issuers(usize),
    /// Counters: 64 limits per user, so that few users have many.
    Counters,
}

/// What is before the router.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    Ours,
    /// Nothing.
    None,
    /// Of `chains/`.
    Others(Fragment),
}

/// Who answers what the filters let through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Envoy itself, with this status.
    Direct(u16),
    /// Envoy itself, by a single route instead of the policy's.
    DirectByOneRoute,
    /// The upstream.
    Upstream,
}

/// What is asked, again and again.
#[derive(Clone, Copy)]
pub struct Load {
    pub protocol: Protocol,
    pub connections: u32,
    pub method: &'static str,
    pub path: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    pub bearer: Bearer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// By `wrk`.
    Http1,
    /// By `h2load`, without TLS.
    Http2,
}

/// The token of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    None,
    /// The same each time.
    Known,
    /// One after the other of more than the filter remembers.
    New,
    /// Signed by nobody, one after the other.
    Forged,
}
