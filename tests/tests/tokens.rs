//! Contract §2 and §3, each kind of rule once through the real Envoy; the core's tests have every row and
//! every bound.

use gatewaystack_tests::token::{base64url, now_s};
use gatewaystack_tests::*;
use serde_json::{Value, json};

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = json!({"rate_limits": [], "routes": [
        {"path": "/read", "scopes": ["tool:read"]},
        {"path": "/people", "users_only": true},
        {"path": "/strict", "audiences": ["https://other.example"], "audience": "strict"},
    ]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    (issuer, upstream, gateway)
}

#[tokio::test]
async fn every_kind_of_bad_token_is_refused_as_its_row_says() {
    let (issuer, upstream, gateway) = stage().await;
    let now = now_s();
    let good = token().mint(&issuer);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let bad = |token: token::Token| (token.mint(&issuer), 401, "invalid_token");
    let raw = |text: &str| (text.to_owned(), 401, "invalid_token");
    let exp = |value: &str| {
        let url = &issuer.url;
        bad(token().raw_claims(format!(r#"{{"iss":"{url}","aud":"{AUDIENCE}","sub":"u","exp":{value}}}"#)))
    };
    let claims =
        base64url(json!({"iss": issuer.url, "aud": AUDIENCE, "sub": "u", "exp": now + 60}).to_string());
    let unsigned = base64url(r#"{"alg":"none"}"#);
    let rows = [
        bad(token().expired()),
        bad(token().claim("nbf", now + 600)),
        bad(token().claim("iat", now + 600)),
        bad(token().claim("iss", "https://evil.example/")),
        bad(token().claim("aud", "https://evil.example")),
        bad(token().without("aud")),
        bad(token().without("sub")),
        bad(token().subject("a\nb")),
        bad(token().signed_by(key_b().named("a"))),
        bad(token().header("alg", "HS256")),
        bad(token().header("alg", "RS512")),
        bad(token().header("typ", "dpop+jwt")),
        bad(token().header("crit", json!(["exp"]))),
        bad(token().header("kid", 1)),
        exp("\"9999999999\""),
        exp("1e400"),
        exp("-1"),
        exp(&format!("{},\"sub\":\"v\"", now + 60)),
        raw(&format!("{unsigned}.{claims}.")),
        raw(&format!("{unsigned}.{claims}.{signature}")),
        raw(&format!("{head}.{signature}=")),
        raw(&format!("{head}.")),
        raw("a.b.c.d.e"),
        raw("opaque"),
        (format!("{good}\t"), 200, ""),
        (format!("\t{good}"), 400, "invalid_request"),
        (String::new(), 400, "invalid_request"),
        (format!("{head}=.{signature}"), 400, "invalid_request"),
        (format!("{good} {good}"), 400, "invalid_request"),
        (format!("{good},{good}"), 400, "invalid_request"),
    ];
    let passes = rows.iter().filter(|row| row.1 == 200).count();
    for (token, status, error) in &rows {
        let got = gateway.get("/read").header("authorization", &format!("Bearer {token}")).send().await;
        assert_eq!(got.status, *status, "{token}: {got:?}");
        if *status != 200 {
            assert_eq!(got.json()["error"], *error, "{token}: {got:?}");
            assert!(!got.body.contains(token) || token.is_empty(), "a token is never shown again: {got:?}");
        }
        let challenge = got.header("www-authenticate");
        assert_eq!(challenge.is_some(), *status == 401, "{token}: {got:?}");
        assert!(
            challenge
                .is_none_or(|c| c.contains("error=\"invalid_token\"") && c.contains("scope=\"tool:read\""))
        );
    }
    assert_eq!(upstream.seen().len(), passes);
}

#[tokio::test]
async fn head_gets_the_status_and_the_headers_without_a_body() {
    let (issuer, _upstream, gateway) = stage().await;
    let good = token().scope("x").mint(&issuer);
    for (path, token, status) in [("/read", "a.b.c", 401), ("/read", &good, 403), ("/read//x", "a.b.c", 400)]
    {
        let got = gateway.request("HEAD", path).bearer(token).send().await;
        assert_eq!((got.status, got.body.as_str()), (status, ""), "{path}");
        assert_eq!(got.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(got.header("www-authenticate").is_some(), status != 400, "{path}");
    }
}

#[tokio::test]
async fn good_tokens_pass_in_each_of_their_forms() {
    let (issuer, _upstream, gateway) = stage().await;
    let now = now_s();
    for (name, minted) in [
        ("typ JWT", token().header("typ", "JWT")),
        ("typ application/at+jwt", token().header("typ", "application/AT+jwt")),
        // The leeway is a minute: the edges are the core's tests, where the time is given.
        ("within the leeway", token().claim("exp", now - 5)),
        ("a fraction", token().claim("exp", now as f64 + 60.5)),
        ("not yet, within the leeway", token().claim("nbf", now + 30)),
        ("one of many audiences", token().claim("aud", json!(["x", AUDIENCE]))),
        ("an issuer without its slash", token().claim("iss", issuer.url.trim_end_matches('/'))),
        ("scp", token().without("scope").claim("scp", json!(["tool:read"]))),
        ("scopes", token().without("scope").claim("scopes", "tool:read x")),
        ("permissions", token().without("scope").claim("permissions", json!(["tool:read"]))),
    ] {
        let got = gateway.get("/read").bearer(&minted.mint(&issuer)).send().await;
        assert_eq!(got.status, 200, "{name}: {got:?}");
    }
    let good = token().mint(&issuer);
    for value in [format!("bearer {good}"), format!("BEARER    {good}")] {
        assert_eq!(gateway.get("/read").header("authorization", &value).send().await.status, 200, "{value}");
    }
}

#[tokio::test]
async fn what_is_no_bearer_token_is_none() {
    let (issuer, _upstream, gateway) = stage().await;
    let good = token().mint(&issuer);
    for (path, name, value) in [
        ("/read", "authorization", format!("Basic {good}")),
        ("/read", "authorization", good.clone()),
        ("/read", "cookie", format!("access_token={good}")),
        ("/read", "x-authorization", format!("Bearer {good}")),
        (&format!("/read?access_token={good}"), "accept", "*/*".to_owned()),
    ] {
        let got = gateway.get(path).header(name, &value).send().await;
        assert_eq!(
            (got.status, got.json()["error"].clone()),
            (401, json!("unauthorized")),
            "{name}: {got:?}"
        );
        assert!(!got.header("www-authenticate").unwrap().contains("error"), "{name}: {got:?}");
    }
    let body = format!("access_token={good}");
    assert_eq!(gateway.post("/read", &body).send().await.status, 401);
}

#[tokio::test]
async fn a_good_token_needs_the_routes_scope_audience_and_kind() {
    let (issuer, upstream, gateway) = stage().await;
    let other = token().claim("aud", "https://other.example");
    let rows = [
        ("/read", token().scope("x"), 403, "insufficient_scope"),
        ("/read", token().without("scope"), 403, "insufficient_scope"),
        ("/read", token().without("scope").claim("permissions", "tool:read"), 403, "insufficient_scope"),
        ("/people", token().claim("gty", "client-credentials"), 403, "access_denied"),
        ("/people", token().subject("app@clients"), 403, "access_denied"),
        ("/people", token().claim("azp", "ann"), 403, "access_denied"),
        ("/strict", token(), 401, "invalid_token"),
        ("/strict/more", other.clone(), 401, "invalid_token"),
        ("/elsewhere", token(), 403, "access_denied"),
    ];
    for (path, minted, status, error) in rows {
        let got = gateway.get(path).bearer(&minted.mint(&issuer)).send().await;
        assert_eq!((got.status, got.json()["error"].as_str()), (status, Some(error)), "{path}: {got:?}");
    }
    assert_eq!(upstream.seen(), Vec::<Value>::new());
    assert_eq!(gateway.get("/strict").bearer(&other.mint(&issuer)).send().await.status, 200);
}
