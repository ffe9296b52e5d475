//! What a bootstrap says, as data; that Envoy takes it is `tests/validate.rs`.

use super::{
    Reloadable, RenderInput, Rendered, copy_filter, kept_secret, render, render_reloadable, write,
    write_reloadable,
};
use gatewaystack_core::config::Environment;
use serde_json::{Value, json};
use std::path::PathBuf;

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

#[test]
fn ports_that_are_zero_become_free_ones_that_every_part_knows() {
    let (rendered, bootstrap) = rendered(None, &[("PORT", "0"), ("SIDECAR_PORT", "0"), ("ADMIN_PORT", "0")]);
    let port = |address: &str| address.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let ports = [port(&rendered.listen), port(&rendered.sidecar), port(&rendered.admin)];
    assert!(ports.iter().all(|p| *p != 0) && ports[0] != ports[1] && ports[1] != ports[2]);
    assert_eq!(rendered.policy_json["sidecar"]["port"], json!(ports[1]));
    assert_eq!(
        bootstrap["admin"]["address"]["socket_address"],
        json!({ "address": "127.0.0.1", "port_value": ports[2] })
    );
    assert!(rendered.health && !rendered.tls && rendered.secret.len() == 64);
}

#[test]
fn the_filter_gets_the_folded_policy_and_no_secret() {
    let variables = [("HEALTH_ADMIN_SECRET", "s3cr3t-value"), ("RATE_LIMIT_MAX", "7")];
    let (rendered, bootstrap) = rendered(None, &variables);
    let filter = &manager(&bootstrap)["http_filters"][0]["typed_config"]["config"];
    let configuration = filter["configuration"]["value"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(configuration).unwrap(), rendered.policy_json);
    assert_eq!(rendered.policy_json["rate_limits"][0]["max"], json!(7));
    assert!(!rendered.envoy_yaml.contains("s3cr3t-value"));
    assert!(!configuration.contains(&rendered.secret));
    assert_eq!(filter["failure_policy"], "FAIL_RELOAD");
    assert_eq!(filter["allow_on_headers_stop_iteration"], json!(true));
}

#[test]
fn records_go_where_the_policy_says_and_nobody_shares_the_port() {
    for (to, names) in [
        (json!(["file"]), vec!["envoy.access_loggers.file"; 2]),
        (json!(["stdout"]), vec!["envoy.access_loggers.stdout"; 2]),
        (
            json!(["stdout", "file"]),
            [["envoy.access_loggers.file"; 2], ["envoy.access_loggers.stdout"; 2]].concat(),
        ),
    ] {
        let mut policy = policy(json!([{ "path": "/a" }]));
        policy["audit"] = json!({ "to": to });
        let (rendered, bootstrap) = rendered(Some(policy), &[("STATS_PORT", "9902")]);
        let logs = manager(&bootstrap)["access_log"].as_array().unwrap().clone();
        let found: Vec<&str> = logs.iter().map(|log| log["name"].as_str().unwrap()).collect();
        assert_eq!(found, names);
        let file = rendered.data_dir.join("decisions.jsonl").display().to_string();
        for log in &logs {
            let is_file = log["name"] == "envoy.access_loggers.file";
            assert_eq!(log["typed_config"]["path"], if is_file { json!(file) } else { Value::Null }, "{log}");
        }
        for listener in bootstrap["static_resources"]["listeners"].as_array().unwrap() {
            assert_eq!(listener["enable_reuse_port"], json!(false), "{}", listener["name"]);
        }
    }
}

#[test]
fn envoy_says_as_much_as_the_level_asks_for() {
    for (level, expect) in [
        (None, "warn"),
        (Some(""), "warn"),
        (Some("trace"), "trace"),
        (Some("debug"), "debug"),
        (Some("info"), "info"),
        (Some("warn"), "warn"),
        (Some("error"), "error"),
        (Some("off"), "off"),
    ] {
        let variables: Vec<(&str, &str)> = level.map(|level| ("LOG_LEVEL", level)).into_iter().collect();
        let (rendered, _) = rendered(Some(policy(json!([{ "path": "/a" }]))), &variables);
        assert_eq!(
            (rendered.log_level, &rendered.summary()["log_level"]),
            (expect, &json!(expect)),
            "{level:?}"
        );
    }
}

