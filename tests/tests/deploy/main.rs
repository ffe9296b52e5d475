//! What `docs/deploy` has people copy: each policy is good with the variables next to it, each variable is
//! one that the gateway reads, and each place asks the port that the gateway has. The services themselves are
//! out of reach here; the container is started by `tests/tests/compose`.

mod places;
mod units;

use gatewaystack_tests::gateway::from_environment;
use places::{Place, places, read, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// `gatewaystack` with a place's variables alone.
fn gatewaystack(place: &Place, command: &str) -> Command {
    let mut run = Command::new(from_environment("GATEWAYSTACK_BIN"));
    run.arg(command).env_clear().envs(&place.variables);
    run
}

fn policy(place: &Place) -> std::path::PathBuf {
    root().join("deploy").join(place.name).join("gateway.yaml")
}

#[test]
fn each_policy_is_good_with_the_variables_beside_it() {
    for place in places() {
        let output = gatewaystack(&place, "check").arg(policy(&place)).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("warning"), "{}: {said}", place.name);
    }
}

#[test]
fn each_place_asks_the_port_at_which_the_gateway_listens() {
    for place in places() {
        let folder = tempfile::tempdir().unwrap();
        let mut render = gatewaystack(&place, "render");
        render.arg("--policy").arg(policy(&place)).arg("--out").arg(folder.path());
        render.env("DATA_DIR", folder.path().join("data"));
        // Any file: nobody loads it.
        let output = render.arg("--wasm").arg(policy(&place)).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", place.name);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["listen"], format!("0.0.0.0:{}", place.port), "{}", place.name);
        assert_eq!(said["health"], true, "{}", place.name);
        assert_eq!(place.health, "/health", "{}", place.name);
        let bootstrap = std::fs::read_to_string(folder.path().join("envoy.yaml")).unwrap();
        let hops = &place.variables["TRUSTED_HOPS"];
        assert!(bootstrap.contains(&format!("xff_num_trusted_hops: {hops}\n")), "{}", place.name);
    }
}

#[test]
fn each_variable_is_one_that_the_gateway_reads() {
    let example = read(".env.example");
    let names = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let known: BTreeSet<&str> = names.map(|(name, _)| name.trim_end_matches("_FILE")).collect();
    for place in places() {
        for name in place.variables.keys() {
            assert!(known.contains(name.trim_end_matches("_FILE")), "{}: {name}", place.name);
        }
    }
}

#[test]
fn each_image_is_that_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, before) in [
        ("deploy/cloud-run/service.yaml", "image: "),
        ("deploy/render/Dockerfile", "FROM "),
        ("deploy/fly/fly.toml", "image = "),
    ] {
        let text = read(file);
        let line =
            text.lines().find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(before)).unwrap();
        assert!(
            line.trim_matches('"').ends_with(&format!("/gatewaystack-gateway:{version}")),
            "{file}: {line}"
        );
    }
}

#[test]
#[ignore = "Python's reader of TOML: cargo xtask test --all makes its environment"]
fn fly_toml_is_toml_and_says_what_the_guide_says() {
    let script = "import json,sys,tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)";
    let mut python = Command::new(from_environment("GATEWAYSTACK_PYTHON"));
    let file = std::fs::File::open(root().join("deploy/fly/fly.toml")).unwrap();
    let output = python.args(["-c", script]).stdin(file).output().unwrap();
    let fly: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let place = places().into_iter().find(|place| place.name == "fly").unwrap();
    for (name, value) in fly["env"].as_object().unwrap() {
        assert_eq!(value.as_str(), place.variables.get(name).map(String::as_str), "{name}");
    }
    let (service, file) = (&fly["http_service"], &fly["files"][0]);
    assert_eq!(service["internal_port"].to_string(), place.port);
    assert_eq!(service["checks"][0]["path"], "/health");
    assert_eq!(service["force_https"], true);
    assert_eq!(file["local_path"], "gateway.yaml");
    assert_eq!(fly["processes"]["app"], format!("--policy {}", file["guest_path"].as_str().unwrap()));
}
