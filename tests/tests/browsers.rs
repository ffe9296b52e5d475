//! What browsers are told, through the real Envoy: the policy alone says which origins may read an answer,
//! and what is public is for all of them.

use gatewaystack_tests::scripted::{Step, answer, chunked_answer};
use gatewaystack_tests::wire::{BOTH, ask, post};
use gatewaystack_tests::*;
use serde_json::{Value, json};

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";
const PREFIX: &str = "access-control-";

/// All that an upstream may say of origins: what browsers read (Fetch §3.3.3), drafts, and names that nobody
/// has thought of yet.
const OF_UPSTREAM: &str = "Access-Control-Allow-Origin: https://evil.example\r\n\
    access-control-allow-origin: *\r\n\
    Access-Control-Allow-Credentials: true\r\n\
    Access-Control-Allow-Headers: X-Evil\r\n\
    Access-Control-Allow-Methods: DELETE\r\n\
    Access-Control-Allow-Private-Network: true\r\n\
    Access-Control-Allow-Local-Network: true\r\n\
    Access-Control-Expose-Headers: X-Evil\r\n\
    ACCESS-CONTROL-MAX-AGE: 86400\r\n\
    Access-Control-Anything: evil\r\n";

/// The headers about origins, in order.
fn of_origins(got: &Response) -> Vec<(&str, &str)> {
    let mut found: Vec<_> = got
        .headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with(PREFIX))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn an_upstream_says_nothing_of_origins_where_the_policy_does() {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let good = token().mint(&issuer);
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"whoami"}]}}"#;
    for origins in [json!([APP]), json!(["*"])] {
        let any = origins == json!(["*"]);
        let policy = json!({"cors": {"origins": origins, "credentials": !any}, "rate_limits": [], "routes": [
            {"path": "/v1/*"},
            {"path": "/open/*", "access": "public"},
            {"path": "/cut/*", "response_filter": {"items": "/items", "owner": "/owner"}},
            {"path": "/mcp", "mcp": {"tools": {"whoami": []}, "allowed_origins": [APP, EVIL]}},
        ]});
        let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let json_head = format!("content-type: application/json\r\n{OF_UPSTREAM}");
        let events = format!("data: {list}\n\n");
        let ways = [
            (ask("GET", "/v1/x"), answer(&json_head, "{}")),
            (ask("GET", "/open/x"), answer(&json_head, "{}")),
            (ask("GET", "/cut/x"), answer(&json_head, r#"{"items":[{"owner":"ann"},{"owner":"bob"}]}"#)),
            (post("/mcp", call), answer(&json_head, list)),
            (
                post("/mcp", call),
                chunked_answer(&format!("content-type: text/event-stream\r\n{OF_UPSTREAM}"), &events, 16),
            ),
            (
                ask("GET", "/v1/x"),
                format!(
                    "HTTP/1.1 404 Not Found\r\n{OF_UPSTREAM}content-length: 0\r\nconnection: close\r\n\r\n"
                )
                .into_bytes(),
            ),
            (
                ask("GET", "/v1/x"),
                format!("HTTP/1.1 304 Not Modified\r\n{OF_UPSTREAM}connection: close\r\n\r\n").into_bytes(),
            ),
            // Without `Access-Control-Request-Method` it is no preflight, and goes to the upstream.
            (ask("OPTIONS", "/v1/x"), answer(OF_UPSTREAM, "")),
        ];
        for (at, (ask, bytes)) in ways.into_iter().enumerate() {
            for http in BOTH {
                for origin in [APP, EVIL, "null"] {
                    if ask.path == "/mcp" && origin == "null" {
                        // Such a page may not ask at all.
                        continue;
                    }
                    upstream.answers([Step::Send(bytes.clone())]);
                    let ask = ask.clone().bearer(Some(&good)).header("origin", origin);
                    let got = ask.send(http, gateway.address()).await;
                    let what = format!("{at} {http:?} {origin} {origins}: {got:?}");
                    assert!(matches!(got.status, 200 | 304 | 404), "{what}");
                    let exposed = got.header("access-control-expose-headers").unwrap_or_default();
                    assert!(!exposed.contains("Evil"), "{what}");
                    let expect = match (any, origin) {
                        (true, _) => vec![
                            ("access-control-allow-origin", "*"),
                            ("access-control-expose-headers", exposed),
                        ],
                        (false, APP) => vec![
                            ("access-control-allow-credentials", "true"),
                            ("access-control-allow-origin", APP),
                            ("access-control-expose-headers", exposed),
                        ],
                        (false, _) => vec![],
                    };
                    assert_eq!(of_origins(&got), expect, "{what}");
                    assert!(got.header("vary").is_some_and(|vary| vary.contains("Origin")), "{what}");
                }
            }
        }
    }
}

const DOCUMENT: &str = "/.well-known/oauth-protected-resource";
const RELAYED: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

#[tokio::test]
async fn public_documents_are_for_every_origin() {
    let issuer = TestIssuer::start().await;
    let configuration = json!({"issuer": issuer.url, "jwks_uri": format!("{}jwks", issuer.url)});
    issuer.set_configuration(configuration);
    let upstream = Upstream::start().await;
    let of_mcp = format!("{DOCUMENT}/mcp");
    for serve in ["filter", "sidecar"] {
        for cors in [json!({}), json!({"origins": [APP], "credentials": true})] {
            for mode in ["enforce", "shadow"] {
                let policy = json!({
                    "mode": mode, "cors": cors, "metadata": {"serve": serve},
                    "routes": [{"path": "/mcp", "mcp": {"tools": {"whoami": []}}}],
                });
                let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
                // Where the filter serves alone nothing is relayed.
                let relayed = if serve == "sidecar" { &RELAYED[..] } else { &[] };
                for path in [DOCUMENT, &of_mcp].iter().chain(relayed) {
                    for origin in [APP, EVIL, "null"] {
                        let what = format!("{serve} {mode} {cors} {path} {origin}");
                        let asks = gateway.request("OPTIONS", path).header("origin", origin);
                        let asks = asks.header("access-control-request-method", "GET");
                        let asks = asks.header("access-control-request-headers", "mcp-protocol-version");
                        let got = asks.send().await;
                        assert_eq!(got.status, 204, "{what}: {got:?}");
                        assert_eq!(got.header("access-control-allow-origin"), Some("*"), "{what}: {got:?}");
                        assert_eq!(
                            got.header("access-control-allow-methods"),
                            Some("GET"),
                            "{what}: {got:?}"
                        );
                        let allowed = got.header("access-control-allow-headers").unwrap_or_default();
                        assert!(
                            allowed.to_ascii_lowercase().contains("mcp-protocol-version"),
                            "{what}: {got:?}"
                        );

                        let got = gateway.get(path).header("origin", origin).send().await;
                        assert_eq!(got.status, 200, "{what}: {got:?}");
                        let told: Vec<_> = got
                            .headers
                            .iter()
                            .filter(|(name, _)| name == "access-control-allow-origin")
                            .collect();
                        assert_eq!(
                            told,
                            [&("access-control-allow-origin".to_owned(), "*".to_owned())],
                            "{what}"
                        );
                        // A page's cookies are no business of it, and browsers take the two together for an
                        // error.
                        assert_eq!(got.header("access-control-allow-credentials"), None, "{what}: {got:?}");
                        assert!(
                            got.json()["issuer"].is_string() || got.json()["resource"].is_string(),
                            "{what}"
                        );
                    }
                }
            }
        }
    }
    assert_eq!(upstream.seen(), Vec::<Value>::new());
}
