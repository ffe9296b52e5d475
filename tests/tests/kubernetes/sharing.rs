//! Gateways whose pods share a ledger in a real PostgreSQL, as the chart makes them: what each did is in it
//! once, whom one blocks all refuse, and a database that is away takes no pod out.

use super::chart::{Objects, file, text, yaml};
use super::ledger::{Scene, said};
use super::pod::{Pod, get, probe};
use gatewaystack_tests::eventually;
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::postgres::Postgres;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// What `gatewaystack audit new-key` prints, as the documents have it put into a Secret.
fn key() -> String {
    let mut command = Command::new(from_environment("GATEWAYSTACK_BIN"));
    let output = command.args(["audit", "new-key", "gateway.example.com/audit"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A pod with these Secrets.
fn pod(objects: &Objects, url: &str, key: &str) -> Pod {
    let pod = Pod::of(objects);
    fs::write(pod.volume("ledger").join("url"), url).unwrap();
    fs::write(pod.volume("ledger").join("audit.key"), key).unwrap();
    pod
}

/// What the kubelet gets of a probe.
async fn answer(scene: &Scene, pod: &Pod, kind: &str) -> u16 {
    let path = probe(pod.container("containers", "sidecar"), kind);
    get(&scene.operator, &path, "").await.status
}

#[tokio::test]
#[ignore = "Helm, schemas and PostgreSQL: cargo xtask test --all fetches them"]
async fn a_request_at_either_pod_is_once_in_the_ledger_that_they_share() {
    let (server, key) = (Postgres::start(), key());
    let values = json!({
        "policy": { "ledger": { "on": true, "store": "postgres" }, "audit": { "log": true, "checkpoint": "100ms" } },
        "ledger": {
            "postgres": { "secret": { "name": "gatewaystack-postgres" } },
            "auditKey": { "name": "gatewaystack-audit" },
        },
    });
    // Two pods of one set have the same ports; on one machine each has its own.
    let scenes = [Scene::with(&values).await, Scene::with(&values).await];
    let pods = scenes.each_ref().map(|scene| pod(&scene.objects, &server.url(), &key));
    let _running = [scenes[0].start(&pods[0]).await, scenes[1].start(&pods[1]).await];
    scenes[0].asks("/v1/tools/first", 200).await;
    scenes[1].asks("/v1/tools/second", 200).await;
    for (scene, pod) in scenes.iter().zip(&pods) {
        let mut paths = scene.recorded(pod, 2).await;
        paths.sort();
        assert_eq!(paths, ["/v1/tools/first", "/v1/tools/second"]);
    }
    // One log, by one key; whom one blocks the other refuses.
    let checkpoint = eventually("a checkpoint", || async {
        let answer = get(&scenes[1].operator, "/audit/checkpoint", "").await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert!(checkpoint.starts_with("gateway.example.com/audit\n"), "{checkpoint}");
    pods.iter().for_each(|pod| drop(said(pod, &["audit", "verify"])));
    said(&pods[0], &["block", "user", "ann"]);
    let authorization = format!(
        "authorization: Bearer {}\r\n",
        gatewaystack_tests::token().claim("sub", "ann").mint(&scenes[1].issuer)
    );
    eventually("a refusal by the other", || async {
        (get(&scenes[1].gateway, "/v1/tools/blocked", &authorization).await.status == 403).then_some(())
    })
    .await;
    said(&pods[1], &["unblock", "user", "ann"]);
    eventually("no refusal any more", || async {
        (get(&scenes[1].gateway, "/v1/tools/unblocked", &authorization).await.status == 200).then_some(())
    })
    .await;

    // The database is away: a pod that was ready stays so, and requests go on; a new one would wait.
    server.kill();
    eventually("a sidecar that says so", || async {
        (answer(&scenes[0], &pods[0], "startupProbe").await == 503).then_some(())
    })
    .await;
    assert_eq!(answer(&scenes[0], &pods[0], "readinessProbe").await, 200);
    scenes[0].asks("/v1/tools/away", 200).await;
    server.again();
    eventually("it is back", || async {
        (answer(&scenes[0], &pods[0], "startupProbe").await == 200).then_some(())
    })
    .await;
    let found = eventually("what came meanwhile", || async {
        let said = said(&pods[1], &["records", "--json", "--where={path: {is: /v1/tools/away}}"]);
        let found: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    // Each keeps nothing but what isn't there yet.
    assert!(pods.iter().all(|pod| !pod.volume("data").join("ledger.db").exists()));
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn what_waits_for_the_database_has_a_claim_and_what_is_posted_has_none() {
    let gateway = Objects::of("gateway-postgres");
    let set = &gateway.one("StatefulSet")["spec"];
    // The file of records, in each pod.
    assert_eq!(set["volumeClaimTemplates"].as_array().unwrap().len(), 1);
    let mesh = Objects::of("istio-postgres");
    assert_eq!(mesh.all("StatefulSet").count(), 0);
    let deployment = &mesh.named("Deployment", "gatewaystack-ledger")["spec"];
    assert_eq!(deployment["replicas"], 2);
    let labels = &deployment["selector"]["matchLabels"];
    assert_eq!(mesh.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], *labels);
    // The URL and the key are for the sidecar alone, as files: neither Envoy nor an environment has them.
    for pod in [&set["template"]["spec"], &deployment["template"]["spec"]] {
        let containers = ["initContainers", "containers"].map(|kind| pod[kind].as_array());
        for container in containers.into_iter().flatten().flatten() {
            let mounts = container["volumeMounts"].as_array().unwrap();
            let of_ledger: Vec<&Value> = mounts.iter().filter(|mount| mount["name"] == "ledger").collect();
            let expected = json!({ "name": "ledger", "mountPath": "/ledger", "readOnly": true });
            let is_sidecar = container["name"] == "sidecar";
            assert_eq!(of_ledger, if is_sidecar { vec![&expected] } else { vec![] }, "{container:#}");
            assert!(!container["env"].to_string().contains("secretKeyRef"), "{container:#}");
        }
    }
    for (case, set) in [
        // Of one log and one list of blocks for all.
        ("gateway-postgres", r#"policy.audit={"log":true,"witness":["https://w.example/1"]}"#),
        ("gateway-postgres", r#"policy.builtin={"signals":true}"#),
        // What the chart would write is no clash, and the claim is as small as one likes.
        ("gateway-postgres", r#"policy.ledger.url_file="/ledger/url""#),
        ("gateway-postgres", r#"ledger.storage.size="64Mi""#),
        ("istio-postgres", r#"policy.audit={"log":false}"#),
        // It is off, and nothing of it is there.
        ("gateway-postgres", "policy.ledger.on=false"),
    ] {
        yaml(&text(&file(case), &["--set-json", set]));
    }
}
