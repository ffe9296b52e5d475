//! What Envoy watches: what changes there when it is rendered again, and what doesn't.

use super::{input, manager_of, policy};
use crate::render::{Reloadable, RenderInput, render_reloadable, write_reloadable};
use serde_json::{Value, json};

/// In a folder of its own, with a filter of these bytes.
fn reloadable(
    folder: &tempfile::TempDir,
    filter: &[u8],
    change: impl FnOnce(&mut Value),
) -> Result<Reloadable, Vec<String>> {
    let wasm = folder.path().join("filter.wasm");
    std::fs::write(&wasm, filter).unwrap();
    let mut policy = policy(json!([{ "path": "/a" }]));
    change(&mut policy);
    let variables = [("DATA_DIR", folder.path().join("data").display().to_string())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let input =
        RenderInput { wasm, state_dir: folder.path().join("state"), ..input(Some(policy), &variables) };
    render_reloadable(&input).map_err(|errors| errors.into_iter().map(|error| error.path).collect())
}

fn listener(reloadable: &Reloadable) -> Value {
    serde_json::from_str::<Value>(&reloadable.listeners).unwrap()["resources"][0].clone()
}

fn code(reloadable: &Reloadable) -> String {
    let listener = listener(reloadable);
    let config = &manager_of(&listener)["http_filters"][0]["typed_config"]["config"];
    config["vm_config"]["code"]["local"]["filename"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_rendered_again_changes_what_envoy_watches_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let first = reloadable(&folder, b"one", |_| ()).unwrap();
    assert!(!write_reloadable(&first).unwrap(), "nothing was there");
    let bootstrap: Value = serde_saphyr::from_str(&first.rendered.envoy_yaml).unwrap();
    assert_eq!(bootstrap["static_resources"], Value::Null);
    let state = folder.path().join("state");
    for (source, file) in [("lds_config", "listeners.json"), ("cds_config", "clusters.json")] {
        let source = &bootstrap["dynamic_resources"][source]["path_config_source"];
        assert_eq!(source, &json!({ "path": state.join(file), "watched_directory": { "path": state } }));
        let written: Value = serde_json::from_slice(&std::fs::read(state.join(file)).unwrap()).unwrap();
        assert_eq!(written["version_info"], json!(first.rendered.revision), "{file}");
        assert!(written["resources"][0]["@type"].is_string(), "{file}");
    }
    assert!(!first.rendered.envoy_yaml.contains(&first.rendered.secret));

    let second = reloadable(&folder, b"one", |policy| policy["realm"] = json!("other")).unwrap();
    assert_ne!((&second.listeners, &second.rendered.revision), (&first.listeners, &first.rendered.revision));
    assert_eq!(second.rendered.secret, first.rendered.secret, "the sidecar that runs knows this one");
    assert!(!write_reloadable(&second).unwrap(), "the bootstrap is the same");
    let third =
        reloadable(&folder, b"one", |policy| policy["listen"] = json!({ "admin_port": 9999 })).unwrap();
    assert!(write_reloadable(&third).unwrap(), "the bootstrap is another");
}

#[test]
fn a_filter_is_named_by_its_content_so_that_another_one_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let names = [b"one", b"two", b"one"].map(|filter| {
        let rendered = reloadable(&folder, filter, |_| ()).unwrap();
        write_reloadable(&rendered).unwrap();
        let name = code(&rendered);
        assert_eq!(std::fs::read(&name).unwrap(), filter, "{name}");
        name
    });
    assert_eq!((names[0] == names[1], names[0] == names[2]), (false, true), "{names:?}");
}

#[test]
fn a_bad_policy_or_a_port_that_would_move_leaves_everything_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    write_reloadable(&reloadable(&folder, b"one", |_| ()).unwrap()).unwrap();
    let all = || {
        let files = std::fs::read_dir(folder.path().join("state")).unwrap();
        let mut all: Vec<_> =
            files.map(|file| file.unwrap().path()).map(|p| (std::fs::read(&p).unwrap(), p)).collect();
        all.sort();
        all
    };
    let before = all();
    let bad = reloadable(&folder, b"two", |policy| policy["surprise"] = json!(true));
    assert_eq!(bad.unwrap_err(), ["surprise"]);
    let moving =
        reloadable(&folder, b"two", |policy| policy["listen"] = json!({ "port": 0, "admin_port": 0 }));
    assert_eq!(moving.unwrap_err(), ["listen.port", "listen.admin_port"]);
    assert_eq!(all(), before);
}

#[test]
fn an_upstream_or_an_issuer_that_moves_leaves_nothing_under_its_old_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |host: &str| {
        let host = host.to_owned();
        reloadable(&folder, b"one", move |policy| {
            policy["upstreams"] = json!({ "default": format!("https://{host}") });
            policy["issuers"][0]["issuer"] = json!(format!("https://{host}"));
        })
        .unwrap()
    };
    let names = |rendered: &Reloadable| -> Vec<String> {
        let all = cluster_names(rendered).into_iter();
        all.filter(|name| name.starts_with("upstream_") || name.contains("_jwks_")).collect()
    };
    let (here, there) = (at("here.example"), at("there.example"));
    assert_eq!(names(&here).len(), 3, "HTTP/1.1, what TLS negotiates, the keys: {:?}", names(&here));
    assert!(names(&here).iter().all(|name| !names(&there).contains(name)), "{:?}", names(&there));
    assert_eq!(names(&here), names(&at("here.example")));
    let routes = manager_of(&listener(&here))["route_config"].to_string();
    assert!(names(&here).iter().any(|name| routes.contains(&format!("\"cluster\":\"{name}\""))), "{routes}");
    let named = reloadable(&folder, b"one", |policy| {
        policy["issuers"][0]["jwks_cluster"] = json!("upstream_of_keys");
    });
    assert!(
        cluster_names(&named.unwrap()).contains(&"upstream_of_keys".to_owned()),
        "the filter asks for it by that"
    );
}

fn cluster_names(rendered: &Reloadable) -> Vec<String> {
    let clusters: Value = serde_json::from_str(&rendered.clusters).unwrap();
    clusters["resources"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
}
