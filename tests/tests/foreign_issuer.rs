//! Tokens of an issuer that we didn't write (`oidc-provider`, `tests/node/provider.mjs`): found by discovery,
//! judged as any.

use gatewaystack_tests::{AUDIENCE, Gateway, Upstream, gateway};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// `oidc-provider` in a process of its own; it ends with this value.
struct ForeignIssuer {
    url: String,
    _process: Child,
    _folder: TempDir,
}

impl ForeignIssuer {
    async fn start() -> Self {
        let modules = std::env::var_os("GATEWAYSTACK_NODE_MODULES");
        let modules = modules.expect("GATEWAYSTACK_NODE_MODULES is not set: run by `cargo xtask test`");
        let folder = tempfile::tempdir().unwrap();
        // Node looks for a module's packages next to the module, wherever NODE_PATH points.
        symlink(modules, folder.path().join("node_modules")).unwrap();
        let script = folder.path().join("provider.mjs");
        std::fs::copy(gatewaystack_tests::sources().join("node/provider.mjs"), &script).unwrap();
        let mut process = Command::new("node")
            .args([script.as_os_str(), "0".as_ref()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = lines.next_line().await.unwrap().expect("the provider says its address");
        let url = said.strip_prefix("listening ").unwrap().to_owned();
        Self { url, _process: process, _folder: folder }
    }

    /// By client credentials, for a resource (RFC 8707).
    async fn token(&self, resource: &str, scope: &str) -> String {
        let encode = |text: &str| text.replace(':', "%3A").replace('/', "%2F").replace(' ', "+");
        let form = format!(
            "grant_type=client_credentials&client_id=machine&client_secret=only-for-these-tests-on-loopback\
             &resource={}&scope={}",
            encode(resource),
            encode(scope)
        );
        let address = self.url.trim_start_matches("http://");
        let request = format!(
            "POST /token HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = gatewaystack_tests::client::raw(address, request.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

async fn start(issuer: &ForeignIssuer, upstream: &Upstream) -> Gateway {
    let policy = json!({"routes": [
        {"path": "/read", "scopes": ["tool:read"]},
        {"path": "/write", "scopes": ["tool:write"]},
        {"path": "/people", "users_only": true},
    ]});
    // No `jwks_uri`: its key set isn't at a place that we would guess.
    let trusted = json!({"issuer": issuer.url, "audiences": [AUDIENCE]});
    gateway().policy(policy).trust(trusted).upstream(&upstream.url).start().await
}

#[tokio::test]
async fn a_foreign_issuers_token_becomes_a_request_of_its_subject() {
    let (issuer, upstream) = (ForeignIssuer::start().await, Upstream::start().await);
    let gateway = start(&issuer, &upstream).await;
    let token = issuer.token(AUDIENCE, "tool:read").await;
    let answer = gateway.get("/read").bearer(&token).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen["headers"]["x-user-id"], json!(["machine"]));
    assert_eq!(seen["headers"]["authorization"], Value::Null);
}

#[tokio::test]
async fn a_foreign_issuers_token_is_refused_where_it_lacks_something() {
    let (issuer, upstream) = (ForeignIssuer::start().await, Upstream::start().await);
    let gateway = start(&issuer, &upstream).await;
    let good = issuer.token(AUDIENCE, "tool:read").await;
    let elsewhere = issuer.token("https://elsewhere.example/api", "tool:read").await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    for (what, path, token, status, error) in [
        ("scope", "/write", &good, 403, "insufficient_scope"),
        ("a user behind it", "/people", &good, 403, "access_denied"),
        ("our audience", "/read", &elsewhere, 401, "invalid_token"),
        ("its own signature", "/read", &forged, 401, "invalid_token"),
    ] {
        let answer = gateway.get(path).bearer(token).send().await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (status, &json!(error)),
            "without {what}: {answer:?}"
        );
    }
    assert_eq!(upstream.seen().len(), 0, "nothing refused has reached the upstream");
}
