//! What a host tells of a stream.

use gatewaystack_core::authenticate::Fetched;
use gatewaystack_core::exchange::GaveUp;
use gatewaystack_core::feed::Barred;
use gatewaystack_core::rate_limit::service::RateLimitResponse;
use gatewaystack_core::request::Headers;

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// The request's headers are here; `None`: the host doesn't show them.
    RequestHeaders {
        /// All of them.
        headers: Option<Headers>,
        /// Nothing follows.
        end: bool,
    },
    /// More of its body is, and so much is held.
    RequestBody {
        /// Bytes that the host holds now.
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// Its trailers are.
    RequestTrailers,
    /// The answer's headers are here.
    ResponseHeaders {
        /// Nothing follows.
        end: bool,
    },
    /// More of its body is, and so much is held.
    ResponseBody {
        /// Bytes that the host holds now.
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// Its trailers are.
    ResponseTrailers,
    /// What the request waited for has come.
    Arrived(Arrived),
    /// Who sends it was let in, and is barred by now.
    Barred(Barred),
    /// The rate limit service is being asked, by the call of this number.
    RateLimitCalled(u32),
    /// What was to take the place of the answer's body has.
    Replaced,
    /// A command could not be done.
    Failed(Failed),
    /// All is over, and the record is to be written.
    Log,
    /// The host is done with the stream.
    End,
}

/// What a request waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// The fetch of keys has ended.
    Keys(Fetched),
    /// It is known who is blocked, or won't be for now.
    Feed,
    /// The rate limit service has answered, or won't.
    Limits(RateLimitResponse),
    /// Nothing: it must go.
    Nothing(GaveUp),
}

/// Which command could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// [`crate::command::Command::Edit`].
    Edit,
    /// [`crate::command::Command::StripTrailers`], [`crate::command::Command::Release`].
    Release,
    /// [`crate::command::Command::Reply`].
    Reply,
    /// [`crate::command::Command::CallRateLimit`].
    RateLimit,
    /// [`crate::command::Command::EditResponse`], [`crate::command::Command::Replace`].
    Response,
}
