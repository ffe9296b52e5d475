//! Every example under `envoy/`, and the environment alone, through `gatewaystack render` and `envoy --mode
//! validate`.
//!
//! `cargo xtask test` sets `ENVOY_BIN` and `GATEWAYSTACK_WASM`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers end it by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatewaystack");

fn needed(name: &str) -> PathBuf {
    let value = std::env::var_os(name).filter(|v| !v.is_empty());
    value.unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`, which sets it")).into()
}

fn gatewaystack(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

/// Renders into `folder`, and lets Envoy judge the bootstrap.
fn validate(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) {
    let (wasm, data) = (needed("GATEWAYSTACK_WASM"), folder.join("data"));
    let all = [&["render", "--wasm", wasm.to_str().unwrap(), "--out", folder.to_str().unwrap()], arguments]
        .concat();
    let said = Command::new(needed("ENVOY_BIN")).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let version = said.split_once(" version: ").unwrap().1;
    let own = [("DATA_DIR", data.to_str().unwrap()), ("ENVOY_VERSION", version.split('/').nth(1).unwrap())];
    let variables = [&own[..], variables].concat();
    let rendered = gatewaystack(&all, &variables);
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let said: serde_json::Value = serde_json::from_slice(&rendered.stdout).unwrap();
    assert!(said["listen"].is_string() && said["sidecar"].is_string() && said["admin"].is_string());
    let bootstrap = folder.join("envoy.yaml");
    let judged = Command::new(needed("ENVOY_BIN"))
        .args(["--mode", "validate", "--log-level", "warn", "-c"])
        .arg(&bootstrap)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{arguments:?}: {words}");
    // A deprecated or ignored field is told as a warning.
    assert!(!words.contains("[warning]"), "{arguments:?}: {words}");
}

/// Envoy reads the files that a policy names, which nobody has but the reader of the example.
fn certificate(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["files.example.com".to_owned()]).unwrap();
    [("tls.crt", made.cert.pem()), ("tls.key", made.signing_key.serialize_pem())].map(|(name, text)| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    })
}

#[test]
fn envoy_accepts_every_example() {
    let examples = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../envoy/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let file = entry.unwrap().path();
        let file = file.to_str().unwrap();
        let checked = gatewaystack(&["check", file], &[]);
        assert!(checked.status.success(), "{file}: {}", String::from_utf8_lossy(&checked.stderr));
        assert!(!String::from_utf8_lossy(&checked.stdout).contains("warning:"), "{file}");
        let folder = tempfile::tempdir().unwrap();
        let files = certificate(folder.path());
        let is_https = std::fs::read_to_string(file).unwrap().contains("cert_file:");
        let variables = [("TLS_CERT_FILE", files[0].as_str()), ("TLS_KEY_FILE", files[1].as_str())];
        validate(folder.path(), &["--policy", file], if is_https { &variables } else { &[] });
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples");
}

#[test]
fn envoy_accepts_the_environment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.env");
    let text = "export AUTH_ISSUER='https://tenant.eu.auth0.com/'\nAUTH_AUDIENCE=https://gateway.local/api # the API\n\
                PROXY_TARGET=http://localhost:3333\nPORT=0\nSIDECAR_PORT=0\nADMIN_PORT=0\nENFORCEMENT=shadow\n";
    std::fs::write(&file, text).unwrap();
    validate(folder.path(), &["--env-file", file.to_str().unwrap()], &[("ENABLE_TEST_ROUTES", "true")]);
}

#[test]
fn a_bad_configuration_tells_every_error_on_its_own_line_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("gateway.yaml");
    std::fs::write(&policy, "mode: off\nroutes:\n  - { path: /a, scopes: ['a b'] }\n").unwrap();
    let wasm = needed("GATEWAYSTACK_WASM");
    let out = folder.path().join("out");
    let arguments = [
        "render",
        "--policy",
        policy.to_str().unwrap(),
        "--wasm",
        wasm.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let refused = gatewaystack(&arguments, &[("PORT", "many"), ("AUTH_ISSUER", "http://idp.example")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty() && !out.exists());
    let words = String::from_utf8(refused.stderr).unwrap();
    let mut starts: Vec<String> = words
        .lines()
        .map(|line| line.replace(policy.to_str().unwrap(), "gateway.yaml"))
        .map(|line| {
            line.split(": ")
                .take(if line.starts_with("gateway.yaml") { 2 } else { 1 })
                .collect::<Vec<_>>()
                .join(": ")
        })
        .collect();
    starts.sort();
    assert_eq!(
        starts,
        ["AUTH_AUDIENCE", "AUTH_ISSUER", "PORT", "gateway.yaml: mode", "gateway.yaml: routes[0].scopes[0]"],
        "{words}"
    );
}
