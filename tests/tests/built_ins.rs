//! Contract §4 and §5 row by row, as a client sees them: Envoy, the filter and the sidecar together.

use gatewaystack_tests::*;
use serde_json::{Value, json};

const DOCUMENT: &str = "/.well-known/oauth-protected-resource";

/// The environment alone, as the original is configured.
async fn original() -> (TestIssuer, Gateway) {
    let issuer = TestIssuer::start().await;
    let gateway = gateway()
        .env("AUTH_ISSUER", &issuer.url)
        .env("AUTH_AUDIENCE", AUDIENCE)
        .env("ENABLE_TEST_ROUTES", "true")
        .env("RATE_LIMIT_MAX", "1000")
        .start()
        .await;
    (issuer, gateway)
}

#[tokio::test]
async fn every_built_in_route_answers_as_its_row_says() {
    let (issuer, gateway) = original().await;
    let reader = token().claim("scope", "tool:read").mint(&issuer);
    let writer = token().claim("scope", "tool:read tool:write").mint(&issuer);
    let ok = json!({"ok": true});
    let error = |error: &str| json!({ "error": error });
    let rows: [(&str, &str, Option<&str>, u16, Value); 28] = [
        ("GET", "/", None, 200, ok.clone()),
        ("GET", "/health", None, 200, json!({"ok": true, "mode": "test", "version": "test"})),
        ("GET", "/health/", None, 200, ok.clone()),
        ("POST", "/health", None, 405, error("method_not_allowed")),
        ("OPTIONS", "/health", None, 405, error("method_not_allowed")),
        ("DELETE", "/", None, 405, error("method_not_allowed")),
        ("GET", "/protected", None, 401, error("unauthorized")),
        ("GET", "/protected", Some("a.b.c"), 401, error("invalid_token")),
        ("GET", "/protected", Some(&reader), 200, ok.clone()),
        ("GET", "/protected/ping", Some(&reader), 200, ok.clone()),
        ("GET", "/protected/other", Some(&reader), 403, error("access_denied")),
        ("OPTIONS", "/protected", Some(&reader), 405, error("method_not_allowed")),
        ("POST", "/protected/echo", Some(&reader), 403, error("insufficient_scope")),
        ("POST", "/protected/echo", Some(&writer), 200, json!({"ok": true, "sub": "ann", "body": {"a": 1}})),
        ("GET", "/protected/echo", Some(&writer), 405, error("method_not_allowed")),
        ("GET", "/writer-only", Some(&reader), 403, error("insufficient_scope")),
        ("GET", "/writer-only", Some(&writer), 200, ok.clone()),
        ("POST", "/writer-only", Some(&writer), 200, ok.clone()),
        ("PUT", "/writer-only", Some(&writer), 405, error("method_not_allowed")),
        ("GET", "/__test__/echo", None, 401, error("unauthorized")),
        ("GET", "/__test__/echo", Some(&reader), 400, error("missing_required_scope_header")),
        ("DELETE", "/__test__/echo", Some(&reader), 405, error("method_not_allowed")),
        ("GET", DOCUMENT, None, 200, json!({"resource": AUDIENCE, "authorization_servers": [issuer.url]})),
        ("GET", &format!("{DOCUMENT}/mcp"), None, 404, error("not_found")),
        ("POST", DOCUMENT, None, 405, error("method_not_allowed")),
        ("GET", "/.well-known/openid-configuration", None, 200, json!({"issuer": issuer.url})),
        ("GET", "/.well-known/oauth-authorization-server", None, 200, json!({"issuer": issuer.url})),
        ("GET", "/proxy/x", Some(&reader), 502, error("proxy_failed")),
    ];
    for (method, path, token, status, expect) in rows {
        let body = if method == "POST" { "{\"a\":1}" } else { "" };
        let mut request = gateway.post(path, body).method(method);
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let got = request.send().await;
        assert_eq!(got.status, status, "{method} {path}: {got:?}");
        for (name, value) in expect.as_object().unwrap() {
            assert_eq!(&got.json()[name], value, "{method} {path}: {got:?}");
        }
        assert_eq!(status == 405, got.header("allow").is_some(), "{method} {path}: {got:?}");
    }
    let head = gateway.request("HEAD", "/health").send().await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_scope_of_the_test_route_is_the_one_that_is_named() {
    let (issuer, gateway) = original().await;
    let reader = token().claim("scope", "tool:read").mint(&issuer);
    let ask = |scope: &str| {
        gateway.post("/__test__/echo", "[1]").bearer(&reader).header("x-required-scope", scope).send()
    };
    let got = ask("tool:read").await;
    let echoed = json!({"ok": true, "user": "ann", "scope": "tool:read", "method": "POST", "route": "/__test__/echo", "body": [1]});
    assert_eq!((got.status, got.json()), (200, echoed));
    let got = ask("tool:write").await;
    assert_eq!((got.status, got.json()["needed"].clone()), (403, json!(["tool:write"])));
}

#[tokio::test]
async fn the_metadata_is_the_same_by_the_filter_and_by_the_sidecar() {
    let issuer = TestIssuer::start().await;
    let mut documents = Vec::new();
    for by in ["filter", "sidecar"] {
        let policy =
            json!({"metadata": {"serve": by}, "routes": [{"path": "/v1/*", "scopes": ["notes:read"]}]});
        let gateway = gateway().policy(policy).issuer(&issuer).start().await;
        let got = gateway.get(DOCUMENT).send().await;
        assert_eq!(
            got.json()["scopes_supported"],
            json!(["email", "notes:read", "openid", "profile"]),
            "{by}"
        );
        let other = gateway.get(&format!("{DOCUMENT}/v1/x")).send().await;
        assert_eq!((other.status, other.json()["error"].clone()), (404, json!("not_found")), "{by}");
        let names = ["content-type", "access-control-allow-origin", "cache-control", "vary"];
        let headers = names.map(|name| got.header(name).map(str::to_owned));
        documents.push((got.status, headers, got.body));
    }
    assert_eq!(documents[0], documents[1]);
}

#[tokio::test]
async fn a_client_cannot_call_the_sidecar_in_the_gateways_name() {
    let (_issuer, gateway) = original().await;
    let secret = &gateway.rendered.secret;
    let direct = b"GET /protected HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-user-id: evil\r\n\r\n";
    let got = client::raw(&gateway.rendered.sidecar, direct).await;
    assert_eq!(got.status, 403, "the sidecar's port is open to every process of the machine: {got:?}");
    let got = gateway.get("/protected").header("x-gatewaystack-secret", secret).header("x-user-id", "evil");
    assert_eq!(got.send().await.status, 401);
}

#[tokio::test]
async fn the_metadata_may_be_for_those_with_a_token_alone() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway()
        .env("AUTH_ISSUER", &issuer.url)
        .env("AUTH_AUDIENCE", AUDIENCE)
        .env("PRM_REQUIRE_TOKEN", "true")
        .start()
        .await;
    let token = token().mint(&issuer);
    for path in [DOCUMENT, &format!("{DOCUMENT}/")] {
        let got = gateway.get(path).send().await;
        assert_eq!((got.status, got.json()["error"].clone()), (401, json!("unauthorized")), "{got:?}");
        assert!(got.header("www-authenticate").is_some(), "{got:?}");
        let got = gateway.get(path).bearer(&token).send().await;
        assert_eq!((got.status, got.json()["resource"].clone()), (200, json!(AUDIENCE)), "{got:?}");
    }
}

