//! One row per malformed or contradictory variable: the error names it as it was written.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn errors(more: &[(&str, &str)]) -> Vec<String> {
    load(None, Some(&variables(more))).map(|_| ()).map_err(paths_of).err().unwrap_or_default()
}

#[test]
fn a_malformed_variable_names_itself() {
    for (name, value) in [
        ("AUTH_ISSUER", "http://idp.example/"),
        ("AUTH_ISSUER", "idp"),
        ("AUTH_ISSUER", ""),
        ("AUTH_AUDIENCE", ","),
        ("AUTH_JWKS_URI", "keys"),
        ("OAUTH_JWKS_URI", "http://idp.example/keys"),
        ("JWKS_URI", "ftp://idp.example/keys"),
        ("JWKS_URI_FALLBACK", "//idp.example/keys"),
        ("AUTH0_JWKS_URI", "http://keys.prod.svc/keys"),
        ("AUTH_ENFORCE_ALG", "HS256"),
        ("AUTH_ENFORCE_ALG", "RS256=false"),
        ("OAUTH_SCOPES", "a \"b\""),
        ("RESOURCE_URL", "not a uri"),
        ("PUBLIC_URL", "localhost:8080"),
        ("PUBLIC_URL", "http://localhost:8080/path"),
        ("PUBLIC_HOSTS", "a.example,https://b.example"),
        ("REQUIRED_SCOPES_READ", "a\\b"),
        ("REQUIRED_SCOPES_WRITE", "\"a\""),
        ("TOOL_SCOPES", "a b"),
        ("REQUIRED_SCOPES", "\""),
        ("CHALLENGE_SCOPE", "some"),
        ("MCP_TARGET", "http://127.0.0.1:5051/mcp"),
        ("MCP_PATH", "mcp"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "[]"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "{}"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "{\"a\":[\"/v1\"]}"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "{\"a\":[\"GET:v1\"]}"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "{\"a\":[],\"a\":[]}"),
        ("TOOL_SCOPE_ALLOWLIST_JSON", "{\"a\":[\"GET:/health\"]}"),
        ("ENABLE_TEST_ROUTES", "yes"),
        ("RATE_LIMIT_WINDOW_MS", "0"),
        ("RATE_LIMIT_WINDOW_MS", "60s"),
        ("RATE_LIMIT_MAX", "0"),
        ("RATE_LIMIT_MAX", "-1"),
        ("RATE_LIMIT_MAX", "1e3"),
        ("RATE_LIMIT_TENANT_MAX", "many"),
        ("RATE_LIMIT_ADDRESS_FAILURES", "+1"),
        ("PROXY_TARGET", "localhost:3333"),
        ("PROXY_TARGET", "http://localhost:3333/base"),
        ("PROXY_PREFIX", "proxy"),
        ("PROXY_PREFIX", "/"),
        ("PROXY_PREFIX", "/health"),
        ("PROXY_TIMEOUT_MS", "5s"),
        ("PROXY_TIMEOUT_MS", "99999999999"),
        ("PROXY_INJECT_HEADER", "Host"),
        ("PROXY_INJECT_HEADER", "X User"),
        ("PROXY_INJECT_HEADER", "x_tenant-id"),
        ("PROXY_INJECT_QUERY", "user[id]"),
        ("CORS_ORIGIN", "http://localhost:5173/"),
        ("APP_ORIGIN", "app.example.com"),
        ("CORS_CREDENTIALS", "1"),
        ("TRUSTED_HOPS", "all"),
        ("BIND", "localhost"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("SIDECAR_PORT", "8080"),
        ("ADMIN_PORT", "8081"),
        ("WEBHOOK_SHARED_SECRET", "changeme"),
        ("LOG_WEBHOOK_SECRET", "<secret>"),
        ("HEALTH_ADMIN_SECRET", "..."),
        ("AUTH0_TENANT_DOMAIN", "https://t.example/"),
        ("MGMT_DOMAIN", "a b"),
        ("AUTH0_DOMAIN", "/"),
        ("DCR_FIRST_PARTY", "no"),
        ("DCR_REDIRECT_ALLOW", "https://*/cb"),
        ("DCR_SCOPES", "\""),
        ("PRM_REQUIRE_TOKEN", "0"),
        ("DEMO_MODE", "on"),
        ("ENFORCEMENT", "off"),
        ("LOG_LEVEL", "loud"),
        ("ALLOW_INSECURE_JWKS", "please"),
    ] {
        let got = errors(&[(name, value)]);
        // `TOOL_SCOPES` splits at commas alone where a space would be a mistake.
        assert_eq!(got, [name], "{name}={value}");
    }
}

#[test]
fn contradictions_name_a_variable() {
    for (variables, expected) in [
        (&[("CORS_ORIGIN", "*"), ("CORS_CREDENTIALS", "true")][..], &["CORS_CREDENTIALS"][..]),
        (&[("TLS_CERT_FILE", "a.pem")], &["TLS_KEY_FILE"]),
        (&[("TLS_KEY_FILE", "a.pem")], &["TLS_CERT_FILE"]),
        (&[("PORT", "8081")], &["SIDECAR_PORT"]),
        (
            &[("WEBHOOK_SHARED_SECRET", "s3cr3t"), ("WEBHOOK_SHARED_SECRET_FILE", "/s")],
            &["WEBHOOK_SHARED_SECRET_FILE"],
        ),
        (&[("AUTH0_MGMT_CLIENT_ID", "id")], &["AUTH0_MGMT_CLIENT_SECRET"]),
        (&[("MGMT_CLIENT_SECRET", "s3cr3t")], &["AUTH0_MGMT_CLIENT_ID"]),
        (
            &[("DEMO_MODE", "true")],
            &["OAUTH_AUDIENCE_DEMO", "OAUTH_ISSUER_DEMO", "OAUTH_JWKS_URI_DEMO", "OAUTH_SCOPES_DEMO"],
        ),
    ] {
        let mut got = errors(variables);
        got.sort();
        assert_eq!(got, expected, "{variables:?}");
    }
}

#[test]
fn required_variables_are_asked_for_by_name() {
    let mut got = paths_of(load(None, Some(&Environment::new())).unwrap_err());
    got.sort();
    assert_eq!(got, ["AUTH_AUDIENCE", "AUTH_ISSUER"]);
}

#[test]
fn every_alias_is_accepted_and_the_first_name_wins() {
    let env = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Environment>()
    };
    for (issuer, audience, jwks) in [
        ("AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URI"),
        ("OAUTH_ISSUER", "OAUTH_AUDIENCE", "OAUTH_JWKS_URI"),
        ("AUTH0_ISSUER", "AUTH0_AUDIENCE", "JWKS_URI"),
        ("AUTH0_ISSUER", "AUTH0_AUDIENCE", "JWKS_URI_FALLBACK"),
        ("AUTH0_ISSUER", "AUTH0_AUDIENCE", "AUTH0_JWKS_URI"),
    ] {
        let env =
            env(&[(issuer, "https://a.example/"), (audience, "one, two"), (jwks, "https://a.example/keys")]);
        let policy = load(None, Some(&env)).unwrap();
        assert_eq!(policy.issuers[0].audiences, ["one", "two"]);
        assert!(matches!(&policy.issuers[0].jwks, JwksSource::Uri(url) if url.path == "/keys"));
    }
    let both = env(&[
        ("OAUTH_ISSUER", "https://b.example/"),
        ("AUTH_ISSUER", "https://a.example/"),
        ("AUTH_AUDIENCE", "x"),
    ]);
    assert_eq!(load(None, Some(&both)).unwrap().issuers[0].issuer.as_ref(), "https://a.example/");
}

