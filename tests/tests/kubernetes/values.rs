//! Wrong values: the chart says which and why, and renders nothing.

use super::chart::{cases, file, helm, policies, policy, root, text, yaml};
use gatewaystack_tests::gateway::from_environment;
use serde_json::json;
use std::process::{Command, Output};

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_wrong_value_fails_with_the_schemas_message() {
    let rows: [(&str, &[&str], &str); 18] = [
        ("gateway", &["mode=mesh"], "at '/mode': value must be one of 'gateway', 'istio', 'envoy-gateway'"),
        ("gateway", &["gateway.replica=3"], "at '/gateway': additional properties 'replica' not allowed"),
        ("gateway", &["gateways.replicas=3"], "additional properties 'gateways' not allowed"),
        ("gateway", &["gateway.replicas=two"], "at '/gateway/replicas': got string, want integer"),
        ("gateway", &["gateway.replicas=0"], "at '/gateway/replicas': minimum"),
        ("gateway", &["gateway.operatorPort=99999"], "at '/gateway/operatorPort': maximum"),
        (
            "gateway",
            &["images.envoy.digest=latest"],
            "at '/images/envoy/digest': 'latest' does not match pattern",
        ),
        ("gateway", &["gateway.env.WEBHOOK_SHARED_SECRET=x"], "at '/gateway/env/WEBHOOK_SHARED_SECRET'"),
        ("gateway", &["gateway.env.mode=x"], "at '/gateway/env': additional properties 'mode' not allowed"),
        ("gateway", &["gateway.secrets.webhook.name=a"], "at '/gateway/secrets/webhook/key': minLength"),
        ("gateway", &["gateway.data.claimName=a"], "at '/gateway/replicas': value must be 1"),
        ("gateway", &["policy.issuers=null"], "at '/policy/issuers': got null, want array"),
        (
            "gateway",
            &["policy.upstreams.default=tools:80"],
            "at '/policy/upstreams/default': 'tools:80' does not match",
        ),
        ("istio-gateway", &["istio.failStrategy=FAIL_OPEN"], "must be one of 'FAIL_RELOAD', 'FAIL_CLOSE'"),
        ("istio-gateway", &["istio.selector=null"], "at '/istio': missing property 'selector'"),
        ("istio-waypoint", &["policy.hold_headers=true"], "at '/policy/hold_headers': value must be false"),
        (
            "istio-gateway",
            &["istio.scope=waypoint", "istio.waypoint=w"],
            "at '/policy/issuers/0': missing property 'jwks_cluster'",
        ),
        ("envoy-gateway", &["envoyGateway.target.name="], "at '/envoyGateway/target/name': minLength"),
    ];
    for (case, set, expected) in rows {
        let set: Vec<&str> = set.iter().flat_map(|value| ["--set", value]).collect();
        let output = helm(&file(case), &set);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{set:?}");
        assert!(told.contains(expected), "{set:?}: {told}");
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn what_the_host_cannot_do_is_told_by_the_template() {
    let output = helm(&file("istio-hold-headers"), &["--set", "images.pullSecrets={registry}"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && told.contains("images.pullSecrets: Istio gives them to a WasmPlugin alone"),
        "{told}"
    );
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn helm_has_nothing_to_say_about_the_chart() {
    for case in cases() {
        let mut lint = Command::new(from_environment("GATEWAYSTACK_HELM"));
        lint.current_dir(root()).args(["lint", "deploy/helm", "--strict", "--values", &file(&case)]);
        let output = lint.output().unwrap();
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_chart_names_the_images_of_this_version() {
    let chart = yaml(&std::fs::read_to_string(root().join("deploy/helm/Chart.yaml")).unwrap()).remove(0);
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let image = format!("image: gatewaystack/gatewaystack:{}", env!("CARGO_PKG_VERSION"));
    assert!(text(&file("gateway"), &[]).contains(&image));
}

/// `gatewaystack check` of this policy, where the case's mode puts it.
fn check(policy: &serde_json::Value, host: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let mut command = Command::new(from_environment("GATEWAYSTACK_BIN"));
    command.arg("check").arg(&file).args(["--host", host]).output().unwrap()
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_policies_of_the_examples_are_good_where_they_go() {
    for case in cases() {
        let host = match case.split('-').next().unwrap() {
            "gateway" => "kubernetes",
            "istio" => "istio",
            _ => "eg",
        };
        for (name, mut policy) in policies(&case) {
            // The chart names the sidecar's cluster by itself.
            if host != "kubernetes" && policy["ledger"]["on"] == true {
                policy["sidecar"] =
                    json!({ "cluster": "outbound|8081||gatewaystack-ledger.gatewaystack.svc" });
            }
            // Nor does anybody say where the chart puts secrets.
            if policy["ledger"]["store"] == "postgres" {
                policy["ledger"]["url_file"] = json!("/ledger/url");
            }
            let output = check(&policy, host);
            let said = String::from_utf8_lossy(&output.stdout);
            let told = String::from_utf8_lossy(&output.stderr);
            let is_good = output.status.success() && !said.contains("warning");
            assert!(is_good, "{case} {name}: {said}{told}");
        }
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_policy_that_is_too_large_for_its_place_is_told_so() {
    // A policy has at most 1,000 routes: these are long ones.
    for (case, host, bytes, limit) in [
        ("gateway", "kubernetes", 1024 * 1024, "a ConfigMap takes 1 MiB"),
        ("istio-gateway", "istio", 1536 * 1024, "an object of Kubernetes takes 1.5 MiB"),
        ("envoy-gateway", "eg", 1536 * 1024, "an object of Kubernetes takes 1.5 MiB"),
    ] {
        let mut policy = policy(case);
        let scopes: Vec<String> = (0..bytes / 100_000).map(|n| format!("{n}:{}", "s".repeat(100))).collect();
        policy["routes"] =
            (0..1_000).map(|n| json!({ "path": format!("/v1/{n}"), "scopes": scopes })).collect();
        let output = check(&policy, host);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains(limit),
            "{host}: {} {told}",
            policy.to_string().len()
        );
    }
}
