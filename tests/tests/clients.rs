//! Foreign clients, each as its authors ship it: it finds out where to sign in, registers, signs in (the person at the browser
//! is ours), lists, calls, is refused, asks for more, calls again. Behind the gateway stands the demo's MCP server, with
//! the policy that `cargo xtask demo` has (`envoy/examples/demo-mcp.yaml`).
//!
//! `cargo xtask test --all` runs them and sets what they need.

use gatewaystack::settings::Source;
use gatewaystack_demo::{Issuer, Running};
use gatewaystack_tests::{Gateway, gateway};
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// A client has this long for all of it.
const TIME: Duration = Duration::from_secs(120);

struct Scene {
    _issuer: Running,
    _gateway: Gateway,
    /// The address that a user types into the client.
    url: String,
}

/// The demo, on ports of its own.
async fn scene() -> Scene {
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

fn needed(name: &str) -> PathBuf {
    let value = std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set: run by `cargo xtask test --all`"));
    PathBuf::from(value)
}

/// Runs a client's script to its end; what it printed.
async fn told(mut command: Command) -> Value {
    let output = tokio::time::timeout(TIME, command.kill_on_drop(true).output()).await;
    let output = output.expect("the client is done in time").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = out.lines().last().unwrap_or_else(|| panic!("the client says nothing: {err}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// A script of `tests/node/clients`.
async fn node(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    symlink(needed("GATEWAYSTACK_NODE_MODULES"), folder.path().join("node_modules")).unwrap();
    // Node looks for a module's packages beside the module.
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/clients");
    for entry in std::fs::read_dir(sources).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut command = Command::new("node");
    command.current_dir(folder.path()).args(arguments);
    told(command).await
}

async fn python(arguments: &[&str]) -> Value {
    let mut command = Command::new(needed("GATEWAYSTACK_PYTHON"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/client.py")).args(arguments);
    told(command).await
}

const READERS: &str = "list_notes read_other_users_note whoami";
const WRITERS: &str = "add_note list_notes read_other_users_note whoami";
/// A client that asks for the scopes of the last challenge alone has lost the others, and asks again for what it needs next.
const ONLY_WRITERS: &str = "add_note whoami";
const ALL: &str = "add_note list_notes purge read_other_users_note whoami";

/// The whole way was gone; `version` is the protocol's that it ended up with, `writers` what it sees with the right to write.
fn went_all_the_way(got: &Value, version: &str, writers: &str) {
    let steps = &got["steps"];
    assert_eq!(steps["error"], Value::Null, "{got:#}");
    assert_eq!(steps["list before"], ALL, "without a token every tool is shown: {got:#}");
    assert!(steps["read"].as_str().unwrap().starts_with("1 notes of bob:"), "{got:#}");
    assert_eq!(steps["list of a reader"], READERS, "{got:#}");
    assert_eq!(steps["write"], "Noted. bob has 2 notes now.", "{got:#}");
    assert_eq!(steps["list of a writer"], writers, "{got:#}");
    assert!(steps["read again"].as_str().unwrap().starts_with("2 notes of bob:"), "{got:#}");
    let requests = got["requests"].as_array().unwrap();
    let statuses: Vec<_> = requests.iter().map(|request| &request["status"]).collect();
    assert!(statuses.contains(&&401.into()) && statuses.contains(&&403.into()), "{got:#}");
    let last = requests.iter().rfind(|request| request["rpc"].is_string()).unwrap();
    assert_eq!(last["version"], version, "{got:#}");
}

macro_rules! clients {
    ($($name:ident: $run:ident $arguments:expr, $version:literal, $writers:ident;)*) => {
        $(#[tokio::test]
        #[ignore = "a foreign client: cargo xtask test --all fetches it"]
        async fn $name() {
            let scene = scene().await;
            let [before @ .., after] = $arguments;
            let arguments: Vec<&str> = before.into_iter().chain([scene.url.as_str()]).chain([after]).collect();
            let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
            went_all_the_way(&$run(&arguments).await, $version, $writers);
        })*
    };
}

clients! {
    the_typescript_sdk_goes_all_the_way: node ["typescript.mjs", "sdk", ""], "2025-11-25", ONLY_WRITERS;
    the_newer_typescript_client_goes_all_the_way_in_the_older_era: node ["typescript.mjs", "client", "legacy"], "2025-11-25", WRITERS;
    the_newer_typescript_client_goes_all_the_way_in_the_newest_era: node ["typescript.mjs", "client", "auto"], "2026-07-28", WRITERS;
    the_python_sdk_goes_all_the_way_in_the_older_era: python ["mcp", "legacy"], "2025-11-25", WRITERS;
    the_python_sdk_goes_all_the_way_in_the_newest_era: python ["mcp", "auto"], "2026-07-28", WRITERS;
    fastmcp_goes_all_the_way: python ["fastmcp", "auto"], "2026-07-28", WRITERS;
}
