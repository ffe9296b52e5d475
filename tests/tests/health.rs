//! Contract §5, `/health/auth0`: each member in good and in bad states, who may see it, and that nobody can
//! have the provider hammered.

use gatewaystack_tests::auth0::{MANAGEMENT_CLIENT, MANAGEMENT_SECRET};
use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const PATH: &str = "/health/auth0";

async fn watching(issuer: &TestIssuer, auth0: &Auth0, env: &[(&str, &str)]) -> Gateway {
    let defaults = [
        ("AUTH_ISSUER", issuer.url.as_str()),
        ("AUTH_AUDIENCE", AUDIENCE),
        ("TOOL_SCOPES", "tool:read"),
        ("WEBHOOK_SHARED_SECRET", sidecar::WEBHOOK_SECRET),
        ("AUTH0_TENANT_DOMAIN", auth0.domain()),
        ("AUTH0_MGMT_CLIENT_ID", MANAGEMENT_CLIENT),
        ("AUTH0_MGMT_CLIENT_SECRET", MANAGEMENT_SECRET),
    ];
    let all = defaults.iter().chain(env);
    all.fold(gateway(), |builder, (name, value)| builder.env(name, value)).start().await
}

type Change = fn(&TestIssuer, &Auth0);

/// What is changed, what is configured besides, the status, what the answer has, and what an error says.
type Row = (&'static str, Change, &'static [(&'static str, &'static str)], u16, Value, &'static str);

#[tokio::test]
async fn each_state_shows_and_says_what_to_do() {
    let rows: Vec<Row> = vec![
        (
            "all is well",
            |_, auth0| auth0.promote("google-oauth2"),
            &[],
            200,
            json!({"audience": AUDIENCE, "jwksReachable": true, "jwksKeys": 1, "managementConfigured": true,
                   "managementTokenOk": true, "connectionDomainLevel": true, "webhookQueueDepth": 0, "webhookParked": 0}),
            "",
        ),
        (
            "a connection that isn't domain-level",
            |_, _| (),
            &[],
            200,
            json!({"managementTokenOk": true, "connectionDomainLevel": false}),
            "promote the connection to domain level, or set DCR_FIRST_PARTY=true",
        ),
        (
            "the same with first-party clients",
            |_, _| (),
            &[("DCR_FIRST_PARTY", "true")],
            200,
            json!({"managementTokenOk": true, "connectionDomainLevel": false}),
            "",
        ),
        (
            "no such connection",
            |_, _| (),
            &[("GOOGLE_CONNECTION_NAME", "nobody")],
            200,
            json!({"managementTokenOk": true}),
            "no_connection: Auth0 has no connection \"nobody\"",
        ),
        (
            "no key set",
            |issuer, auth0| {
                auth0.promote("google-oauth2");
                issuer.set_mood(Mood::Answers(503, String::new()));
            },
            &[],
            503,
            json!({"jwksReachable": false, "jwksKeys": 0, "jwksAgeSeconds": null, "managementTokenOk": true}),
            "",
        ),
        (
            "a key set that is none",
            |issuer, auth0| {
                auth0.promote("google-oauth2");
                issuer.set_mood(Mood::Answers(200, "<html>".to_owned()));
            },
            &[],
            503,
            json!({"jwksReachable": false, "jwksKeys": 0}),
            "",
        ),
        (
            "another issuer's discovery document",
            |issuer, _| issuer.set_configuration(json!({"issuer": "https://other.example/"})),
            &[("AUTH_JWKS_URI", "JWKS")],
            200,
            json!({"jwksReachable": true, "jwksKeys": 1}),
            "the discovery document is that of \"https://other.example/\": set AUTH_ISSUER to it",
        ),
        (
            "a wrong management secret",
            |_, auth0| auth0.set_credentials(MANAGEMENT_CLIENT, "another"),
            &[],
            503,
            json!({"jwksReachable": true, "managementConfigured": true, "managementTokenOk": false}),
            "check AUTH0_MGMT_CLIENT_ID and its secret",
        ),
        (
            "an application that isn't authorised",
            |_, auth0| auth0.set_scopes(&[]),
            &[],
            503,
            json!({"managementTokenOk": false}),
            "authorised for the Auth0 Management API",
        ),
        (
            "scopes that are missing",
            |_, auth0| auth0.set_scopes(&["read:clients", "read:connections"]),
            &[],
            200,
            json!({"managementTokenOk": true}),
            "lacks update:clients read:client_grants create:client_grants update:client_grants",
        ),
        (
            "a grant that was left behind",
            |_, auth0| {
                auth0.promote("google-oauth2");
                auth0.add_grant("a", AUDIENCE, &[], "user");
                auth0.add_grant("machine", AUDIENCE, &[], "client");
            },
            &[],
            200,
            json!({"managementTokenOk": true}),
            "1 client grants for",
        ),
    ];
    // One after the other: gateways that start at once can take each other's free ports.
    for row in rows {
        check(row).await;
    }
}

async fn check((what, change, env, status, expect, error): Row) {
    let (issuer, auth0) = (TestIssuer::start().await, Auth0::start().await);
    let jwks = format!("{}jwks", issuer.url);
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|(name, value)| (*name, if *value == "JWKS" { jwks.as_str() } else { value }))
        .collect();
    let gateway = watching(&issuer, &auth0, &env).await;
    change(&issuer, &auth0);
    let got = gateway.get(PATH).send().await;
    assert_eq!(got.status, status, "{what}: {got:?}");
    let body = got.json();
    for (name, value) in expect.as_object().unwrap() {
        assert_eq!(&body[name], value, "{what}: {name}: {body}");
    }
    assert_eq!(body["issuer"], issuer.url, "{what}");
    // The first of the issuers once more.
    for (name, value) in body["issuers"][0].as_object().unwrap() {
        assert_eq!(&body[name], value, "{what}: {name}");
    }
    assert_eq!(
        body["jwksReachable"] == false,
        body["jwksError"].is_string() && error.is_empty(),
        "{what}: {body}"
    );
    let said = [&body["jwksError"], &body["managementError"]].map(|text| text.as_str().unwrap_or_default());
    assert!(said.iter().any(|text| text.contains(error)), "{what}: {body}");
    if error.is_empty() {
        assert_eq!(body["managementError"], Value::Null, "{what}: {body}");
    }
    assert!(!got.body.contains(MANAGEMENT_SECRET) && !got.body.contains("eyJ"), "{what}: {body}");
    assert_eq!(got.header("cache-control"), Some("no-store"), "{what}");
}

