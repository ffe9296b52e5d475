//! A bearer token becomes a user-scoped request, through everything that is real.

use gatewaystack_tests::*;
use serde_json::json;

#[tokio::test]
async fn a_token_becomes_a_request_of_its_user() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({
            "public_url": "https://gateway.example.com",
            "identity": {"user_query": "userId"},
            "routes": [{"path": "/v1/tools/*", "methods": ["GET"], "scopes": ["tool:read"]}],
        }))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    let token = token().subject("auth0|ann").claim("org_id", "org_1").mint(&issuer);
    let got =
        gateway.get("/v1/%74ools/x?a=1&userId=evil").bearer(&token).header("X-User-Id", "evil").send().await;
    assert_eq!(got.status, 200, "{got:?}\n{}", gateway.log());
    assert_eq!(got.header("ratelimit-remaining"), Some("599"));
    let seen = got.json();
    assert_eq!(seen["target"], "/v1/tools/x?a=1&userId=auth0%7Cann");
    assert_eq!(seen["headers"]["x-user-id"], json!(["auth0|ann"]));
    assert_eq!(seen["headers"]["x-tenant-id"], json!(["org_1"]));
    assert_eq!(seen["headers"].get("authorization"), None);

    let got = gateway.get("/v1/tools/x").send().await;
    assert_eq!(got.status, 401);
    let challenge = "Bearer realm=\"mcp\", scope=\"tool:read\", \
        resource_metadata=\"https://gateway.example.com/.well-known/oauth-protected-resource\"";
    assert_eq!(got.header("www-authenticate"), Some(challenge));
    assert_eq!(got.json()["error_description"], "Access token required");
    assert_eq!(upstream.seen().len(), 1, "what is refused never reaches the upstream");
}