#[test]
fn routes_go_where_the_policy_says() {
    let (_, bootstrap) = rendered(
        Some(policy(json!([
            { "path": "/a.b/*/c", "methods": ["GET"], "hosts": ["API.example.com:8443"] },
            { "path": "/v1/notes/*", "upstream": "notes", "strip_prefix": "/v1", "timeout": "250ms" },
            { "path": "/live", "upgrade": ["websocket"], "timeout": 0 }
        ]))),
        &[],
    );
    let own: Vec<Value> =
        routes(&bootstrap).into_iter().filter(|r| !r.to_string().contains("gatewaystack_sidecar")).collect();
    // Two for a server without TLS: gRPC needs a cluster of its own.
    let plain: Vec<&Value> = own.iter().filter(|r| r["match"]["grpc"].is_null()).collect();
    assert_eq!(plain[0]["match"]["safe_regex"]["regex"], "/a\\.b/[^/]+/c/?");
    assert_eq!(plain[0]["match"]["headers"][0]["string_match"]["safe_regex"]["regex"], "GET|HEAD");
    assert_eq!(
        plain[0]["match"]["headers"][1]["string_match"]["safe_regex"]["regex"],
        "(?i)(?:api\\.example\\.com)(?::[0-9]*)?"
    );
    assert_eq!(plain[0]["route"]["cluster"], "upstream_default");
    assert_eq!(plain[0]["route"]["retry_policy"], json!({ "num_retries": 0, "per_try_timeout": "5.000s" }));
    assert_eq!(plain[1]["match"]["safe_regex"]["regex"], "/v1/notes/[^/].*");
    assert_eq!(plain[1]["route"]["cluster"], "upstream_notes");
    assert_eq!(
        plain[1]["route"]["regex_rewrite"],
        json!({ "pattern": { "regex": "^/v1/?(.*)$" }, "substitution": "/\\1" })
    );
    assert_eq!(plain[1]["route"]["retry_policy"]["per_try_timeout"], "0.250s");
    assert_eq!(plain[2]["route"]["upgrade_configs"][0]["enabled"], json!(true));
    assert_eq!(plain[2]["route"]["retry_policy"], Value::Null);
    assert_eq!(plain[3]["direct_response"]["status"], json!(404));
    assert_eq!(own.len(), 6);
}

/// Envoy tries routes one by one, and a regular expression all at once.
#[test]
fn neighbours_that_go_to_one_place_are_one_route_and_no_others() {
    let regexes = |listed: Value| -> Vec<String> {
        let (_, bootstrap) = rendered(Some(policy(listed)), &[]);
        let own = routes(&bootstrap).into_iter().filter(|r| r["match"]["grpc"].is_null());
        let own = own.filter(|r| r["route"]["cluster"].as_str().is_some_and(|c| c.starts_with("upstream_")));
        own.map(|r| r["match"]["safe_regex"]["regex"].as_str().unwrap().to_owned()).collect()
    };
    let got = regexes(json!([
        { "path": "/a", "scopes": ["x"] }, { "path": "/b/*" }, { "path": "/b", "methods": ["GET"] },
        { "path": "/c", "methods": ["GET"] }, { "path": "/d", "upstream": "notes" }, { "path": "/e" }
    ]));
    assert_eq!(got, ["/a/?|/b/[^/].*", "/b/?|/c/?", "/d/?", "/e/?"]);
    let many: Vec<Value> = (0..600).map(|at| json!({ "path": format!("/r{at}") })).collect();
    let lengths: Vec<usize> = regexes(json!(many)).iter().map(|regex| regex.split('|').count()).collect();
    assert_eq!(lengths, [256, 256, 88]);
    // Long ones make smaller groups.
    let long: Vec<Value> =
        (0..256).map(|at| json!({ "path": format!("/{at}{}/*", "x".repeat(400)) })).collect();
    let longest = regexes(json!(long)).iter().map(String::len).max().unwrap();
    assert!((8_000..=16_500).contains(&longest), "{longest}");
}