#[tokio::test]
async fn with_a_secret_it_is_hidden_from_whoever_does_not_show_it() {
    let (issuer, auth0) = (TestIssuer::start().await, Auth0::start().await);
    let secret = "4dm1n-S3cret";
    let gateway = watching(&issuer, &auth0, &[("HEALTH_ADMIN_SECRET", secret)]).await;
    let bearer = format!("Bearer {secret}");
    let token = format!("Bearer {}", token().claim("scope", "tool:read").mint(&issuer));
    for (name, value, status) in [
        ("x-admin-secret", secret, 200),
        ("authorization", bearer.as_str(), 200),
        ("authorization", secret, 404),
        ("authorization", token.as_str(), 404),
        ("x-admin-secret", "4dm1n-S3cre", 404),
        ("x-admin-secret", "", 404),
        ("x-other", secret, 404),
    ] {
        let got = gateway.get(PATH).header(name, value).send().await;
        assert_eq!(got.status, status, "{name}: {value}: {got:?}");
        assert_eq!(status == 404, got.json()["error"] == "not_found", "{got:?}");
    }
    assert_eq!(gateway.get("/health").send().await.status, 200, "this one stays open");
}

/// The sidecar itself, whose calls alone reach the issuer.
async fn alone(issuer: &TestIssuer, auth0: &Auth0) -> Arc<Sidecar> {
    let mut sidecar = Sidecar::of(auth0).env("AUTH_ISSUER", &issuer.url);
    sidecar.start();
    sidecar.ready().await;
    Arc::new(sidecar)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_at_once_are_one_probe() {
    let (issuer, auth0) = (TestIssuer::start().await, Auth0::start().await);
    auth0.promote("google-oauth2");
    let sidecar = alone(&issuer, &auth0).await;
    let (mut all, start) = (tokio::task::JoinSet::new(), Instant::now());
    for _ in 0..500 {
        let sidecar = Arc::clone(&sidecar);
        all.spawn(async move { sidecar.get(PATH).await });
    }
    let answers = all.join_all().await;
    assert!(answers.iter().all(|got| got.status == 200), "{:?}", answers[0]);
    // What was found is fresh for five seconds, and at Auth0 for thirty.
    let (keys, at_auth0) = (paced(start, Duration::from_secs(5)), paced(start, Duration::from_secs(30)));
    assert!((1..=keys).contains(&issuer.fetches()), "{} of the key set", issuer.fetches());
    assert_eq!(auth0.count_of("POST", "/oauth/token"), 1);
    for path in ["/api/v2/connections", "/api/v2/client-grants"] {
        assert!((1..=at_auth0).contains(&auth0.count_of("GET", path)), "{path}");
    }
    assert!(auth0.calls().len() <= 1 + 2 * at_auth0, "{:?}", auth0.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_hang_up_do_not_have_the_provider_asked_again_and_again() {
    let (issuer, auth0) = (TestIssuer::start().await, Auth0::start().await);
    let sidecar = alone(&issuer, &auth0).await;
    let start = Instant::now();
    issuer.set_mood(Mood::Hangs);
    for _ in 0..200 {
        let mut caller = tokio::net::TcpStream::connect(sidecar.address()).await.unwrap();
        caller.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        // Once another was answered, it has begun; then it leaves.
        assert_eq!(sidecar.get("/health").await.status, 200);
        drop(caller);
    }
    issuer.set_mood(Mood::Well);
    // One that hung for too long has failed, which is kept for a while.
    eventually("the keys", || async { (sidecar.get(PATH).await.status == 200).then_some(()) }).await;
    let most = 1 + paced(start, Duration::from_secs(5));
    assert!(issuer.fetches() <= most, "{} fetches for 201 callers", issuer.fetches());
    assert_eq!(auth0.count_of("POST", "/oauth/token"), 1);
}
