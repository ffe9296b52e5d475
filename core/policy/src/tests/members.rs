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
        ("/listen/connections_per_address", "listen.connections_per_address", json!(1_000_001)),
        ("/listen/connections_per_address", "listen.connections_per_address", json!(-1)),
        (
            "/listen",
            "listen.connections_per_address",
            json!({ "trusted_hops": 1, "connections_per_address": 9 }),
        ),
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
        ("/audit/to", "audit.to", json!([])),
        ("/audit/to", "audit.to", json!("stdout")),
        ("/audit/to", "audit.to[1]", json!(["file", "syslog"])),
        ("/audit/log", "audit.log", json!(true)),
        ("/audit/required", "audit.required", json!(true)),
        ("/routes/0/audit", "routes[0].audit.required", json!({ "required": true })),
        ("/audit/checkpoint", "audit.checkpoint", json!("99ms")),
        ("/audit/checkpoint", "audit.checkpoint", json!("2h")),
        ("/audit/keep", "audit.keep", json!("10s")),
        ("/audit/witness", "audit.witness[0]", json!(["witness.example"])),
        ("/audit/witness", "audit.witness[1]", json!(["https://a.example/w", "https://a.example/w?x=1"])),
        ("/audit/witness", "audit.witness", json!(vec!["https://a.example/w"; 9])),
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
        ("scope_prefix", "issuers[0].scope_prefix", json!("a b")),
        ("scope_prefix", "issuers[0].scope_prefix", json!("")),
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
        ("user_claim", "issuers[0].user_claim", json!("/a~2")),
        ("user_claim", "issuers[0].user_claim", json!("/a~")),
        ("tenant_claim", "issuers[0].tenant_claim", json!("/~")),
        ("scope_claims", "issuers[0].scope_claims", json!([])),
        ("scope_claims", "issuers[0].scope_claims[1]", json!(["scope", "/~x"])),
        ("group_claims", "issuers[0].group_claims", json!([])),
        ("group_claims", "issuers[0].group_claims", json!("groups")),
        ("group_claims", "issuers[0].group_claims[0]", json!(["a\nb"])),
        ("algorithms", "issuers[0].algorithms", json!([])),
        ("algorithms", "issuers[0].algorithms[1]", json!(["RS256", "HS256"])),
        ("algorithms", "issuers[0].algorithms[0]", json!(["es256"])),
        ("machine", "issuers[0].machine", json!([])),
        ("machine", "issuers[0].machine[0].claim", json!([{ "is": "x" }])),
        ("machine", "issuers[0].machine[0].claim", json!([{ "claim": "/~", "is": "x" }])),
        ("machine", "issuers[0].machine[0]", json!([{ "claim": "a" }])),
        ("machine", "issuers[0].machine[0]", json!([{ "claim": "a", "is": "x", "exists": true }])),
        ("machine", "issuers[0].machine[0].is", json!([{ "claim": "a", "is": "" }])),
        ("machine", "issuers[0].machine[0].prefix", json!([{ "claim": "a", "prefix": "" }])),
        ("scopes", "issuers[0].scopes[0]", json!(["a b"])),
        ("tenants", "issuers[0].tenants", json!([])),
        ("tenants", "issuers[0].tenants", json!(null)),
        ("user_prefix", "issuers[0].user_prefix", json!("a|")),
    ] {
        refused(&format!("/issuers/0/{member}"), value, path);
    }
    accepted("/issuers/0/issuer", json!("http://127.0.0.1:5051/"));
    accepted("/issuers/0/leeway", json!("0"));
    accepted("/issuers/0/user_claim", json!("/a~0b~1c/0//~01"));
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
        ("hides", "routes[0].hides", json!("allowed")),
        ("hides", "routes[0].hides", json!(true)),
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
        ("mcp", "routes[0].mcp.tool", json!({ "tool": {} })),
        ("mcp", "routes[0].path", json!({})),
        ("response_filter", "routes[0].response_filter.owner", json!({ "items": "" })),
        ("response_filter", "routes[0].response_filter.owner", json!({ "items": "", "owner": "" })),
        ("response_filter", "routes[0].response_filter.items", json!({ "items": "notes", "owner": "/o" })),
        ("response_filter", "routes[0].response_filter.items", json!({ "items": "/a~2", "owner": "/o" })),
        ("response_filter", "routes[0].response_filter.owner", json!({ "items": "", "owner": "/o~/a" })),
        ("response_filter", "routes[0].response_filter.owner", json!({ "items": "", "owner": "/o~~0" })),
        (
            "response_filter",
            "routes[0].response_filter.on_missing",
            json!({ "items": "", "owner": "/o", "on_missing": "drop" }),
        ),
        (
            "response_filter",
            "routes[0].response_filter.max_bytes",
            json!({ "items": "", "owner": "/o", "max_bytes": 1 }),
        ),
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
    accepted(
        "/routes/0/response_filter",
        json!({ "items": "/a~1b/0/~01~0", "owner": "/owner", "on_missing": "keep" }),
    );
    let mut policy = good();
    set(&mut policy, "/routes/0/response_filter", json!({ "items": "/a~1b/0/~01~0", "owner": "/owner" }));
    let loaded = loaded(&policy).unwrap();
    let filter = loaded.routes.iter().find_map(|route| route.response_filter.as_ref()).unwrap();
    assert_eq!(filter.items, ["a/b", "0", "~1~"]);
}

