//! Which routes a path can match: the policy's routes in, an index out that finds the few by a path's
//! segments.
//!
//! What each request asks of a policy is `#[inline]`, here and in [`crate::policy`]: so it is compiled with
//! the code that asks, for speed, while all else in this crate is compiled for size.

use crate::policy::parts::Pattern;
use gatewaystack_text::sorted::sorted;

/// Which routes a path can match at all: by its first two segments, case ignored. So a path meets few routes,
/// however many there are.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// Routes that name both, by the two and then in the policy's order.
    by_two: Vec<(u64, usize)>,
    /// All others.
    others: Vec<usize>,
}

impl Index {
    /// The index of routes with these patterns.
    pub fn of<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Self {
        let mut index = Self::default();
        for (at, pattern) in patterns.enumerate() {
            match pattern.segments.as_slice() {
                [Some(first), Some(second), ..] => {
                    index.by_two.push((folded(first, second), at));
                }
                _ => index.others.push(at),
            }
        }
        index.by_two = sorted(index.by_two);
        index
    }

    /// Routes that may match, and all that do, in the policy's order.
    #[inline]
    pub fn candidates(&self, segments: &[&str]) -> impl Iterator<Item = usize> {
        let mut two = match segments {
            [first, second, ..] => self.of_two(folded(first, second)),
            _ => &[],
        };
        let mut others = self.others.as_slice();
        std::iter::from_fn(move || match (two.split_first(), others.split_first()) {
            (Some(((_, at), rest)), other) if other.is_none_or(|(other, _)| at < other) => {
                two = rest;
                Some(*at)
            }
            (_, other) => {
                let (at, rest) = other?;
                others = rest;
                Some(*at)
            }
        })
    }

    #[inline]
    fn of_two(&self, folded: u64) -> &[(u64, usize)] {
        let start = self.by_two.partition_point(|(other, _)| *other < folded);
        let end = self.by_two.partition_point(|(other, _)| *other <= folded);
        self.by_two.get(start..end).unwrap_or_default()
    }
}

/// FNV-1a of two segments, case ignored. Two pairs that meet are told apart when they are matched.
#[inline]
fn folded(first: &str, second: &str) -> u64 {
    let bytes = first.bytes().chain([b'/']).chain(second.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
