//! The Helm chart (`deploy/helm`): what it renders, held against the schemas of what reads it, and loaded by
//! the real Envoy as each of its hosts would have it: an own gateway's pod is run container by container, a
//! mesh's proxy is put together around what the chart gives.
//!
//! `cargo xtask test --all` runs them and sets what they need: Helm, and the packages of `tests/schemas`.

mod chart;
mod ledger;
mod manifests;
mod mesh;
mod overrides;
mod pod;
mod schemas;
mod sharing;
mod values;
