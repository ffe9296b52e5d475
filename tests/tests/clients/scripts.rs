//! The clients that aren't in Rust: a script each (`tests/node/clients`, `tests/python`), which tells what
//! each step gave and which requests were made.

use super::scene::scene;
use super::table::{KEEPS, LOSES, went};
use super::{ALL, ONLY_WRITERS, READERS, WRITERS};
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::node::{self, Scripts};
use serde_json::Value;
use std::time::Duration;
use tokio::process::Command;

/// A client has this long for all of it.
const TIME: Duration = Duration::from_secs(120);

/// Runs a client's script to its end; what it printed.
async fn told(mut command: Command) -> Value {
    let output = tokio::time::timeout(TIME, command.kill_on_drop(true).output()).await;
    let output = output.expect("the client is done in time").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = out.lines().last().unwrap_or_else(|| panic!("the client says nothing: {err}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// A script of `tests/node/clients`.
pub async fn node(arguments: &[&str]) -> Value {
    let scripts = Scripts::of("clients");
    let mut command = scripts.command("node");
    command.args(arguments).env("INSPECTOR_NODE", node::newer());
    told(command).await
}

async fn python(arguments: &[&str]) -> Value {
    let mut command = Command::new(from_environment("GATEWAYSTACK_PYTHON"));
    command.arg(gatewaystack_tests::sources().join("python/client.py")).args(arguments);
    told(command).await
}

/// The whole way was gone; `version` is the protocol's that it ended up with, `writers` what it sees with the
/// right to write.
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
    ($($name:ident: $package:literal, $run:ident $arguments:expr, $version:literal, $writers:ident;)*) => {
        $(#[tokio::test]
        #[ignore = "a foreign client: cargo xtask test --all fetches it"]
        async fn $name() {
            let scene = scene().await;
            let [before @ .., after] = $arguments;
            let arguments: Vec<&str> = before.into_iter().chain([scene.url.as_str()]).chain([after]).collect();
            let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
            went_all_the_way(&$run(&arguments).await, $version, $writers);
            went($package, $version, if $writers == WRITERS { KEEPS } else { LOSES });
        })*
    };
}

clients! {
    the_typescript_sdk_goes_all_the_way: "npm @modelcontextprotocol/sdk", node ["typescript.mjs", "sdk", ""], "2025-11-25", ONLY_WRITERS;
    the_newer_typescript_client_goes_all_the_way_in_the_older_era: "npm @modelcontextprotocol/client", node ["typescript.mjs", "client", "legacy"], "2025-11-25", WRITERS;
    the_newer_typescript_client_goes_all_the_way_in_the_newest_era: "npm @modelcontextprotocol/client", node ["typescript.mjs", "client", "auto"], "2026-07-28", WRITERS;
    the_python_sdk_goes_all_the_way_in_the_older_era: "pypi mcp", python ["mcp", "legacy"], "2025-11-25", WRITERS;
    the_python_sdk_goes_all_the_way_in_the_newest_era: "pypi mcp", python ["mcp", "auto"], "2026-07-28", WRITERS;
    fastmcp_goes_all_the_way: "pypi fastmcp", python ["fastmcp", "auto"], "2026-07-28", WRITERS;
}

/// It reads the list before each call. So it never asks for what the list hides: its user signs in anew, for
/// more.
async fn inspector_goes_as_far_as_it_can(era: &str, version: &str) {
    let scene = scene().await;
    let got = node(&["inspector.mjs", &scene.url, era]).await;
    let steps = &got["steps"];
    assert_eq!(steps["error"], Value::Null, "{got:#}");
    assert_eq!(steps["list before"], ALL, "{got:#}");
    assert!(steps["read"].as_str().unwrap().starts_with("1 notes of bob:"), "{got:#}");
    assert_eq!(steps["list of a reader"], READERS, "{got:#}");
    assert_eq!(steps["write as a reader"], "tool_not_found", "{got:#}");
    assert_eq!(steps["write"], "Noted. bob has 2 notes now.", "{got:#}");
    assert_eq!(steps["list of a writer"], WRITERS, "{got:#}");
    assert!(steps["read again"].as_str().unwrap().starts_with("2 notes of bob:"), "{got:#}");
    let then = "it asks for no tool that the list hides: its user signs in anew";
    went("npm @modelcontextprotocol/inspector", version, then);
}

#[tokio::test]
#[ignore = "a foreign client: cargo xtask test --all fetches it"]
async fn the_inspector_signs_in_by_itself_in_the_older_era() {
    inspector_goes_as_far_as_it_can("legacy", "2025-11-25").await;
}

#[tokio::test]
#[ignore = "a foreign client: cargo xtask test --all fetches it"]
async fn the_inspector_signs_in_by_itself_in_the_newest_era() {
    inspector_goes_as_far_as_it_can("auto", "2026-07-28").await;
}
