//! The chart's objects in; out the bootstrap that Istio or Envoy Gateway would make of them.

use crate::chart::{NAMESPACE, Objects, root};
use gatewaystack_tests::gateway::from_environment;
use serde_json::{Value, json};
use std::path::Path;

pub const ISSUER: &str = "https://tenant.eu.auth0.com/";
pub const AUDIENCE: &str = "https://gateway.example.com/api";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The filter as its host hands it to Envoy, the names of the clusters for keys, and what besides.
pub struct Filter {
    pub http_filter: Value,
    clusters: Vec<String>,
    /// The cluster of the sidecar with the ledger, and where that is.
    pub ledger: Option<(String, String)>,
    listener: Value,
    /// Routes enable it, as Envoy Gateway does.
    per_route: bool,
    /// The access log's format, and which requests it is for.
    access_log: (String, Option<String>),
}

/// The format that MeshConfig has to have, as the documents and the chart's notes say it, and the requests
/// that the chart's Telemetry is for.
fn mesh_log(objects: &Objects, name: &str) -> (String, Option<String>) {
    let format = r#""{\"status\":%RESPONSE_CODE%%FILTER_STATE(wasm.gatewaystack:PLAIN)%}\n""#;
    let line = format!("logFormat: {{ text: {format} }}");
    for document in ["docs/kubernetes.md", "deploy/helm/templates/NOTES.txt"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        assert!(text.contains(&line), "{document}");
    }
    let telemetry = objects.named("Telemetry", name);
    let expression = telemetry["spec"]["accessLogging"][0]["filter"]["expression"].as_str().unwrap();
    (serde_json::from_str(format).unwrap(), Some(expression.to_owned()))
}

fn local_code() -> Value {
    json!({ "local": { "filename": from_environment("GATEWAYSTACK_WASM") } })
}

fn clusters(configuration: &Value) -> Vec<String> {
    let issuers = configuration["issuers"].as_array().unwrap();
    issuers
        .iter()
        .map(|issuer| issuer["jwks_cluster"].as_str().expect("the chart names it").to_owned())
        .collect()
}

/// The one that the filter asks who is blocked. Nobody is there, until a test says where.
fn ledger(configuration: &Value) -> Option<(String, String)> {
    let cluster = configuration["sidecar"]["cluster"].as_str()?;
    Some((cluster.to_owned(), "http://127.0.0.1:1".to_owned()))
}

fn string_value(text: String) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text })
}

pub fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap()
}

/// As Istio's pilot makes it of a WasmPlugin.
fn wasm_plugin(plugin: &Value, access_log: (String, Option<String>)) -> Filter {
    let spec = &plugin["spec"];
    let variables = || spec["vmConfig"]["env"].as_array().into_iter().flatten();
    let of_host = |variable: &&Value| variable["valueFrom"] == "HOST";
    let hosts: Vec<&Value> = variables().filter(of_host).map(|variable| &variable["name"]).collect();
    let environment: serde_json::Map<String, Value> = variables()
        .filter(|variable| !of_host(variable))
        .map(|variable| (variable["name"].as_str().unwrap().to_owned(), variable["value"].clone()))
        .collect();
    let policy = match spec["failStrategy"].as_str().unwrap() {
        "FAIL_CLOSE" => "FAIL_CLOSED",
        other => other,
    };
    let config = json!({
        "name": format!("{}.{}", namespace(plugin), plugin["metadata"]["name"].as_str().unwrap()),
        "root_id": spec["pluginName"],
        "failure_policy": policy,
        "configuration": string_value(spec["pluginConfig"].to_string()),
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8", "code": local_code(), "environment_variables": { "host_env_keys": hosts, "key_values": environment },
        },
    });
    Filter {
        http_filter: json!({ "name": "wasm-plugin", "typed_config": { "@type": WASM, "config": config } }),
        clusters: clusters(&spec["pluginConfig"]),
        ledger: ledger(&spec["pluginConfig"]),
        listener: json!({}),
        per_route: false,
        access_log,
    }
}

