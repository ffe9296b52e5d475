//! No token of a second issuer acts as a user or tenant of the first, in any header, query, limit or spelling
//! of `iss`.

use gatewaystack_tests::*;
use serde_json::json;

#[tokio::test]
async fn the_second_issuer_has_its_own_users_tenants_and_limits() {
    let first = TestIssuer::start().await;
    let second = TestIssuer::with_keys(vec![key_b()]).await;
    let upstream = Upstream::start().await;
    let trust = |issuer: &TestIssuer, prefix: Option<&str>| {
        let mut value =
            json!({"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)});
        if let Some(prefix) = prefix {
            value["user_prefix"] = prefix.into();
        }
        value
    };
    let gateway = gateway()
        .policy(json!({
            "identity": {"user_query": "userId"},
            "routes": [{"path": "/v1/*"}],
            "rate_limits": [{"by": "user", "max": 3, "window": "1h"}, {"by": "tenant", "max": 100, "window": "1h"}],
        }))
        .trust(trust(&first, None))
        .trust(trust(&second, Some("b|")))
        .upstream(&upstream.url)
        .start()
        .await;
    let ann = token().claim("org_id", "org");
    assert_eq!(
        gateway.get("/v1/x").bearer(&ann.mint(&first)).send().await.header("ratelimit-remaining"),
        Some("2")
    );
    let got = gateway.get("/v1/x").bearer(&ann.mint(&second)).send().await;
    assert_eq!(got.header("ratelimit-remaining"), Some("2"), "a counter of its own");
    let seen = got.json();
    assert_eq!(seen["headers"]["x-user-id"], json!(["b|ann"]));
    assert_eq!(seen["headers"]["x-tenant-id"], json!(["b|org"]));
    assert_eq!(seen["target"], "/v1/x?userId=b%7Cann");

    // Claims to be the first, signed by the second: in each spelling of `iss`, with each `kid`.
    for iss in [
        first.url.clone(),
        first.url.trim_end_matches('/').to_owned(),
        first.url.to_uppercase(),
        format!("{}/", first.url),
    ] {
        for kid in ["a", "b"] {
            let forged = ann.clone().claim("iss", iss.as_str()).signed_by(key_b().named(kid)).mint(&second);
            let got = gateway.get("/v1/x").bearer(&forged).send().await;
            assert!(matches!(got.status, 401 | 503), "{iss} {kid}: {got:?}");
        }
    }
    // The first can't mint the second's users either.
    for reserved in [token().subject("b|ann").mint(&first), token().claim("org_id", "b|org").mint(&first)] {
        assert_eq!(gateway.get("/v1/x").bearer(&reserved).send().await.status, 401);
    }
    // One issuer's failing keys never affect the other.
    second.down();
    assert_eq!(gateway.get("/v1/x").bearer(&token().subject("cid").mint(&first)).send().await.status, 200);
}
