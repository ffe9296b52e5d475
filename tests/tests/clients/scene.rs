//! The demo behind a gateway with an address of its own.

use gatewaystack::settings::Source;
use gatewaystack_demo::{Issuer, Running};
use gatewaystack_tests::{Gateway, gateway};

pub struct Scene {
    _issuer: Running,
    _gateway: Gateway,
    /// The address that a user types into the client.
    pub url: String,
}

/// The demo, on ports of its own.
pub async fn scene() -> Scene {
    let issuer = Issuer::new().start(0).await.unwrap();
    let example = gatewaystack_tests::root().join("envoy/examples/demo-mcp.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text.replace("http://127.0.0.1:5051", issuer.url.trim_end_matches('/'))).unwrap();
    let policy = Source::read(Some(&file), None, false).unwrap().policy.unwrap();
    // The port is in the public address, and that in the metadata: it must be known before.
    let port = gatewaystack_tests::free_port();
    let public = format!("http://127.0.0.1:{port}");
    let started = gateway().policy(policy).env("PORT", &port.to_string()).env("PUBLIC_URL", &public).start();
    Scene { _gateway: started.await, _issuer: issuer, url: format!("{public}/mcp") }
}
