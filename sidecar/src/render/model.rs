//! What the template is filled with: the compiled policy and the places on this machine in, plain values out.

use super::clusters::{self, Cluster};
use super::files::absolute;
use super::memory::Memory;
use super::routes::{self, Route};
use super::spans::Spans;
use crate::connect::ConnectTo;
use crate::ledger;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::{AuditAddress, Mode, Own, Policy, Records};
use gatewaystack_core::cors::OF_UPSTREAM;
use gatewaystack_core::location::{MARK, NAMES};
use serde::Serialize;
use std::path::Path;

/// Where things are on this machine.
pub struct Places<'a> {
    /// The filter.
    pub wasm: &'a Path,
    /// The folder of the decision records.
    pub data_dir: &'a Path,
    /// File of the trusted roots.
    pub roots: String,
    /// The sidecar's secret.
    pub secret: &'a str,
    /// The folded policy, as JSON.
    pub policy: String,
    /// The sidecar's host.
    pub sidecar_host: &'a str,
    /// Where the statistics alone are served, too.
    pub stats_port: Option<u16>,
    /// Where servers are that the policy calls loopback.
    pub elsewhere: &'a ConnectTo,
    /// What Envoy may take.
    pub memory: Memory,
    /// Where spans go.
    pub spans: Option<Spans>,
}

/// The template's values.
#[derive(Debug, Serialize)]
pub struct Model {
    bind: String,
    port: u16,
    admin_port: u16,
    stats_port: Option<u16>,
    trusted_hops: u32,
    shadow: bool,
    tls: Option<Tls>,
    buffer_bytes: usize,
    heap_bytes: u64,
    connections: u64,
    /// How many of them one address may have.
    per_address: Option<u64>,
    logs: Vec<Log>,
    /// Whether records show whole addresses.
    full_address: bool,
    /// Whether the filter asks the sidecar for something.
    asks_sidecar: bool,
    revision: String,
    wasm: String,
    policy: String,
    secret: String,
    roots: String,
    cors_headers: [&'static str; 7],
    /// What finds the headers of an answer that may name an upstream, and the header that tells the filter
    /// so.
    names: String,
    names_mark: &'static str,
    routes: Vec<Route>,
    clusters: Vec<Cluster>,
    spans: Option<Spans>,
}

#[derive(Debug, Serialize)]
struct Tls {
    cert_file: String,
    key_file: String,
}

/// A place of the decision records, as Envoy names it.
#[derive(Debug, Serialize)]
struct Log {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    path: Option<String>,
}

fn logs(records: Records, file: &Path) -> Vec<Log> {
    let file = Log {
        name: "envoy.access_loggers.file",
        kind: "file.v3.FileAccessLog",
        path: Some(file.display().to_string()),
    };
    let stdout = Log { name: "envoy.access_loggers.stdout", kind: "stream.v3.StdoutAccessLog", path: None };
    [(records.file, file), (records.stdout, stdout)]
        .into_iter()
        .filter_map(|(on, log)| on.then_some(log))
        .collect()
}

/// An eighth of all, where the policy says nothing. Where a proxy is in front, all are the proxy's.
fn per_address(own: &Own, connections: u64) -> Option<u64> {
    let cap = own.connections_per_address.map_or_else(|| (connections / 8).max(1), u64::from);
    (cap > 0 && own.trusted_hops == 0).then_some(cap)
}

/// Whether the filter shows the sidecar its secret.
fn asks_sidecar(policy: &Policy) -> bool {
    let asked = policy.feed.as_ref().map(|feed| feed.cluster.as_str());
    asked.into_iter().chain(policy.posts_to.as_deref()).any(|cluster| cluster == clusters::SIDECAR)
}

/// The values for a policy.
///
/// # Errors
/// What can't be rendered.
pub fn model(policy: &Policy, places: Places<'_>) -> Result<Model, Vec<ConfigError>> {
    let own = &policy.own;
    let file = |path: &str| absolute(Path::new(path)).display().to_string();
    Ok(Model {
        bind: own.bind.clone(),
        port: own.port,
        admin_port: own.admin_port,
        stats_port: places.stats_port,
        trusted_hops: own.trusted_hops,
        shadow: policy.mode == Mode::Shadow,
        tls: own.tls.as_ref().map(|(cert, key)| Tls { cert_file: file(cert), key_file: file(key) }),
        buffer_bytes: policy.buffer_bytes(),
        heap_bytes: places.memory.heap,
        connections: places.memory.connections,
        per_address: per_address(own, places.memory.connections),
        logs: logs(own.records, &ledger::records_file(places.data_dir)),
        full_address: policy.audit_address == AuditAddress::Full,
        asks_sidecar: asks_sidecar(policy),
        revision: policy.revision.to_string(),
        wasm: places.wasm.display().to_string(),
        policy: places.policy,
        secret: places.secret.to_owned(),
        roots: places.roots,
        cors_headers: OF_UPSTREAM,
        // One of two is found by one command of Envoy's.
        names: NAMES.chunks(2).map(|names| format!("%RESP({})%", names.join("?"))).collect(),
        names_mark: MARK,
        routes: routes::routes(policy),
        clusters: clusters::clusters(policy, places.sidecar_host, places.elsewhere)?,
        spans: places.spans,
    })
}