#[test]
fn demo_mode_takes_the_demo_issuer_and_allows_example_secrets() {
    let demo = [
        ("DEMO_MODE", "true"),
        ("OAUTH_ISSUER_DEMO", "http://localhost:5051/"),
        ("OAUTH_AUDIENCE_DEMO", "https://gateway.local/api"),
        ("OAUTH_JWKS_URI_DEMO", "http://localhost:5051/.well-known/jwks.json"),
        ("OAUTH_SCOPES_DEMO", "tool:read tool:write"),
        ("HEALTH_ADMIN_SECRET", "changeme"),
    ];
    let policy = load(None, Some(&variables(&demo))).unwrap();
    assert_eq!(policy.issuers[0].issuer.as_ref(), "http://localhost:5051/");
    let seen = [&demo[..], &[("PUBLIC_URL", "https://gateway.example.com")]].concat();
    assert_eq!(errors(&seen), ["PUBLIC_URL"]);
    for (more, expected) in [
        (&[("PUBLIC_HOSTS", "localhost:8080, 127.0.0.1:8080, [::1]:8080")][..], None),
        (&[("PUBLIC_HOSTS", "localhost, gateway.example.com")], Some("PUBLIC_HOSTS")),
        (&[("PUBLIC_HOSTS", "192.168.1.10:8080")], Some("PUBLIC_HOSTS")),
        (&[("BIND", "127.0.0.1")], None),
        (&[("BIND", "::1")], None),
        (&[("BIND", "0.0.0.0")], Some("BIND")),
        (&[("BIND", "::")], Some("BIND")),
        (&[("BIND", "10.0.0.1"), ("IN_CONTAINER", "false")], Some("BIND")),
        (&[("BIND", "0.0.0.0"), ("IN_CONTAINER", "true")], None),
        (&[("BIND", "0.0.0.0"), ("SIDECAR_HOST", "sidecar")], None),
    ] {
        assert_eq!(errors(&[&demo[..], more].concat()), expected.into_iter().collect::<Vec<_>>(), "{more:?}");
    }
}

