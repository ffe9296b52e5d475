//! What follows for a request. In enforce mode only a [`Permit`] forwards, and only [`crate::authorize`]
//! builds one.

use crate::config::policy::IssuerId;
use crate::cors::ResponseHeaders;
use crate::rate_limit::service::RateLimitRequest;
use crate::reply::Reply;
use std::borrow::Cow;

/// What the host has to do now.
#[derive(Debug)]
pub enum Decision {
    /// Let the request pass, changed as the permit says.
    Forward(Permit),
    /// Answer it.
    Reply(Reply),
    /// Shadow mode: let it pass, changed by nothing else.
    Observe(Observed),
    /// Hold it until something has come.
    Wait(Wait),
}

/// What a request is held for.
#[derive(Debug)]
pub enum Wait {
    /// The keys of this issuer, once they were fetched.
    Keys(IssuerId),
    /// Who is blocked, which a new gateway doesn't know yet.
    Feed,
    /// What the rate limit service answers to this.
    Limits(RateLimitRequest),
    /// Its body.
    Body(BodyRead),
}

/// A body that must be read before the request is judged.
#[derive(Debug)]
pub struct BodyRead {
    /// At most so many bytes.
    pub cap: usize,
    /// Where the host can't hold the headers: what they are to say when they leave. Nothing of the body
    /// leaves before a permit.
    pub let_go: Option<Edits>,
    /// Whether a good token says who sends it: whom none vouches for gets less room and less time.
    pub vouched: bool,
}

/// A request that passes whatever is decided about it.
#[derive(Debug, Default)]
pub struct Observed {
    /// What to change in its headers before they leave.
    pub edits: Edits,
    /// What its body says decides: at most so many bytes of it are to be copied as it passes, at once and
    /// unchanged.
    pub watch: Option<usize>,
}

/// Changes to a request's headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// The new `:path`.
    pub path: Option<String>,
    /// Whether the path proper changed, so that Envoy must choose its route again.
    pub rerouted: bool,
    /// Headers to remove, by their names on the wire.
    pub remove: Vec<Cow<'static, [u8]>>,
    /// Headers to set.
    pub set: Vec<(String, String)>,
}

impl Edits {
    /// Whether a header is removed.
    pub fn removes(&self, name: &str) -> bool {
        self.remove.iter().any(|removed| removed.as_ref() == name.as_bytes())
    }
}

/// The permission to forward one request.
#[derive(Debug)]
pub struct Permit {
    edits: Edits,
    response: ResponseHeaders,
}

impl Permit {
    /// Only for [`crate::authorize`].
    pub(crate) fn new(edits: Edits, response: ResponseHeaders) -> Self {
        Self { edits, response }
    }

    /// What to change in the request before it leaves.
    pub fn edits(&self) -> &Edits {
        &self.edits
    }

    /// The same, for the host that changes it.
    pub fn into_edits(self) -> Edits {
        self.edits
    }

    /// What to set in the response.
    pub(crate) fn response(&self) -> &ResponseHeaders {
        &self.response
    }

    /// The same, for anyone who keeps it until the response is here.
    pub(crate) fn take_response(&mut self) -> ResponseHeaders {
        std::mem::take(&mut self.response)
    }
}
