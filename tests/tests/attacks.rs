//! Every header and path attack of contract §1 and §2, over HTTP/1.1 and HTTP/2: never a success, and nothing
//! spoofed reaches the upstream.

use gatewaystack_tests::*;
use serde_json::json;

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({
            "identity": {"user_query": "userId"},
            "routes": [
                {"path": "/open/*", "access": "public"},
                {"path": "/v1/admin/*", "scopes": ["admin"]},
                {"path": "/v1/*"},
            ],
        }))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    (issuer, upstream, gateway)
}

#[tokio::test]
async fn ambiguous_paths_are_refused_over_http_1_and_http_2() {
    let (issuer, upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer));
    let paths = [
        "/v1/../v1/admin/x",
        "/v1/./x",
        "/v1//x",
        "//v1/x",
        "/v1/x;y",
        "/v1/x%2fy",
        "/v1/x%5Cy",
        "/v1/%2e%2e/x",
        "/v1/x%25y",
        "/v1/x%3by",
        "/v1/x%00",
        "/v1/x%0a",
        "/v1/x%7f",
        "/v1/x%",
        "/v1/x%g1",
        "/v1/x%ff",
        "/v1/x\\y",
        "/v1/..",
        "/v1/x/.",
        "/v1/x//",
    ];
    for path in paths {
        let one = gateway.get(path).header("authorization", &bearer).send().await;
        assert_eq!(one.status, 400, "HTTP/1.1 {path}: {one:?}");
        let two =
            client::http2(gateway.address(), "GET", path, &[("authorization", bearer.as_bytes())], None, &[])
                .await;
        assert!(two.status == 400 || two.status == 0, "HTTP/2 {path}: {two:?}");
    }
    for line in
        ["GET /v1/x#y", "GET v1/x", "GET *", "CONNECT /v1/x", "TRACE /v1/x", "GET /v1/caf\u{e9}", "OPTIONS *"]
    {
        let request =
            format!("{line} HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\nconnection: close\r\n\r\n");
        let got = client::raw(gateway.address(), request.as_bytes()).await;
        assert!(!(200..300).contains(&got.status), "{line}: {got:?}");
    }
    assert_eq!(upstream.seen(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn doubled_headers_and_hidden_ones_are_refused() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().mint(&issuer);
    let head =
        format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {good}\r\n");
    for more in [
        "authorization: Bearer a.b.c\r\n",
        "host: b\r\n",
        "content-type: a\r\ncontent-type: b\r\n",
        "content-encoding: a\r\ncontent-encoding: b\r\n",
        "origin: https://a\r\norigin: https://b\r\n",
        "mcp-protocol-version: a\r\nmcp-protocol-version: b\r\n",
        "mcp-method: a\r\nmcp-method: b\r\n",
        "mcp-name: a\r\nmcp-name: b\r\n",
        "mcp-session-id: a\r\nmcp-session-id: b\r\n",
        "x-required-scope: a\r\nx-required-scope: b\r\n",
        "x_user_id: evil\r\n",
    ] {
        let got = client::raw(gateway.address(), format!("{head}{more}\r\n").as_bytes()).await;
        assert_eq!(got.status, 400, "{more}: {got:?}");
    }
    let two: &[(&str, &[u8])] = &[("authorization", b"Bearer a.b.c"), ("authorization", b"Bearer d.e.f")];
    assert_eq!(client::http2(gateway.address(), "GET", "/v1/x", two, None, &[]).await.status, 400);
    assert_eq!(upstream.seen(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn bytes_outside_ascii_never_end_the_filter() {
    let (issuer, _upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer)).into_bytes();
    for name in [
        "x-any",
        "origin",
        "content-type",
        "x-request-id",
        "mcp-name",
        "x-required-scope",
        "x-user-id",
        "authorization",
        "cookie",
    ] {
        let own: &[(&str, &[u8])] = if name == "authorization" { &[] } else { &[("authorization", &bearer)] };
        let headers = [own, &[(name, b"\xff\xfe\x80")]].concat();
        let two = client::http2(gateway.address(), "GET", "/v1/x", &headers, None, &[]).await;
        assert!(matches!(two.status, 200 | 400 | 401), "{name}: {two:?}");
        let mut one = b"GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n".to_vec();
        for (name, value) in &headers {
            one.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        one.extend(b"\r\n");
        let one = client::raw(gateway.address(), &one).await;
        assert!(matches!(one.status, 200 | 400 | 401), "{name}: {one:?}");
    }
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    assert_eq!(gateway.stat(&["wasm", "reload"]).await, 0);
}

#[tokio::test]
async fn a_spoofed_identity_never_reaches_the_upstream() {
    let (issuer, upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer));
    let spoofed: &[(&str, &[u8])] = &[
        ("x-user-id", b"evil"),
        ("x-user-id", b"evil2"),
        ("x-tenant-id", b"evil"),
        ("x-gatewaystack-secret", b"evil"),
        ("x-http-method-override", b"DELETE"),
        ("x-original-url", b"/v1/admin/evil"),
        ("x-rewrite-url", b"/v1/admin/evil"),
        // Envoy's own words: they would change time-outs and retries.
        ("x-envoy-upstream-rq-timeout-ms", b"evil"),
        ("x-envoy-retry-on", b"evil"),
        ("x-envoy-original-path", b"/evil"),
        ("authorization", bearer.as_bytes()),
        // Envoy speaks HTTP/2 with upstreams of gRPC, and passes trailers on there.
        ("content-type", b"application/grpc"),
    ];
    let trailers = [("x-user-id", "evil"), ("authorization", "evil"), ("x-sum", "1")];
    for path in ["/v1/x?userId=evil&USERID[]=evil&%75serId=evil&a=1", "/open/x?userId=evil&a=1"] {
        let got = client::http2(gateway.address(), "POST", path, spoofed, Some("body"), &trailers).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        let one = gateway
            .post(path, "b")
            .header("X-User-ID", "evil")
            .header("x-tenant-id", "evil")
            .header("authorization", &bearer);
        assert_eq!(one.send().await.status, 200);
    }
    // A connection can't take out behind us what we put in.
    let hidden = format!(
        "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close, x-user-id\r\nx-user-id: evil\r\nauthorization: {bearer}\r\n\r\n"
    );
    assert_eq!(client::raw(gateway.address(), hidden.as_bytes()).await.status, 200);
    for seen in upstream.seen() {
        assert!(!seen.to_string().contains("evil"), "{seen}");
        assert_eq!(seen["headers"].get("authorization"), None);
        let user =
            if seen["target"].as_str().unwrap().starts_with("/open") { json!(null) } else { json!(["ann"]) };
        assert_eq!(seen["headers"]["x-user-id"], user, "{seen}");
    }
    assert_eq!(upstream.seen().len(), 5);
    assert_eq!(upstream.seen()[0]["trailers"], json!({"x-sum": ["1"]}));
    assert_eq!(upstream.seen()[2]["target"], "/open/x?a=1");
}

#[tokio::test]
async fn a_path_reaches_the_upstream_in_the_spelling_that_was_judged() {
    let (issuer, upstream, gateway) = stage().await;
    let good = token().mint(&issuer);
    assert_eq!(gateway.get("/v1/%61dmin/x").bearer(&good).send().await.status, 403);
    assert_eq!(gateway.get("/V1/admin/x").bearer(&good).send().await.status, 403);
    assert_eq!(gateway.get("/v1/Admin/x").bearer(&good).send().await.status, 403);
    assert_eq!(gateway.get("/v1/%7ea%20b").bearer(&good).send().await.status, 200);
    assert_eq!(upstream.seen()[0]["target"], "/v1/~a%20b?userId=ann");
}

#[tokio::test]
async fn large_and_empty_requests_get_an_answer() {
    let (issuer, _upstream, gateway) = stage().await;
    let good = token().mint(&issuer);
    let long = "a".repeat(1_000_000);
    let got = gateway.get("/v1/x").bearer(&good).header("x-long", &long).send().await;
    assert!(matches!(got.status, 0 | 400 | 431), "{}", got.status);
    let got = gateway.get("/v1/x").bearer(&long).send().await;
    assert!(matches!(got.status, 0 | 400 | 431), "{}", got.status);
    let got = gateway.get("/v1/x").bearer(&format!("a.b.{}", "c".repeat(17 * 1024))).send().await;
    assert_eq!((got.status, got.json()["error"].as_str()), (400, Some("invalid_request")));
    assert_eq!(gateway.post("/v1/x", "").bearer(&good).send().await.status, 200);
    assert_eq!(
        gateway.post("/v1/x", "{not json").bearer(&good).send().await.status,
        200,
        "bodies are the upstream's here"
    );
}
