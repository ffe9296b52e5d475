//! A gateway with a ledger, as the chart makes it: what its pods keep outlives them, is on standard output,
//! too, and can be copied and put back by the commands that the documents have.

use super::chart::{Objects, file, helm, root, text, yaml};
use super::pod::{Pod, Running, get, probe, values};
use gatewaystack_tests::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::SystemTime;

/// Where a pod answers, and where what it says goes.
pub struct Scene {
    pub issuer: TestIssuer,
    upstream: Upstream,
    pub objects: Objects,
    pub gateway: String,
    pub operator: String,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        Self::with(&json!({
            "policy": { "ledger": { "on": true }, "audit": { "log": true, "checkpoint": "100ms" } },
            "ledger": { "backup": { "enabled": true, "claimName": "copies" } },
        }))
        .await
    }

    /// With these values besides.
    pub async fn with(more: &Value) -> Self {
        let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
        let numbers: [u16; 4] = free_ports();
        let [gateway, operator] = [numbers[0], numbers[3]].map(|port| format!("127.0.0.1:{port}"));
        let folder = tempfile::tempdir().unwrap();
        let values = values(folder.path(), &issuer, &upstream, &numbers, more);
        let objects = Objects(yaml(&text(&values, &[])));
        Self { issuer, upstream, objects, gateway, operator, folder }
    }

    fn stdout(&self) -> PathBuf {
        self.folder.path().join("stdout")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Starts a pod, and waits until all of it is ready.
    pub async fn start(&self, pod: &Pod) -> Running {
        pod.prepare();
        let append = |name: &str| File::options().create(true).append(true).open(name).unwrap();
        let [envoy, sidecar] = ["envoy", "sidecar"].map(|name| pod.container("containers", name));
        let mut running = Running(Vec::new());
        let mut command = pod.command(envoy, &["--use-dynamic-base-id"]);
        let log = self.folder.path().join("stderr");
        command.stdout(append(self.stdout().to_str().unwrap())).stderr(append(log.to_str().unwrap()));
        running.0.push(command.spawn().unwrap());
        let mut command = pod.command(sidecar, &[]);
        running.0.push(command.stdout(Stdio::null()).stderr(append(log.to_str().unwrap())).spawn().unwrap());
        let kinds = ["startupProbe", "readinessProbe"].map(|kind| [(envoy, kind), (sidecar, kind)]);
        for (container, kind) in kinds.into_iter().flatten() {
            if container[kind].is_null() {
                continue;
            }
            let path = probe(container, kind);
            eventually(&format!("{path}: {}", self.log()), || async {
                tokio::net::TcpStream::connect(&self.operator).await.ok()?;
                (get(&self.operator, &path, "").await.status == 200).then_some(())
            })
            .await;
        }
        running
    }

    pub async fn asks(&self, path: &str, status: u16) {
        let authorization = format!("authorization: Bearer {}\r\n", token().mint(&self.issuer));
        let answer = get(&self.gateway, path, &authorization).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }

    /// The paths of the records in a pod's ledger, as an operator finds them.
    pub async fn recorded(&self, pod: &Pod, count: usize) -> Vec<String> {
        eventually("records", || async {
            let records: Value = serde_json::from_slice(&said(pod, &["records", "--json"]).stdout).unwrap();
            let paths = records.as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap().to_owned());
            let paths: Vec<String> = paths.collect();
            (paths.len() >= count).then_some(paths)
        })
        .await
    }

    /// Those on standard output.
    async fn printed(&self, count: usize) -> Vec<String> {
        eventually("records on standard output", || async {
            let text = fs::read_to_string(self.stdout()).unwrap();
            let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let paths: Vec<String> = records.map(|r| r["path"].as_str().unwrap().to_owned()).collect();
            (paths.len() >= count).then_some(paths)
        })
        .await
    }
}

