//! TLS: towards clients with the operator's certificate, towards issuers and upstreams only with a name that
//! a trusted root vouches for.

use gatewaystack_tests::*;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Statuses of a request that needs the issuer's keys, and of one that needs the upstream alone.
async fn statuses(trusted: &Root, issuer_host: (&Root, &str), upstream_host: (&Root, &str)) -> (u16, u16) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);

    let url = issuer_host.0.front(&issuer.url, issuer_host.1).await;
    let described =
        json!({"issuer": format!("{url}/"), "audiences": [AUDIENCE], "jwks_uri": format!("{url}/jwks")});
    let policy = json!({"routes": [{"path": "/v1/*"}, {"path": "/open", "access": "public"}]});
    let gateway = gateway()
        .policy(policy)
        .trust(described)
        .upstream(&upstream_host.0.front(&upstream.url, upstream_host.1).await)
        .env("SSL_CERT_FILE", &trusted.pem())
        .start()
        .await;
    let good = token().mint_as(&format!("{url}/"), &issuer.first_key());
    let (with_token, open) = (gateway.get("/v1/x").bearer(&good), gateway.get("/open"));
    (with_token.send().await.status, open.send().await.status)
}

#[tokio::test]
async fn names_that_a_trusted_root_vouches_for_are_believed_and_no_others() {
    let (ours, foreign) = (Root::new(), Root::new());
    let good = (&ours, "localhost");
    assert_eq!(statuses(&ours, good, good).await, (200, 200));
    for bad in [(&ours, "other.example"), (&foreign, "localhost")] {
        assert_eq!(
            statuses(&ours, bad, good).await,
            (503, 200),
            "an issuer with a bad certificate has no keys"
        );
        assert_eq!(
            statuses(&ours, good, bad).await,
            (502, 502),
            "an upstream with a bad certificate gets nothing"
        );
    }
}

#[tokio::test]
async fn clients_are_served_over_tls_with_the_operators_certificate() {
    let root = Root::new();
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}]}))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .tls(&root, "gateway.example.com")
        .start()
        .await;
    let name = ServerName::try_from("gateway.example.com").unwrap();
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let stream = TlsConnector::from(root.client()).connect(name, stream).await.unwrap();
    let good = token().mint(&issuer);
    let request =
        format!("GET /v1/x HTTP/1.1\r\nhost: gateway.example.com\r\nauthorization: Bearer {good}\r\n\r\n");
    let got = client::over(stream, request.as_bytes()).await;
    assert_eq!(
        (got.status, &got.json()["headers"]["x-forwarded-proto"]),
        (200, &json!(["https"])),
        "{got:?}"
    );
    assert_eq!(gateway.get("/v1/x").bearer(&good).send().await.status, 0, "plain HTTP has no answer there");
}

/// The process's own variables don't have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_env_files_roots_are_those_of_every_fetch() {
    let (root, issuer) = (Root::new(), TestIssuer::start().await);
    issuer.set_configuration(json!({}));
    let url = root.front(&issuer.url, "localhost").await;
    let policy = json!({
        "issuers": [{"issuer": format!("{url}/"), "audiences": ["a"], "jwks_uri": format!("{url}/jwks")}],
    });
    let policy = root.file("gateway.json", &policy.to_string());
    let nothing = root.file("nothing.pem", "no certificate");
    for (line, says) in [
        (format!("SSL_CERT_FILE={}", root.pem()), None),
        (String::new(), Some("issuers[0]: ")),
        ("SSL_CERT_FILE=/nonexistent".to_owned(), Some("SSL_CERT_FILE: expected a file with certificates")),
        (
            format!("SSL_CERT_FILE={}", nothing.display()),
            Some("SSL_CERT_FILE: expected a file with certificates"),
        ),
    ] {
        let env = root.file("env", &line);
        let mut command = tokio::process::Command::new(gateway::from_environment("GATEWAYSTACK_BIN"));
        command
            .arg("check")
            .arg(&policy)
            .arg("--online")
            .arg("--env-file")
            .arg(env)
            .env_remove("SSL_CERT_FILE");
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), says.is_none(), "{line}: {said}");
        assert!(said.contains(says.unwrap_or_default()), "{line}: {said}");
    }
}
