//! One row per warning.

use super::{Host, host, refusals, warnings};
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

#[test]
fn a_route_that_takes_paths_below_an_mcp_endpoint_is_told() {
    check(json!([{ "path": "/srv/mcp", "mcp": {} }, { "path": "/srv/*" }]), &["routes[1]"]);
    check(json!([{ "path": "/mcp/*" }, { "path": "/mcp", "mcp": {} }]), &["routes[0]"]);
    check(json!([{ "path": "/mcp", "mcp": {} }, { "path": "/v1/*" }, { "path": "/mcp/health" }]), &[]);
    check(json!([{ "path": "/mcp", "mcp": {} }, { "path": "/mcp/sse", "mcp": {} }]), &[]);
}

#[test]
fn a_claims_name_that_looks_like_a_way_is_told() {
    let told = |members: Value| {
        let mut issuer = json!({ "issuer": "https://idp.example", "audiences": ["a"] });
        issuer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let policy = json!({ "issuers": [issuer] });
        let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
        warnings(&policy).into_iter().map(|w| w.path).collect::<Vec<_>>()
    };
    assert_eq!(told(json!({ "tenant_claim": "https://a.example/tenant" })), [""; 0]);
    assert_eq!(
        told(json!({ "user_claim": "act.sub", "scope_claims": ["scope", "realm_access.roles"] })),
        ["issuers[0].user_claim", "issuers[0].scope_claims[1]"]
    );
    assert_eq!(
        told(json!({ "group_claims": ["/a.b/c", "cognito:groups", "a.b"] })),
        ["issuers[0].group_claims[2]"]
    );
}

#[test]
fn an_issuer_whose_machines_nobody_could_tell_is_told() {
    let told = |issuers: Value, routes: Value| {
        let policy = json!({ "issuers": issuers, "routes": routes });
        let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
        warnings(&policy).into_iter().map(|w| w.path).collect::<Vec<_>>()
    };
    let (one, known) = ("https://idp.example", "https://tenant.eu.auth0.com/");
    let issuer = |id: &str| json!({ "issuer": id, "audiences": ["a"] });
    let mut marked = issuer(one);
    marked["machine"] = json!([{ "claim": "kind", "is": "service" }]);
    let mut second = issuer(one);
    second["user_prefix"] = json!("b|");
    let users = json!([{ "path": "/a", "users_only": true }]);
    assert_eq!(told(json!([issuer(one)]), users.clone()), ["issuers[0]"]);
    assert_eq!(told(json!([issuer(one)]), json!([{ "path": "/a" }])), [""; 0]);
    assert_eq!(told(json!([marked]), users.clone()), [""; 0]);
    assert_eq!(told(json!([issuer("https://kc.example/realms/x")]), users.clone()), [""; 0]);
    assert_eq!(told(json!([issuer("https://auth0.com.evil.example/")]), users.clone()), ["issuers[0]"]);
    assert_eq!(told(json!([issuer(known), second]), users), ["issuers[1]"]);
    let narrowed = json!([{ "path": "/a", "users_only": true, "issuers": [known] }]);
    assert_eq!(told(json!([issuer(known), second]), narrowed), [""; 0]);
}

#[test]
fn a_public_route_before_one_with_a_token_is_refused_unless_it_is_meant() {
    let open = |path: &str| json!({ "path": path, "access": "public" });
    let with = |mut route: Value, member: &str, value: Value| {
        route[member] = value;
        route
    };
    let (get, post) = (json!(["GET"]), json!(["POST"]));
    for (routes, expect) in [
        (json!([open("/a/*"), { "path": "/a/secret" }]), &["routes[0]"][..]),
        (json!([open("/a/*"), { "path": "/a/b/*" }]), &["routes[0]"]),
        (json!([open("/z/*"), { "path": "/z/a" }, { "path": "/z/b", "scopes": ["s"] }]), &["routes[0]"]),
        (json!([open("/*/x"), { "path": "/admin/x" }]), &["routes[0]"]),
        (json!([open("/a"), { "path": "/a" }]), &["routes[0]"]),
        (json!([with(open("/a/*"), "methods", get.clone()), { "path": "/a/b" }]), &["routes[0]"]),
        (
            json!([with(open("/a/*"), "methods", get.clone()), { "path": "/a/b", "methods": ["HEAD"] }]),
            &["routes[0]"],
        ),
        (json!([with(open("/a/*"), "hosts", json!(["x.example"])), { "path": "/a/b" }]), &["routes[0]"]),
        (
            json!([open("/b/*"), open("/a/*"), { "path": "/a/b" }, { "path": "/b/c" }]),
            &["routes[1]", "routes[0]"],
        ),
        (json!([with(open("/a/*"), "hides", json!("allowed")), { "path": "/a/b" }]), &[]),
        (json!([with(open("/a/*"), "methods", get.clone()), { "path": "/a/b", "methods": post }]), &[]),
        (json!([with(open("/a"), "methods", get), { "path": "/a" }]), &[]),
        (json!([{ "path": "/a/b" }, open("/a/*")]), &[]),
        (json!([open("/a/b"), { "path": "/a/*" }]), &[]),
        (json!([open("/a/*"), open("/a/b")]), &[]),
        (
            json!([with(open("/a/*"), "hosts", json!(["x.example"])), { "path": "/a/b", "hosts": ["y.example"] }]),
            &[],
        ),
    ] {
        let policy = json!({
            "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
            "upstreams": { "default": "http://127.0.0.1:1" },
            "routes": routes,
        });
        let compiled = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
        for host in [None, Some(Host::Kubernetes), Some(Host::Istio), Some(Host::Eg)] {
            let paths: Vec<String> =
                refusals(host, Some(&policy), &compiled).into_iter().map(|error| error.path).collect();
            assert_eq!(paths, expect, "{host:?}: {routes}");
        }
    }
}

#[test]
fn a_route_that_leads_nowhere_is_refused_where_the_gateway_has_the_upstreams() {
    let lost = |upstreams: Value, written: bool, host| {
        let policy = json!({
            "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
            "upstreams": upstreams,
            "routes": [{ "path": "/a" }, { "path": "/b", "upstream": "b" }],
        });
        let compiled = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
        let found = refusals(host, written.then_some(&policy), &compiled);
        found.into_iter().map(|error| error.path).collect::<Vec<_>>()
    };
    let (one, both) = (json!({ "b": "http://b" }), json!({ "b": "http://b", "default": "http://a" }));
    for (upstreams, written, host, expect) in [
        (&one, true, None, &["routes[0].upstream"][..]),
        (&one, true, Some(Host::Kubernetes), &["routes[0].upstream"]),
        (&one, true, Some(Host::Istio), &[]),
        (&one, true, Some(Host::Eg), &[]),
        (&one, false, None, &[]),
        (&both, true, None, &[]),
    ] {
        assert_eq!(lost(upstreams.clone(), written, host), expect, "{upstreams} {written} {host:?}");
    }
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
