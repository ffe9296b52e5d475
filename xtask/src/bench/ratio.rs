//! The ratios. Each is of two chains in the same round.

use super::sample::{Sample, Spread};

pub struct Ratio {
    pub name: &'static str,
    pub of: fn(&Sample) -> f64,
    /// The chain above the line and the one below.
    pub chains: [&'static str; 2],
    /// For chains of different sizes: what the ratio is multiplied with.
    pub factor: f64,
    pub target: Target,
}

/// What the median should be.
#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// To know.
    None,
}

const fn cpu(name: &'static str, chains: [&'static str; 2], target: Target) -> Ratio {
    Ratio { name, of: |sample| sample.cpu_us, chains, factor: 1.0, target }
}

const fn rps(name: &'static str, chains: [&'static str; 2], target: Target) -> Ratio {
    Ratio { of: |sample| sample.rps, ..cpu(name, chains, target) }
}

const fn p99(name: &'static str, chains: [&'static str; 2], target: Target) -> Ratio {
    Ratio { of: |sample| sample.p99_us, ..cpu(name, chains, target) }
}

/// CPU time of a byte, in a list and in one of a quarter of its size.
const fn per_byte(name: &'static str, chains: [&'static str; 2]) -> Ratio {
    Ratio { factor: 0.25, ..cpu(name, chains, Target::AtMost(1.2)) }
}

pub static RATIOS: [Ratio; 25] = [
    cpu("known_token_vs_native_cached", ["known_token", "native_cached"], Target::AtMost(0.95)),
    cpu("new_token_vs_native", ["new_token", "native"], Target::AtMost(0.9)),
    rps("upstream_rps_vs_bare", ["upstream_known_token", "upstream_bare"], Target::AtLeast(0.85)),
    cpu("cpu_vs_ext_authz", ["known_token", "ext_authz"], Target::AtMost(0.5)),
    p99("p99_vs_ext_authz", ["known_token", "ext_authz"], Target::AtMost(0.6)),
    cpu("routes_1000_vs_10", ["routes_1000", "routes_10"], Target::AtMost(1.2)),
    cpu("invalid_flood_vs_bare_401", ["invalid_flood", "bare_401"], Target::AtMost(1.2)),
    cpu("mcp_headers_vs_scoped_route", ["mcp_headers", "scoped_post"], Target::AtMost(1.25)),
    per_byte("list_1m_vs_256k_per_byte", ["list_1m", "list_256k"]),
    per_byte("list_256k_vs_64k_per_byte", ["list_256k", "list_64k"]),
    cpu("known_token_vs_bare", ["known_token", "bare"], Target::None),
    cpu("known_token_vs_empty_wasm", ["known_token", "empty_wasm"], Target::None),
    cpu("native_cached_vs_bare", ["native_cached", "bare"], Target::None),
    cpu(
        "minimum_known_token_vs_native_minimum_cached",
        ["minimum_known_token", "native_minimum_cached"],
        Target::None,
    ),
    cpu("minimum_new_token_vs_native_minimum", ["minimum_new_token", "native_minimum"], Target::None),
    cpu("upstream_cpu_vs_native_cached", ["upstream_known_token", "upstream_native_cached"], Target::None),
    rps("upstream_rps_vs_native_cached", ["upstream_known_token", "upstream_native_cached"], Target::None),
    rps("http2_rps_vs_bare", ["http2_known_token", "http2_bare"], Target::None),
    cpu("http2_cpu_vs_native_cached", ["http2_known_token", "http2_native_cached"], Target::None),
    rps("http2_rps_vs_native_cached", ["http2_known_token", "http2_native_cached"], Target::None),
    cpu("mcp_body_vs_scoped_route", ["mcp_body", "scoped_post"], Target::None),
    cpu("invalid_flood_vs_no_token_401", ["invalid_flood", "no_token_401"], Target::None),
    cpu("no_token_401_vs_bare_401", ["no_token_401", "bare_401"], Target::None),
    cpu("routes_1000_filter_vs_10", ["routes_1000_filter", "routes_10"], Target::None),
    cpu("four_workers_vs_one", ["four_workers", "known_token"], Target::None),
];

impl Target {
    pub fn is_met(self, spread: &Spread) -> Option<bool> {
        match self {
            Self::AtMost(most) => Some(spread.median <= most),
            Self::AtLeast(least) => Some(spread.median >= least),
            Self::None => None,
        }
    }
}
