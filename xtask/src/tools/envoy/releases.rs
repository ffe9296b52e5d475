//! Which Envoys are supported. In: `envoy/versions.yaml`, built into the binary. Out: the releases, the
//! default, and those of the short form of the matrix.

use anyhow::{Context, Result};
use serde::Deserialize;

const FILE: &str = include_str!("../../../../envoy/versions.yaml");

/// All supported releases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    default: String,
    brief: Vec<String>,
    releases: Vec<Release>,
}

/// A release, with the SHA-256 of its wheel for each machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: String,
    pub x86_64: String,
    pub aarch64: String,
    /// Why this build can't run any filter, where that is so.
    pub without_wasm: Option<String>,
}

impl Releases {
    pub fn read() -> Result<Self> {
        serde_saphyr::from_str(FILE).context("envoy/versions.yaml")
    }

    /// What is downloaded where the machine has no Envoy.
    pub fn default(&self) -> Result<&Release> {
        self.named(&self.default)
    }

    /// All, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Release> {
        self.releases.iter()
    }

    /// Those of the short form.
    pub fn brief(&self) -> Result<Vec<&Release>> {
        self.brief.iter().map(|version| self.named(version)).collect()
    }

    fn named(&self, version: &str) -> Result<&Release> {
        let found = self.releases.iter().find(|release| release.version == version);
        found.with_context(|| format!("envoy/versions.yaml: there is no release {version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Releases;

    const DOCUMENT: &str = include_str!("../../../../docs/envoy-versions.md");

    fn numbers(version: &str) -> Vec<u32> {
        version.split('.').map(|part| part.parse().unwrap()).collect()
    }

    #[test]
    fn the_releases_ascend_and_the_newest_is_the_default() {
        let releases = Releases::read().unwrap();
        let versions: Vec<_> = releases.all().map(|release| numbers(&release.version)).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        assert_eq!(versions.last(), Some(&numbers(&releases.default().unwrap().version)));
        let brief = releases.brief().unwrap();
        assert_eq!(brief.first().map(|release| numbers(&release.version)).as_ref(), versions.first());
        for release in releases.all() {
            for hash in [&release.x86_64, &release.aarch64] {
                let is_hash =
                    hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                assert!(is_hash, "{}: {hash}", release.version);
            }
        }
    }

    #[test]
    fn the_document_has_a_row_for_each_release_and_for_no_other() {
        let rows: Vec<&str> = DOCUMENT
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
            .filter(|first| first.starts_with(|c: char| c.is_ascii_digit()))
            .collect();
        let releases = Releases::read().unwrap();
        let versions: Vec<&str> = releases.all().map(|release| release.version.as_str()).collect();
        assert_eq!(rows, versions);
    }
}
