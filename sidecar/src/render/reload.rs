//! A gateway that takes a new policy or a new filter while it runs. What [`super::render`] takes in, and out
//! a bootstrap without listener and clusters, which are in files that Envoy watches (`dynamic_resources`:
//! LDS and CDS from the file system).
//!
//! The listener goes over as a whole, filter and routes together: were the filter alone replaced, its routes
//! and Envoy's would for a moment be two. The ports, the sidecar's secret and the bootstrap stay as they are,
//! so that what runs goes on.

use super::bootstrap::{Fixed, rendered};
use super::files::{self, BOOTSTRAP, absolute};
use super::rendered::{RenderInput, Rendered};
use gatewaystack_core::config::error::ConfigError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LISTENERS: &str = "listeners.json";
const CLUSTERS: &str = "clusters.json";
/// Copies of the filter are named by what is in them.
const FILTER: (&str, &str) = ("gatewaystack-", ".wasm");

/// A bootstrap, and the files that it watches.
#[derive(Debug, Clone)]
pub struct Reloadable {
    /// Its `envoy_yaml` says nothing of the policy.
    pub rendered: Rendered,
    /// The listener, as a discovery response.
    pub listeners: String,
    /// The clusters, likewise.
    pub clusters: String,
    folder: PathBuf,
    filter: (PathBuf, Vec<u8>),
}

/// Renders for the folder `input.state_dir`, whose secret stays where it has one.
///
/// # Errors
/// As [`super::render`], and a port that is 0.
pub fn render_reloadable(input: &RenderInput) -> Result<Reloadable, Vec<ConfigError>> {
    let failed = |why: String| vec![ConfigError::new("", why)];
    let folder = absolute(&input.state_dir);
    let bytes = std::fs::read(&input.wasm)
        .map_err(|e| failed(format!("no filter at {}: {e}", input.wasm.display())))?;
    // Envoy reads a filter once for each of its names: another one needs another name, and one that runs must
    // not change.
    let name = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let filter = folder.join(format!("{}{name}{}", FILTER.0, FILTER.1));
    let input = RenderInput { secret: files::kept_secret(&folder), ..input.clone() };
    let mut rendered = rendered(&input, &Fixed { wasm: filter.clone(), ports_stay: true })?;
    let Split { bootstrap, listeners, clusters } =
        split(&rendered, &folder).map_err(|why| failed(format!("the bootstrap's template: {why}")))?;
    rendered.envoy_yaml = bootstrap;
    Ok(Reloadable { rendered, listeners, clusters, folder, filter: (filter, bytes) })
}

struct Split {
    bootstrap: String,
    listeners: String,
    clusters: String,
}

fn split(rendered: &Rendered, folder: &Path) -> Result<Split, String> {
    let mut bootstrap: Value = serde_saphyr::from_str(&rendered.envoy_yaml).map_err(|e| e.to_string())?;
    let whole = bootstrap.as_object_mut().ok_or("no object")?;
    let mut resources = whole.remove("static_resources").ok_or("no static_resources")?;
    let mut take = |name: &str, kind: &str| {
        let list = resources.get_mut(name).and_then(Value::as_array_mut).ok_or("no list")?;
        for resource in list.iter_mut().filter_map(Value::as_object_mut) {
            resource.insert("@type".into(), format!("type.googleapis.com/envoy.config.{kind}").into());
        }
        Ok::<_, String>(std::mem::take(list))
    };
    let mut clusters = take("clusters", "cluster.v3.Cluster")?;
    let mut listeners = take("listeners", "listener.v3.Listener")?;
    let names = name_by_content(&mut clusters, &rendered.policy_json);
    listeners.iter_mut().for_each(|listener| rename(listener, &names));
    for listener in &mut listeners {
        // Nothing says which of the two files Envoy reads first; each cluster that is named here is in
        // the other.
        let routes = listener
            .pointer_mut("/filter_chains/0/filters")
            .and_then(|filters| filters.as_array_mut()?.last_mut()?.pointer_mut("/typed_config/route_config"))
            .and_then(Value::as_object_mut)
            .ok_or("no route_config")?;
        routes.insert("validate_clusters".into(), false.into());
    }
    let watched = |name: &str| {
        json!({
            "resource_api_version": "V3",
            "path_config_source": { "path": folder.join(name), "watched_directory": { "path": folder } }
        })
    };
    whole.insert(
        "dynamic_resources".into(),
        json!({ "lds_config": watched(LISTENERS), "cds_config": watched(CLUSTERS) }),
    );
    let response = |resources| json!({ "version_info": rendered.revision, "resources": resources });
    let text = |value: &Value| serde_json::to_string_pretty(value).map_err(|e| e.to_string());
    Ok(Split {
        bootstrap: text(&bootstrap)?,
        listeners: text(&response(listeners))?,
        clusters: text(&response(clusters))?,
    })
}

/// A connection of the old listener goes on under the old policy, but clusters are Envoy's, not a listener's.
/// An upstream that moves gets another name, so that what the old policy allowed never reaches the new place:
/// it gets 502. A name that the policy gives to the cluster of an issuer or of the rate limit service stays,
/// for the filter knows it by that.
fn name_by_content(clusters: &mut [Value], policy: &Value) -> BTreeMap<String, String> {
    let issuers = policy.get("issuers").and_then(Value::as_array).into_iter().flatten();
    let service = policy.pointer("/rate_limit_service/cluster");
    let given: Vec<&str> = issuers
        .filter_map(|issuer| issuer.get("jwks_cluster"))
        .chain(service)
        .filter_map(Value::as_str)
        .collect();
    let mut names = BTreeMap::new();
    for cluster in clusters {
        let digest = Sha256::digest(cluster.to_string());
        let Some(Value::String(name)) = cluster.get_mut("name") else { continue };
        if !name.starts_with("upstream_") || given.contains(&name.as_str()) {
            continue;
        }
        let mark = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        let new = format!("{name}_{mark}");
        names.insert(std::mem::replace(name, new.clone()), new);
    }
    names
}

/// Has every route name its cluster anew.
fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                match value {
                    Value::String(name) if member == "cluster" => {
                        if let Some(new) = names.get(name) {
                            name.clone_from(new);
                        }
                    }
                    value => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// Writes what Envoy watches, then what a start needs. `true`: the bootstrap differs from the one that was
/// there, so that what runs has to be started again to follow it.
///
/// # Errors
/// What can't be written. Each file is moved into place when it is whole.
pub fn write_reloadable(reloadable: &Reloadable) -> Result<bool, String> {
    let Reloadable { rendered, listeners, clusters, folder, filter: (filter, bytes) } = reloadable;
    files::make(folder)?;
    if !filter.is_file() {
        files::private(filter, bytes)?;
    }
    // The listener needs the clusters.
    files::private(&folder.join(CLUSTERS), clusters.as_bytes())?;
    files::private(&folder.join(LISTENERS), listeners.as_bytes())?;
    let before = std::fs::read_to_string(folder.join(BOOTSTRAP)).ok();
    files::write(rendered, folder)?;
    Ok(before.is_some_and(|before| before != rendered.envoy_yaml))
}
