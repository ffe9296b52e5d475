//! What a bootstrap says, as data; that Envoy takes it is `tests/validate.rs`.

use super::{RenderInput, Rendered, render};
use gatewaystack_core::config::Environment;
use serde_json::{Value, json};
use std::path::PathBuf;

mod bootstrap;
mod listener;
mod routes;
mod clusters;
mod files;
mod reload;
mod spans;

fn input(policy: Option<Value>, variables: &[(&str, &str)]) -> RenderInput {
    let mut env: Environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if policy.is_none() {
        env.insert("AUTH_ISSUER".into(), "https://idp.example/".into());
        env.insert("AUTH_AUDIENCE".into(), "https://gateway.local/api".into());
    }
    // Any file: what is in it is Envoy's business.
    RenderInput { policy, env, wasm: PathBuf::from("Cargo.toml"), state_dir: "state".into(), secret: None }
}

fn rendered(policy: Option<Value>, variables: &[(&str, &str)]) -> (Rendered, Value) {
    let rendered = render(&input(policy, variables)).unwrap();
    let bootstrap: Value = serde_saphyr::from_str(&rendered.envoy_yaml).unwrap();
    (rendered, bootstrap)
}

fn manager(bootstrap: &Value) -> &Value {
    manager_of(&bootstrap["static_resources"]["listeners"][0])
}

fn manager_of(listener: &Value) -> &Value {
    &listener["filter_chains"][0]["filters"].as_array().unwrap().last().unwrap()["typed_config"]
}

fn routes(bootstrap: &Value) -> Vec<Value> {
    manager(bootstrap)["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap().clone()
}

fn policy(routes: Value) -> Value {
    json!({
        "issuers": [{ "issuer": "https://idp.example/", "audiences": ["a"] }],
        "upstreams": { "default": "http://127.0.0.1:3333", "notes": "https://notes.example:8443" },
        "routes": routes
    })
}
