//! One row per malformed member: the error names it.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sets `pointer` in the good policy, and expects exactly one error at `path`.
fn refused(pointer: &str, value: Value, path: &str) {
    let mut policy = good();
    set(&mut policy, pointer, value.clone());
    assert_eq!(loaded(&policy).expect_err(path), [path], "{pointer} = {value}");
}

fn accepted(pointer: &str, value: Value) {
    let mut policy = good();
    set(&mut policy, pointer, value.clone());
    if let Err(errors) = loaded(&policy) {
        panic!("{pointer} = {value}: {errors:?}");
    }
}

#[test]
fn a_malformed_member_names_itself() {
    for (path, value) in [
        ("version", json!(2)),
        ("mode", json!("off")),
        ("hold_headers", json!("yes")),
        ("verifier", json!("openssl")),
        ("case", json!(true)),
        ("environment", json!(1)),
        ("public_url", json!("gateway.example.com")),
        ("public_url", json!("https://gateway.example.com/path")),
        ("public_url", json!("https://user@gateway.example.com")),
        ("resource", json!("not a uri")),
        ("realm", json!("a\"b")),
        ("challenge_scope", json!("some")),
        ("metadata", json!([])),
        ("builtin", json!(true)),
        ("timeout", json!("5")),
        ("timeout", json!("2h")),
        ("issuers", json!([])),
        ("upstreams", json!([])),
        ("cors", json!(null)),
        ("unknown", json!(1)),
    ] {
        refused(&format!("/{path}"), value, path);
    }
    for (pointer, path, value) in [
        ("/public_hosts", "public_hosts[0]", json!(["https://a.example"])),
        ("/scopes_supported", "scopes_supported[1]", json!(["a", "b c"])),
        ("/tool_scopes", "tool_scopes[0]", json!([""])),
        ("/hidden_scopes", "hidden_scopes[0]", json!(["a\"b"])),
        ("/metadata/serve", "metadata.serve", json!("nobody")),
        ("/metadata/require_token", "metadata.require_token", json!("true")),
        ("/builtin/health", "builtin.health", json!("on")),
        ("/builtin/test_routes", "builtin.test_routes", json!(true)),
        ("/builtin/read_scopes", "builtin.read_scopes", json!([])),
        ("/builtin/write_scopes", "builtin.write_scopes[0]", json!(["a b"])),
        ("/listen/bind", "listen.bind", json!("localhost")),
        ("/listen/port", "listen.port", json!(65_536)),
        ("/listen/port", "listen.port", json!(-1)),
        ("/listen/admin_port", "listen.admin_port", json!(8080)),
        ("/listen/trusted_hops", "listen.trusted_hops", json!(33)),
        ("/listen/tls", "listen.tls.key_file", json!({ "cert_file": "a.pem" })),
        ("/sidecar/port", "sidecar.port", json!(8080)),
        ("/sidecar/data_dir", "sidecar.data_dir", json!("")),
        ("/cors/origins", "cors.origins[0]", json!(["https://app.example.com/"])),
        ("/cors/origins", "cors.origins", json!(["*", "https://app.example.com"])),
        ("/upstreams/notes", "upstreams.notes", json!("notes.internal:8443")),
        ("/upstreams/notes", "upstreams.notes", json!("https://notes.internal/base")),
        ("/identity/user_header", "identity.user_header", json!("Authorization")),
        ("/identity/user_header", "identity.user_header", json!("x_forwarded_for")),
        ("/identity/user_header", "identity.user_header", json!(":path")),
        ("/identity/tenant_header", "identity.tenant_header", json!("X-User-Id")),
        ("/identity/tenant_header", "identity.tenant_header", json!("Content-Language")),
        ("/identity/user_query", "identity.user_query", json!("user.id")),
        ("/audit/subject", "audit.subject", json!("none")),
        ("/webhook/tenant_domain", "webhook.tenant_domain", json!("https://t.example")),
        ("/webhook/client_names", "webhook.client_names[0]", json!([""])),
        ("/webhook/client_names", "webhook.client_names[1]", json!(["*", "*GPT"])),
        ("/webhook/tenant_domain", "webhook.tenant_domain", json!("t.example/api")),
        ("/webhook/redirect_uris", "webhook.redirect_uris[0]", json!(["https://a.example/x*"])),
        ("/webhook/redirect_uris", "webhook.redirect_uris[0]", json!(["cursor"])),
        ("/webhook/redirect_uris", "webhook.redirect_uris[0]", json!(["https://*.example/cb"])),
        ("/webhook/first_party", "webhook.first_party", json!("no")),
    ] {
        refused(pointer, value, path);
    }
}

