//! TLS: towards clients with the operator's certificate, towards issuers and upstreams only with a name that a trusted root vouches for.

use gatewaystack_tests::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A root of our own, and a folder for files.
struct Root {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate that is named as its issuer is would be taken for its own.
        params.distinguished_name.push(DnType::CommonName, "a root for tests");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { authority, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The root as a file that `SSL_CERT_FILE` can name.
    fn pem(&self) -> String {
        self.file("root.pem", &self.authority.pem()).display().to_string()
    }

    /// Certificate and key for a host, as PEM.
    fn vouch(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    /// TLS in front of a plain server, with a certificate for `host`; answers the URL at `localhost`.
    async fn front(&self, plain: &str, host: &str) -> String {
        let (certificate, key) = self.vouch(host);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plain = plain.trim_start_matches("http://").trim_end_matches('/').to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, plain) = (acceptor.clone(), plain.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut server = TcpStream::connect(plain).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        format!("https://localhost:{port}")
    }
}

fn provider() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Statuses of a request that needs the issuer's keys, and of one that needs the upstream alone.
async fn statuses(trusted: &Root, issuer_host: (&Root, &str), upstream_host: (&Root, &str)) -> (u16, u16) {
    provider();
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
    provider();
    let root = Root::new();
    let (certificate, key) = root.vouch("gateway.example.com");
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}]}))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .env("TLS_CERT_FILE", &root.file("gateway.pem", &certificate).display().to_string())
        .env("TLS_KEY_FILE", &root.file("gateway.key", &key).display().to_string())
        .start()
        .await;
    let mut roots = RootCertStore::empty();
    roots.add(root.authority.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("gateway.example.com").unwrap();
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
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
