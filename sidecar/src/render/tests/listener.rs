//! Envoy's listeners: where records go, who may hold connections, and how long.

use super::{manager, manager_of, policy, rendered};
use serde_json::{Value, json};

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
        // Before the first bytes: the inspector waits for them. Without a proxy in front the idle time-out
        // holds, and no one address takes all.
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