#[test]
fn a_malformed_issuer_names_its_member() {
    for (member, path, value) in [
        ("issuer", "issuers[0].issuer", json!("http://idp.example/")),
        ("issuer", "issuers[0].issuer", json!("https://idp.example/?a=b")),
        ("issuer", "issuers[0].issuer", json!("idp")),
        ("audiences", "issuers[0].audiences", json!([])),
        ("audiences", "issuers[0].audiences[0]", json!([""])),
        ("jwks_uri", "issuers[0].jwks_uri", json!("http://idp.example/keys")),
        ("jwks_uri", "issuers[0].jwks_uri", json!("http://keys.prod.svc/keys")),
        ("jwks_uri", "issuers[0].jwks_uri", json!("https://idp.example/keys#x")),
        ("jwks_cluster", "issuers[0].jwks_cluster", json!("")),
        ("refresh", "issuers[0].refresh", json!("29s")),
        ("refresh", "issuers[0].refresh", json!("61m")),
        ("refresh", "issuers[0].refresh", json!(300)),
        ("max_stale", "issuers[0].max_stale", json!("1m")),
        ("leeway", "issuers[0].leeway", json!("301s")),
        ("user_claim", "issuers[0].user_claim", json!("")),
        ("scope_claims", "issuers[0].scope_claims", json!([])),
        ("scopes", "issuers[0].scopes[0]", json!(["a b"])),
        ("tenants", "issuers[0].tenants", json!([])),
        ("tenants", "issuers[0].tenants", json!(null)),
        ("user_prefix", "issuers[0].user_prefix", json!("a|")),
    ] {
        refused(&format!("/issuers/0/{member}"), value, path);
    }
    accepted("/issuers/0/issuer", json!("http://127.0.0.1:5051/"));
    accepted("/issuers/0/leeway", json!("0"));
    accepted("/issuers/0/jwks_uri", json!("http://[::1]:5051/keys"));
}

#[test]
fn no_issuer_can_mint_anothers_users() {
    let issuer =
        |at: &str, prefix: &str| json!({ "issuer": at, "audiences": ["api"], "user_prefix": prefix });
    let second = |value: Value| refused("/issuers/1", value, "issuers[1].user_prefix");
    second(json!({ "issuer": "https://b.example", "audiences": ["api"] }));
    second(issuer("https://b.example", ""));
    let mut policy = good();
    set(&mut policy, "/issuers/1", issuer("https://b.example", "b|"));
    assert!(loaded(&policy).is_ok());
    for prefix in ["b|", "b", "b|c"] {
        set(&mut policy, "/issuers/2", issuer("https://c.example", prefix));
        assert_eq!(loaded(&policy).unwrap_err(), ["issuers[2].user_prefix"], "{prefix}");
    }
    set(&mut policy, "/issuers/2", issuer("https://idp.example", "c|"));
    assert_eq!(loaded(&policy).unwrap_err(), ["issuers[2].issuer"]);
}

