//! What a host has to do, in order. Where it can't do one of them that must be done, it says so
//! ([`crate::event::Event::Failed`]) and drops the rest.

use gatewaystack_core::decision::Edits;
use gatewaystack_core::rate_limit::service::RateLimitRequest;
use gatewaystack_core::reply::Reply;
use std::borrow::Cow;

/// What becomes of what an event brought: headers, a part of a body, trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Continue,
    /// It waits, or goes nowhere.
    Pause,
}

/// What follows from an event.
#[derive(Debug)]
pub struct Output {
    /// To be done now, in order.
    pub commands: Vec<Command>,
    /// And then.
    pub action: Action,
}

/// One thing to do for a stream.
#[derive(Debug)]
pub enum Command {
    /// Change the request's headers; where it needn't be done, a host that can't lets it be.
    Edit {
        /// How.
        edits: Edits,
        /// Whether it must be done.
        must: bool,
    },
    /// Take these out of the request's trailers.
    StripTrailers(Vec<Vec<u8>>),
    /// Remember that the request is held: it is what a body that is too large for that is refused for.
    NoteHeld,
    /// Let a held request go on.
    Release,
    /// Answer instead of the upstream.
    Reply(Reply),
    /// End the stream.
    Reset,
    /// Ask the rate limit service: the last command of its list. What follows is the output of
    /// [`crate::event::Event::RateLimitCalled`] or [`crate::event::Failed::RateLimit`], action included.
    CallRateLimit(RateLimitCall),
    /// Change the answer's headers; where it needn't be done, a host goes on to the next where it can't do
    /// one.
    EditResponse {
        /// How.
        edits: Vec<HeaderEdit>,
        /// Whether it must be done.
        must: bool,
    },
    /// Put this in the place of what there is of the answer's body; [`crate::event::Event::Replaced`] says
    /// that it is there.
    Replace(Vec<u8>),
    /// Write the decision record.
    Record(String),
    /// Note what a span says of the request: an attribute and its value.
    Note(&'static str, String),
    /// Add to a statistic.
    Count(Statistic, u32),
    /// Have this worker look at what waits, soon.
    Wake,
}

/// A question to the rate limit service.
#[derive(Debug)]
pub struct RateLimitCall {
    /// Where it is.
    pub cluster: String,
    /// How long the answer may take.
    pub timeout_ms: u64,
    /// What is asked.
    pub question: RateLimitRequest,
}

/// A statistic, by its place in [`crate::statistics::Statistics::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistic(pub usize);

/// One change of an answer's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// All of this name go.
    Remove(Cow<'static, [u8]>),
    /// There is this one of the name.
    Set(Cow<'static, str>, Cow<'static, str>),
    /// There is this one, too.
    Add(Cow<'static, str>, Cow<'static, str>),
}
