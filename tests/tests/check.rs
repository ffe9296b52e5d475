//! `gatewaystack check --online`: an issuer's documents in; what is good, what to write otherwise, and what
//! can't work out.

use gatewaystack::check::online;
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::process::{Command, Output};

const GOOD: &str = "issuers: [{ issuer: 'https://idp.example/', audiences: [a] }]\nupstreams: { default: 'http://127.0.0.1:9' }\n";

/// What a command says of a policy; `start`: `render`, which is what `run` and `up` begin with.
fn told(policy: &str, file: &str, process: &[(&str, &str)], start: bool, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (path, env) = (folder.path().join("gateway.yaml"), folder.path().join(".env"));
    std::fs::write(&path, policy).unwrap();
    std::fs::write(&env, file).unwrap();
    let mut command = Command::new(gateway::from_environment("GATEWAYSTACK_BIN"));
    if start {
        command.arg("render").arg("--policy").arg(&path).arg("--out").arg(folder.path().join("out"));
        command.arg("--wasm").arg(gateway::from_environment("GATEWAYSTACK_WASM"));
        command.env("DATA_DIR", folder.path().join("data"));
    } else {
        command.arg("check").arg(&path);
    }
    command.arg("--env-file").arg(&env).args(options).envs(process.iter().copied()).output().unwrap()
}

/// A policy, an env file, the process's variables, and what is refused.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>);

#[test]
fn check_and_start_agree_on_what_is_refused() {
    let routes = |routes: &str| format!("{GOOD}routes: {routes}\n");
    let good = routes("[{ path: /a }]");
    let rows: [Row<'_>; 12] = [
        (&good, "", &[], None),
        (&good, "PORT=x", &[], Some("PORT: ")),
        (&good, "", &[("PORT", "x")], Some("PORT: ")),
        (&good, "PORT=x", &[("PORT", "8080")], None),
        (&good, "PORTT=9000", &[], Some("PORTT: is read by nobody; did you mean PORT?")),
        (&good, "", &[("RATE_LIMT_MAX", "5")], Some("RATE_LIMT_MAX: is read by nobody")),
        (&good, "RATE_LIMIT_PER_MINUTE=5", &[], Some("RATE_LIMIT_PER_MINUTE: is read by nobody")),
        (&good, "MODEL=gpt", &[("HOST", "a"), ("MODEL", "b")], None),
        (
            "issuers: [{ issuer: 'https://idp.example/', audiences: [a] }]\nroutes: [{ path: /a }]",
            "",
            &[],
            Some("routes[0].upstream: "),
        ),
        (&routes("[{ path: /a/*, access: public }, { path: /a/b }]"), "", &[], Some("routes[0]: ")),
        // A variable's routes stand before the file's, whose numbers stay.
        (
            &routes("[{ path: /a/*, access: public }, { path: /a/b }]"),
            "PROXY_TARGET=http://127.0.0.1:9",
            &[],
            Some("routes[0]: "),
        ),
        (&routes("[{ path: /a/*, access: public, hides: allowed }, { path: /a/b }]"), "", &[], None),
    ];
    for (policy, file, process, expect) in rows {
        for start in [false, true] {
            let output = told(policy, file, process, start, &[]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.success(),
                expect.is_none(),
                "{policy} {file} {process:?} {start}: {said}"
            );
            assert!(said.contains(expect.unwrap_or_default()), "{policy} {file} {process:?} {start}: {said}");
        }
    }
}

#[test]
fn what_is_probably_not_meant_is_an_error_where_that_is_asked_for_and_json_has_all() {
    let policy = format!("{GOOD}routes: [{{ path: /a/* }}, {{ path: /a/b }}]");
    let entries = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert!(told(&policy, "", &[], false, &[]).status.success());
    let strict = told(&policy, "", &[], false, &["--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(String::from_utf8(strict.stderr).unwrap().contains("routes[1]: never matches"));
    for (policy, options, code, expect) in [
        (&policy, &["--json"][..], 0, json!([["routes[1]", "warning"]])),
        (&policy, &["--json", "--strict"], 1, json!([["routes[1]", "error"]])),
        (&GOOD.to_owned(), &["--json", "--strict"], 0, json!([])),
        (&format!("{GOOD}zzz: 1\nport: 2"), &["--json"], 1, json!([["port", "error"], ["zzz", "error"]])),
    ] {
        let output = told(policy, "", &[], false, options);
        let found = entries(&output);
        let found: Vec<Value> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                assert!(entry["message"].as_str().is_some_and(|text| !text.is_empty()), "{entry}");
                json!([entry["path"], entry["level"]])
            })
            .collect();
        assert_eq!((output.status.code(), json!(found)), (Some(code), expect), "{policy} {options:?}");
        assert!(output.stderr.is_empty());
    }
}

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

#[tokio::test]
async fn discovery_that_fails_names_its_first_reason_and_the_member_to_set() {
    let issuer = TestIssuer::start().await;
    let policy = json!({ "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE]}] });
    let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
    let certs = "https://www.googleapis.example/oauth2/v3/certs";
    for (document, path, says) in [
        (json!({"issuer": issuer.url, "jwks_uri": certs}), "issuers[0].jwks_uri", certs),
        (
            json!({"issuer": "https://login.example/{tenantid}/v2.0", "jwks_uri": certs}),
            "issuers[0].issuer",
            "its issuer is a template",
        ),
        (json!({"issuer": "https://other.example/"}), "issuers[0].issuer", "https://other.example/"),
        (json!({"issuer": issuer.url}), "issuers[0].jwks_uri", "has no jwks_uri"),
        (json!([]), "issuers[0].jwks_uri", "is no JSON object"),
    ] {
        issuer.set_configuration(document.clone());
        let found = online(&policy).await;
        assert_eq!(found.bad[0].path, path, "{document}: {found:?}");
        assert!(found.bad[0].message.contains(says), "{document}: {found:?}");
    }
}