#[test]
fn a_malformed_mcp_member_names_itself() {
    for (member, path, value) in [
        ("resource", "mcp.resource", json!("mcp")),
        ("tools", "mcp.tools.a", json!({ "a": "private" })),
        ("tools", "mcp.tools.a[0]", json!({ "a": ["x y"] })),
        ("tools", "mcp.tools.a[1]", json!({ "a": ["x", 1] })),
        ("tools", "mcp.tools.a", json!({ "a": {} })),
        ("tools", "mcp.tools.a.scope", json!({ "a": { "scope": ["x"] } })),
        ("tools", "mcp.tools.a.any_scope", json!({ "a": { "any_scope": [] } })),
        ("tools", "mcp.tools.a.any_scope", json!({ "a": { "any_scope": "x" } })),
        ("tools", "mcp.tools.unlisted", json!({ "unlisted": ["x"] })),
        ("unlisted", "mcp.unlisted", json!("refuse")),
        ("prompts", "mcp.prompts.unlisted", json!({ "unlisted": "no" })),
        ("resources", "mcp.resources.a*b*", json!({ "a*b*": [] })),
        ("resources", "mcp.resources.Notes://admin/*", json!({ "Notes://admin/*": [] })),
        ("resources", "mcp.resources. notes://admin", json!({ " notes://admin": [] })),
        ("resources", "mcp.resources.file:/secret/*", json!({ "file:/secret/*": [] })),
        ("resources", "mcp.resources.file:///a/../b", json!({ "file:///a/../b": [] })),
        ("resources", "mcp.resources.notes://%61", json!({ "notes://%61": [] })),
        ("resources", "mcp.resources.notes://caf\u{e9}", json!({ "notes://caf\u{e9}": [] })),
        ("resources", "mcp.resources.notes://caf\u{e9}/*", json!({ "notes://caf\u{e9}/*": [] })),
        ("resources", "mcp.resources.https://a.example", json!({ "https://a.example": [] })),
        ("resources", "mcp.resources.plan", json!({ "plan": [] })),
        ("lazy_auth", "mcp.lazy_auth[0]", json!(["tools/call"])),
        ("lazy_auth", "mcp.lazy_auth[1]", json!(["ping", ""])),
        ("challenge_mode", "mcp.challenge_mode", json!("both")),
        ("sessions", "mcp.sessions", json!("share")),
        ("tasks", "mcp.tasks", json!("deny them")),
        ("allowed_origins", "mcp.allowed_origins[0]", json!(["https://a.example/"])),
        ("max_body", "mcp.max_body", json!(10)),
    ] {
        let mut policy = good();
        policy["routes"] = json!([{ "path": "/mcp", "mcp": { member: value } }]);
        assert_eq!(loaded(&policy).unwrap_err(), [format!("routes[0].{path}")], "{value}");
    }
    for (member, value) in [
        ("upgrade", json!(["websocket"])),
        ("forward_authorization", json!(true)),
        ("response_filter", json!({ "items": "", "owner": "/o" })),
        ("access", json!("public")),
    ] {
        let mut policy = good();
        policy["routes"] = json!([{ "path": "/mcp", "mcp": {} }]);
        policy["routes"][0][member] = value;
        assert_eq!(loaded(&policy).unwrap_err(), [format!("routes[0].{member}")]);
    }
    let mut policy = good();
    policy["routes"] = json!([{ "path": "/mcp", "mcp": {
        "tools": { "whoami": [], "list": ["a"], "purge": { "any_scope": ["b", "c"] }, "both": { "scopes": ["a"], "any_scope": ["b"] },
                   "help": "public", "unlisted": "allow" },
        "unlisted": "allow", "prompts": { "unlisted": "deny" }, "resources": { "notes://*": ["a"] },
        "lazy_auth": ["tools/list"], "challenge_mode": "auto", "sessions": "pass", "tasks": "allow", "allowed_origins": ["*"], "max_body": 4096
    } }]);
    let policy = load(Some(policy.to_string().as_bytes()), None).unwrap();
    let mcp = policy.routes.iter().find_map(|route| route.mcp.as_ref()).unwrap();
    assert_eq!(mcp.lazy_auth, ["initialize", "notifications/initialized", "tools/list"]);
    assert_eq!(mcp.resource, format!("{}/mcp", policy.public_url));
    assert!(mcp.tools.allow_unlisted && !mcp.prompts.allow_unlisted && !mcp.resources.allow_unlisted);
    assert_eq!(mcp.resources.patterns[0].0, "notes://");
    assert!(["a", "b", "c"].iter().all(|s| mcp.scopes_supported.iter().any(|have| have == s)));
}

