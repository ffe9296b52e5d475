//! `deploy/compose/ledger.yml`: what is asked is in the ledger once and in the container's log once; a copy
//! comes back into new volumes. By the commands of docs/compose.md.

use super::asking::Asking;
use super::docker::{Docker, output, root};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const FILES: &str = "docker compose -f docker-compose.yml -f deploy/compose/ledger.yml";
const POLICY: [&str; 2] = ["--policy", "/state/policy.json"];

/// The words of a command after the files; the documents have it.
fn compose(docker: &Docker, words: &[&str]) -> String {
    let files: Vec<&str> = FILES.split(' ').skip(2).collect();
    docker.compose(&[&files, words].concat())
}

fn up(docker: &Docker, asking: &Asking) {
    compose(docker, &["up", "--detach", "--wait", "--force-recreate", "--pull", "never", "--no-build"]);
    asking.until_served(Duration::from_secs(60));
}

/// The records of a user, as many as there have to be.
fn records(docker: &Docker, user: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let condition = format!("{{sub: {{is: {user}}}}}");
    let asked = ["exec", "-T", "sidecar", "/gatewaystack", "records"];
    loop {
        let said = compose(docker, &[&asked[..], &POLICY, &["--json", "--where", &condition]].concat());
        let found: Vec<Value> = serde_json::from_str(&said).unwrap();
        if found.len() >= count || Instant::now() > deadline {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
    }
}

pub fn check(docker: &Docker, asking: &Asking) {
    let document = std::fs::read_to_string(root().join("docs/compose.md")).unwrap();
    for command in [
        &format!("{FILES} up --wait\n"),
        "exec sidecar /gatewaystack records --policy /state/policy.json ",
        "exec sidecar /gatewaystack audit verify --policy /state/policy.json\n",
        "run --rm --no-deps --volume ./copies:/copies sidecar ledger backup --policy /state/policy.json /copies/",
        "run --rm --volume ./copies:/copies:ro sidecar ledger restore --policy /state/policy.json /copies/",
    ] {
        assert!(document.contains(command), "{command}");
    }
    docker.down();
    up(docker, asking);
    let (statuses, _) = asking.statuses_of("fred", 3);
    assert_eq!(statuses, [200; 3]);
    records(docker, "fred", 3);
    let log = compose(docker, &["logs", "--no-log-prefix", "--no-color", "envoy"]);
    let printed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert_eq!(printed.filter(|record| record["sub"] == "fred").count(), 3, "{log}");
    let verify = ["exec", "-T", "sidecar", "/gatewaystack", "audit", "verify"];
    compose(docker, &[&verify[..], &POLICY].concat());

    let copies = tempfile::tempdir().unwrap();
    owned(copies.path());
    let volume = format!("{}:/copies", copies.path().display());
    let run = ["run", "-T", "--rm", "--no-deps", "--volume", &volume, "sidecar", "ledger", "backup"];
    compose(docker, &[&run[..], &POLICY, &["/copies/one"]].concat());
    docker.down();
    let volume = format!("{volume}:ro");
    let run = ["run", "-T", "--rm", "--volume", &volume, "sidecar", "ledger", "restore"];
    compose(docker, &[&run[..], &POLICY, &["/copies/one"]].concat());
    up(docker, asking);
    assert_eq!(asking.statuses_of("fred", 1).0, [200]);
    records(docker, "fred", 4);
    compose(docker, &[&verify[..], &POLICY].concat());
}

/// The containers' user may write here.
fn owned(folder: &Path) {
    output(Command::new("chown").arg("65532").arg(folder));
}

#[test]
fn the_demos_policy_with_a_ledger_is_the_demos_policy() {
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(root().join("envoy/examples").join(name)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    };
    let mut with = read("demo-ledger.yaml");
    for added in ["ledger", "audit"] {
        assert!(with.as_object_mut().unwrap().remove(added).is_some(), "{added}");
    }
    assert_eq!(with, read("demo-mcp.yaml"));
}
