//! The places of `docs/deploy`, as their files have them.

use serde_json::Value;
use std::collections::BTreeMap;

/// What a secret store would give.
const SECRET: &str = "s3cret-of-the-place-81f2-4b7a";

/// A place, with what its files say.
pub struct Place {
    /// The folder below `deploy`.
    pub name: &'static str,
    /// Secrets have a made-up value.
    pub variables: BTreeMap<String, String>,
    /// The port and the path that it asks.
    pub port: String,
    pub health: String,
}

pub use gatewaystack_tests::root;

pub fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

pub fn places() -> [Place; 4] {
    let mut places = [cloud_run(), render(), fly(), systemd()];
    for place in &mut places {
        // A name without a value would be in no file; the image says the rest.
        assert!(place.variables.len() > 3, "{}: {:?}", place.name, place.variables);
        if place.name != "systemd" {
            place.variables.insert("BIND".to_owned(), "0.0.0.0".to_owned());
        }
    }
    places
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Lists of `key` and `value`; one without a value is a secret.
fn listed(list: &Value, key: &str) -> BTreeMap<String, String> {
    let variables = list.as_array().unwrap().iter();
    let value = |entry: &Value| entry.get("value").map_or_else(|| SECRET.to_owned(), text);
    variables.map(|entry| (text(&entry[key]), value(entry))).collect()
}

fn cloud_run() -> Place {
    let service: Value = serde_saphyr::from_str(&read("deploy/cloud-run/service.yaml")).unwrap();
    let container = &service["spec"]["template"]["spec"]["containers"][0];
    let mut variables = listed(&container["env"], "name");
    // Cloud Run sets it.
    let port = text(&container["ports"][0]["containerPort"]);
    variables.insert("PORT".to_owned(), port);
    let probe = &container["startupProbe"]["httpGet"];
    assert_eq!(probe, &container["livenessProbe"]["httpGet"]);
    Place { name: "cloud-run", variables, port: text(&probe["port"]), health: text(&probe["path"]) }
}

fn render() -> Place {
    let blueprint: Value = serde_saphyr::from_str(&read("deploy/render/render.yaml")).unwrap();
    let service = &blueprint["services"][0];
    let variables = listed(&service["envVars"], "key");
    // Render asks PORT.
    let port = variables["PORT"].clone();
    Place { name: "render", variables, port, health: text(&service["healthCheckPath"]) }
}

/// Its table `env`, line by line; another test reads it as TOML.
fn fly() -> Place {
    let file = read("deploy/fly/fly.toml");
    let value = |line: &str| Some(line.split_once(" = ")?.1.trim_matches('"').to_owned());
    let one = |name: &str| file.lines().find(|line| line.starts_with(name)).and_then(value).unwrap();
    let lines =
        file.lines().skip_while(|line| *line != "[env]").skip(1).take_while(|line| !line.starts_with('['));
    let variables =
        lines.filter_map(|line| Some((line.split_once(" = ")?.0.to_owned(), value(line)?))).collect();
    Place { name: "fly", variables, port: one("internal_port"), health: one("path") }
}

fn systemd() -> Place {
    let file = read("deploy/systemd/env");
    let lines = file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let variables: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let port = variables["PORT"].clone();
    // Nobody asks for its health there.
    Place { name: "systemd", variables, port, health: "/health".to_owned() }
}
