//! What a rendering says of itself: ports, the filter's configuration, the log's level, and errors all at
//! once.

use super::{input, manager, policy, rendered};
use crate::render::render;
use serde_json::{Value, json};

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
fn errors_of_policy_environment_and_secret_files_come_together() {
    let mut bad = policy(json!([{ "path": "a" }]));
    bad["realm"] = json!(1);
    let variables = [("PORT", "x"), ("HEALTH_ADMIN_SECRET_FILE", "/nowhere/secret")];
    let errors = render(&input(Some(bad), &variables)).unwrap_err();
    let mut paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["HEALTH_ADMIN_SECRET_FILE", "PORT", "realm", "routes[0].path"]);
}
