//! Reading JSON of MCP so that it means one thing to every reader: bounds, lookalikes, and what is wrong with
//! a body.

use crate::json::Text;
use crate::uri::UriFault;
use std::borrow::Cow;

/// Deepest nesting; the outermost object is 1.
pub const MAX_DEPTH: usize = 128;
/// Longest id in bytes.
pub(super) const MAX_ID: usize = 256;

/// Why a body isn't what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Not JSON, or in another encoding.
    Json,
    /// A member twice, or one that a sloppy reader takes for another.
    Doubled,
    /// A text with half a surrogate pair, which isn't Unicode.
    Surrogate,
    /// Not a request, notification or response of JSON-RPC.
    Message,
    /// A batch where there are none, or an empty or too long one.
    Batch,
    /// A member that decides (`params.name`, `params.uri`) is missing or no text.
    Target,
    /// A method that a sloppy server takes for another.
    Method,
    /// A URI that has another spelling.
    Uri(UriFault),
    /// A URI that differs by its case, slashes or blanks alone from one that has a rule.
    Lookalike,
    /// `_meta` names a version that nobody knows, where no header names one.
    Version,
    /// Headers and body disagree, or a header is missing.
    Mismatch,
    /// Over the cap.
    TooLarge,
    /// Not `application/json` in UTF-8, or encoded.
    MediaType,
}

/// A text that is judged; `None`: it is none.
pub(super) fn string(text: Text<'_>) -> Result<Option<Cow<'_, str>>, BodyFault> {
    match text.as_str() {
        None if text.raw().starts_with('"') => Err(BodyFault::Surrogate),
        text => Ok(text),
    }
}

/// Refuses members that some readers take for another: Go's folds case by Unicode's simple folding, and the
/// last one wins; others end a name at a NUL.
pub(super) fn unmistakable(object: Text<'_>, names: &[&str]) -> Result<(), BodyFault> {
    let is_one = |member: &str| names.iter().any(|name| is_lookalike(member, name));
    let lookalike = object.members().any(|(member, _)| is_one(&member));
    if lookalike { Err(BodyFault::Doubled) } else { Ok(()) }
}

/// Whether a sloppy reader takes `member` for `name`, which it isn't.
pub fn is_lookalike(member: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    // Most names differ at once.
    let first = member.as_bytes().first().zip(name.as_bytes().first());
    let differ = |(a, b): (&u8, &u8)| a.is_ascii() && b.is_ascii() && !a.eq_ignore_ascii_case(b);
    if first.is_some_and(differ) {
        return false;
    }
    member != name && member.chars().take_while(|c| *c != '\0').map(fold).eq(name.chars().map(fold))
}
