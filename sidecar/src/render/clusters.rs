//! Clusters: where Envoy connects to. One for the sidecar, one per issuer, one for the rate limit service,
//! and per upstream one for each protocol that a route needs.

use super::spans;
use crate::connect::ConnectTo;
use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::{HttpUrl, JwksSource, Policy};
use serde::Serialize;
use std::net::IpAddr;
use std::path::Path;

/// The cluster of the sidecar.
pub const SIDECAR: &str = "gatewaystack_sidecar";
/// The cluster of routes that have no upstream.
pub const NO_UPSTREAM: &str = "gatewaystack_no_upstream";

/// A cluster as the template has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    what: String,
    discovery: &'static str,
    family: Option<&'static str>,
    protocol: &'static str,
    host: Option<String>,
    port: u16,
    tls: Option<Tls>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Tls {
    sni: Option<String>,
    san_type: &'static str,
}

/// Protocol towards an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// What TLS negotiates; without TLS, HTTP/1.1.
    Usual,
    /// HTTP/1.1: upgrades.
    Http1,
    /// HTTP/2 without negotiation: gRPC without TLS.
    Http2,
}

/// The cluster of an upstream.
pub fn name(upstream: &str, protocol: Protocol) -> String {
    match protocol {
        Protocol::Usual => format!("upstream_{upstream}"),
        Protocol::Http1 => format!("upstream_{upstream}_http1"),
        Protocol::Http2 => format!("upstream_{upstream}_http2"),
    }
}

/// All clusters of a policy.
///
/// # Errors
/// Cluster names of issuers and of the rate limit service that are taken, and a service without a place.
pub fn clusters(
    policy: &Policy,
    sidecar_host: &str,
    elsewhere: &ConnectTo,
) -> Result<Vec<Cluster>, Vec<ConfigError>> {
    let mut all = vec![sidecar(sidecar_host, policy.own.sidecar_port)];
    all.push(Cluster {
        name: NO_UPSTREAM.to_owned(),
        what: "For routes without an upstream: nobody is there, so the answer is 502.".to_owned(),
        host: None,
        ..sidecar("127.0.0.1", 0)
    });
    for (upstream, url) in &policy.own.upstreams {
        let protocols: &[Protocol] =
            if url.tls { &[Protocol::Usual, Protocol::Http1] } else { &[Protocol::Usual, Protocol::Http2] };
        for protocol in protocols {
            let what = format!("upstream {upstream}");
            all.push(cluster(name(upstream, *protocol), what, &connected(url, elsewhere), *protocol, false));
        }
    }
    let mut errors = Vec::new();
    for (at, issuer) in policy.issuers.iter().enumerate() {
        let (JwksSource::Uri(url) | JwksSource::Discover(url)) = &issuer.jwks;
        let (name, what) = (issuer.jwks_cluster.clone(), "keys of an issuer".to_owned());
        let cluster = cluster(name, what, &connected(url, elsewhere), Protocol::Usual, true);
        add(&mut all, cluster, &format!("issuers[{at}].jwks_cluster"), &mut errors);
    }
    if let Some(service) = &policy.limit_service {
        match &service.url {
            Some(url) => {
                let (name, what) = (service.cluster.clone(), "the rate limit service".to_owned());
                let cluster = cluster(name, what, &connected(url, elsewhere), Protocol::Http2, false);
                add(&mut all, cluster, "rate_limit_service.cluster", &mut errors);
            }
            None => errors.push(ConfigError::new(
                "rate_limit_service.url",
                "required: where the service is, such as http://ratelimit:8081 (a cluster alone is for meshes)",
            )),
        }
    }
    if policy.posts_to.as_ref().is_some_and(|cluster| cluster != SIDECAR) {
        errors.push(ConfigError::new(
            "ledger.cluster",
            format!("expected {SIDECAR} or nothing, as `sidecar.cluster`: the records of an own gateway go to its own sidecar"),
        ));
    }
    if let Some(otlp) = &policy.own.otlp {
        let what = "the collector of spans".to_owned();
        let cluster =
            cluster(spans::CLUSTER.to_owned(), what, &connected(otlp, elsewhere), Protocol::Usual, false);
        add(&mut all, cluster, "telemetry.otlp", &mut errors);
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

/// A name stands for one place.
fn add(all: &mut Vec<Cluster>, cluster: Cluster, path: &str, errors: &mut Vec<ConfigError>) {
    match all.iter().find(|c| c.name == cluster.name) {
        None => all.push(cluster),
        Some(same) if *same == cluster => {}
        Some(_) => errors.push(ConfigError::new(
            path,
            "expected a name that no other cluster has, unless its host is the same",
        )),
    }
}

/// The URL with the address to connect to. Under TLS the name is the certificate's, and stays.
fn connected(url: &HttpUrl, elsewhere: &ConnectTo) -> HttpUrl {
    match elsewhere.of(&url.host, url.port).filter(|_| !url.tls) {
        Some((host, port)) => HttpUrl { host: host.to_owned(), port, ..url.clone() },
        None => url.clone(),
    }
}

fn sidecar(host: &str, port: u16) -> Cluster {
    let (discovery, family) = discovery(host, false);
    Cluster {
        name: SIDECAR.to_owned(),
        what: "the companion process".to_owned(),
        discovery,
        family,
        protocol: "http1",
        host: Some(host.to_owned()),
        port,
        tls: None,
    }
}

fn cluster(name: String, what: String, url: &HttpUrl, protocol: Protocol, issuer: bool) -> Cluster {
    let (discovery, family) = discovery(&url.host, issuer);
    Cluster {
        name,
        what,
        discovery,
        family,
        protocol: match (protocol, url.tls) {
            (Protocol::Usual, true) => "auto",
            (Protocol::Usual, false) | (Protocol::Http1, _) => "http1",
            (Protocol::Http2, _) => "http2",
        },
        host: Some(url.host.clone()),
        port: url.port,
        tls: url.tls.then(|| tls(&url.host)),
    }
}

/// An address needs no resolver. `localhost` and identity providers may be reached by either family,
/// whichever answers; an upstream's name may stand for several servers, which share the load.
fn discovery(host: &str, issuer: bool) -> (&'static str, Option<&'static str>) {
    if host.parse::<IpAddr>().is_ok() {
        ("STATIC", None)
    } else if issuer || host == "localhost" || host.ends_with(".localhost") {
        ("LOGICAL_DNS", Some("ALL"))
    } else {
        ("STRICT_DNS", Some("V4_PREFERRED"))
    }
}

/// An address is no SNI (RFC 6066 §3), and is in certificates as an address.
fn tls(host: &str) -> Tls {
    if host.parse::<IpAddr>().is_ok() {
        Tls { sni: None, san_type: "IP_ADDRESS" }
    } else {
        Tls { sni: Some(host.to_owned()), san_type: "DNS" }
    }
}

/// The system's trusted roots; `SSL_CERT_FILE`, which other programs follow, wins.
pub fn roots(env: &Environment) -> String {
    const PLACES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
        "/etc/ssl/ca-bundle.pem",
    ];
    let chosen = env.get("SSL_CERT_FILE").map(|f| f.trim()).filter(|f| !f.is_empty());
    let found = || PLACES.into_iter().find(|place| Path::new(place).is_file());
    chosen.or_else(found).unwrap_or("/etc/ssl/certs/ca-certificates.crt").to_owned()
}
