//! What a round gives, and how rounds are summed up.

/// What a load generator measured.
#[derive(Debug, PartialEq)]
pub struct Load {
    pub requests: u64,
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// One chain in one round.
#[derive(Clone, Copy)]
pub struct Sample {
    pub cpu_us: f64,
    pub rps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub rss_mb: f64,
}

/// Least, median and greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    /// Of nothing: none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |index: usize| values.get(index).copied();
        let median = (at(last / 2)? + at(last.div_ceil(2))?) / 2.0;
        Some(Self { min: at(0)?, median, max: at(last)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_lies_in_the_middle() {
        let check = |values: &[f64], min, median, max| {
            assert_eq!(Spread::of(values.to_vec()), Some(Spread { min, median, max }));
        };
        check(&[3.0, 1.0, 2.0], 1.0, 2.0, 3.0);
        check(&[4.0, 1.0], 1.0, 2.5, 4.0);
        check(&[5.0], 5.0, 5.0, 5.0);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