#[tokio::test]
async fn the_relays_give_the_configured_issuers_document_or_none() {
    let relays = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
    let large = "x".repeat(70_000);
    for (what, document, status) in [
        ("its own, with more in it", json!({"authorization_endpoint": "https://idp.example/authorize"}), 200),
        ("another's", json!({"issuer": "https://other.example/"}), 502),
        ("nobody's", json!({"issuer": null}), 502),
        ("over 64 KiB", json!({ "x": large }), 502),
    ] {
        let issuer = TestIssuer::start().await;
        let mut whole = json!({"issuer": issuer.url, "jwks_uri": format!("{}jwks", issuer.url)});
        whole.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
        issuer.set_configuration(whole.clone());
        let gateway = gateway().env("AUTH_ISSUER", &issuer.url).env("AUTH_AUDIENCE", AUDIENCE).start().await;
        for path in relays {
            let got = gateway.get(path).send().await;
            assert_eq!(got.status, status, "{what}: {got:?}");
            if status == 200 {
                assert_eq!(got.json(), whole, "{what}");
                assert_eq!(got.header("access-control-allow-origin"), Some("*"), "{got:?}");
                assert_eq!(got.header("cache-control"), Some("public, max-age=300"), "{got:?}");
            } else {
                assert_eq!(got.json()["error"], "discovery_fetch_failed", "{what}: {got:?}");
            }
        }
    }
}