#[test]
fn only_the_sidecar_is_shown_the_secret() {
    let (rendered, bootstrap) = rendered(None, &[("PROXY_TARGET", "http://127.0.0.1:3333")]);
    for route in routes(&bootstrap) {
        let sidecar = route["route"]["cluster"] == "gatewaystack_sidecar";
        assert_eq!(route.to_string().contains(&rendered.secret), sidecar, "{}", route["name"]);
    }
}

#[test]
fn in_shadow_mode_a_path_without_a_route_goes_to_the_default_upstream() {
    let mut shadow = policy(json!([{ "path": "/a" }]));
    shadow["mode"] = json!("shadow");
    let (_, bootstrap) = rendered(Some(shadow), &[]);
    let last = routes(&bootstrap).pop().unwrap();
    assert_eq!(
        (&last["match"]["safe_regex"]["regex"], &last["route"]["cluster"]),
        (&json!("/.*"), &json!("upstream_default"))
    );
    let manager = manager(&bootstrap);
    assert_eq!(manager["common_http_protocol_options"]["headers_with_underscores_action"], "ALLOW");
    assert_eq!(manager["normalize_path"], json!(false));
}

#[test]
fn certificates_of_others_are_verified_by_name() {
    let (_, bootstrap) =
        rendered(Some(policy(json!([{ "path": "/a" }]))), &[("SSL_CERT_FILE", "/roots.pem")]);
    let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    let of = |name: &str| clusters.iter().find(|c| c["name"].as_str().unwrap().starts_with(name)).unwrap();
    for (name, host) in [("upstream_notes", "notes.example"), ("gatewaystack_jwks_", "idp.example")] {
        let tls = &of(name)["transport_socket"]["typed_config"];
        assert_eq!(tls["sni"], host);
        let context = &tls["common_tls_context"]["validation_context"];
        assert_eq!(context["trusted_ca"]["filename"], "/roots.pem");
        assert_eq!(
            context["match_typed_subject_alt_names"],
            json!([{ "san_type": "DNS", "matcher": { "exact": host } }])
        );
    }
    assert_eq!(of("upstream_default")["transport_socket"], Value::Null);
    assert_eq!(of("upstream_default")["type"], "STATIC");
}

#[test]
fn a_cluster_has_one_meaning() {
    let mut two = policy(json!([]));
    two["issuers"] = json!([
        { "issuer": "https://a.example", "audiences": ["a"], "jwks_cluster": "keys" },
        { "issuer": "https://b.example", "audiences": ["a"], "jwks_cluster": "keys", "user_prefix": "b|" },
        { "issuer": "https://a.example/2", "audiences": ["a"], "jwks_cluster": "keys", "user_prefix": "c|" },
        { "issuer": "https://d.example", "audiences": ["a"], "jwks_cluster": "upstream_default", "user_prefix": "d|" }
    ]);
    let errors = render(&input(Some(two), &[])).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["issuers[1].jwks_cluster", "issuers[3].jwks_cluster"]);
}

#[test]
fn errors_of_policy_environment_and_secret_files_come_together() {
    let mut bad = policy(json!([{ "path": "a" }]));
    bad["realm"] = json!(1);
    let variables = [("PORT", "x"), ("HEALTH_ADMIN_SECRET_FILE", "/nowhere/secret")];
    let errors = render(&input(Some(bad), &variables)).unwrap_err();
    let mut paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["HEALTH_ADMIN_SECRET_FILE", "PORT", "realm", "routes[0].path"]);
}

