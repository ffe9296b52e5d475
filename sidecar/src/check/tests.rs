//! One row per warning.

use super::warnings;
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