/// `kubectl exec … --container sidecar -- /gatewaystack …`, as docs/kubernetes.md has it.
pub fn said(pod: &Pod, words: &[&str]) -> Output {
    let sidecar = pod.container("containers", "sidecar");
    let (command, options): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| !word.starts_with("--"));
    let words = [&["/gatewaystack"], &command[..], &["--policy", "/config/policy.json"], &options].concat();
    let output = pod.exec(sidecar, &words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// As the kubelet ends a container.
fn end(child: &mut Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    child.wait().unwrap();
}

/// The pause before a container is told to end.
fn pause(pod: &Pod, name: &str) -> u64 {
    let container = pod.container("containers", name);
    container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap()
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_pod_keeps_each_request_once_over_its_end_and_writes_it_to_standard_output() {
    let scene = Scene::new().await;
    let pod = Pod::of(&scene.objects);
    let mut running = scene.start(&pod).await;
    assert_eq!(get(&scene.gateway, "/v1/tools/refused", "").await.status, 401);
    scene.asks("/v1/tools/let-in", 200).await;
    assert_eq!(scene.upstream.seen().len(), 1);
    let all = ["/v1/tools/refused", "/v1/tools/let-in"];
    assert_eq!(scene.recorded(&pod, 2).await, all);
    assert_eq!(scene.printed(2).await, all);

    // The log is for whoever the operator's port is for; what Envoy alone may ask is for nobody there.
    let checkpoint = eventually("a checkpoint", || async {
        let answer = get(&scene.operator, "/audit/checkpoint", "").await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert!(checkpoint.starts_with("gateway.example.com/audit\n"), "{checkpoint}");
    for path in ["/audit/../internal/feed", "/audit/%2e%2e/metrics", "/internal/feed", "/audit", "/audit/"] {
        assert_eq!(get(&scene.operator, path, "").await.status, 404, "{path}");
    }
    said(&pod, &["audit", "verify"]);

    // Envoy ends first: what it says at its end is taken in, if not now, then by the next pod.
    assert!(pause(&pod, "sidecar") > pause(&pod, "envoy"));
    scene.asks("/v1/tools/last", 200).await;
    running.0.iter_mut().for_each(end);
    let next = pod.next(&scene.objects);
    let mut running = scene.start(&next).await;
    scene.asks("/v1/tools/next", 200).await;
    let all = [&all[..], &["/v1/tools/last", "/v1/tools/next"]].concat();
    assert_eq!(scene.recorded(&next, 4).await, all);
    assert_eq!(scene.printed(4).await, all);
    said(&next, &["audit", "verify"]);
    running.0.iter_mut().for_each(end);
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_copy_is_made_beside_the_pod_and_comes_back_into_a_new_volume() {
    let scene = Scene::new().await;
    let pod = Pod::of(&scene.objects);
    let mut running = scene.start(&pod).await;
    scene.asks("/v1/tools/kept", 200).await;
    assert_eq!(scene.recorded(&pod, 1).await, ["/v1/tools/kept"]);
    said(&pod, &["block", "user", "eve"]);

    let job = pod.job(&scene.objects, "gatewaystack-backup-0", "gatewaystack-backup-0-29400000-x7k2p");
    job.prepare();
    let copies = job.volume("backup");
    // Copies of former nights, and somebody else's.
    let old = SystemTime::now() - std::time::Duration::from_secs(15 * 86_400);
    for (name, at) in [("backup-0-1", old), ("backup-0-2", SystemTime::now()), ("backup-1-1", old)] {
        let folder = copies.join(format!("gatewaystack-{name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ledger.db"), "x").unwrap();
        File::open(&folder).unwrap().set_modified(at).unwrap();
    }
    let prune = job.container("containers", "prune");
    assert!(job.command(prune, &[]).status().unwrap().success());
    let names = ["backup-0-2", "backup-0-29400000-x7k2p", "backup-1-1"].map(|n| format!("gatewaystack-{n}"));
    assert_eq!(listed(&copies), names);
    running.0.iter_mut().for_each(end);

    // A new volume, and no sidecar that runs: the Job of the documents.
    let lost = Pod::of(&scene.objects);
    let documented = documented_job();
    let job = Pod::with(documented["spec"]["template"]["spec"].clone(), &scene.objects, "");
    job.share(&lost, "data");
    fs::rename(copies.join(&names[1]), job.volume("backup").join("COPY")).unwrap();
    let restored = job.command(job.container("containers", "restore"), &[]).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let mut running = scene.start(&lost).await;
    scene.asks("/v1/tools/new", 200).await;
    assert_eq!(scene.recorded(&lost, 2).await, ["/v1/tools/kept", "/v1/tools/new"]);
    assert!(String::from_utf8_lossy(&said(&lost, &["blocks"]).stdout).contains("eve"));
    said(&lost, &["audit", "verify"]);
    running.0.iter_mut().for_each(end);
}

/// The Job of docs/kubernetes.md that puts a copy back.
fn documented_job() -> Value {
    let document = fs::read_to_string(root().join("docs/kubernetes.md")).unwrap();
    let blocks = document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.contains("kind: Job")).flat_map(yaml);
    found.find(|object| object["kind"] == "Job").unwrap()
}

fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_claim_of_a_gateway_without_a_ledger_can_take_one() {
    for claim in ["ledger.storage.existingClaim", "gateway.data.claimName"] {
        let set = format!("gateway.replicas=1,ledger.backup.enabled=false,{claim}=there");
        let objects = Objects(yaml(&text(&file("gateway-ledger"), &["--set", &set])));
        assert!(objects.one("StatefulSet")["spec"].get("volumeClaimTemplates").is_none());
        let pod = Pod::of(&objects);
        let records = pod.volume("data").join("decisions.jsonl");
        // As the pods before left it.
        symlink("/dev/stdout", &records).unwrap();
        pod.prepare();
        assert!(fs::symlink_metadata(&records).is_err(), "{claim}");
        fs::write(&records, "{}\n").unwrap();
        pod.prepare();
        assert_eq!(fs::read_to_string(&records).unwrap(), "{}\n", "{claim}");
    }
}

fn rendered(case: &str, set: &[&str]) -> Objects {
    let set: Vec<&str> = set.iter().flat_map(|value| ["--set-json", value]).collect();
    Objects(yaml(&text(&file(case), &set)))
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_gateway_is_a_stateful_set_where_it_has_something_to_keep() {
    let without = rendered("gateway", &[]);
    assert_eq!((without.all("Deployment").count(), without.all("StatefulSet").count()), (1, 0));
    // Unless it is said, and then it is as before.
    assert_eq!(rendered("gateway", &[r#"policy.ledger={"on":false}"#]).all("StatefulSet").count(), 0);
    for set in [r#"policy.ledger={"on":true}"#, r#"policy.ledger={"true":true}"#] {
        let with = rendered("gateway", &[set]);
        assert_eq!((with.all("Deployment").count(), with.all("CronJob").count()), (0, 0), "{set}");
        let set = with.one("StatefulSet");
        assert_eq!(
            set["spec"]["serviceName"],
            with.named("Service", "gatewaystack-operator")["metadata"]["name"]
        );
        assert_eq!(with.one("PodDisruptionBudget"), without.one("PodDisruptionBudget"));
        let claim = &set["spec"]["volumeClaimTemplates"][0];
        assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOnce"]));
        assert!(claim["spec"].get("storageClassName").is_none(), "the cluster's default");
        // What may never change must not have what changes with each version.
        assert!(!claim.to_string().contains("version"), "{claim}");
        let policy = with.one("ConfigMap")["data"]["policy.json"].as_str().unwrap();
        let policy: Value = serde_json::from_str(policy).unwrap();
        assert_eq!(
            (&policy["audit"]["to"], &policy["ledger"]),
            (&json!(["file", "stdout"]), &json!({"on": true}))
        );
    }
    // Who says where records go is heard.
    let file = rendered("gateway", &[r#"policy.ledger={"on":true}"#, r#"policy.audit={"to":["file"]}"#]);
    assert!(!file.one("ConfigMap")["data"]["policy.json"].as_str().unwrap().contains("stdout"));
    // A member that Helm takes for a truth value is what it was written as elsewhere, too.
    let limits = r#"policy.rate_limits=[{"by":"address","max":9,"window":"60s","true":"failures"}]"#;
    let limited = rendered("gateway", &[limits]);
    assert!(
        limited.one("ConfigMap")["data"]["policy.json"].as_str().unwrap().contains(r#""on": "failures""#)
    );
    let tried = rendered("gateway", &[r#"policy.ledger={"on":true}"#, "ledger.storage.emptyDir=true"]);
    let volumes = &tried.one("StatefulSet")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[2], json!({ "name": "data", "emptyDir": { "sizeLimit": "10Gi" } }));
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn what_cannot_be_kept_is_told_before_anything_is_rendered() {
    let on = r#"policy.ledger={"on":true}"#;
    let rows: [(&str, &[&str], &str); 28] = [
        ("gateway", &[on, r#"policy.audit={"to":["stdout"]}"#], "policy.audit.to: the ledger reads the file"),
        (
            "gateway",
            &[on, r#"ledger.storage.existingClaim="c""#],
            "gateway.replicas: ledger.storage.existingClaim",
        ),
        ("gateway", &[on, "ledger.replicas=2"], "gateway.replicas says how many"),
        ("gateway", &[on, r#"ledger.storage.size="4Gi""#], "has no room for policy.ledger.max_bytes (4GiB)"),
        (
            "gateway",
            &[r#"policy.ledger={"on":true,"max_bytes":21474836480}"#],
            "ledger.storage.size: 10Gi has no room",
        ),
        ("gateway", &[on, r#"ledger.storage.size="10 Gi""#], "at '/ledger/storage/size'"),
        (
            "gateway",
            &[on, "policy.ledger.store=\"postgres\""],
            "ledger.postgres.secret: expected the name of a Secret and its key, with the URL",
        ),
        (
            "gateway",
            &[on, r#"ledger.postgres.secret.name="p""#],
            "ledger.postgres.secret: the policy has its ledger in SQLite",
        ),
        ("gateway", &[on, r#"ledger.auditKey.name="k""#], "one key may sign one history alone"),
        ("gateway-postgres", &[r#"ledger.auditKey.name="""#], "ledger.auditKey: all pods sign one audit log"),
        (
            "gateway-postgres",
            &[r#"policy.ledger.url_file="/run/secrets/url""#],
            "policy.ledger.url_file: /run/secrets/url isn't in the pod: the chart puts the Secret of ledger.postgres.secret at /ledger/url",
        ),
        (
            "gateway-postgres",
            &[r#"policy.audit.key_file="/a""#],
            "policy.audit.key_file: /a isn't in the pod: the chart puts the Secret of ledger.auditKey at /ledger/audit.key",
        ),
        (
            "gateway-postgres",
            &[r#"ledger.backup={"enabled":true,"claimName":"c"}"#],
            "ledger.backup.enabled: a ledger in PostgreSQL is copied as its database is",
        ),
        (
            "gateway-postgres",
            &[r#"ledger.storage.existingClaim="c""#],
            "is one volume, and each pod keeps a file of records of its own",
        ),
        ("gateway-postgres", &[r#"ledger.ca.configMapName="c""#], "ledger.ca: in an own gateway gateway.ca"),
        ("gateway-postgres", &["ledger.postgres.port=0"], "at '/ledger/postgres/port': minimum"),
        (
            "gateway-postgres",
            &[r#"policy.audit={"log":true,"to":["stdout"]}"#],
            "policy.audit.to: the ledger reads the file",
        ),
        (
            "istio-postgres",
            &[r#"ledger.storage.existingClaim="c""#],
            "ledger.storage.existingClaim: records are posted, and PostgreSQL has them",
        ),
        ("istio-postgres", &[r#"ledger.secret={"name":"","key":""}"#], "ledger.secret: expected the name"),
        ("gateway", &[on, "ledger.store=\"postgres\""], "additional properties 'store' not allowed"),
        (
            "gateway",
            &[
                on,
                "gateway.replicas=1",
                r#"gateway.data.claimName="a""#,
                r#"ledger.storage.existingClaim="b""#,
            ],
            "gateway.data.claimName is another claim (a)",
        ),
        (
            "gateway",
            &[on, "gateway.replicas=1", r#"gateway.data.claimName="a""#, "ledger.storage.emptyDir=true"],
            "ledger.storage.emptyDir: gateway.data.claimName names a claim",
        ),
        (
            "gateway",
            &[on, r#"policy.audit={"log":true,"witness":["https://w.example/1"]}"#],
            "policy.audit.witness: each pod has an audit log of its own",
        ),
        (
            "gateway",
            &[on, r#"policy.builtin={"signals":true}"#],
            "policy.builtin.signals: a signal comes to one",
        ),
        ("gateway", &[r#"ledger.backup={"enabled":true,"claimName":"c"}"#], "there is nothing to copy"),
        ("gateway-ledger", &[r#"ledger.backup.claimName="""#], "at '/ledger/backup/claimName': minLength"),
        ("istio-ledger", &["ledger.replicas=2"], "ledger.replicas: a ledger in SQLite has one process"),
        ("istio-ledger", &[r#"ledger.secret={"name":"","key":""}"#], "ledger.secret: expected the name"),
    ];
    for (case, set, expected) in rows {
        let set: Vec<&str> = set.iter().flat_map(|value| ["--set-json", value]).collect();
        let output = helm(&file(case), &set);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{set:?}");
        assert!(told.contains(expected), "{set:?}: {told}");
    }
}

/// What a network policy lets in or out: the ports of each rule, and who.
fn rules(policy: &Value, way: &str) -> Vec<(Vec<u64>, Value)> {
    let peers = if way == "ingress" { "from" } else { "to" };
    let rules = policy["spec"][way].as_array().unwrap().iter();
    let ports = |rule: &Value| {
        let ports = rule["ports"].as_array().unwrap().iter();
        ports.map(|port| port["port"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    rules.map(|rule| (ports(rule), rule[peers].clone())).collect()
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn networks_are_as_narrow_as_the_policy() {
    let witnessed = r#"policy.audit={"log":true,"witness":["https://witness.example.com:8443/w1"]}"#;
    let gateway = rendered("gateway-ledger", &[witnessed, "gateway.replicas=1"]);
    let policy = gateway.named("NetworkPolicy", "gatewaystack");
    let selects = &policy["spec"]["podSelector"]["matchLabels"];
    let pod = &gateway.one("StatefulSet")["spec"]["template"]["metadata"]["labels"];
    let selected = |labels: &Value| selects.as_object().unwrap().iter().all(|(k, v)| labels[k] == *v);
    assert!(selected(pod));
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    let monitoring =
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } }]);
    // Neither Envoy's admin interface (9901) nor the sidecar's own port (8081), which are on loopback
    // besides.
    assert_eq!(rules(policy, "ingress"), [(vec![8080], Value::Null), (vec![9902], monitoring)]);
    // DNS; then the collector, the issuer, the upstream, the witness.
    let out = [(vec![53, 53], Value::Null), (vec![4318, 443, 8080, 8443], Value::Null)];
    assert_eq!(rules(policy, "egress"), out);
    // Copies need nobody, and nobody needs them: not even the Service may find them.
    let copies = gateway.named("NetworkPolicy", "gatewaystack-backup");
    let job = &gateway.one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"];
    assert_eq!(copies["spec"]["podSelector"]["matchLabels"], *job);
    assert!(copies["spec"].get("ingress").is_none() && copies["spec"].get("egress").is_none());
    assert!(!selected(job), "{job}");

    let istio = rendered("istio-ledger", &[]);
    let policy = istio.named("NetworkPolicy", "gatewaystack-ledger");
    let proxies = |namespace: &str, labels: Value| {
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                 "podSelector": { "matchLabels": labels } }])
    };
    let gateways = proxies("gatewaystack", json!({ "istio": "ingressgateway" }));
    assert_eq!(rules(policy, "ingress"), [(vec![8081], gateways)]);
    assert_eq!(rules(policy, "egress"), [(vec![53, 53], Value::Null), (vec![443], Value::Null)]);
    // PostgreSQL, where it is; anywhere, where nobody says.
    let within = json!([{ "ipBlock": { "cidr": "10.0.8.0/24" } }]);
    for (set, port, to) in
        [(&["ledger.postgres.port=6432"][..], 6432, within), (&["ledger.postgres.to=[]"], 5432, Value::Null)]
    {
        let istio = rendered("istio-postgres", set);
        let policy = istio.named("NetworkPolicy", "gatewaystack-ledger");
        let out = [(vec![53, 53], Value::Null), (vec![443], Value::Null), (vec![port], to)];
        assert_eq!(rules(policy, "egress"), out);
    }
    let gateway = rendered("gateway-postgres", &[]);
    let out = rules(gateway.named("NetworkPolicy", "gatewaystack"), "egress");
    assert_eq!((out.len(), &out[2].0, out[2].1.is_array()), (3, &vec![5432], true), "{out:?}");
    let eg = rendered("envoy-gateway-ledger", &[]);
    let of_gateway = json!({
        "gateway.envoyproxy.io/owning-gateway-name": "agents",
        "gateway.envoyproxy.io/owning-gateway-namespace": "gatewaystack",
    });
    let policy = eg.named("NetworkPolicy", "gatewaystack-ledger");
    assert_eq!(rules(policy, "ingress"), [(vec![8081], proxies("envoy-gateway-system", of_gateway))]);
    // Who wants none has none.
    for case in
        ["gateway-ledger", "istio-ledger", "envoy-gateway-ledger", "gateway-postgres", "istio-postgres"]
    {
        assert_eq!(
            rendered(case, &["networkPolicy.enabled=false"]).all("NetworkPolicy").count(),
            0,
            "{case}"
        );
    }
}
