//! `gatewaystack doctor`: a token, what is asked of it, and what it must say; with an issuer whose keys it
//! fetches as the filter does.

mod mcp;

use gatewaystack::doctor::{Call, Diagnosis, Question, examine};
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::{Value, json};

/// A token, what is asked, the reason of the refusal, and texts of the answer.
type Row<'a, T> = (T, &'a [&'a str], Option<&'a str>, &'a [&'a str]);

fn policy(issuer: &TestIssuer) -> Policy {
    let policy = json!({
        "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}],
        "mode": "shadow",
        "routes": [
            {"path": "/status", "access": "public"},
            {"path": "/v1/tools/*", "methods": ["GET"], "scopes": ["tool:read"]},
            {"path": "/v1/tools/*", "methods": ["POST"], "scopes": ["tool:read", "tool:write"]},
            {"path": "/people", "users_only": true},
            {"path": "/mcp", "audience": "strict", "audiences": ["https://gateway.example.com/mcp"]},
        ],
        "rate_limits": [{"by": "user", "max": 1, "window": "60s"}],
    });
    config::load(Some(policy.to_string().as_bytes()), None).unwrap()
}

fn ask(token: &str, args: &[&str]) -> Question {
    let value = |name: &str| {
        args.iter().position(|a| *a == name).and_then(|at| args.get(at + 1)).map(|v| (*v).to_owned())
    };
    Question {
        token: token.to_owned(),
        method: value("--method"),
        path: value("--path"),
        call: value("--tool")
            .map(Call::Tool)
            .or(value("--prompt").map(Call::Prompt))
            .or(value("--resource").map(Call::Resource))
            .or(value("--rpc").map(Call::Method)),
        host: value("--host"),
        offline: args.contains(&"--offline"),
        auth0: args.contains(&"auth0"),
    }
}

/// The tests' moment, in Unix seconds: what is told of a token's times must not depend on how long a test
/// takes.
const NOW: u64 = 1_790_000_000;

fn token() -> token::Token {
    gatewaystack_tests::token().claim("exp", NOW + 3600)
}

fn expired() -> token::Token {
    token().claim("exp", NOW - 3600)
}

async fn diagnose(policy: &Policy, token: &str, args: &[&str]) -> Diagnosis {
    let diagnosis = examine(policy, &ask(token, args), NOW * 1000).await.unwrap();
    for secret in token.split('.').chain([token]).filter(|part| part.len() > 20) {
        assert!(!diagnosis.text.contains(secret), "no part of the token is shown: {}", diagnosis.text);
    }
    assert!(
        diagnosis.text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()),
        "{}",
        diagnosis.text
    );
    diagnosis
}

async fn check(policy: &Policy, token: &str, args: &[&str], reason: Option<&str>, says: &[&str]) {
    let got = diagnose(policy, token, args).await;
    assert_eq!((got.allowed, got.reason), (reason.is_none(), reason), "{args:?}\n{}", got.text);
    for text in says {
        assert!(got.text.contains(text), "{args:?}: {text} isn't in\n{}", got.text);
    }
}

#[tokio::test]
async fn a_request_is_judged_as_the_filter_would() {
    let issuer = TestIssuer::start().await;
    let policy = policy(&issuer);
    let good = token().mint(&issuer);
    let writer = token().scope("tool:read tool:write").mint(&issuer);
    let machine = token().claim("gty", "client-credentials").mint(&issuer);
    let tools = ["--path", "/v1/tools/list"];
    let write = ["--method", "POST", "--path", "/v1/tools/list"];
    let rows: [Row<'_, &str>; 12] = [
        (
            &good,
            &tools,
            None,
            &["route /v1/tools/*", "allowed     authorized", "alg RS256, typ at+jwt, kid a", "(issuers[0])"],
        ),
        (
            &good,
            &write,
            Some("insufficient_scope"),
            &[
                "403 insufficient_scope",
                "lacks       tool:write",
                "Request a token with the scope: tool:read tool:write",
            ],
        ),
        (&writer, &write, None, &[]),
        (&good, &["--path", "/status"], None, &["no token is needed"]),
        (&good, &["--path", "/nothing"], Some("no_route"), &["no route", "403 access_denied"]),
        (&good, &["--path", "/V1/tools/x"], Some("no_route"), &[]),
        (&good, &["--path", "/v1/%2e%2e/x"], Some("unsafe_path"), &["400 invalid_request"]),
        (&machine, &["--path", "/people"], Some("machine_not_allowed"), &["gty         client-credentials"]),
        (&good, &["--path", "/people"], None, &[]),
        (&good, &["--path", "/mcp"], Some("token_audience"), &["401 invalid_token"]),
        (&good, &["--path", "/v1/tools/list", "--host", "elsewhere.example"], None, &[]),
        ("", &tools, Some("malformed_authorization"), &["400 invalid_request"]),
    ];
    for (token, args, reason, says) in rows {
        check(&policy, token, args, reason, says).await;
    }
}

