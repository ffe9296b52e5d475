//! All samples. In: rounds. Out: how a chain's figures and a ratio are spread over them.

use super::{
    chain::Chain,
    ratio::Ratio,
    sample::{Sample, Spread},
};

pub struct Results {
    pub chains: Vec<&'static Chain>,
    /// Each has a sample of each chain, in their order.
    pub rounds: Vec<Vec<Sample>>,
}

impl Results {
    /// Of a chain that was measured.
    pub fn column(&self, chain: &str, value: fn(&Sample) -> f64) -> Option<Spread> {
        let at = self.position(chain)?;
        Spread::of(self.rounds.iter().filter_map(|round| round.get(at)).map(value).collect())
    }

    /// Of two chains that were measured; the ratio within each round.
    pub fn ratio(&self, ratio: &Ratio) -> Option<Spread> {
        let [above, below] = ratio.chains.map(|chain| self.position(chain));
        let (above, below) = (above?, below?);
        let value = |round: &Vec<Sample>, at: usize| round.get(at).map(ratio.of);
        let of = |round| Some(value(round, above)? / value(round, below)? * ratio.factor);
        Spread::of(self.rounds.iter().filter_map(of).collect())
    }

    fn position(&self, chain: &str) -> Option<usize> {
        self.chains.iter().position(|one| one.name == chain)
    }
}

#[cfg(test)]
pub mod tests {
    use super::{super::catalogue::CHAINS, Results, Sample, Spread};
    use crate::bench::ratio::{Ratio, Target};

    /// Two chains, three rounds.
    pub fn results() -> Results {
        let sample = |cpu_us| Sample { cpu_us, rps: 1.0, p50_us: 1.0, p99_us: 1.0, rss_mb: 1.0 };
        let rounds = [[10.0, 20.0], [100.0, 150.0], [10.0, 30.0]].map(|r| r.map(sample).to_vec());
        Results { chains: CHAINS.iter().take(2).collect(), rounds: rounds.into() }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ratio =
            |chains, factor| Ratio { name: "r", of: |s| s.cpu_us, chains, factor, target: Target::None };
        let check = |ratio: Ratio, expect: Option<[f64; 3]>| {
            let expect = expect.map(|[min, median, max]| Spread { min, median, max });
            assert_eq!(results().ratio(&ratio), expect, "{:?}", ratio.chains);
        };
        check(ratio(["empty_wasm", "bare"], 1.0), Some([1.5, 2.0, 3.0]));
        check(ratio(["empty_wasm", "bare"], 0.5), Some([0.75, 1.0, 1.5]));
        check(ratio(["empty_wasm", "not measured"], 1.0), None);
    }
}
