//! `check --host`: a policy as it is written in; what the place where it is kept can't take, and what nobody
//! reads there, out.
//!
//! | place | what it takes at most | whose limit |
//! |---|---|---|
//! | a ConfigMap (own gateway) | 1 MiB of names and values together | Kubernetes |
//! | any object (`pluginConfig`, `config`, `EnvoyFilter`) | 1.5 MiB as a request | etcd's `--max-request-bytes`, by its default |
//! | the annotation of `kubectl apply` | 256 KiB for all annotations | Kubernetes |

use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::config::raw::{RawPolicy, RawRoute};
use gatewaystack_core::config::reference::{Reader, Section};
use serde_json::Value;

/// Where the filter runs, and with it where its policy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Host {
    /// An own gateway in Kubernetes: the policy is in a ConfigMap
    Kubernetes,
    /// Istio: the policy is a WasmPlugin's pluginConfig, or in an EnvoyFilter
    Istio,
    /// Envoy Gateway: the policy is an EnvoyExtensionPolicy's config
    Eg,
}

const CONFIG_MAP: usize = 1024 * 1024;
const ETCD: usize = 1536 * 1024;
const ANNOTATIONS: usize = 256 * 1024;
/// For the rest of an object: names, labels, what the API server adds.
const ROOM: usize = 8 * 1024;
/// What Envoy buffers of a body where nobody says otherwise.
const BUFFER: usize = 1024 * 1024;

/// Whether the policy fits. `written` is the file's length.
///
/// # Errors
/// The limit that it is over, and what to do about it.
pub fn fits(host: Host, policy: &Value, written: usize) -> Result<(), ConfigError> {
    let (size, most, what) = match host {
        // The chart writes JSON with indents, somebody else perhaps the file.
        Host::Kubernetes => {
            let pretty = serde_json::to_string_pretty(policy).map_or(0, |text| text.len());
            (pretty.max(written), CONFIG_MAP, "a ConfigMap takes 1 MiB")
        }
        Host::Istio | Host::Eg => (
            in_object(host, policy),
            ETCD,
            "an object of Kubernetes takes 1.5 MiB (etcd's limit of a request, unless --max-request-bytes says otherwise)",
        ),
    };
    if size + ROOM <= most {
        return Ok(());
    }
    let most = most - ROOM;
    Err(ConfigError::new(
        "",
        format!(
            "{size} bytes as it is kept there, expected at most {most}: {what}, and 8 KiB are for the rest of it; make one route of \
             those that share their rules, or divide the hosts among several gateways"
        ),
    ))
}

/// What nobody reads there, and what needs a hand.
pub fn warnings(host: Host, source: &Value, policy: &Policy) -> Vec<ConfigError> {
    let mut all = Vec::new();
    if in_object(host, source) + ROOM > ANNOTATIONS {
        all.push(ConfigError::new(
            "",
            "is too long for `kubectl apply`, which keeps the whole object in an annotation (256 KiB): use `kubectl apply --server-side`, \
             or Helm",
        ));
    }
    if host == Host::Kubernetes {
        return all;
    }
    let unread = "is read by an own gateway alone; here routes and upstreams are the proxies'";
    let top = own(&RawPolicy::SECTION).filter(|name| source.get(name).is_some());
    all.extend(top.map(|name| ConfigError::new(name, unread)));
    if source.pointer("/audit/to").is_some() {
        all.push(ConfigError::new(
            "audit.to",
            "is read by an own gateway alone; here the records go where the proxies' access log does",
        ));
    }
    let of_sidecar = ["port", "data_dir"]
        .into_iter()
        .filter(|name| source.get("sidecar").is_some_and(|sidecar| sidecar.get(name).is_some()));
    all.extend(of_sidecar.map(|name| {
        ConfigError::new(
            format!("sidecar.{name}"),
            "is read by a sidecar alone; the filter knows it by `sidecar.cluster`",
        )
    }));
    if policy.own.ledger.is_some() && policy.posts_to.is_none() {
        all.push(ConfigError::new(
            "ledger.on",
            "has no record here: name the proxies' cluster of the sidecar as `sidecar.cluster` (Istio: \"outbound|8081||gatewaystack.gatewaystack.svc.cluster.local\")",
        ));
    }
    let routes = source.get("routes").and_then(Value::as_array);
    for (at, route) in routes.into_iter().flatten().enumerate() {
        let members = own(&RawRoute::SECTION).filter(|name| route.get(name).is_some());
        all.extend(members.map(|name| ConfigError::new(format!("routes[{at}].{name}"), unread)));
    }
    if source.get("rate_limit_service").is_some_and(|service| service.get("cluster").is_none()) {
        all.push(ConfigError::new(
            "rate_limit_service.cluster",
            "is what the filter asks through here: name the proxies' cluster of the service (Istio: \"outbound|8081||ratelimit.limits.svc.cluster.local\"); \
             nothing makes one of its url",
        ));
    }
    if host == Host::Istio && !policy.hold_headers {
        all.extend(unbuffered(source));
    }
    all
}

/// The members of a section that an own gateway alone reads.
fn own(section: &'static Section) -> impl Iterator<Item = &'static str> {
    let own = section.members.iter().filter(|member| member.facts.reader == Reader::Own);
    own.map(|member| member.name)
}

/// Caps over what the proxies buffer: a WasmPlugin can't change that, an EnvoyFilter does.
fn unbuffered(source: &Value) -> impl Iterator<Item = ConfigError> {
    let routes = source.get("routes").and_then(Value::as_array).into_iter().flatten().enumerate();
    let caps = routes.flat_map(|(at, route)| {
        [("mcp", "max_body"), ("response_filter", "max_bytes")].map(|(rule, cap)| {
            let bytes = route.get(rule).and_then(|rule| rule.get(cap)).and_then(Value::as_u64);
            (format!("routes[{at}].{rule}.{cap}"), bytes)
        })
    });
    let over = caps.filter(|(_, bytes)| bytes.is_some_and(|bytes| bytes > BUFFER as u64));
    over.map(|(path, _)| {
        ConfigError::new(
            path,
            "is more than Istio's proxies buffer (1 MiB), so that Envoy answers first: with `hold_headers: true` the chart raises that",
        )
    })
}

/// As it is in the object's JSON: in an EnvoyFilter as a text, its quotes escaped.
fn in_object(host: Host, policy: &Value) -> usize {
    let text = policy.to_string();
    let held = policy.get("hold_headers") == Some(&Value::Bool(true));
    match host {
        Host::Istio if held => Value::String(text).to_string().len(),
        _ => text.len(),
    }
}