/// As Istio's pilot puts an EnvoyFilter's patches in, and its agent then changes the code and takes its own
/// variables out.
fn envoy_filter(filter: &Value, access_log: (String, Option<String>)) -> Filter {
    let patches = filter["spec"]["configPatches"].as_array().unwrap();
    let of = |kind: &str| -> &Value {
        let found =
            patches.iter().find(|patch| patch["applyTo"] == kind).unwrap_or_else(|| panic!("no {kind}"));
        &found["patch"]["value"]
    };
    let (extension, listed) = (of("EXTENSION_CONFIG"), of("HTTP_FILTER"));
    assert_eq!(extension["name"], listed["name"], "the filter finds its configuration by this name");
    assert_eq!(listed["config_discovery"]["type_urls"], json!([extension["typed_config"]["@type"]]));
    let mut typed = extension["typed_config"].clone();
    let vm = &mut typed["config"]["vm_config"];
    assert!(vm["code"]["remote"]["http_uri"]["uri"].as_str().unwrap().starts_with("oci://"));
    vm["code"] = local_code();
    vm["environment_variables"]["key_values"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !name.starts_with("ISTIO_META_"));
    let configuration = typed["config"]["configuration"]["value"].as_str().unwrap();
    let configuration: Value = serde_json::from_str(configuration).unwrap();
    Filter {
        clusters: clusters(&configuration),
        ledger: ledger(&configuration),
        http_filter: json!({ "name": extension["name"], "typed_config": typed }),
        listener: of("LISTENER").clone(),
        per_route: false,
        access_log,
    }
}

/// As Envoy Gateway makes it of an EnvoyExtensionPolicy, and patches it.
fn extension_policy(objects: &Objects, name: &str) -> Filter {
    let policy = objects.named("EnvoyExtensionPolicy", name);
    let wasm = &policy["spec"]["wasm"][0];
    let id = format!("envoyextensionpolicy/{}/{name}/wasm/0", namespace(policy));
    let mut config = json!({
        "name": wasm["name"],
        "root_id": wasm["rootID"],
        "fail_open": wasm["failOpen"],
        "configuration": string_value(wasm["config"].to_string()),
        "vm_config": { "vm_id": id, "runtime": "envoy.wasm.runtime.v8", "code": local_code() },
    });
    let hosts = &wasm["env"]["hostKeys"];
    if !hosts.is_null() {
        config["vm_config"]["environment_variables"] = json!({ "host_env_keys": hosts });
    }
    let mut http_filter = json!({
        "name": format!("envoy.filters.http.wasm/{id}"), "disabled": true,
        "typed_config": { "@type": WASM, "config": config },
    });
    let patches = objects.find("EnvoyPatchPolicy", name);
    for patch in patches.into_iter().flat_map(|p| p["spec"]["jsonPatches"].as_array().unwrap()) {
        let operation = &patch["operation"];
        let name = http_filter["name"].as_str().unwrap();
        let path = format!("..http_filters[?(@.name=='{name}')].typed_config.config");
        assert_eq!((&operation["op"], &operation["jsonPath"]), (&json!("add"), &json!(path)));
        let member = operation["path"].as_str().unwrap().strip_prefix('/').unwrap();
        http_filter["typed_config"]["config"][member] = operation["value"].clone();
    }
    // The routes of the HTTPRoute are named after its rules: that is where the clusters' names come from.
    let keys = objects.named("HTTPRoute", "gatewaystack-keys");
    let rules = keys["spec"]["rules"].as_array().unwrap().len();
    // Where one route is guarded, that of the keys has to be guarded, too: it would lead past the filter.
    let policies = objects.all("EnvoyExtensionPolicy").filter(|p| namespace(p) == NAMESPACE);
    let targets: Vec<&Value> =
        policies.flat_map(|policy| policy["spec"]["targetRefs"].as_array().unwrap()).collect();
    let is_guarded =
        |kind: &str, name: &Value| targets.iter().any(|t| t["kind"] == kind && t["name"] == *name);
    for route in objects.all("HTTPRoute") {
        let gateway = &route["spec"]["parentRefs"][0]["name"];
        assert!(
            is_guarded("Gateway", gateway) || is_guarded("HTTPRoute", &route["metadata"]["name"]),
            "{targets:?}"
        );
    }
    let clusters = clusters(&wasm["config"]);
    let route = keys["metadata"]["name"].as_str().unwrap();
    let expected: Vec<String> =
        (0..rules).map(|at| format!("httproute/{NAMESPACE}/{route}/rule/{at}")).collect();
    assert_eq!(clusters, expected);
    let limit = objects.one("ClientTrafficPolicy")["spec"]["connection"]["bufferLimit"].as_str().unwrap();
    let kibibytes: u64 = limit.strip_suffix("Ki").unwrap().parse().unwrap();
    let log = &objects.one("EnvoyProxy")["spec"]["telemetry"]["accessLog"]["settings"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Some((cluster, _)) = ledger(&wasm["config"]) {
        let route = objects.named("HTTPRoute", "gatewaystack-ledger");
        assert_eq!(cluster, format!("httproute/{}/gatewaystack-ledger/rule/0", namespace(route)));
    }
    Filter {
        http_filter,
        ledger: ledger(&wasm["config"]),
        clusters,
        listener: json!({ "per_connection_buffer_limit_bytes": kibibytes * 1024 }),
        per_route: true,
        access_log: (text(&log["format"]["text"]), Some(text(&log["matches"][0]))),
    }
}

/// The base's, and that of an override, have the names of their objects.
pub const BASE: &str = "gatewaystack";

pub fn filter_of(objects: &Objects, name: &str) -> Filter {
    if objects.find("EnvoyExtensionPolicy", name).is_some() {
        return extension_policy(objects, name);
    }
    let log = mesh_log(objects, name);
    match objects.find("EnvoyFilter", name) {
        Some(filter) => envoy_filter(filter, log),
        None => wasm_plugin(objects.named("WasmPlugin", name), log),
    }
}

fn access_log((format, expression): (String, Option<String>), file: &Path) -> Value {
    let any = |name: &str| format!("type.googleapis.com/envoy.extensions.access_loggers.{name}");
    let mut log = json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": any("file.v3.FileAccessLog"), "path": file,
            "log_format": { "text_format_source": { "inline_string": format }, "omit_empty_values": true },
        },
    });
    if let Some(expression) = expression {
        log["filter"] = json!({ "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": { "@type": any("filters.cel.v3.ExpressionFilter"), "expression": expression },
        } });
    }
    log
}

