//! The token endpoint, and what a token is good for.

use super::*;

#[tokio::test]
async fn tokens_are_issued_for_client_credentials_and_nothing_else() {
    let auth0 = Auth0::start().await;
    auth0.add_api("https://other.example", &[]);
    let host = auth0.domain().to_owned();
    let denied = |why: &str| json!({"error": "access_denied", "error_description": why});
    let rows = [
        (json!({}), 200, json!({"token_type": "Bearer", "expires_in": 86_400})),
        (json!({"audience": format!("https://{host}/api/v2/")}), 200, json!({})),
        (json!({"scope": "read:clients"}), 200, json!({"scope": "read:clients"})),
        (json!({"client_secret": "wrong"}), 401, denied("Unauthorized")),
        (json!({"client_id": "other"}), 401, denied("Unauthorized")),
        (json!({"audience": "https://x"}), 403, denied("Service not found: https://x")),
        (json!({"audience": "https://other.example"}), 403, json!({"error": "access_denied"})),
        (json!({"audience": ""}), 403, json!({"error": "access_denied"})),
        (json!({"grant_type": "password"}), 403, json!({"error": "unsupported_grant_type"})),
        (json!({"grant_type": null}), 400, json!({"error": "invalid_request"})),
    ];
    for (changes, status, want) in rows {
        let got = ask_token(&auth0, &changes).await;
        assert_eq!(got.status, status, "{changes}: {got:?}");
        assert!(holds(&got.json(), &want), "{changes}: {got:?}");
    }
    let form = format!(
        "grant_type=client_credentials&client_id=mgmt&client_secret={MANAGEMENT_SECRET}&audience=http%3A%2F%2F{host}%2Fapi%2Fv2%2F"
    );
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(send(&auth0, "POST", "/oauth/token", kind, &form).await.status, 200);
    auth0.set_scopes(&[]);
    let got = ask_token(&auth0, &json!({})).await;
    assert_eq!(got.status, 403, "without a grant for the Management API");
    assert!(got.body.contains("You need to create a \\\"client-grant\\\""), "{got:?}");
    assert!(!format!("{:?}", auth0.calls()).contains(MANAGEMENT_SECRET), "secrets aren't remembered");
}

#[tokio::test]
async fn a_call_needs_a_token_that_lives_and_has_the_scope() {
    let auth0 = Auth0::start().await;
    let path = "/api/v2/clients";
    let refused = |got: &Response, status: u16, message: &str| {
        assert_eq!((got.status, got.json()["message"].as_str()), (status, Some(message)), "{got:?}");
    };
    refused(&send(&auth0, "GET", path, "", "").await, 401, "Missing authentication");
    let basic = send(&auth0, "GET", path, "authorization: Basic eA==\r\n", "").await;
    refused(&basic, 400, "Bad HTTP authentication header format");
    refused(&call(&auth0, "made-up", "GET", path, &Value::Null).await, 401, "Invalid token");
    let good = token(&auth0).await;
    assert_eq!(call(&auth0, &good, "GET", path, &Value::Null).await.status, 200);
    auth0.revoke_tokens();
    refused(&call(&auth0, &good, "GET", path, &Value::Null).await, 401, "Invalid token");
    auth0.set_scopes(&["update:clients"]);
    let got = call(&auth0, &token(&auth0).await, "GET", path, &Value::Null).await;
    let any_of = "read:clients,read:client_keys,read:client_credentials,read:client_summary";
    refused(&got, 403, &format!("Insufficient scope, expected any of: {any_of}"));
    assert_eq!(got.json()["errorCode"], "insufficient_scope");
    auth0.set_token_lifetime(Duration::from_millis(1));
    let short = token(&auth0).await;
    eventually("the token's end", || async {
        let got = call(&auth0, &short, "GET", path, &Value::Null).await;
        (got.status == 401).then(|| assert!(got.body.contains("Expired token"), "{got:?}"))
    })
    .await;
}
