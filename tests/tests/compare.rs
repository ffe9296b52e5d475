//! `gatewaystack compare` between real gateways: the same where they are configured alike, and each
//! difference of their configurations found.

use gatewaystack::compare::{Arguments, compare};
use gatewaystack_tests::*;
use serde_json::Value;

async fn original(issuer: &TestIssuer, upstream: &Upstream, more: &[(&str, &str)]) -> Gateway {
    let mut gateway = gateway()
        .env("AUTH_ISSUER", &issuer.url)
        .env("AUTH_AUDIENCE", AUDIENCE)
        .env("ENABLE_TEST_ROUTES", "true")
        .env("PROXY_TARGET", &upstream.url);
    for (name, value) in more {
        gateway = gateway.env(name, value);
    }
    gateway.start().await
}

fn arguments(a: &Gateway, b: &Gateway, issuer: &TestIssuer) -> Arguments {
    let base = |gateway: &Gateway| format!("http://{}/", gateway.address());
    Arguments {
        a: base(a),
        b: base(b),
        cases: None,
        reader: Some(token().subject("ann").mint(issuer)),
        writer: Some(token().subject("bob").scope("tool:read tool:write").mint(issuer)),
        json: false,
        markdown: None,
    }
}

/// `case: what at` of each difference.
fn differences(report: &Value) -> Vec<String> {
    let of_case = |case: &Value| {
        let name = case["name"].as_str().unwrap().to_owned();
        let told = move |difference: &Value| {
            let at = difference["at"].as_str().unwrap_or_default();
            format!("{name}: {} {at}", difference["what"].as_str().unwrap())
        };
        case["differences"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    report["cases"].as_array().unwrap().iter().flat_map(of_case).collect()
}

#[tokio::test]
async fn two_gateways_of_one_configuration_answer_alike() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let (a, b) = (original(&issuer, &upstream, &[]).await, original(&issuer, &upstream, &[]).await);
    let arguments = arguments(&a, &b, &issuer);
    let report = compare(&arguments).await.unwrap();
    assert!(report.is_same(), "{}", report.to_text());
    let json = report.to_json();
    assert_eq!(differences(&json), Vec::<String>::new());
    let cases = json["cases"].as_array().unwrap();
    let status = |name: &str| cases.iter().find(|case| case["name"] == name).unwrap()["a"]["status"].clone();
    assert_eq!(status("GET /protected"), 401);
    assert_eq!(status("GET /protected as the reader"), 200);
    assert_eq!(status("POST /writer-only as the reader"), 403);
    for text in [report.to_text(), report.to_markdown(), json.to_string()] {
        assert!(!text.contains(arguments.reader.as_ref().unwrap().as_str()));
        assert!(!text.contains(arguments.writer.as_ref().unwrap().as_str()));
    }
}

#[tokio::test]
async fn what_is_configured_otherwise_is_found() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let a = original(&issuer, &upstream, &[]).await;
    let b = original(&issuer, &upstream, &[("PRM_REQUIRE_TOKEN", "true")]).await;
    let report = compare(&arguments(&a, &b, &issuer)).await.unwrap();
    assert!(!report.is_same());
    let found = differences(&report.to_json());
    let document = "GET /.well-known/oauth-protected-resource: ";
    assert!(found.contains(&format!("{document}status ")), "{found:?}");
    assert!(found.contains(&format!("{document}header www-authenticate")), "{found:?}");
    assert!(found.iter().all(|at| at.starts_with("GET /.well-known/oauth-protected-resource")), "{found:?}");
    // With a token both show it; what needs a token is counted, too.
    let mut with_token = found.iter().filter(|at| at.contains(" as the "));
    assert!(with_token.all(|at| at.contains(": header ratelimit")), "{found:?}");
}
