//! What the profile `observe` reads: each target of `deploy/observe/prometheus.yml` answers in the project's
//! network, each metric that `deploy/observe/dashboard.json` shows is among what they answer, and Envoy shows
//! nothing else there.

use super::docker::{Docker, output, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The dashboard's metrics are there.
pub fn check(docker: &Docker) {
    let config: Value = serde_saphyr::from_str(&read("deploy/observe/prometheus.yml")).unwrap();
    let mut served = BTreeSet::new();
    for job in config["scrape_configs"].as_array().unwrap() {
        let path = job["metrics_path"].as_str().unwrap();
        for target in job["static_configs"][0]["targets"].as_array().unwrap() {
            let (status, text) = ask(docker, target.as_str().unwrap(), &["--request", "GET"], path);
            assert_eq!(status, 200, "{target}{path}");
            served
                .extend(text.lines().filter(|line| !line.starts_with('#')).map(|line| name(line).to_owned()));
            assert!(
                read("deploy/observe/collector.yml").contains(&format!("targets: [{target}]")),
                "{target}"
            );
        }
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/observe/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown: BTreeSet<String> =
        targets.flat_map(|target| metrics(target["expr"].as_str().unwrap())).collect();
    assert!(shown.len() > 6, "{shown:?}");
    let missing: Vec<_> = shown.difference(&served).collect();
    assert!(missing.is_empty(), "the dashboard shows what isn't there: {missing:?}");
    for (method, path) in [
        ("GET", "/config_dump"),
        ("GET", "/"),
        ("GET", "/stats/prometheus/../../config_dump"),
        ("POST", "/stats/prometheus"),
        ("POST", "/quitquitquit"),
    ] {
        let (status, _) = ask(docker, "envoy:9902", &["--path-as-is", "--request", method], path);
        assert_eq!(status, 404, "{method} {path}");
    }
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// As another container of the project would.
fn ask(docker: &Docker, target: &str, arguments: &[&str], path: &str) -> (u16, String) {
    let (service, port) = target.split_once(':').unwrap();
    let networks = docker.inspect(service)["NetworkSettings"]["Networks"].clone();
    let address =
        networks.as_object().unwrap().values().next().unwrap()["IPAddress"].as_str().unwrap().to_owned();
    let mut curl = docker.beside(Path::new("curl"));
    curl.args(["--silent", "--max-time", "10", "--write-out", "\n%{http_code}"]).args(arguments);
    let answer = output(curl.arg(format!("http://{address}:{port}{path}")));
    let (body, status) = answer.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn name(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

/// The metrics of an expression: what begins as ours or Envoy's, and isn't a label
/// (`envoy_http_conn_manager_prefix=`).
fn metrics(expression: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = ["gatewaystack_", "envoy_"].iter().filter_map(|prefix| rest.find(prefix)).min() {
        let word: String = rest[at..].chars().take_while(|c| is_part(*c)).collect();
        rest = &rest[at + word.len()..];
        if !rest.starts_with('=') {
            found.push(word);
        }
    }
    found
}
