//! The response post-filter (contract §8): a JSON answer and its caller in, the same answer with the caller's
//! own elements out, or why it can't be shown.

use crate::config::policy::ResponseFilter;
use crate::json::{self, Bounds};
use crate::mcp::splice::{Part, Splices};

/// Deepest nesting.
const MAX_DEPTH: usize = 128;

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// It stays.
    Same,
    /// This instead.
    Changed(String),
    /// It is one object, and somebody else's.
    NotFound,
}

/// An answer that can't be filtered safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfilterable;

/// Filters `body` for `user`.
///
/// # Errors
/// It isn't JSON without duplicate members, the list isn't where it should be, or an owner is missing.
pub fn filter(body: &[u8], rule: &ResponseFilter, user: &str) -> Result<Filtered, Unfilterable> {
    let text = json::check(body, Bounds::of(MAX_DEPTH)).map_err(|_| Unfilterable)?.document();
    let found = follow(Part::whole(text), &rule.items).ok_or(Unfilterable)?;
    let Some(items) = found.items() else {
        found.members().ok_or(Unfilterable)?;
        return Ok(if is_own(&found, rule, user)? { Filtered::Same } else { Filtered::NotFound });
    };
    let kept = items.iter().map(|item| is_own(item, rule, user)).collect::<Result<Vec<bool>, _>>()?;
    if kept.iter().all(|own| *own) {
        return Ok(Filtered::Same);
    }
    let mut splices = Splices::default();
    splices.keep(&found, &items, &kept);
    splices.apply(text).map(Filtered::Changed).ok_or(Unfilterable)
}

fn is_own(item: &Part<'_>, rule: &ResponseFilter, user: &str) -> Result<bool, Unfilterable> {
    match follow(*item, &rule.owner).and_then(|owner| name(&owner)) {
        Some(owner) => Ok(owner == user),
        None if rule.keep_missing => Ok(true),
        None => Err(Unfilterable),
    }
}

/// A string, or an integer in decimal.
fn name(owner: &Part<'_>) -> Option<String> {
    let text = owner.text();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.to_owned());
    }
    owner.string()
}

/// RFC 6901, by its unescaped tokens.
fn follow<'t>(from: Part<'t>, pointer: &[String]) -> Option<Part<'t>> {
    pointer.iter().try_fold(from, |part, token| match part.items() {
        Some(items) => {
            let plain =
                token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
            items.get(token.parse::<usize>().ok().filter(|_| plain)?).copied()
        }
        None => part.member(token),
    })
}

#[cfg(test)]
mod tests;
