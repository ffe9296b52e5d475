//! Envoy's clusters: their certificates, their names, and where they are in containers.

use super::{input, policy, rendered};
use crate::render::render;
use serde_json::{Value, json};

#[test]
fn certificates_of_others_are_verified_by_name() {
    let (_, bootstrap) =
        rendered(Some(policy(json!([{ "path": "/a" }]))), &[("SSL_CERT_FILE", "/roots.pem")]);
    let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    let of = |name: &str| clusters.iter().find(|c| c["name"].as_str().unwrap().starts_with(name)).unwrap();
    for (name, host) in [("upstream_notes", "notes.example"), ("gatewaystack_jwks_", "idp.example")] {
        let tls = &of(name)["transport_socket"]["typed_config"];
        assert_eq!(tls["sni"], host);
        let context = &tls["common_tls_context"]["validation_context"];
        assert_eq!(context["trusted_ca"]["filename"], "/roots.pem");
        assert_eq!(
            context["match_typed_subject_alt_names"],
            json!([{ "san_type": "DNS", "matcher": { "exact": host } }])
        );
    }
    assert_eq!(of("upstream_default")["transport_socket"], Value::Null);
    assert_eq!(of("upstream_default")["type"], "STATIC");
}

#[test]
fn a_cluster_has_one_meaning() {
    let mut two = policy(json!([]));
    two["issuers"] = json!([
        { "issuer": "https://a.example", "audiences": ["a"], "jwks_cluster": "keys" },
        { "issuer": "https://b.example", "audiences": ["a"], "jwks_cluster": "keys", "user_prefix": "b|" },
        { "issuer": "https://a.example/2", "audiences": ["a"], "jwks_cluster": "keys", "user_prefix": "c|" },
        { "issuer": "https://d.example", "audiences": ["a"], "jwks_cluster": "upstream_default", "user_prefix": "d|" }
    ]);
    let errors = render(&input(Some(two), &[])).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["issuers[1].jwks_cluster", "issuers[3].jwks_cluster"]);
}

#[test]
fn in_containers_only_the_addresses_are_others() {
    let variables = [
        ("DEMO_MODE", "true"),
        ("OAUTH_ISSUER_DEMO", "http://127.0.0.1:5051"),
        ("OAUTH_AUDIENCE_DEMO", "a"),
        ("OAUTH_JWKS_URI_DEMO", "http://127.0.0.1:5051/jwks"),
        ("OAUTH_SCOPES_DEMO", "openid"),
        ("PROXY_TARGET", "http://127.0.0.1:3333"),
    ];
    let places = [
        ("CONNECT_TO", "127.0.0.1:5051=demo:5051,127.0.0.1:3333=demo:3333"),
        ("ALLOW_INSECURE_JWKS", "true"),
        ("SIDECAR_HOST", "sidecar"),
    ];
    let (there, bootstrap) = rendered(None, &[&variables[..], &places[..]].concat());
    let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    for (name, host, port) in [
        ("gatewaystack_sidecar", "sidecar", 8081),
        ("gatewaystack_jwks_", "demo", 5051),
        ("upstream_proxy_target", "demo", 3333),
    ] {
        let cluster =
            clusters.iter().find(|cluster| cluster["name"].as_str().unwrap().starts_with(name)).unwrap();
        let address = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        assert_eq!(address["socket_address"], json!({ "address": host, "port_value": port }), "{name}");
        assert!(cluster["type"].as_str().unwrap().ends_with("_DNS"), "{name}");
    }
    assert_eq!(there.sidecar, "sidecar:8081");
    let (here, _) = rendered(None, &[&variables[..], &[("ALLOW_INSECURE_JWKS", "true")]].concat());
    assert_eq!(there.policy_json, here.policy_json, "the filter knows of no container");
}
