//! Envoy's routes: where they lead, which of them are one, and who is shown the secret.

use super::{manager, policy, rendered, routes};
use serde_json::{Value, json};

#[test]
fn routes_go_where_the_policy_says() {
    let (_, bootstrap) = rendered(
        Some(policy(json!([
            { "path": "/a.b/*/c", "methods": ["GET"], "hosts": ["API.example.com:8443"] },
            { "path": "/v1/notes/*", "upstream": "notes", "strip_prefix": "/v1", "timeout": "250ms" },
            { "path": "/live", "upgrade": ["websocket"], "timeout": 0 }
        ]))),
        &[],
    );
    let own: Vec<Value> =
        routes(&bootstrap).into_iter().filter(|r| !r.to_string().contains("gatewaystack_sidecar")).collect();
    // Two for a server without TLS: gRPC needs a cluster of its own.
    let plain: Vec<&Value> = own.iter().filter(|r| r["match"]["grpc"].is_null()).collect();
    assert_eq!(plain[0]["match"]["safe_regex"]["regex"], "/a\\.b/[^/]+/c/?");
    assert_eq!(plain[0]["match"]["headers"][0]["string_match"]["safe_regex"]["regex"], "GET|HEAD");
    assert_eq!(
        plain[0]["match"]["headers"][1]["string_match"]["safe_regex"]["regex"],
        "(?i)(?:api\\.example\\.com)(?::[0-9]*)?"
    );
    assert_eq!(plain[0]["route"]["cluster"], "upstream_default");
    assert_eq!(plain[0]["route"]["retry_policy"], json!({ "num_retries": 0, "per_try_timeout": "5.000s" }));
    assert_eq!(plain[1]["match"]["safe_regex"]["regex"], "/v1/notes/[^/].*");
    assert_eq!(plain[1]["route"]["cluster"], "upstream_notes");
    assert_eq!(
        plain[1]["route"]["regex_rewrite"],
        json!({ "pattern": { "regex": "^/v1/?(.*)$" }, "substitution": "/\\1" })
    );
    assert_eq!(plain[1]["route"]["retry_policy"]["per_try_timeout"], "0.250s");
    assert_eq!(plain[2]["route"]["upgrade_configs"][0]["enabled"], json!(true));
    assert_eq!(plain[2]["route"]["retry_policy"], Value::Null);
    assert_eq!(plain[3]["direct_response"]["status"], json!(404));
    assert_eq!(own.len(), 6);
}

/// Envoy tries routes one by one, and a regular expression all at once.
#[test]
fn neighbours_that_go_to_one_place_are_one_route_and_no_others() {
    let regexes = |listed: Value| -> Vec<String> {
        let (_, bootstrap) = rendered(Some(policy(listed)), &[]);
        let own = routes(&bootstrap).into_iter().filter(|r| r["match"]["grpc"].is_null());
        let own = own.filter(|r| r["route"]["cluster"].as_str().is_some_and(|c| c.starts_with("upstream_")));
        own.map(|r| r["match"]["safe_regex"]["regex"].as_str().unwrap().to_owned()).collect()
    };
    let got = regexes(json!([
        { "path": "/a", "scopes": ["x"] }, { "path": "/b/*" }, { "path": "/b", "methods": ["GET"] },
        { "path": "/c", "methods": ["GET"] }, { "path": "/d", "upstream": "notes" }, { "path": "/e" }
    ]));
    assert_eq!(got, ["/a/?|/b/[^/].*", "/b/?|/c/?", "/d/?", "/e/?"]);
    let many: Vec<Value> = (0..600).map(|at| json!({ "path": format!("/r{at}") })).collect();
    let lengths: Vec<usize> = regexes(json!(many)).iter().map(|regex| regex.split('|').count()).collect();
    assert_eq!(lengths, [256, 256, 88]);
    // Long ones make smaller groups.
    let long: Vec<Value> =
        (0..256).map(|at| json!({ "path": format!("/{at}{}/*", "x".repeat(400)) })).collect();
    let longest = regexes(json!(long)).iter().map(String::len).max().unwrap();
    assert!((8_000..=16_500).contains(&longest), "{longest}");
}

#[test]
fn only_the_sidecar_is_shown_the_secret() {
    let (rendered, bootstrap) = rendered(None, &[("PROXY_TARGET", "http://127.0.0.1:3333")]);
    for route in routes(&bootstrap) {
        let sidecar = route["route"]["cluster"] == "gatewaystack_sidecar";
        assert_eq!(route.to_string().contains(&rendered.secret), sidecar, "{}", route["name"]);
    }
}

#[test]
fn in_shadow_mode_a_path_without_a_route_goes_to_the_default_upstream() {
    let mut shadow = policy(json!([{ "path": "/a" }]));
    shadow["mode"] = json!("shadow");
    let (_, bootstrap) = rendered(Some(shadow), &[]);
    let last = routes(&bootstrap).pop().unwrap();
    assert_eq!(
        (&last["match"]["safe_regex"]["regex"], &last["route"]["cluster"]),
        (&json!("/.*"), &json!("upstream_default"))
    );
    let manager = manager(&bootstrap);
    assert_eq!(manager["common_http_protocol_options"]["headers_with_underscores_action"], "ALLOW");
    assert_eq!(manager["normalize_path"], json!(false));
}
