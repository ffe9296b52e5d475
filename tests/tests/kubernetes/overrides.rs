//! The chart's `overrides`: the same rules as `gatewaystack merge`, and never two filters before one
//! workload.

use super::chart::{Objects, file, helm, root, text, yaml};
use gatewaystack::merge::{MEMBERS, OF_ROUTES, default_names};
use gatewaystack_tests::gateway::from_environment;
use serde_json::{Value, json};
use std::process::{Command, Output};

/// `helm template` of these values, which needn't be what the schema asks for.
fn render(values: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string()).unwrap();
    helm(file.to_str().unwrap(), &["--skip-schema-validation"])
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_chart_merges_as_the_command_does() {
    let cases = std::fs::read_to_string(root().join("sidecar/src/merge/tests/cases.yaml")).unwrap();
    let cases: Vec<Value> = serde_saphyr::from_str(&cases).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let overrides = case["overrides"].as_array().unwrap().iter().enumerate();
        let overrides: Vec<Value> =
            overrides.map(|(at, policy)| json!({ "name": (at + 1).to_string(), "policy": policy })).collect();
        let locked = case.get("locked").cloned().unwrap_or_else(|| json!([]));
        let values =
            json!({ "mode": "gateway", "policy": case["base"], "overrides": overrides, "locked": locked });
        let output = render(&values);
        let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let name = &case["name"];
        if let Some(merged) = case.get("merged") {
            assert!(output.status.success(), "{name}: {told}");
            let objects = Objects(yaml(&out));
            let policy = objects.one("ConfigMap")["data"]["policy.json"].as_str().unwrap();
            assert_eq!(serde_json::from_str::<Value>(policy).unwrap(), *merged, "{name}");
            continue;
        }
        assert!(!output.status.success(), "{name}: {out}");
        for place in case["refused"].as_array().unwrap() {
            let (document, path) = place.as_str().unwrap().split_once(' ').unwrap();
            let expected = if document == "0" {
                format!("policy.{path}: ")
            } else {
                format!("override {document}: {path}: ")
            };
            assert!(told.contains(&expected), "{name}: {expected}: {told}");
        }
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_command_prints_what_the_chart_renders() {
    let mut values = super::chart::values("istio-overrides");
    // More than Istio's proxies buffer, which the command tells.
    let max_body = json!(2 * 1024 * 1024);
    values["overrides"][1]["policy"]["routes"][0]["mcp"]["max_body"] = max_body.clone();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, policy: &Value| {
        let file = folder.path().join(name);
        std::fs::write(&file, policy.to_string()).unwrap();
        file
    };
    let (base, over) =
        (write("base.json", &values["policy"]), write("billing.json", &values["overrides"][1]["policy"]));
    let mut command = Command::new(from_environment("GATEWAYSTACK_BIN"));
    let output = command.arg("merge").args([base, over]).args(["--host", "istio"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("billing.json: routes[0].mcp.max_body: "), "{told}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut expected = super::chart::policies("istio-overrides").remove(2).1;
    expected["routes"][0]["mcp"]["max_body"] = max_body;
    assert_eq!(printed, expected);
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_same_is_locked_where_nobody_says_otherwise() {
    let values = std::fs::read_to_string(root().join("deploy/helm/values.yaml")).unwrap();
    assert_eq!(yaml(&values)[0]["locked"], json!(default_names()));
    let schema = std::fs::read_to_string(root().join("deploy/helm/values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let pattern = format!("^({}|routes\\[\\]\\.({}))$", MEMBERS.join("|"), OF_ROUTES.join("|"));
    assert_eq!(schema["properties"]["locked"]["items"]["pattern"], json!(pattern));
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn no_workload_gets_two_filters() {
    let rows: [(&str, &[&str], Option<&str>); 12] = [
        ("istio-overrides", &[], None),
        // Without a common label a pod may have both.
        ("istio-overrides", &[r#"overrides[0].selector={"tier":"back"}"#], Some("override notes could")),
        (
            "istio-overrides",
            &["overrides[0].selector.app=tools"],
            Some("override notes could stand before a workload of the base"),
        ),
        ("istio-overrides", &["overrides[0].selector.tier=back"], None),
        // All of the base's own namespace.
        ("istio-overrides", &["overrides[1].namespace=gatewaystack"], Some("override billing could")),
        ("istio-overrides", &["overrides[1].name=notes"], Some("another override has this name")),
        // The root namespace's objects count everywhere.
        ("istio-overrides", &["istio.rootNamespace=gatewaystack"], Some("override billing could")),
        ("istio-overrides", &["istio.rootNamespace=gatewaystack", "overrides[1].selector.app=billing"], None),
        ("istio-overrides", &["istio.rootNamespace=billing"], Some("override billing could")),
        ("istio-overrides", &["istio.selector=null"], None),
        ("envoy-gateway-overrides", &["overrides[0].target.name=other"], None),
        (
            "envoy-gateway-overrides",
            &[
                "envoyGateway.target.kind=HTTPRoute",
                "envoyGateway.gateway=g",
                "envoyGateway.target.name=billing",
                "overrides[0].namespace=",
            ],
            Some("override billing could"),
        ),
    ];
    for (case, set, expected) in rows {
        let option = |value: &str| if value.contains('{') { "--set-json" } else { "--set" };
        let set: Vec<&str> = set.iter().flat_map(|value| [option(value), value]).collect();
        let output = helm(&file(case), &set);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), expected.is_none(), "{set:?}: {told}");
        assert!(expected.is_none_or(|expected| told.contains(expected)), "{set:?}: {told}");
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_target_that_the_mode_does_not_know_is_refused() {
    for (case, set, expected) in [
        ("istio-overrides", "overrides[0].target.name=x", "at '/overrides/0/target'"),
        ("istio-overrides", "overrides[0].waypoint=x", "at '/overrides/0/waypoint'"),
        ("istio-overrides", "overrides[0].policy.routes=x", "at '/overrides/0/policy/routes'"),
        ("istio-overrides", "overrides[0].policies=x", "additional properties 'policies' not allowed"),
        ("istio-overrides", "overrides[0].policy.mode=shadow", "override notes: mode: is locked"),
        ("istio-overrides", "locked=null", "missing property 'locked'"),
        ("istio-overrides", "locked={issuer}", "at '/locked/0': 'issuer' does not match pattern"),
        ("envoy-gateway-overrides", "overrides[0].selector.app=x", "at '/overrides/0/selector'"),
        ("envoy-gateway-overrides", "overrides[0].target=null", "at '/overrides/0/target': got null"),
        ("gateway-overrides", "overrides[0].namespace=x", "at '/overrides/0/namespace'"),
        (
            "istio-gateway",
            "overrides[0].name=x,overrides[0].policy.realm=x",
            "at '/overrides/0': missing property 'selector'",
        ),
    ] {
        let output = helm(&file(case), &["--set", set]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(expected), "{set}: {told}");
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_policy_may_stand_before_nothing_itself() {
    let rendered = text(&file("istio-overrides"), &["--set", "istio.selector=null"]);
    let objects = Objects(yaml(&rendered));
    assert!(objects.find("WasmPlugin", "gatewaystack").is_none());
    assert_eq!(objects.all("WasmPlugin").count(), 2);
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_documents_examples_render() {
    let mut seen = 0;
    for document in ["docs/kubernetes.md", "docs/operations.md"] {
        let written = std::fs::read_to_string(root().join(document)).unwrap();
        let blocks = written.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for example in blocks.filter(|block| block.contains("overrides:")) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("values.yaml");
            std::fs::write(&file, example).unwrap();
            let rendered = text(&super::chart::file("istio-sidecar"), &["--values", file.to_str().unwrap()]);
            let objects = Objects(yaml(&rendered));
            let plugin = objects.named("WasmPlugin", "gatewaystack-billing");
            assert_eq!(plugin["spec"]["pluginConfig"]["mode"], "enforce", "{document}: {plugin:#}");
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}