#[test]
fn a_malformed_route_names_its_member() {
    for (member, path, value) in [
        ("path", "routes[0].path", json!("v1")),
        ("path", "routes[0].path", json!("/health")),
        ("path", "routes[0].path", json!("/*")),
        ("path", "routes[0].path", json!("/.well-known/*")),
        ("methods", "routes[0].methods", json!([])),
        ("methods", "routes[0].methods[1]", json!(["GET", "TRACE"])),
        ("hosts", "routes[0].hosts[0]", json!(["http://a.example"])),
        ("hosts", "routes[0].hosts", json!([])),
        ("access", "routes[0].access", json!("private")),
        ("access", "routes[0].scopes", json!("public")),
        ("issuers", "routes[0].issuers[0]", json!(["https://other.example"])),
        ("issuers", "routes[0].issuers", json!([])),
        ("audience", "routes[0].audience", json!("strict")),
        ("audiences", "routes[0].audiences[0]", json!([""])),
        ("users_only", "routes[0].users_only", json!("yes")),
        ("scopes", "routes[0].scopes[0]", json!(["tool read"])),
        ("any_scope", "routes[0].any_scope", json!([])),
        ("forward_authorization", "routes[0].forward_authorization", json!("yes")),
        ("mode", "routes[0].mode", json!("off")),
        ("upgrade", "routes[0].upgrade[0]", json!(["h2c"])),
        ("upstream", "routes[0].upstream", json!("nowhere")),
        ("strip_prefix", "routes[0].strip_prefix", json!("/v2")),
        ("strip_prefix", "routes[0].strip_prefix", json!("/v1/to")),
        ("strip_prefix", "routes[0].strip_prefix", json!("/")),
        ("timeout", "routes[0].timeout", json!("soon")),
        ("mcp", "routes[0].mcp", json!({})),
        ("mcp", "routes[0].mcp.tool", json!({ "tool": {} })),
        ("response_filter", "routes[0].response_filter", json!({ "items": "", "owner": "/o" })),
        ("unknown", "routes[0].unknown", json!(1)),
    ] {
        let mut policy = good();
        set(&mut policy, &format!("/routes/0/{member}"), value.clone());
        let errors = loaded(&policy).expect_err(path);
        assert!(errors.iter().any(|e| e == path), "{member} = {value}: {errors:?}");
    }
    accepted("/routes/0/strip_prefix", json!("/v1/tools"));
    accepted("/routes/0/timeout", json!(0));
    accepted("/routes/0/audiences", json!([]));
}

#[test]
fn a_public_route_cannot_say_what_needs_a_token() {
    for (member, value) in [
        ("scopes", json!(["a"])),
        ("any_scope", json!(["a"])),
        ("users_only", json!(true)),
        ("issuers", json!(["https://idp.example/"])),
        ("audiences", json!(["x"])),
        ("forward_authorization", json!(true)),
    ] {
        let mut policy = good();
        policy["routes"] = json!([{ "path": "/status", "access": "public" }]);
        policy["routes"][0][member] = value;
        assert_eq!(loaded(&policy).unwrap_err(), [format!("routes[0].{member}")]);
    }
}

#[test]
fn a_malformed_limit_names_its_member() {
    for (member, path, value) in [
        ("by", "rate_limits[0].by", json!("client")),
        ("max", "rate_limits[0].max", json!(0)),
        ("max", "rate_limits[0].max", json!(4_294_967_296u64)),
        ("window", "rate_limits[0].window", json!("1ms")),
        ("window", "rate_limits[0].window", json!(60)),
        ("on", "rate_limits[0].on", json!("all")),
        ("except", "rate_limits[0].except", json!(["10.0.0.0/8"])),
        ("route", "rate_limits[0].route", json!("/v2/*")),
        ("tools", "rate_limits[0].tools", json!(["purge"])),
        ("scope", "rate_limits[0].scope", json!("global")),
        ("failure_mode", "rate_limits[0].failure_mode", json!("allow")),
    ] {
        let mut policy = good();
        policy["rate_limits"] = json!([{ "by": "user", "max": 60, "window": "60s" }]);
        policy["rate_limits"][0][member] = value.clone();
        assert_eq!(loaded(&policy).unwrap_err(), [path], "{value}");
    }
    for (range, good_range) in [
        ("203.0.113.0/24", true),
        ("2001:db8::/32", true),
        ("10.0.0.1", true),
        ("10.0.0.1/8", false),
        ("10.0.0.0/33", false),
        ("a/8", false),
    ] {
        let mut policy = good();
        policy["rate_limits"] =
            json!([{ "by": "address", "max": 9, "window": "1m", "on": "failures", "except": [range] }]);
        assert_eq!(loaded(&policy).is_ok(), good_range, "{range}");
    }
    let mut policy = good();
    let same = json!({ "by": "user", "max": 60, "window": "60s" });
    policy["rate_limits"] = json!([same, same]);
    assert_eq!(loaded(&policy).unwrap_err(), ["rate_limits[1]"]);
}
