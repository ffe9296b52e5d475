//! What Auth0 refuses, and what we are told in words that somebody can act on.

use super::*;

#[tokio::test]
async fn what_cannot_be_a_client_is_never_asked_for() {
    let (auth0, promoter) = domain_level().await;
    for id in ["../x", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "", "é", &"a".repeat(65)] {
        assert!(parked(promoter.promote(id).await).starts_with("no_client_id"), "{id}");
    }
    assert_eq!(auth0.calls().len(), 0);
    assert!(parked(promoter.promote("AGoneClient").await).starts_with("not_found: "));
    assert_eq!(changes(&auth0), 0);
}

#[tokio::test]
async fn each_scope_that_is_missing_is_named() {
    // The scope, and whether it is missed only by a promotion that finds the client touched.
    for (scope, touched) in [
        ("read:clients", false),
        ("update:clients", false),
        ("read:connections", false),
        ("update:connections", false),
        ("create:client_grants", false),
        ("read:client_grants", true),
        ("update:client_grants", true),
    ] {
        let (auth0, promoter) = first_party(EnabledClients::Both).await;
        let id = auth0.register("Claude", &[CLAUDE]);
        if touched {
            auth0.add_grant(&id, AUDIENCE, &["tool:read"], "user");
        }
        let others: Vec<&str> = auth0::MANAGEMENT_SCOPES.into_iter().filter(|s| *s != scope).collect();
        auth0.set_scopes(&others);
        let why = parked(promoter.promote(&id).await);
        assert!(
            why.starts_with("refused: ") && why.contains(" answered 403") && why.contains(scope),
            "{scope}: {why}"
        );
        // Once it is there, what was begun is ended.
        auth0.set_scopes(&auth0::MANAGEMENT_SCOPES);
        auth0.revoke_tokens();
        assert_eq!(promoter.promote(&id).await, Ok(()), "{scope}");
        assert_promoted(&auth0, &id, true, scope);
    }
}

#[tokio::test]
async fn no_connection_and_no_api_are_parked_with_the_reason() {
    let (auth0, _) = domain_level().await;
    let id = auth0.register("Claude", &[CLAUDE]);
    let promoter = promoter_with(&auth0, &json!({"connection": "other"}), MANAGEMENT_SECRET);
    let why = parked(promoter.promote(&id).await);
    assert!(why.starts_with("no_connection: ") && why.contains("\"other\""), "{why}");
    auth0.add_api(AUDIENCE, &["tool:read"]);
    let promoter = promoter_with(&auth0, &json!({}), MANAGEMENT_SECRET);
    let why = parked(promoter.promote(&id).await);
    assert!(
        why.contains("POST /client-grants answered 400") && why.contains("subset of resource server"),
        "{why}"
    );
}

#[tokio::test]
async fn a_token_that_was_revoked_is_renewed_once_for_all() {
    let (auth0, promoter) = domain_level().await;
    let ids: Vec<String> = (0..8).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
    promoter.promote(&ids[0]).await.unwrap();
    assert_eq!(auth0.count_of("POST", "/oauth/token"), 1);
    auth0.set_latency(Duration::from_millis(5));
    auth0.revoke_tokens();
    let all = steps::futures(ids.iter().map(|id| promoter.promote(id))).await;
    assert!(all.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(auth0.count_of("POST", "/oauth/token"), 2, "one renewal for eight");
    ids.iter().for_each(|id| assert_promoted(&auth0, id, false, "revoked"));
}

#[tokio::test]
async fn wrong_credentials_are_not_sent_for_each_event_and_never_shown() {
    let (auth0, _) = domain_level().await;
    let (wrong, start) = ("a-wr0ng-S3cret", Instant::now());
    let promoter = promoter_with(&auth0, &json!({}), wrong);
    for _ in 0..20 {
        let id = auth0.register("Claude", &[CLAUDE]);
        let why = parked(promoter.promote(&id).await);
        assert!(
            why.contains("the management token was refused (401") && why.contains("AUTH0_MGMT_CLIENT_ID"),
            "{why}"
        );
        assert!(!why.contains(wrong), "{why}");
    }
    assert_eq!(auth0.count_of("*", "/api/v2/"), 0);
    let most = paced(start, Duration::from_secs(2));
    assert!(auth0.count_of("POST", "/oauth/token") <= most, "at most one each two seconds");
    auth0.set_scopes(&[]);
    let why = parked(promoter_with(&auth0, &json!({}), MANAGEMENT_SECRET).promote("x").await);
    assert!(why.contains("(403") && why.contains("authorised for the Auth0 Management API"), "{why}");
}
