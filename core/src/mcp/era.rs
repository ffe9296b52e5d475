//! The era of a request: `MCP-Protocol-Version` in, what its transport promises out.

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// Batches; what is spoken without a header.
    V2025_03_26,
    /// No batches.
    V2025_06_18,
    /// As before.
    V2025_11_25,
    /// Stateless: method and name are in headers, too.
    V2026_07_28,
}

/// All versions, the newest last.
pub const SUPPORTED: [(&str, Era); 4] = [
    ("2025-03-26", Era::V2025_03_26),
    ("2025-06-18", Era::V2025_06_18),
    ("2025-11-25", Era::V2025_11_25),
    ("2026-07-28", Era::V2026_07_28),
];

/// The versions that a request under the unknown version `requested` can be tried again with. Before
/// 2026-07-28 a version is agreed on once, by `initialize`; since then each request names its own, and only
/// such a version can take another's place.
pub fn alternatives(requested: &str) -> Vec<&'static str> {
    let is_older = requested.starts_with("2024-") || requested.starts_with("2025-");
    SUPPORTED.iter().filter(|(_, era)| is_older || era.has_headers()).map(|(name, _)| *name).collect()
}

impl Era {
    /// The era that a header names; absent is the first. `None`: one that we don't know.
    pub fn of(header: Option<&str>) -> Option<Self> {
        let Some(version) = header else { return Some(Self::V2025_03_26) };
        SUPPORTED.iter().find(|(name, _)| *name == version).map(|(_, era)| *era)
    }

    /// Whether method and name are in headers.
    pub fn has_headers(self) -> bool {
        self >= Self::V2026_07_28
    }

    /// Whether a body may be a batch.
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }
}