#[cfg(unix)]
#[test]
fn files_with_a_secret_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (rendered, _) = rendered(None, &[("DATA_DIR", data.to_str().unwrap())]);
    let state = folder.path().join("state");
    for _ in 0..2 {
        write(&rendered, &state).unwrap();
        for name in ["envoy.yaml", "sidecar-secret", "policy.json"] {
            let mode = std::fs::metadata(state.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
    assert!(data.is_dir());
}

#[test]
fn in_containers_only_the_addresses_are_others() {
    let variables = [
        ("DEMO_MODE", "true"),
        ("OAUTH_ISSUER_DEMO", "http://127.0.0.1:5051"),
        ("OAUTH_AUDIENCE_DEMO", "a"),
        ("OAUTH_JWKS_URI_DEMO", "http://127.0.0.1:5051/jwks"),
        ("OAUTH_SCOPES_DEMO", "openid"),
        ("PROXY_TARGET", "http://127.0.0.1:3333"),
    ];
    let places = [
        ("CONNECT_TO", "127.0.0.1:5051=demo:5051,127.0.0.1:3333=demo:3333"),
        ("ALLOW_INSECURE_JWKS", "true"),
        ("SIDECAR_HOST", "sidecar"),
    ];
    let (there, bootstrap) = rendered(None, &[&variables[..], &places[..]].concat());
    let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    for (name, host, port) in [
        ("gatewaystack_sidecar", "sidecar", 8081),
        ("gatewaystack_jwks_", "demo", 5051),
        ("upstream_proxy_target", "demo", 3333),
    ] {
        let cluster =
            clusters.iter().find(|cluster| cluster["name"].as_str().unwrap().starts_with(name)).unwrap();
        let address = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        assert_eq!(address["socket_address"], json!({ "address": host, "port_value": port }), "{name}");
        assert!(cluster["type"].as_str().unwrap().ends_with("_DNS"), "{name}");
    }
    assert_eq!(there.sidecar, "sidecar:8081");
    let (here, _) = rendered(None, &[&variables[..], &[("ALLOW_INSECURE_JWKS", "true")]].concat());
    assert_eq!(there.policy_json, here.policy_json, "the filter knows of no container");
}

#[test]
fn parts_that_share_a_folder_get_the_filter_and_keep_their_secret() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("state");
    let variables = [("DATA_DIR", folder.path().to_str().unwrap())];
    assert_eq!(kept_secret(&out), None);
    let wasm = copy_filter(&PathBuf::from("Cargo.toml"), &out).unwrap();
    assert_eq!(std::fs::read(&wasm).unwrap(), std::fs::read("Cargo.toml").unwrap());
    let first = render(&RenderInput { wasm: wasm.clone(), ..input(None, &variables) }).unwrap();
    assert!(first.envoy_yaml.contains(wasm.to_str().unwrap()));
    write(&first, &out).unwrap();
    let again = RenderInput { secret: kept_secret(&out), ..input(None, &variables) };
    assert_eq!(render(&again).unwrap().secret, first.secret);
}

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

#[test]
fn who_holds_a_connection_for_nothing_has_a_minute_and_memory_has_the_end_that_is_said() {
    let heap: u64 = 512 * 1024 * 1024 / 5 * 4;
    // This machine may have fewer files than memory has room for.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let most = files.map_or(u64::MAX, |files| (files.saturating_sub(1_000) / 2).max(100)).min(heap / 65_536);
    for (hops, idle, connections) in
        [(None, "60s", true), (Some("0"), "60s", true), (Some("1"), "3600s", false)]
    {
        let mut variables = vec![("MEMORY_LIMIT", "512Mi")];
        variables.extend(hops.map(|hops| ("TRUSTED_HOPS", hops)));
        let (_, bootstrap) = rendered(None, &variables);
        let listener = &bootstrap["static_resources"]["listeners"][0];
        let connections = connections.then(|| (most / 8).to_string());
        // Before the first bytes: the inspector waits for them. Without a proxy in front the idle time-out holds, and no one address takes all.
        let inspector = listener["listener_filters"].as_array().map(Vec::len);
        let waits =
            (&listener["listener_filters_timeout"], &listener["continue_on_listener_filters_timeout"]);
        match &connections {
            None => assert_eq!((inspector, waits), (Some(1), (&json!("60s"), &json!(false))), "{hops:?}"),
            Some(_) => assert_eq!((inspector, waits), (None, (&Value::Null, &Value::Null)), "{hops:?}"),
        }
        let counting = &listener["filter_chains"][0]["filters"][0]["typed_config"]["config"];
        assert_eq!(counting["configuration"]["value"].as_str(), connections.as_deref(), "{hops:?}");
        let http = &manager_of(listener)["common_http_protocol_options"];
        assert_eq!(http["idle_timeout"], idle, "{hops:?}");
        let monitors = &bootstrap["overload_manager"]["resource_monitors"];
        assert_eq!(monitors[0]["typed_config"]["max_heap_size_bytes"], heap);
        assert_eq!(monitors[1]["typed_config"]["max_active_downstream_connections"], most);
    }
}
