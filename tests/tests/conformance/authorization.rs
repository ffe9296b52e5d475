//! The suite's scenarios for authorization servers, against the demo's issuer.

use super::{ERAS, hold_to_file, suite};
use gatewaystack_demo::Issuer;
use gatewaystack_tests::person::consent;
use gatewaystack_tests::{client, support};
use serde_json::{Map, Value, json};
use std::process::Stdio;
use suite::Checks;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const RESOURCE: &str = "http://127.0.0.1:8080/mcp";

/// A client that may come back at the suite's own address.
async fn registered(issuer: &str, port: u16) -> String {
    let metadata = json!({
        "client_name": "Conformance",
        "redirect_uris": [format!("http://127.0.0.1:{port}/callback")],
        "token_endpoint_auth_method": "none",
    });
    let address = issuer.trim_start_matches("http://").trim_end_matches('/');
    let answer = client::post_json(address, "/register", &[], &metadata.to_string()).await;
    answer.json()["client_id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// The suite prints where a person has to go, and waits for the browser.
async fn run(issuer: &str, era: &str) -> Checks {
    let port = gatewaystack_tests::free_port();
    let client_id = registered(issuer, port).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = suite::command();
    command.args(["authorization", "--url", issuer, "--client-id", &client_id, "--resource", RESOURCE]);
    command.args(["--port", &port.to_string(), "--spec-version", era, "-o"]).arg(folder.path());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let (mut listens, mut asked) = (false, None);
    while let Some(line) = lines.next_line().await.unwrap() {
        listens |= line.starts_with("Callback server started");
        if line.starts_with(issuer.trim_end_matches('/')) && line.contains("response_type=code") {
            asked = Some(line);
        }
        if let Some(url) = asked.take_if(|_| listens) {
            come_back(&consent(&url, "ann").await).await;
        }
    }
    process.wait().await.unwrap();
    suite::read(folder.path())
}

/// As the browser does.
async fn come_back(to: &str) {
    let (address, path) = to.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    assert_eq!(client::raw(address, request.as_bytes()).await.status, 200);
}

#[tokio::test]
#[ignore = "the official suite: cargo xtask test --all fetches it"]
async fn the_demos_issuer_does_what_an_authorization_server_must() {
    let issuer = Issuer::new().start(0).await.unwrap();
    let mut eras = Map::new();
    for era in ERAS {
        let checks = run(&issuer.url, era).await;
        let scenarios: Vec<_> = checks.keys().map(|(scenario, _)| scenario.as_str()).collect();
        assert!(scenarios.contains(&"authorization-code-grant"), "{era}: {checks:#?}");
        hold_to_file(era, "demo issuer", &checks);
        eras.insert(era.to_owned(), suite::counts(&checks));
    }
    support::write("authorization-server", &Value::Object(eras));
}
