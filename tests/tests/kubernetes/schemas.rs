//! Each object against its schema, and what an operator may rely on besides.

use super::chart::{Objects, cases, root};
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::node;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

/// What is wrong with each object, by its schema (`tests/schemas/validate.mjs`).
fn complaints(objects: &[Value]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    // Node looks for a module's packages next to the module.
    symlink(from_environment("GATEWAYSTACK_SCHEMAS"), folder.path().join("node_modules")).unwrap();
    let script = folder.path().join("validate.mjs");
    std::fs::copy(root().join("tests/schemas/validate.mjs"), &script).unwrap();
    let mut command = Command::new(node::newer());
    let mut child = command
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(json!(objects).to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"))
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn what_the_chart_renders_fits_the_schemas_of_what_reads_it() {
    let mut objects: Vec<Value> = cases().iter().flat_map(|case| Objects::of(case).0).collect();
    // What is for kubectl in the documents, too.
    let document = std::fs::read_to_string(root().join("docs/kubernetes.md")).unwrap();
    let blocks = document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let before = objects.len();
    objects.extend(blocks.filter(|block| block.starts_with("apiVersion: ")).flat_map(super::chart::yaml));
    assert_eq!(objects.len(), before + 2, "a claim and a job");
    for (object, found) in objects.iter().zip(complaints(&objects)) {
        assert_eq!(found, [""; 0], "{object:#}");
    }
}

#[test]
#[ignore = "schemas: cargo xtask test --all fetches them"]
fn cloud_runs_service_fits_knatives_schema() {
    let file = std::fs::read_to_string(root().join("deploy/cloud-run/service.yaml")).unwrap();
    let good: Value = serde_saphyr::from_str(&file).unwrap();
    let mut bad = good.clone();
    bad["spec"]["template"]["spec"]["containers"][0]["startupProb"] = json!({});
    let found = complaints(&[good, bad]);
    assert_eq!(found[0], [""; 0]);
    assert!(found[1].iter().any(|complaint| complaint.contains("startupProb")), "{found:?}");
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_member_that_no_schema_knows_is_found() {
    // Of each schema one, with what is wrong and how it is told.
    let rows: [(&str, &str, &str, Value, &str); 9] = [
        (
            "gateway",
            "Deployment",
            "/spec/template/spec/containers/0/imagePull",
            json!("x"),
            "imagePull is unknown",
        ),
        ("gateway", "Deployment", "/spec/replicas", json!("2"), "/spec/replicas must be integer"),
        ("gateway-full", "ServiceMonitor", "/spec/endpoints/0/prot", json!("x"), "prot is unknown"),
        ("istio-gateway", "WasmPlugin", "/spec/phas", json!("AUTHN"), "WasmPlugin.spec.phas is unknown"),
        (
            "istio-gateway",
            "WasmPlugin",
            "/spec/failStrategy",
            json!("FAIL"),
            "must be equal to one of the allowed",
        ),
        (
            "istio-hold-headers",
            "EnvoyFilter",
            "/spec/configPatches/0/applyTo",
            json!("X"),
            "must be equal to one",
        ),
        (
            "envoy-gateway",
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/failopen",
            json!(true),
            "failopen is unknown",
        ),
        (
            "envoy-gateway-hold-headers",
            "EnvoyPatchPolicy",
            "/spec/jsonPatches/0/operation/op",
            json!("x"),
            "must be",
        ),
        ("envoy-gateway", "HTTPRoute", "/spec/rules/0/matches/0/path/typ", json!("x"), "typ is unknown"),
    ];
    let spoilt: Vec<Value> = rows
        .iter()
        .map(|(case, kind, path, value, _)| {
            let mut object = Objects::of(case).one(kind).clone();
            let (parent, member) = path.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[member] = value.clone();
            object
        })
        .collect();
    for ((.., expected), found) in rows.iter().zip(complaints(&spoilt)) {
        assert!(found.iter().any(|line| line.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn pods_have_no_more_rights_than_they_need_and_secrets_are_references() {
    for case in cases() {
        let objects = Objects::of(&case);
        assert_eq!(objects.all("Secret").count(), 0, "{case}");
        let workloads = ["Deployment", "StatefulSet"].map(|kind| objects.all(kind).collect::<Vec<_>>());
        let jobs = objects.all("CronJob").map(|job| &job["spec"]["jobTemplate"]);
        for workload in workloads.into_iter().flatten().chain(jobs) {
            let pod = &workload["spec"]["template"]["spec"];
            assert_eq!(pod["automountServiceAccountToken"], false, "{case}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{case}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{case}");
            let containers = ["initContainers", "containers"].map(|kind| pod[kind].as_array());
            for container in containers.into_iter().flatten().flatten() {
                let context = json!({
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                });
                assert_eq!(container["securityContext"], context, "{case}: {container:#}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{case}: {container:#}");
                let variables = container["env"].as_array().into_iter().flatten();
                for variable in variables.filter(|v| v["name"].as_str().unwrap().contains("SECRET")) {
                    let file = variable["value"].as_str().unwrap();
                    assert!(file.starts_with("/secrets/"), "{case}: {variable}");
                }
            }
        }
    }
}
