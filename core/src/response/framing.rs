//! How the body of an answer is read: its status and headers in, a framing out.

use crate::reply::Reply;
use crate::response::sse::Events;
use crate::response::watched::Watched;

/// What the host knows of an answer's headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// `:status`.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// There is more than one.
    pub has_more_types: bool,
    /// All values of `Content-Encoding`.
    pub content_encodings: &'a [&'a [u8]],
    /// `Content-Length`.
    pub content_length: Option<&'a [u8]>,
    /// Nothing follows.
    pub is_end: bool,
}

/// How the body of an answer is read.
#[derive(Debug)]
pub enum Framing {
    /// It passes.
    Pass,
    /// It is read whole, at most so many bytes: one message.
    Whole(usize),
    /// It was asked for as something else than what is cut. It is held while it may be that, at most so many
    /// bytes, and watched from then on.
    Watch(Watched),
    /// Its events are messages, which are read as they come.
    Events {
        /// What reads them.
        events: Events,
        /// It answers what is cut: where headers can be held, they wait for the first event, which may be a
        /// reason to refuse.
        is_asked: bool,
    },
    /// It has no body, and its headers must not describe one.
    Bare,
    /// It isn't shown: this instead.
    Refuse(Reply),
}

/// Headers that describe a body as it was before it was filtered.
pub const STALE: [&str; 4] = ["etag", "digest", "content-digest", "accept-ranges"];

impl Head<'_> {
    /// Whether the answer is a success: only that is cut.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether its body can be read as it comes: neither encoded, nor in another charset than UTF-8.
    pub(super) fn is_readable(&self) -> bool {
        let is_plain = |coding: &&[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
        self.content_encodings.iter().all(is_plain)
            && !self.has_more_types
            && self.content_type.is_none_or(is_utf8)
    }

    /// Whether it is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        self.content_type.is_some_and(|kind| starts_with(kind, b"text/event-stream"))
    }

    /// Whether its body has no more bytes than this, as far as it says.
    pub(super) fn fits(&self, cap: usize) -> bool {
        let length =
            self.content_length.and_then(|l| std::str::from_utf8(l).ok()?.trim().parse::<u64>().ok());
        length.is_none_or(|length| usize::try_from(length).is_ok_and(|length| length <= cap))
    }
}

/// Whether a type names no charset but UTF-8. A comma joins two of them.
fn is_utf8(kind: &[u8]) -> bool {
    let Ok(kind) = std::str::from_utf8(kind) else { return false };
    let fits = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().trim_end_matches('*').eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|name| value.eq_ignore_ascii_case(name))
    };
    !kind.contains(',') && kind.split(';').skip(1).all(fits)
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.trim_ascii_start().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
