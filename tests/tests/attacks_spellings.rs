//! Other spellings of methods, paths, headers, names and URIs, through the real Envoy: whatever a server
//! behind it could read in them, they don't go around a rule.

use gatewaystack_tests::wire::{BOTH, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};

/// Flask reads `delete` as DELETE, and HTTP/2 carries any method.
#[tokio::test]
async fn no_spelling_of_a_method_goes_around_a_route_in_either_mode() {
    let issuer = TestIssuer::start().await;
    for mode in ["enforce", "shadow"] {
        let upstream = Upstream::start().await;
        let policy = json!({"mode": mode, "routes": [
            {"path": "/v1/*", "methods": ["DELETE"], "mode": "enforce", "scopes": ["admin"]},
            {"path": "/v1/*", "access": "public"},
        ]});
        let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
        for method in ["delete", "Delete", "trace", "TRACE", "connecT", "DELETE!x"] {
            let two = client::http2(gateway.address(), method, "/v1/x", &[], None, &[]).await;
            let one = client::raw(
                gateway.address(),
                format!("{method} /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes(),
            )
            .await;
            // A method of its own is none that the route names.
            let is_refused = |status: u16| !(200..300).contains(&status) || method == "DELETE!x";
            assert!(is_refused(two.status) && is_refused(one.status), "{mode} {method}: {two:?} {one:?}");
        }
        let delete = |seen: &Value| {
            seen["method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("delete"))
        };
        assert!(!upstream.seen().iter().any(delete), "{mode}");
        assert_eq!(
            client::http2(gateway.address(), "DELETE", "/v1/x", &[], None, &[]).await.status,
            401,
            "{mode}"
        );
        assert_eq!(gateway.get("/v1/x").send().await.status, 200, "{mode}");
    }
}

#[tokio::test]
async fn a_path_has_one_spelling_for_the_filter_envoy_and_the_upstream() {
    let (issuer, upstream, other) =
        (TestIssuer::start().await, Upstream::start().await, Upstream::start().await);
    let policy = json!({
        "upstreams": {"default": upstream.url, "other": other.url},
        "routes": [
            {"path": "/v1/docs:secret", "scopes": ["admin"]},
            {"path": "/v1/{id}/x", "upstream": "other"},
            {"path": "/v1/%2A/x", "upstream": "other"},
            {"path": "/v1/*", "access": "public"},
        ],
    });
    let gateway = gateway().policy(policy).issuer(&issuer).start().await;
    let bearer = format!("Bearer {}", token().mint(&issuer));
    let headers: &[(&str, &[u8])] = &[("authorization", bearer.as_bytes())];
    for (path, status) in [
        ("/v1/docs:secret", 403),
        ("/v1/docs%3Asecret", 403),
        ("/v1/docs%3asecret?a", 403),
        ("/v1/docs:secret.", 400),
        ("/v1/docs:secret%20", 400),
        ("/v1/docs::$DATA", 400),
        ("/v1/%7Bid%7d/x", 200),
        ("/v1/%2a/x", 200),
        ("/v1/a%3Ab%28%40?c=%3A", 200),
    ] {
        let one = gateway.get(path).header("authorization", &bearer).send().await;
        let two = client::http2(gateway.address(), "GET", path, headers, None, &[]).await;
        assert_eq!((one.status, two.status), (status, status), "{path}: {one:?}");
    }
    let targets =
        |upstream: &Upstream| upstream.seen().iter().map(|seen| seen["target"].clone()).collect::<Vec<_>>();
    assert_eq!(targets(&upstream), ["/v1/a:b(@?c=%3A", "/v1/a:b(@?c=%3A"]);
    assert_eq!(targets(&other), ["/v1/%7Bid%7D/x", "/v1/%7Bid%7D/x", "/v1/*/x", "/v1/*/x"]);
    let raw = format!(
        "GET /v1/{{id}}/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: {bearer}\r\n\r\n"
    );
    assert_eq!(client::raw(gateway.address(), raw.as_bytes()).await.status, 200);
    assert_eq!(targets(&other).last().unwrap(), "/v1/%7Bid%7D/x");
}

#[tokio::test]
async fn words_of_envoy_and_impostors_of_every_spelling_never_arrive() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    for mode in ["enforce", "shadow"] {
        let policy = json!({"mode": mode, "identity": {"user_query": "userId"}, "routes": [{"path": "/open", "access": "public"}]});
        let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
        let words: &[(&str, &[u8])] = &[
            ("x-envoy-retry-on", b"evil"),
            ("x-envoy-upstream-rq-timeout-ms", b"evil"),
            ("x-envoy-external-address", b"evil"),
            ("x-envoy-internal", b"evil"),
            ("x-envoy-decorator-operation", b"evil"),
            ("x-envoy-peer-metadata", b"evil"),
            // Envoy passes trailers on to gRPC.
            ("content-type", b"application/grpc"),
        ];
        let trailers = [("x-envoy-retry-on", "evil"), ("x-envoy-external-address", "evil"), ("x-sum", "1")];
        let path = "/open?%u0075serId=evil&%EF%BD%95serId=evil&%00userId=evil&us%E2%80%8BerId=evil&a=1";
        let got = client::http2(gateway.address(), "POST", path, words, Some("body"), &trailers).await;
        assert_eq!(got.status, 200, "{mode}: {got:?}");
        let seen = upstream.seen().pop().unwrap();
        assert!(!seen.to_string().contains("evil"), "{mode}: {seen}");
        assert_eq!(
            (&seen["target"], &seen["trailers"]),
            (&json!("/open?a=1"), &json!({"x-sum": ["1"]})),
            "{mode}"
        );
        let two: &[(&str, &[u8])] = &[("authorization", b"Basic YQ=="), ("authorization", b"Basic Yg==")];
        let got = client::http2(gateway.address(), "GET", "/open", two, None, &[]).await;
        assert_eq!(got.status, if mode == "shadow" { 200 } else { 400 }, "{got:?}");
    }
}

/// On both modes of the host: what is refused by its body doesn't arrive.
#[tokio::test]
async fn no_spelling_of_a_name_or_uri_goes_around_its_rule() {
    let issuer = TestIssuer::start().await;
    let mcp = json!({
        "tools": {"purge": ["admin"], "unlisted": "allow"},
        "resources": {"notes://admin/*": ["admin"], "file:///secret/*": ["admin"], "unlisted": "allow"},
    });
    for held in [true, false] {
        let upstream = Scripted::start().await;
        let limits = json!([{"by": "user", "max": 10_000, "window": "60s"}]);
        let policy = json!({"rate_limits": limits, "routes": [{"path": "/mcp", "mcp": mcp}]});
        let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url);
        let builder = if held { builder } else { builder.without_held_headers() };
        let gateway = builder.start().await;
        let reader = token().mint(&issuer);
        let read = |uri: &str| ("resources/read", json!({"uri": uri}));
        let call = |name: &str| ("tools/call", json!({"name": name}));
        for ((method, params), status) in [
            (read("Notes://admin/plan"), 400),
            (read(" notes://admin/plan"), 400),
            (read("notes://ADMIN/plan"), 400),
            (read("FILE:///secret/a"), 400),
            (read("file:/secret/a"), 400),
            (read("file://localhost/secret/a"), 400),
            (read("file:///public/../secret/a"), 400),
            (read("file:///public/%2e%2e/secret/a"), 400),
            (read("file:///public\\..\\secret"), 400),
            (read("file:///sec%72et/a"), 400),
            (read("notes://admin%2Fplan"), 403),
            (
                (
                    "subscriptions/listen",
                    json!({"notifications": {"resourceSubscriptions": ["notes://admin/plan"]}}),
                ),
                403,
            ),
            (
                (
                    "completion/complete",
                    json!({"ref": {"type": "ref/resource", "uri": "notes://admin/{id}"}}),
                ),
                403,
            ),
            (("Tools/Call", json!({"name": "purge"})), 400),
            (("tools/call ", json!({"name": "purge"})), 400),
            (call("Purge"), 403),
            (call("purge\u{200b}"), 403),
            (call("\u{ff50}urge"), 403),
        ] {
            for http in BOTH {
                let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
                let got = post("/mcp", &body).bearer(Some(&reader)).send(http, gateway.address()).await;
                assert_eq!(got.status, status, "{held} {http:?} {body}: {got:?}");
                assert_eq!(got.json()["id"], json!(7), "{body}");
                let plain = post("/mcp", &body)
                    .without("content-type")
                    .header("content-type", "text/plain")
                    .bearer(Some(&reader));
                let got = plain.send(http, gateway.address()).await;
                assert_eq!(
                    (got.status, &got.json()["id"]),
                    (415, &if held { json!(7) } else { Value::Null }),
                    "{body}"
                );
            }
        }
        assert!(upstream.seen().iter().all(|seen| seen.body.is_empty()), "{held}");
        for (method, params) in [
            read("notes://open/a"),
            read("greeting://Alice"),
            call("other"),
            ("ping", Value::Null),
            ("ping", json!([])),
        ] {
            let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
            let got = post("/mcp", &body).bearer(Some(&reader)).send(BOTH[0], gateway.address()).await;
            assert_eq!(got.status, 200, "{held} {body}: {got:?}");
        }
    }
}