#[test]
fn internal_keys_over_http_need_the_operators_word() {
    let uri = ("AUTH_JWKS_URI", "http://keycloak.auth.svc.cluster.local/keys");
    assert_eq!(errors(&[uri]), ["AUTH_JWKS_URI"]);
    assert!(errors(&[uri, ("ALLOW_INSECURE_JWKS", "true")]).is_empty());
    assert_eq!(
        errors(&[("AUTH_JWKS_URI", "http://idp.example/keys"), ("ALLOW_INSECURE_JWKS", "true")]),
        ["AUTH_JWKS_URI"]
    );
}

#[test]
fn no_message_shows_a_secret() {
    let env =
        variables(&[("WEBHOOK_SHARED_SECRET", "devsecret"), ("HEALTH_ADMIN_SECRET", "a\u{7}quiet-value")]);
    for error in load(None, Some(&env)).unwrap_err() {
        assert!(
            !error.to_string().contains("devsecret") && !error.to_string().contains("quiet-value"),
            "{error}"
        );
    }
}

#[test]
fn an_mcp_server_is_a_target_a_path_and_the_scopes_of_its_tools() {
    let target = ("MCP_TARGET", "http://127.0.0.1:5051");
    assert_eq!(errors(&[("TOOL_SCOPES_JSON", "{}")]), ["MCP_TARGET"]);
    for bad in ["[]", "{", "{\"a\":1}", "{\"a\":[\"x y\"]}", "{\"a\":[],\"a\":[]}"] {
        assert_eq!(errors(&[target, ("TOOL_SCOPES_JSON", bad)]), ["TOOL_SCOPES_JSON"], "{bad}");
    }
    let tools = ("TOOL_SCOPES_JSON", "{\"list_notes\":[\"tool:read\"],\"help\":\"public\"}");
    let policy = load(None, Some(&variables(&[target, tools, ("MCP_PATH", "/agents/mcp")]))).unwrap();
    let route = policy.routes.iter().find(|route| route.mcp.is_some()).unwrap();
    assert_eq!((route.name.as_str(), route.upstream.as_deref()), ("/agents/mcp", Some("mcp_target")));
    assert_eq!(route.timeout_ms, Some(60_000));
    let mcp = route.mcp.as_ref().unwrap();
    assert_eq!((mcp.tools.named.len(), mcp.tools.allow_unlisted), (2, false));
    assert_eq!(mcp.resource, "http://localhost:8080/agents/mcp");
    assert!(policy.routes.iter().any(|route| route.name == "/proxy/*"), "the others are there, too");
}

#[test]
fn the_environment_gives_a_limit_over_machines() {
    let all = [
        ("RATE_LIMIT_SERVICE_URL", "http://limits:8081"),
        ("RATE_LIMIT_GLOBAL_MAX", "100"),
        ("RATE_LIMIT_FAILURE_MODE", "deny"),
    ];
    let policy = load(None, Some(&variables(&all))).unwrap();
    let names: Vec<_> =
        policy.rate_limits.iter().map(|r| r.shared.as_ref().map(|s| s.name.as_str())).collect();
    assert_eq!(names, [None, None, Some("user-100-per-1m")], "what holds without variables holds with them");
    assert!(!policy.rate_limits[2].shared.as_ref().unwrap().passes_without);
    // Each that is missing is named.
    for (at, path) in
        [(0, "RATE_LIMIT_SERVICE_URL"), (1, "RATE_LIMIT_FAILURE_MODE"), (2, "RATE_LIMIT_FAILURE_MODE")]
    {
        let mut some = all.to_vec();
        some.remove(at);
        let errors = paths_of(load(None, Some(&variables(&some))).unwrap_err());
        assert_eq!(errors, [path], "without {}", all[at].0);
    }
}
