//! How two path patterns lie to each other: whether one request path could match both, and whether one takes
//! all that the other matches.

use super::policy::Pattern;

/// Whether some path matches both.
pub fn overlaps(a: &Pattern, b: &Pattern) -> bool {
    let (least_a, least_b) = (least(a), least(b));
    let lengths = match (a.rest, b.rest) {
        (true, true) => true,
        (true, false) => b.segments.len() >= least_a,
        (false, true) => a.segments.len() >= least_b,
        (false, false) => a.segments.len() == b.segments.len(),
    };
    lengths && a.segments.iter().zip(&b.segments).all(|(a, b)| a.is_none() || b.is_none() || a == b)
}

/// Whether every path that matches `inner` matches `outer`.
pub fn covers(outer: &Pattern, inner: &Pattern) -> bool {
    let lengths = match (outer.rest, inner.rest) {
        (true, _) => least(inner) >= least(outer),
        (false, true) => false,
        (false, false) => outer.segments.len() == inner.segments.len(),
    };
    // Where `inner` has no segment of its own any more, its rest matches anything, and so must `outer`.
    lengths
        && outer.segments.iter().enumerate().all(|(at, want)| match (want, inner.segments.get(at)) {
            (None, _) => true,
            (Some(want), Some(Some(got))) => want == got,
            (Some(_), _) => false,
        })
}

fn least(pattern: &Pattern) -> usize {
    pattern.segments.len() + usize::from(pattern.rest)
}
