//! The members that `render` and the sidecar read (marked *own* in docs/policy.md). The filter checks them,
//! too: a policy that one part refuses, no part loads.

use super::common::Errors;
use super::memory;
use super::routes;
use crate::bounds;
use crate::policy::{Own, Promotion, Records};
use crate::raw::{RawListen, RawPolicy, RawRecords};
use crate::values::name;
use std::net::IpAddr;

/// Compiles the own members.
pub fn compile(
    raw: &RawPolicy,
    health: bool,
    webhook: bool,
    promotion: Promotion,
    errors: &mut Errors,
) -> Own {
    let listen = raw.listen.clone().unwrap_or_default();
    let sidecar = raw.sidecar.clone().unwrap_or_default();
    let bind = listen.bind.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
    if bind.parse::<IpAddr>().is_err() {
        errors.push("listen.bind", "expected an IP address such as 127.0.0.1 or 0.0.0.0");
    }
    let records = records(raw, errors);
    let own = Own {
        bind,
        port: port(listen.port, 8080, "listen.port", errors),
        tls: tls(&listen, errors),
        trusted_hops: trusted_hops(&listen, errors),
        connections_per_address: connections_per_address(&listen, errors),
        admin_port: port(listen.admin_port, 9901, "listen.admin_port", errors),
        sidecar_port: port(sidecar.port, 8081, "sidecar.port", errors),
        data_dir: sidecar.data_dir.clone().unwrap_or_else(|| "./data".to_owned()),
        upstreams: upstreams(raw, errors),
        health,
        webhook,
        promotion,
        records,
        ledger: memory::ledger(raw, records, errors),
        audit: memory::audit(raw, errors),
        otlp: memory::otlp(raw, errors),
    };
    if own.data_dir.is_empty() || own.data_dir.chars().any(char::is_control) {
        errors.push("sidecar.data_dir", "expected a folder");
    }
    apart(&own, errors);
    own
}

fn port(raw: Option<u64>, default: u16, path: &str, errors: &mut Errors) -> u16 {
    let Some(port) = raw else { return default };
    u16::try_from(port).unwrap_or_else(|_| {
        errors.push(path, "expected a port from 0 to 65535 (0: any free one)");
        default
    })
}

fn records(raw: &RawPolicy, errors: &mut Errors) -> Records {
    let Some(to) = raw.audit.as_ref().and_then(|audit| audit.to.as_deref()) else {
        return Records { file: true, stdout: false };
    };
    if to.is_empty() {
        errors.push("audit.to", "expected file, stdout or both: what is decided is always recorded");
    }
    Records { file: to.contains(&RawRecords::File), stdout: to.contains(&RawRecords::Stdout) }
}

fn trusted_hops(listen: &RawListen, errors: &mut Errors) -> u32 {
    let hops = listen.trusted_hops.unwrap_or(0);
    if !bounds::TRUSTED_HOPS.takes(hops) {
        errors.push("listen.trusted_hops", "expected the number of proxies in front, from 0 to 32");
    }
    u32::try_from(hops).unwrap_or(0)
}

fn connections_per_address(listen: &RawListen, errors: &mut Errors) -> Option<u32> {
    let cap = listen.connections_per_address?;
    let path = "listen.connections_per_address";
    if cap > 0 && listen.trusted_hops.unwrap_or(0) > 0 {
        errors.push(path, "expected 0 with `trusted_hops`: all connections are the proxies', which have to count their clients'");
    }
    if !bounds::CONNECTIONS.takes(cap) {
        errors.push(path, "expected a number of connections from 1 to 1000000, or 0 for any number");
    }
    u32::try_from(cap).ok()
}

fn tls(listen: &RawListen, errors: &mut Errors) -> Option<(String, String)> {
    let section = listen.tls.as_ref()?;
    let mut file = |member: &str, text: &Option<String>| match text {
        Some(text) if !text.is_empty() && !text.chars().any(char::is_control) => text.clone(),
        _ => {
            errors.push(
                format!("listen.tls.{member}"),
                "required: cert_file and key_file belong together, each a PEM file",
            );
            String::new()
        }
    };
    Some((file("cert_file", &section.cert_file), file("key_file", &section.key_file)))
}

fn apart(own: &Own, errors: &mut Errors) {
    let taken = |port: u16, other: u16| port != 0 && port == other;
    if taken(own.sidecar_port, own.port) {
        errors.push("sidecar.port", "expected another port than the listener's");
    }
    if taken(own.admin_port, own.port) || taken(own.admin_port, own.sidecar_port) {
        errors.push("listen.admin_port", "expected another port than the listener's and the sidecar's");
    }
    let otlp_port = own.ledger.as_ref().and_then(|ledger| ledger.otlp_port).unwrap_or(0);
    if [own.port, own.sidecar_port, own.admin_port].into_iter().any(|port| taken(otlp_port, port)) {
        errors.push("ledger.otlp_port", "expected another port than the gateway has for anything else");
    }
}

fn upstreams(raw: &RawPolicy, errors: &mut Errors) -> Vec<(String, crate::policy::HttpUrl)> {
    let mut all = Vec::new();
    for (name, text) in raw.upstreams.iter().flatten() {
        let path = format!("upstreams.{name}");
        errors.keep(path.clone(), name::check_cluster(name));
        all.extend(errors.keep(path, routes::upstream_url(text)).map(|url| (name.clone(), url)));
    }
    all
}
