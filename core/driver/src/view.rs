//! What a host shows while an event is handled. Nothing here changes anything: what is to be done is a
//! command.

use gatewaystack_core::request::Headers;
use std::net::IpAddr;

/// Which headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// The request's.
    Request,
    /// The request's trailers.
    RequestTrailers,
    /// The answer's.
    Response,
}

/// Whose body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The request's.
    Request,
    /// The answer's.
    Response,
}

/// One stream, as the host shows it at this moment. `None`: it doesn't.
pub trait View {
    /// Unix time in nanoseconds.
    fn now_ns(&self) -> Option<u64>;
    /// What the client got, once all is over.
    fn status(&self) -> Option<u16>;
    /// The client's address.
    fn source_address(&self) -> Option<IpAddr>;
    /// All headers.
    fn headers(&self, of: Map) -> Option<Headers>;
    /// Whether there is a header of this name.
    fn has_header(&self, of: Map, name: &str) -> bool;
    /// At most `size` bytes that the host holds of a body, from `from` on.
    fn bytes(&self, of: Body, from: usize, size: usize) -> Option<Vec<u8>>;
}
