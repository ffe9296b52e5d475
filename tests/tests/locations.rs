//! What an upstream says of where things are: the client is led back to us, on both ways that a host takes
//! bodies, and never told the upstream's address.

use gatewaystack_tests::scripted::Step;
use gatewaystack_tests::wire::{Ask, BOTH, ask, post};
use gatewaystack_tests::*;
use serde_json::json;

/// An answer with these headers.
fn answer(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

fn values<'a>(got: &'a Response, name: &str) -> Vec<&'a str> {
    got.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn an_address_of_the_upstream_leads_back_to_the_gateway() {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let policy = json!({
        "rate_limits": [],
        "public_url": "https://gateway.example.com",
        "routes": [
            {"path": "/proxy/*", "access": "public", "strip_prefix": "/proxy", "aliases": "allowed"},
            {"path": "/plain/*", "access": "public"},
            {"path": "/watched/*", "access": "public", "mode": "shadow"},
            {"path": "/mcp", "scopes": ["tool:read"], "mcp": {"tools": {"help": []}}},
        ],
    });
    for held in [true, false] {
        let builder = gateway().policy(policy.clone()).issuer(&issuer).upstream(&upstream.url);
        let builder = if held { builder } else { builder.without_held_headers() };
        let gateway = builder.start().await;
        let token = token().scope("tool:read").mint(&issuer);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "help"}});
        let at = |path: &str| format!("{}{path}", upstream.url);
        let document = at("/.well-known/oauth-protected-resource");
        let ours = "https://gateway.example.com";
        let get = |path: &str| ask("GET", path);
        let mcp = || post("/mcp", call.to_string()).bearer(Some(&token));
        let cases: Vec<(Ask, u16, &str, String, Vec<String>)> = vec![
            (get("/proxy/a"), 302, "location", at("/b?c"), vec![format!("{ours}/proxy/b?c")]),
            (get("/proxy/a"), 302, "location", "/b".into(), vec!["/proxy/b".into()]),
            (get("/proxy/a"), 201, "location", "b".into(), vec!["b".into()]),
            (get("/proxy/a"), 200, "content-location", at("/b"), vec![format!("{ours}/proxy/b")]),
            (get("/plain/a"), 307, "location", at("/plain/b"), vec![format!("{ours}/plain/b")]),
            (
                get("/plain/a"),
                307,
                "location",
                "https://idp.example/".into(),
                vec!["https://idp.example/".into()],
            ),
            (
                get("/plain/a"),
                401,
                "www-authenticate",
                format!("Basic realm=\"a\"\r\nwww-authenticate: Bearer resource_metadata=\"{document}\""),
                vec![
                    "Basic realm=\"a\"".into(),
                    format!("Bearer resource_metadata=\"{ours}/.well-known/oauth-protected-resource\""),
                ],
            ),
            (
                mcp(),
                401,
                "www-authenticate",
                format!("Bearer resource_metadata=\"{document}\""),
                vec![format!("Bearer resource_metadata=\"{ours}/.well-known/oauth-protected-resource/mcp\"")],
            ),
            (mcp(), 307, "location", at("/mcp/"), vec![format!("{ours}/mcp/")]),
            (get("/watched/a"), 302, "location", at("/b"), vec![at("/b")]),
        ];
        for (ask, status, name, value, expect) in &cases {
            // What only we may say of an answer is no upstream's.
            for forged in ["", "x-gateway-names: 1\r\n"] {
                upstream.answers([Step::Send(answer(*status, &format!("{forged}{name}: {value}\r\n")))]);
                for http in BOTH {
                    let got = ask.clone().send(http, gateway.address()).await;
                    assert_eq!(
                        (got.status, values(&got, name)),
                        (*status, expect.iter().map(String::as_str).collect()),
                        "{value} {got:?}"
                    );
                    let marked = got.header("x-gateway-names").is_some();
                    assert!(!marked || ask.path.starts_with("/watched"), "{got:?}");
                }
            }
        }
        // An upstream that answers before the body that it waits for: it has the headers alone, where they
        // can't be held.
        upstream.answers([
            Step::Early,
            Step::Send(answer(
                401,
                &format!("www-authenticate: Bearer resource_metadata=\"{document}\"\r\n"),
            )),
        ]);
        for http in BOTH {
            let got = mcp().send(http, gateway.address()).await;
            let expect =
                format!("Bearer resource_metadata=\"{ours}/.well-known/oauth-protected-resource/mcp\"");
            assert_eq!(
                (got.status, values(&got, "www-authenticate")),
                (401, vec![expect.as_str()]),
                "{got:?}"
            );
            assert_eq!(got.header("x-gateway-names"), None);
        }
    }
}