pub fn bootstrap(filter: Filter, (port, admin): (u16, u16), to: (&str, &str), folder: &Path) -> Value {
    let (issuer, upstream) = to;
    let any = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let address = |to: &str| {
        let (host, port) = to.trim_start_matches("http://").trim_end_matches('/').rsplit_once(':').unwrap();
        json!({ "socket_address": { "address": host, "port_value": port.parse::<u16>().unwrap() } })
    };
    let cluster = |name: &str, to: &str| {
        json!({ "name": name, "load_assignment": { "cluster_name": name, "endpoints": [
            { "lb_endpoints": [{ "endpoint": { "address": address(to) } }] },
        ] } })
    };
    let mut route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    if filter.per_route {
        let name = filter.http_filter["name"].as_str().unwrap();
        let enabled =
            json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
        route["typed_per_filter_config"] = json!({ name: enabled });
    }
    let manager = json!({
        "@type": any("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "mesh",
        "access_log": [access_log(filter.access_log, &folder.join("decisions.jsonl"))],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": [
            filter.http_filter,
            { "name": "envoy.filters.http.router", "typed_config": { "@type": any("http.router.v3.Router") } },
        ],
    });
    let mut listener = json!({
        "address": address(&format!("127.0.0.1:{port}")),
        "filter_chains": [{ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] }],
    });
    for (name, value) in filter.listener.as_object().unwrap() {
        listener[name] = value.clone();
    }
    let keys = filter.clusters.iter().map(|name| cluster(name, issuer));
    let ledger = filter.ledger.iter().map(|(name, to)| cluster(name, to));
    let clusters: Vec<Value> = keys.chain(ledger).chain([cluster("upstream", upstream)]).collect();
    json!({
        "admin": { "address": address(&format!("127.0.0.1:{admin}")) },
        "static_resources": { "listeners": [listener], "clusters": clusters },
    })
}

/// The configuration that the filter gets.
pub fn configuration(filter: &Filter) -> Value {
    let text = &filter.http_filter["typed_config"]["config"]["configuration"]["value"];
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}
