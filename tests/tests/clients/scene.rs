//! The demo behind a gateway with an address of its own, and the person who signs in there.

use gatewaystack::settings::Source;
use gatewaystack_demo::{Issuer, Running};
use gatewaystack_tests::{Gateway, client, gateway};
use std::path::Path;

pub struct Scene {
    _issuer: Running,
    _gateway: Gateway,
    /// The address that a user types into the client.
    pub url: String,
}

/// The demo, on ports of its own.
pub async fn scene() -> Scene {
    let issuer = Issuer::new().start(0).await.unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/examples/demo-mcp.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text.replace("http://127.0.0.1:5051", issuer.url.trim_end_matches('/'))).unwrap();
    let policy = Source::read(Some(&file), None, false).unwrap().policy.unwrap();
    // The port is in the public address, and that in the metadata: it must be known before.
    let port = gatewaystack::render::ports::free("127.0.0.1").unwrap().local_addr().unwrap().port();
    let public = format!("http://127.0.0.1:{port}");
    let started = gateway().policy(policy).env("PORT", &port.to_string()).env("PUBLIC_URL", &public).start();
    Scene { _gateway: started.await, _issuer: issuer, url: format!("{public}/mcp") }
}

/// What a person does in the browser: ticks what was asked for, allows. Where the browser is sent to then.
pub async fn consent(authorization_url: &str, user: &str) -> String {
    let (address, path) = authorization_url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let page = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let page = client::raw(address, page.as_bytes()).await.body;
    let (_, request) = page.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("{page}"));
    let (request, _) = request.split_once('"').unwrap();
    let ticked: String = page
        .split("name=\"scope:")
        .filter_map(|part| part.split_once("\" value=\"on\" checked"))
        .map(|(scope, _)| format!("&scope:{scope}=on"))
        .collect();
    let form = format!("request={request}&scopes=chosen&sub={user}&decision=allow{ticked}");
    let decision = format!(
        "POST /authorize/decision HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = client::raw(address, decision.as_bytes()).await;
    answer.header("location").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
