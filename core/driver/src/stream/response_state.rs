//! How the body of an answer is treated.

use gatewaystack_core::exchange::respond::Watched;
use gatewaystack_core::response::sse::Events;

/// How the answer's body is treated.
#[derive(Debug, Default)]
pub(super) enum ResponseState {
    /// It passes.
    #[default]
    Passing,
    /// It is read whole, at most so many bytes.
    Whole(usize),
    /// It is held while it may be a list, and watched; so much of what is held was seen already.
    Watched { watched: Watched, read: usize },
    /// Its events are filtered; `held`: its headers wait for the first of them.
    Events { events: Events, held: bool },
    /// Nothing more of it is shown.
    Over,
}