#[tokio::test]
async fn a_token_alone_is_judged_by_each_rule() {
    let issuer = TestIssuer::start().await;
    let policy = policy(&issuer);
    let elsewhere = "https://tenant.eu.auth0.com/";
    let jwe = format!(
        "{}.e.e.e.e",
        token::base64url(json!({"alg": "dir", "enc": "A256GCM", "iss": elsewhere}).to_string())
    );
    let good = token();
    let mint = |token: token::Token| token.mint(&issuer);
    let rows: [Row<'_, String>; 15] = [
        (
            mint(good.clone().claim("org_id", "org_1")),
            &[],
            None,
            &["tenant      org_1", "scopes      tool:read", "machine     no", "in 1h"],
        ),
        (format!("  Bearer {}\n", mint(good.clone())), &[], None, &["3 parts"]),
        (
            jwe,
            &[],
            Some("token_encrypted"),
            &["5 parts", "enc A256GCM, iss https://tenant", "default audience"],
        ),
        (
            "an-opaque-token".into(),
            &[],
            Some("token_opaque"),
            &["opaque", "the audience that the client asks for"],
        ),
        ("an-opaque-token".into(), &["auth0"], Some("token_opaque"), &["post-login action"]),
        (mint(good.clone().header("alg", "HS256")), &[], Some("token_algorithm"), &["alg HS256", "RS256"]),
        (mint(good.clone().header("typ", "dpop+jwt")), &[], Some("token_type"), &[]),
        (mint(expired()), &[], Some("token_expired"), &["exp         1h ago"]),
        (
            mint(good.clone().claim("nbf", NOW + 600)),
            &[],
            Some("token_not_yet_valid"),
            &["nbf         in 10m"],
        ),
        (
            mint(good.clone().claim("iss", elsewhere)),
            &[],
            Some("token_issuer"),
            &["not trusted; trusted: http://127.0.0.1", "custom domain"],
        ),
        (
            mint(good.clone().claim("aud", json!(["x", "y"]))),
            &[],
            Some("token_audience"),
            &["aud         x y (accepted: https://gateway.local/api)"],
        ),
        (mint(good.clone().without("sub")), &[], Some("token_subject"), &["user        none"]),
        (
            mint(good.clone().header("kid", "unheard-of")),
            &[],
            Some("token_unknown_key"),
            &["kid unheard-of", "1 usable"],
        ),
        (mint(good.clone().signed_by(key_b().named("a"))), &[], Some("token_signature"), &[]),
        ("a.b.c".into(), &[], Some("token_malformed"), &[]),
    ];
    for (token, args, reason, says) in rows {
        check(&policy, &token, args, reason, says).await;
    }
}

#[tokio::test]
async fn without_a_path_each_route_says_what_the_token_lacks() {
    let issuer = TestIssuer::start().await;
    let policy = policy(&issuer);
    let says =
        ["by route", "GET,HEAD /v1/tools/*", "allowed", "403: lacks tool:write", "401: token_audience"];
    check(&policy, &token().mint(&issuer), &[], None, &says).await;
    let got = diagnose(&policy, "opaque", &[]).await;
    assert!(!got.text.contains("by route"), "what no route takes isn't listed by route: {}", got.text);
    // What only a route accepts is allowed there.
    let strict = token().claim("aud", "https://gateway.example.com/mcp").mint(&issuer);
    let got = diagnose(&policy, &strict, &[]).await;
    let mcp = got.text.lines().find(|line| line.contains(" /mcp")).unwrap();
    assert!(got.allowed && mcp.ends_with("allowed"), "{}", got.text);
}

#[tokio::test]
async fn nothing_is_allowed_without_a_verified_signature() {
    let issuer = TestIssuer::start().await;
    let policy = policy(&issuer);
    let good = token().mint(&issuer);
    for args in [&["--offline"][..], &["--offline", "--path", "/v1/tools/list"]] {
        let got = diagnose(&policy, &good, args).await;
        assert_eq!((got.allowed, got.reason, issuer.fetches()), (false, None, 0), "{}", got.text);
        assert!(got.text.contains("undecided"), "{}", got.text);
    }
    // What header and claims refuse is known without keys.
    check(&policy, &expired().mint(&issuer), &["--offline"], Some("token_expired"), &[]).await;
    issuer.set_mood(Mood::Answers(500, String::new()));
    for args in [&[][..], &["--path", "/v1/tools/list"]] {
        check(&policy, &good, args, Some("keys_unavailable"), &["none: ", "503 temporarily_unavailable"])
            .await;
    }
}

#[tokio::test]
async fn what_a_token_says_cannot_write_to_the_terminal() {
    let issuer = TestIssuer::start().await;
    let policy = policy(&issuer);
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\nallowed    authorized";
    let token = token().claim("org_id", evil).claim("scope", json!([evil, 7, Value::Null])).mint(&issuer);
    let got = diagnose(&policy, &token, &[]).await;
    assert!(!got.allowed && got.text.contains("\\u{1b}"), "{}", got.text);
}
