//! `gatewaystack check --online`: an issuer's documents in; what is good, what to write otherwise, and what can't work out.

use gatewaystack::check::online;
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::json;

fn policy(issuer: &TestIssuer, spelled: &str) -> Policy {
    let issuer =
        json!({"issuer": spelled, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)});
    config::load(Some(json!({ "issuers": [issuer] }).to_string().as_bytes()), None).unwrap()
}

#[tokio::test]
async fn an_issuer_that_is_spelled_otherwise_than_by_itself_is_told() {
    let issuer = TestIssuer::start().await;
    let slashed = issuer.url.clone();
    let bare = slashed.trim_end_matches('/').to_owned();
    let other = "https://other.example/".to_owned();
    // The policy's spelling, the document's, what the warning says to write, and whether it is an error.
    let rows = [
        (&slashed, Some(&slashed), None, false),
        (&bare, Some(&bare), None, false),
        (&slashed, Some(&bare), Some(&bare), false),
        (&bare, Some(&slashed), Some(&slashed), false),
        (&slashed, Some(&other), None, true),
        (&slashed, None, None, false),
    ];
    for (own, named, written, is_bad) in rows {
        issuer.set_configuration(named.map_or(json!({}), |named| json!({ "issuer": named })));
        let found = online(&policy(&issuer, own)).await;
        let case = format!("{own} {named:?}: {found:?}");
        let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
        let expected = written.map(|url| format!("issuers[0].issuer: write {url} (in AUTH_ISSUER, too), "));
        assert_eq!(warnings.len(), usize::from(expected.is_some()), "{case}");
        assert!(expected.is_none_or(|start| warnings[0].starts_with(&start)), "{case}");
        assert_eq!(
            (found.good.len(), found.bad.len()),
            (usize::from(!is_bad), usize::from(is_bad)),
            "{case}"
        );
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_an_error() {
    let issuer = TestIssuer::start().await;
    issuer.set_mood(Mood::Answers(500, String::new()));
    let found = online(&policy(&issuer, &issuer.url)).await;
    assert!(found.good.is_empty() && found.warnings.is_empty(), "{found:?}");
    assert_eq!(found.bad[0].path, "issuers[0]", "{found:?}");
}