#[test]
fn records_go_to_the_file_unless_the_policy_says_otherwise() {
    for (to, file, stdout) in [
        (None, true, false),
        (Some(json!(["file"])), true, false),
        (Some(json!(["stdout"])), false, true),
        (Some(json!(["file", "stdout"])), true, true),
    ] {
        let mut policy = good();
        if let Some(to) = to {
            policy["audit"] = json!({ "to": to });
        }
        let records = load(Some(policy.to_string().as_bytes()), None).unwrap().own.records;
        assert_eq!((records.file, records.stdout), (file, stdout), "{policy}");
    }
}

#[test]
fn records_are_posted_where_a_cluster_for_them_is_named() {
    for (ledger, sidecar, feed, expect) in [
        (json!({ "on": true }), json!({}), json!({}), (None, Some("gatewaystack_sidecar"))),
        (json!({ "on": true }), json!({ "cluster": "a" }), json!({}), (Some("a"), Some("a"))),
        (
            json!({ "on": true, "cluster": "b" }),
            json!({}),
            json!({}),
            (Some("b"), Some("gatewaystack_sidecar")),
        ),
        (json!({ "on": true, "cluster": "b" }), json!({ "cluster": "a" }), json!({}), (Some("b"), Some("a"))),
        (json!({ "on": true }), json!({ "cluster": "a" }), json!({ "cluster": "c" }), (Some("a"), Some("c"))),
        (json!({}), json!({}), json!({ "cluster": "c" }), (None, Some("c"))),
    ] {
        let mut policy = good();
        (policy["ledger"], policy["sidecar"], policy["feed"]) = (ledger, sidecar, feed);
        let policy = load(Some(policy.to_string().as_bytes()), None).unwrap();
        let feed = policy.feed.as_ref().map(|feed| feed.cluster.as_str());
        assert_eq!((policy.posts_to.as_deref(), feed), expect);
    }
    for (port, path) in [(json!(0), 1), (json!(65_536), 1), (json!(8081), 1), (json!(4317), 0)] {
        let mut policy = good();
        policy["ledger"] = json!({ "on": true, "otlp_port": port });
        assert_eq!(loaded(&policy).err().map_or(0, |errors| errors.len()), path, "{port}");
    }
    refused("/ledger", json!({ "otlp_port": 4317 }), "ledger.otlp_port");
    // Nobody needs the file then.
    for (ledger, is_good) in [(json!({ "on": true }), false), (json!({ "on": true, "cluster": "a" }), true)] {
        let mut policy = good();
        (policy["ledger"], policy["audit"]) = (ledger, json!({ "to": ["stdout"] }));
        assert_eq!(load(Some(policy.to_string().as_bytes()), None).is_ok(), is_good);
    }
    for (pointer, path) in [("/ledger", "ledger.cluster"), ("/sidecar", "sidecar.cluster")] {
        refused(pointer, json!({ "cluster": "a" }), path);
        let mut policy = good();
        policy["ledger"] = json!({ "on": true });
        set(&mut policy, &format!("{pointer}/cluster"), json!("a b"));
        assert_eq!(loaded(&policy).unwrap_err(), [path]);
    }
}

