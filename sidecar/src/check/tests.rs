//! One row per warning.

use super::{Host, host, warnings};
use gatewaystack_core::config;
use serde_json::{Value, json};

fn check(routes: Value, expect: &[&str]) {
    let policy =
        json!({ "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }], "routes": routes });
    let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
    let paths: Vec<String> = warnings(&policy).into_iter().map(|w| w.path).collect();
    assert_eq!(paths, expect, "{routes}");
}

#[test]
fn a_policy_that_says_more_than_it_means_is_told() {
    check(json!([{ "path": "/a/*" }, { "path": "/a/b" }]), &["routes[1]"]);
    check(json!([{ "path": "/a/b" }, { "path": "/a/*" }]), &[]);
    check(json!([{ "path": "/a", "methods": ["GET"] }, { "path": "/a", "methods": ["POST"] }]), &[]);
    check(
        json!([{ "path": "/a", "methods": ["GET", "POST"] }, { "path": "/a", "methods": ["HEAD"] }]),
        &["routes[1]"],
    );
    check(
        json!([{ "path": "/a", "hosts": ["x.example"], "scopes": ["s"] }, { "path": "/a" }]),
        &["routes[1]"],
    );
    check(json!([{ "path": "/a", "hosts": ["x.example"] }, { "path": "/a", "hosts": ["y.example"] }]), &[]);
    check(json!([{ "path": "/a/open", "access": "public" }, { "path": "/a/*" }]), &["routes[0]"]);
}

/// A policy whose JSON has so many bytes.
fn sized(bytes: usize, hold_headers: bool) -> Value {
    let issuer = json!({ "issuer": "https://idp.example", "audiences": ["a"] });
    let mut policy = json!({ "issuers": [issuer], "hold_headers": hold_headers, "realm": "" });
    let rest = policy.to_string().len();
    policy["realm"] = "r".repeat(bytes - rest).into();
    policy
}

#[test]
fn a_policy_over_the_limits_of_its_place_is_told_which() {
    const ROOM: usize = 8 * 1024;
    for (host, held, most, says) in [
        (Host::Istio, false, 1_572_864, "an object of Kubernetes takes 1.5 MiB"),
        (Host::Eg, true, 1_572_864, "an object of Kubernetes takes 1.5 MiB"),
        // As a text it has two quotes around it, and a backslash before each of its own sixteen.
        (Host::Istio, true, 1_572_864 - 18, "an object of Kubernetes takes 1.5 MiB"),
    ] {
        assert_eq!(host::fits(host, &sized(most - ROOM, held), 0), Ok(()), "{host:?}");
        let error = host::fits(host, &sized(most - ROOM + 1, held), 0).unwrap_err();
        assert!(
            error.message.contains(says) && error.message.contains("expected at most 1564672"),
            "{error:?}"
        );
    }
    // A ConfigMap keeps the file, or the same with indents.
    assert_eq!(host::fits(Host::Kubernetes, &sized(1_000, false), 1_048_576 - ROOM), Ok(()));
    let error = host::fits(Host::Kubernetes, &sized(1_000, false), 1_048_577 - ROOM).unwrap_err();
    assert!(error.message.contains("a ConfigMap takes 1 MiB"), "{error:?}");
    host::fits(Host::Kubernetes, &sized(1_048_577 - ROOM, false), 0).unwrap_err();
}

#[test]
fn what_nobody_reads_in_a_mesh_is_told() {
    let own = json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "listen": { "port": 8443 },
        "upstreams": { "default": "http://127.0.0.1:1" },
        "routes": [
            { "path": "/a", "strip_prefix": "/a", "upstream": "default" },
            { "path": "/mcp", "mcp": { "max_body": 1_048_577 } },
            { "path": "/mcp2", "mcp": { "max_body": 1_048_576 } },
        ],
    });
    let paths = |host, policy: &Value| -> Vec<String> {
        let compiled = config::load_filter(Some(policy.to_string().as_bytes()), None).unwrap();
        host::warnings(host, policy, &compiled).into_iter().map(|w| w.path).collect()
    };
    let unread = ["listen", "upstreams", "routes[0].upstream", "routes[0].strip_prefix"];
    assert_eq!(paths(Host::Kubernetes, &own), [""; 0]);
    assert_eq!(paths(Host::Eg, &own), unread);
    assert_eq!(paths(Host::Istio, &own), [&unread[..], &["routes[1].mcp.max_body"]].concat());
    let held = json!({ "hold_headers": true, "issuers": own["issuers"], "routes": [own["routes"][1]] });
    assert_eq!(paths(Host::Istio, &held), [""; 0]);
    let mut limits =
        json!({ "issuers": own["issuers"], "rate_limit_service": { "url": "http://limits:8081" } });
    assert_eq!(paths(Host::Kubernetes, &limits), [""; 0]);
    assert_eq!(paths(Host::Eg, &limits), ["rate_limit_service.cluster"]);
    limits["rate_limit_service"]["cluster"] = json!("limits");
    assert_eq!(paths(Host::Istio, &limits), [""; 0]);
}

#[test]
fn a_policy_that_kubectl_apply_cannot_keep_is_told() {
    let of = |bytes, host| {
        let policy = sized(bytes, false);
        let compiled = config::load(Some(sized(200, false).to_string().as_bytes()), None).unwrap();
        host::warnings(host, &policy, &compiled).len()
    };
    for host in [Host::Kubernetes, Host::Istio, Host::Eg] {
        assert_eq!((of(253_952, host), of(253_953, host)), (0, 1), "{host:?}");
    }
}
