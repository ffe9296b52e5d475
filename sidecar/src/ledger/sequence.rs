//! The numbers of one VM's records: each number that comes in, whether it is new and what is missing out.
//! Numbers begin at 1 and have no holes; what is missing for a minute is a gap. The clock is an argument.

use std::collections::BTreeMap;

/// Ranges of one VM that are remembered as missing; then the lowest is given up, and what comes of it later
/// counts as known.
const MOST: usize = 10_000;

/// What one VM has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    /// The highest number that has come.
    pub highest: u64,
    /// What is missing below it, by its first number.
    pub missing: BTreeMap<u64, Missing>,
}

/// A range that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The last number of it.
    pub to: u64,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// Whether it has been told of as a gap.
    pub told: bool,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// It hadn't come before.
    pub is_new: bool,
    /// What is missing has changed.
    pub moved: bool,
    /// A range that is no longer waited for, and hadn't been told of.
    pub given_up: Option<(u64, u64)>,
}

impl Sequence {
    /// Takes a number, from 1 on.
    pub fn take(&mut self, seq: u64, now_ms: i64) -> Taken {
        if seq > self.highest {
            let from = self.highest + 1;
            let hole = from < seq;
            if hole {
                self.missing.insert(from, Missing { to: seq - 1, since_ms: now_ms, told: false });
            }
            self.highest = seq;
            let lowest = if self.missing.len() > MOST { self.missing.pop_first() } else { None };
            let given_up = lowest.filter(|(_, range)| !range.told).map(|(from, range)| (from, range.to));
            return Taken { is_new: true, moved: hole, given_up };
        }
        let Some((&from, &range)) =
            self.missing.range(..=seq).next_back().filter(|(_, range)| range.to >= seq)
        else {
            return Taken { is_new: false, moved: false, given_up: None };
        };
        self.missing.remove(&from);
        if from < seq {
            self.missing.insert(from, Missing { to: seq - 1, ..range });
        }
        if seq < range.to {
            self.missing.insert(seq + 1, range);
        }
        Taken { is_new: true, moved: true, given_up: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Sequence};

    /// Takes numbers, and says which weren't new and what is missing then.
    fn after(numbers: &[u64]) -> (Vec<u64>, Vec<(u64, u64)>) {
        let mut sequence = Sequence::default();
        let again = numbers.iter().copied().filter(|seq| !sequence.take(*seq, 0).is_new).collect();
        (again, sequence.missing.iter().map(|(from, range)| (*from, range.to)).collect())
    }

    #[test]
    fn numbers_count_once_and_what_is_missing_is_known() {
        for (numbers, again, missing) in [
            (&[1, 2, 3][..], &[][..], &[][..]),
            (&[1, 1, 2, 1], &[1, 1], &[]),
            (&[4], &[], &[(1, 3)]),
            (&[1, 5, 9], &[], &[(2, 4), (6, 8)]),
            (&[2, 1, 4, 3, 3], &[3], &[]),
            (&[1, 6, 4], &[], &[(2, 3), (5, 5)]),
            (&[1, 6, 2, 5], &[], &[(3, 4)]),
            (&[1, 6, 2, 3, 4, 5, 4], &[4], &[]),
        ] {
            assert_eq!(after(numbers), (again.to_vec(), missing.to_vec()), "{numbers:?}");
        }
    }

    #[test]
    fn what_is_missing_is_bounded_and_the_lowest_goes_first() {
        let mut sequence = Sequence::default();
        let given_up = |n: u64| sequence.take(2 * n, 0).given_up;
        let given_up: Vec<_> = (1..=MOST as u64 + 5).filter_map(given_up).collect();
        assert_eq!(given_up, [(1, 1), (3, 3), (5, 5), (7, 7), (9, 9)]);
        assert_eq!(sequence.missing.len(), MOST);
        assert!(!sequence.take(1, 0).is_new && sequence.take(11, 0).is_new);
    }
}
