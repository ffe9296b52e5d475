//! Upstreams that fail, policies that are broken, browsers that ask first.

use gatewaystack_tests::*;
use serde_json::json;

#[tokio::test]
async fn an_upstream_that_hangs_or_resets_becomes_the_contracts_answer() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let policy = json!({"cors": {"origins": ["https://app.example.com"]}, "routes": [
        {"path": "/hang", "timeout": "300ms"}, {"path": "/reset"}, {"path": "/dead", "upstream": "dead"},
    ], "upstreams": {"default": echo.url, "dead": "http://127.0.0.1:9"}});
    let gateway = gateway().policy(policy).issuer(&issuer).start().await;
    let good = token().mint(&issuer);
    for (path, status, error) in
        [("/hang", 504, "upstream_timeout"), ("/reset", 502, "proxy_failed"), ("/dead", 502, "proxy_failed")]
    {
        let got = gateway.get(path).bearer(&good).header("origin", "https://app.example.com").send().await;
        assert_eq!((got.status, got.json()["error"].as_str()), (status, Some(error)), "{path}: {got:?}");
        assert_eq!(got.header("access-control-allow-origin"), Some("https://app.example.com"), "{path}");
    }
}

#[tokio::test]
async fn a_broken_policy_refuses_to_load() {
    let issuer = TestIssuer::start().await;
    for (broken, names) in [
        ("", "empty"),
        ("{", "JSON"),
        (r#"{"version":1,"surprise":true}"#, "surprise"),
        (
            r#"{"version":1,"issuers":[{"issuer":"http://idp.example/","audiences":["a"],"jwks_cluster":"x"}]}"#,
            "issuers[0].issuer",
        ),
        (
            r#"{"version":1,"issuers":[{"issuer":"https://idp.example/","audiences":["a"],"jwks_cluster":"x"}],"routes":[{"path":"/x","scope":["a"]}]}"#,
            "routes[0].scope",
        ),
    ] {
        let log = gateway().policy(json!({"routes": []})).issuer(&issuer).refuses_to_start(broken);
        assert!(log.contains("the policy is refused") && log.contains(names), "{broken}: {log}");
    }
}

#[tokio::test]
async fn browsers_are_answered_before_anything_is_judged() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let policy = json!({"cors": {"origins": ["https://app.example.com"]}, "routes": [{"path": "/v1/*"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let good = token().mint(&issuer);
    let ask = |origin: &str| {
        gateway
            .request("OPTIONS", "/v1/x")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
    };
    let got = ask("https://app.example.com").send().await;
    assert_eq!(
        (got.status, got.header("access-control-allow-origin")),
        (204, Some("https://app.example.com"))
    );
    let got = ask("https://evil.example.com").send().await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (204, None));
    let got = gateway.get("/v1/x").bearer(&good).header("origin", "https://app.example.com").send().await;
    assert_eq!(
        (got.status, got.header("access-control-allow-origin")),
        (200, Some("https://app.example.com"))
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn grpc_callers_get_a_grpc_status() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}]}))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    let got = client::http2(
        gateway.address(),
        "POST",
        "/v1/x",
        &[("content-type", b"application/grpc")],
        Some(""),
        &[],
    )
    .await;
    assert_eq!(
        (got.status, got.header("grpc-status"), got.header("grpc-message")),
        (200, Some("16"), Some("Access token required"))
    );
    assert!(got.header("www-authenticate").is_some_and(|c| c.starts_with("Bearer realm=\"mcp\"")), "{got:?}");
    let record = gateway.records(1).await.remove(0);
    assert_eq!(
        (&record["reason"], &record["status"]),
        (&json!("no_token"), &json!(200)),
        "what the client got"
    );
}

/// A gRPC answer has status 200, whatever it says: the record tells what was refused all the same, and there
/// is one.
#[tokio::test]
async fn a_grpc_request_that_envoy_refuses_itself_has_one_record() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let policy = json!({"routes": [{"path": "/v1/*"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let refused = "POST /v1/x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: foo\r\ncontent-type: application/grpc\r\n\r\n";
    let got = client::raw(gateway.address(), refused.as_bytes()).await;
    assert_ne!(got.header("grpc-status"), Some("0"), "{got:?}");
    assert_eq!(gateway.get("/v1/y").send().await.status, 401);
    let records = gateway.records(2).await;
    let told: Vec<_> = records.iter().map(|r| (&r["path"], r["decision"] == "allow")).collect();
    assert_eq!(told, [(&json!("/v1/x"), false), (&json!("/v1/y"), false)], "{records:#?}");
    let text = std::fs::read_to_string(gateway.rendered.data_dir.join("decisions.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[tokio::test]
async fn shadow_mode_lets_pass_what_it_would_refuse_and_says_so() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let policy = json!({"mode": "shadow", "routes": [{"path": "/v1/*", "scopes": ["admin"]}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let got = gateway.get("/v1/x").header("x-user-id", "evil").send().await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["headers"].get("x-user-id"), None);
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["decision"], &record["shadow"]["reason"]), (&json!("allow"), &json!("no_token")));
}

/// A request that can't be judged, with impostors.
async fn twice(gateway: &Gateway, path: &str) -> Response {
    let request = gateway.get(path).header("content-type", "a").header("content-type", "b");
    request.header("x-user-id", "evil").header("x_user_id", "evil").send().await
}

#[tokio::test]
async fn in_shadow_mode_impostors_go_from_odd_requests_and_enforced_routes_stay_shut() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = |enforced: bool| {
        let mode = if enforced { "enforce" } else { "shadow" };
        json!({"mode": "shadow", "identity": {"user_query": "userId"}, "routes": [
            {"path": "/v1/admin/*", "scopes": ["admin"], "mode": mode}, {"path": "/v1/*"},
        ]})
    };
    let gateway = gateway().policy(policy(false)).issuer(&issuer).upstream(&upstream.url).start().await;
    for path in ["/v1//x?userId=evil", "/v1/x;y?a=1&%75serId=evil", "/v1/admin/x?userId=evil"] {
        assert_eq!(twice(&gateway, path).await.status, 200, "{path}");
    }
    let seen = upstream.seen();
    let targets: Vec<_> = seen.iter().map(|seen| seen["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["/v1//x", "/v1/x;y?a=1", "/v1/admin/x"]);
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    drop(gateway);
    let gateway = gatewaystack_tests::gateway()
        .policy(policy(true))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    for path in ["/v1/admin/x", "/v1//admin/x", "/v1/x/../admin/x"] {
        assert_eq!(twice(&gateway, path).await.status, 400, "{path}");
    }
    for path in ["/v1/admin/x", "/v1/Admin/x"] {
        assert_eq!(gateway.get(path).send().await.status, 401, "{path}");
    }
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(twice(&gateway, "/v1/x").await.status, 200, "the rest is only watched");
}