#[test]
fn an_audit_log_is_signed_each_second_and_kept_for_400_days() {
    let mut policy = good();
    let read = |policy: &Value| load(Some(policy.to_string().as_bytes()), None).unwrap().own.audit.clone();
    assert_eq!(read(&policy), None);
    policy["ledger"] = json!({ "on": true });
    policy["audit"] = json!({ "log": true });
    let audit = read(&policy).unwrap();
    assert_eq!((audit.checkpoint_ms, audit.keep_ms, audit.witnesses.len()), (1_000, 400 * 86_400_000, 0));
    policy["audit"] =
        json!({ "log": true, "checkpoint": "1m", "keep": "3650d", "witness": ["https://w.example/a/"] });
    let audit = read(&policy).unwrap();
    assert_eq!((audit.checkpoint_ms, audit.keep_ms), (60_000, 3_650 * 86_400_000));
    assert_eq!(audit.witnesses, ["https://w.example/a"]);
}

#[test]
fn the_audit_log_is_required_where_the_policy_or_a_route_says_so() {
    for (all, own, access, is_required) in [
        (false, None, "token", false),
        (true, None, "token", true),
        (true, Some(false), "token", false),
        (false, Some(true), "token", true),
        (true, None, "public", false),
    ] {
        let mut policy = good();
        policy["ledger"] = json!({ "on": true });
        policy["audit"] = json!({ "log": true, "required": all });
        policy["routes"] = json!([{ "path": "/x", "access": access }]);
        if let Some(own) = own {
            policy["routes"][0]["audit"] = json!({ "required": own });
        }
        let policy = load(Some(policy.to_string().as_bytes()), None).unwrap();
        let route = policy.routes.iter().find(|route| route.name == "/x").unwrap();
        assert_eq!(route.audit_required, is_required, "{all} {own:?} {access}");
        assert!(policy.routes.iter().all(|route| route.builtin.is_none() || !route.audit_required));
    }
    let mut policy = good();
    policy["ledger"] = json!({ "on": true });
    policy["routes"] = json!([{ "path": "/x", "access": "public", "audit": { "required": true } }]);
    let errors = load(Some(policy.to_string().as_bytes()), None).unwrap_err();
    assert_eq!(errors[0].path, "routes[0].audit.required");
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
        ("response_filter", json!({ "items": "", "owner": "/o" })),
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
        // A part of `/v1/tools/*` that no route stands for.
        ("route", "rate_limits[0].route", json!("/v1/tools/purge")),
        ("tools", "rate_limits[0].tools", json!([])),
        ("tools", "rate_limits[0].tools[0]", json!([""])),
        ("scope", "rate_limits[0].scope", json!("local")),
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

#[test]
fn who_is_one_person_at_several_issuers_is_said_without_a_doubt() {
    let issuer = good()["issuers"][0]["issuer"].clone();
    let account = |sub: &str| json!({ "issuer": issuer, "sub": sub });
    for (links, path) in [
        (json!({}), "links"),
        (json!([{ "is": [account("a")] }]), "links[0].user"),
        (json!([{ "user": "", "is": [account("a")] }]), "links[0].user"),
        (json!([{ "user": "u", "is": [] }]), "links[0].is"),
        (json!([{ "user": "u" }]), "links[0].is"),
        (
            json!([{ "user": "u", "is": [{ "issuer": "https://other.example", "sub": "a" }] }]),
            "links[0].is[0].issuer",
        ),
        (json!([{ "user": "u", "is": [{ "issuer": issuer }] }]), "links[0].is[0].sub"),
        (
            json!([{ "user": "u", "is": [account("a")] }, { "user": "u", "is": [account("b")] }]),
            "links[1].user",
        ),
        (
            json!([{ "user": "u", "is": [account("a")] }, { "user": "v", "is": [account("a")] }]),
            "links[1].is",
        ),
        (json!([{ "user": "u", "is": [account("a"), account("a")] }]), "links[0].is"),
    ] {
        let mut policy = good();
        policy["links"] = links.clone();
        assert_eq!(loaded(&policy).unwrap_err(), [path], "{links}");
    }
    let rule = json!({ "claim": "email", "requires": { "email_verified": true }, "fold": "lower" });
    let second = json!({ "issuer": "https://second.example", "audiences": ["a"], "jwks_cluster": "b" });
    let both = |first: Option<&Value>, last: Option<&Value>| {
        let mut policy = good();
        policy["issuers"] = json!([policy["issuers"][0], second]);
        for (at, rule) in [first, last].into_iter().enumerate() {
            if let Some(rule) = rule {
                policy["issuers"][at]["user"] = rule.clone();
            }
        }
        loaded(&policy)
    };
    assert_eq!(both(Some(&rule), Some(&rule)).unwrap().issuers[1].user_prefix, "https://second.example|");
    assert_eq!(both(Some(&rule), None).unwrap_err(), ["issuers[0].user", "issuers[1].user_prefix"]);
    assert_eq!(both(None, Some(&rule)).unwrap_err(), ["issuers[1].user"]);
    for (member, value, path) in [
        ("claim", json!("/~"), "issuers[0].user.claim"),
        ("requires", json!({ "a": [true] }), "issuers[0].user.requires.a"),
        ("requires", json!({ "a": null }), "issuers[0].user.requires.a"),
        ("fold", json!("upper"), "issuers[0].user.fold"),
        ("requires", json!({ "a": 1.5 }), "issuers[0].user.requires.a"),
    ] {
        let mut bad = rule.clone();
        bad[member] = value.clone();
        assert_eq!(both(Some(&bad), Some(&rule)).unwrap_err(), [path], "{member} {value}");
    }
    for (headers, path) in [
        (json!({ "agent_header": "Authorization" }), "identity.agent_header"),
        (json!({ "client_header": "X-Forwarded-Client" }), "identity.client_header"),
        (json!({ "agent_header": "X-A", "groups_header": "x_a" }), "identity.groups_header"),
        (json!({ "client_header": "x-user_id" }), "identity.client_header"),
    ] {
        let mut policy = good();
        policy["identity"] = headers.clone();
        assert_eq!(loaded(&policy).unwrap_err(), [path], "{headers}");
    }
}

#[test]
fn a_malformed_agent_names_its_member() {
    let list = json!([{ "name": "a", "clients": ["x", "y*"] }, { "name": "b", "clients": ["z"] }]);
    for (pointer, path, value) in [
        ("/agents", "agents", json!([])),
        ("/agents/unlisted", "agents.unlisted", json!("maybe")),
        ("/agents/list/0/clients", "agents.list[0].clients", json!([])),
        ("/agents/list/0/clients", "agents.list[0].clients[0]", json!([""])),
        ("/agents/list/0/clients", "agents.list[0].clients[1]", json!(["x", "a*b"])),
        ("/agents/list/0/clients", "agents.list[0].clients[0]", json!(["a**"])),
        ("/agents/list/1/clients", "agents.list[1].clients", json!(["x"])),
        ("/agents/list/1/clients", "agents.list[1].clients", json!(["z", "y*"])),
        ("/agents/list/1/name", "agents.list[1].name", json!("a")),
        ("/agents/list/1/name", "agents.list[1].name", json!("")),
        ("/agents/list/1/owner", "agents.list[1].owner", json!("a\nb")),
        ("/agents/list/1/client", "agents.list[1].client", json!("a")),
    ] {
        let mut policy = good();
        policy["agents"] = json!({ "list": list });
        set(&mut policy, pointer, value.clone());
        assert_eq!(loaded(&policy).unwrap_err(), [path], "{pointer} = {value}");
    }
    let mut policy = good();
    policy["agents"] = json!({ "list": [{ "clients": ["x"] }, { "name": "b" }] });
    assert_eq!(loaded(&policy).unwrap_err(), ["agents.list[0].name", "agents.list[1].clients"]);
    // Ids that differ by the star alone are two, and one agent may name one twice.
    policy["agents"] =
        json!({ "list": [{ "name": "a", "clients": ["x", "x"] }, { "name": "b", "clients": ["x*", "*"] }] });
    assert!(loaded(&policy).is_ok());
}

#[test]
fn a_malformed_limit_over_machines_names_its_member() {
    let rule = json!({ "by": "user", "max": 9, "window": "1h", "scope": "global", "failure_mode": "deny" });
    let service = json!({ "url": "http://limits:8081" });
    for (pointer, path, value) in [
        ("/rate_limits/0/failure_mode", "rate_limits[0].failure_mode", json!("open")),
        ("/rate_limits/0/window", "rate_limits[0].window", json!("90s")),
        ("/rate_limits/0/window", "rate_limits[0].window", json!("2h")),
        ("/rate_limits/0/by", "rate_limits[0].scope", json!("address")),
        ("/rate_limit_service/url", "rate_limit_service.url", json!("limits:8081")),
        ("/rate_limit_service/url", "rate_limit_service.url", json!("http://limits:8081/v1")),
        ("/rate_limit_service/cluster", "rate_limit_service.cluster", json!("")),
        ("/rate_limit_service/domain", "rate_limit_service.domain", json!("a b")),
        ("/rate_limit_service/timeout", "rate_limit_service.timeout", json!("6s")),
        ("/rate_limit_service/timeout", "rate_limit_service.timeout", json!("0")),
        ("/rate_limit_service/retries", "rate_limit_service.retries", json!(3)),
        ("/rate_limit_service", "rate_limit_service", json!({})),
    ] {
        let mut policy = good();
        policy["rate_limits"] = json!([rule]);
        policy["rate_limit_service"] = service.clone();
        set(&mut policy, pointer, value.clone());
        assert_eq!(loaded(&policy).unwrap_err(), [path], "{pointer} = {value}");
    }
    for (member, path) in
        [("failure_mode", "rate_limits[0].failure_mode"), ("scope", "rate_limits[0].failure_mode")]
    {
        let mut policy = good();
        policy["rate_limits"] = json!([rule]);
        policy["rate_limit_service"] = service.clone();
        policy["rate_limits"][0].as_object_mut().unwrap().remove(member);
        assert_eq!(loaded(&policy).unwrap_err(), [path], "without {member}");
    }
    let mut policy = good();
    policy["rate_limits"] = json!([rule]);
    assert_eq!(loaded(&policy).unwrap_err(), ["rate_limits[0].scope"], "without a service");
}

#[test]
fn a_limit_over_machines_and_one_of_the_gateways_own_may_say_the_same() {
    let mut policy = good();
    let here = json!({ "by": "user", "max": 9, "window": "1h" });
    let shared =
        json!({ "by": "user", "max": 9, "window": "60m", "scope": "global", "failure_mode": "deny" });
    policy["rate_limits"] = json!([here, shared]);
    policy["rate_limit_service"] = json!({ "url": "https://limits.example:8081", "timeout": "20ms" });
    let policy = loaded(&policy).unwrap();
    assert_eq!(policy.rate_limits[1].shared.as_ref().unwrap().name, "user-9-per-1h");
    let service = policy.limit_service.unwrap();
    assert_eq!((service.domain.as_str(), service.timeout_ms), ("gatewaystack", 20));
    assert!(service.cluster.starts_with("gatewaystack_limits_"), "{}", service.cluster);
}
