//! An own gateway's pod, container by container on this machine: the commands, variables and files are those
//! of the Deployment; only the folders that are mounted lie elsewhere, and the images' programs are those
//! that were built here.

use super::chart::{Objects, file, text, yaml};
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What a secret of the tests is.
pub const SECRET: &str = "S3cr3t-of-the-tests-20e1c7d4";

/// A pod.
pub struct Pod {
    spec: Value,
    folder: TempDir,
    /// Its own name, where a container asks for it.
    name: String,
}

impl Pod {
    /// That of a Deployment or StatefulSet, with its volumes filled: the policy from the ConfigMap, each
    /// secret, a certificate. A claim is an empty folder.
    pub fn of(objects: &Objects) -> Self {
        let workload =
            objects.all("StatefulSet").chain(objects.all("Deployment")).next().expect("a workload");
        let spec = workload["spec"]["template"]["spec"].clone();
        let pod = Self::with(spec, objects, "");
        for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            fs::create_dir(pod.volume(claim["metadata"]["name"].as_str().unwrap())).unwrap();
        }
        pod
    }

    /// The next one of the same workload, with the claims that this one leaves.
    pub fn next(&self, objects: &Objects) -> Self {
        let next = Self::of(objects);
        next.share(self, "data");
        next
    }

    /// The pod of a CronJob's next job, beside this one.
    pub fn job(&self, objects: &Objects, job: &str, name: &str) -> Self {
        let template = &objects.named("CronJob", job)["spec"]["jobTemplate"]["spec"]["template"];
        let pod = Self::with(template["spec"].clone(), objects, name);
        pod.share(self, "data");
        pod
    }

    /// A volume that is another pod's, too.
    pub fn share(&self, other: &Self, volume: &str) {
        let here = self.volume(volume);
        fs::remove_dir(&here).unwrap();
        symlink(fs::canonicalize(other.volume(volume)).unwrap(), here).unwrap();
    }

    /// A pod of this form, with volumes that are filled.
    pub fn with(spec: Value, objects: &Objects, name: &str) -> Self {
        let pod = Self { spec, folder: tempfile::tempdir().unwrap(), name: name.to_owned() };
        for volume in pod.spec["volumes"].as_array().unwrap() {
            let folder = pod.volume(volume["name"].as_str().unwrap());
            fs::create_dir(&folder).unwrap();
            if volume["configMap"]["name"] == objects.one("ConfigMap")["metadata"]["name"] {
                // Where the chart says that secrets are, they are elsewhere here.
                let ledger = format!("\"{}/", pod.volume("ledger").display());
                for (name, content) in objects.one("ConfigMap")["data"].as_object().unwrap() {
                    let content = content.as_str().unwrap().replace("\"/ledger/", &ledger);
                    fs::write(folder.join(name), content).unwrap();
                }
            }
            for source in volume["projected"]["sources"].as_array().into_iter().flatten() {
                let path = source["secret"]["items"][0]["path"].as_str().unwrap();
                fs::write(folder.join(path), SECRET).unwrap();
            }
            if let Some(path) = volume["secret"]["items"][0]["path"].as_str() {
                fs::write(folder.join(path), SECRET).unwrap();
            } else if !volume["secret"]["secretName"].is_null() {
                let signed = rcgen::generate_simple_self_signed(["gateway.example.com".to_owned()]).unwrap();
                fs::write(folder.join("tls.crt"), signed.cert.pem()).unwrap();
                fs::write(folder.join("tls.key"), signed.signing_key.serialize_pem()).unwrap();
            }
        }
        pod
    }

    pub fn volume(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in a container as it is here. A volume is mounted at one path in all of them.
    fn here(&self, text: &str) -> String {
        let containers = ["initContainers", "containers"].map(|kind| self.spec[kind].as_array());
        let containers = containers.into_iter().flatten().flatten();
        let mut mounts = containers.flat_map(|container| container["volumeMounts"].as_array().unwrap());
        let mounted = mounts.find_map(|mount| {
            let rest = text.strip_prefix(mount["mountPath"].as_str().unwrap())?;
            let folder = self.volume(mount["name"].as_str().unwrap());
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", folder.display()))
        });
        let program = match text {
            "/gatewaystack.wasm" => Some("GATEWAYSTACK_WASM"),
            "/gatewaystack" => Some("GATEWAYSTACK_BIN"),
            "envoy" => Some("ENVOY_BIN"),
            _ => None,
        };
        mounted
            .or(program.map(|name| from_environment(name).display().to_string()))
            .unwrap_or_else(|| text.to_owned())
    }

    pub fn container(&self, kind: &str, name: &str) -> &Value {
        let all = self.spec[kind].as_array().unwrap();
        all.iter()
            .find(|container| container["name"] == name)
            .unwrap_or_else(|| panic!("no container {name}"))
    }

    pub fn command(&self, container: &Value, more: &[&str]) -> Command {
        let words: Vec<&str> =
            container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        self.exec(container, &[&words, more].concat())
    }

    /// As `kubectl exec`: other words with a container's variables and volumes.
    pub fn exec(&self, container: &Value, words: &[&str]) -> Command {
        let words: Vec<String> =
            words.iter().map(|word| self.here(&word.replace("$(POD)", &self.name))).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        for variable in container["env"].as_array().into_iter().flatten() {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => self.name.clone(),
                Some(other) => panic!("{other}"),
                None => self.here(variable["value"].as_str().unwrap()),
            };
            command.env(variable["name"].as_str().unwrap(), value);
        }
        command
    }

    /// Runs the containers that come before the others, in their order.
    pub fn prepare(&self) {
        for container in self.spec["initContainers"].as_array().into_iter().flatten() {
            let output = self.command(container, &[]).output().unwrap();
            assert!(output.status.success(), "{container:#}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn envoy_accepts_the_bootstrap_that_the_pod_renders() {
    for case in ["gateway", "gateway-full", "gateway-ledger", "gateway-postgres"] {
        let pod = Pod::of(&Objects::of(case));
        pod.prepare();
        let envoy = pod.container("containers", "envoy");
        let output = pod.command(envoy, &["--mode", "validate"]).output().unwrap();
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Processes that end with this value.
pub struct Running(pub Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub async fn get(address: &str, path: &str, headers: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
    client::raw(address, request.as_bytes()).await
}

/// The path and the port of a container's probe.
pub fn probe(container: &Value, kind: &str) -> String {
    container[kind]["httpGet"]["path"].as_str().unwrap().to_owned()
}

pub fn values(
    folder: &Path,
    issuer: &TestIssuer,
    upstream: &Upstream,
    ports: &[u16; 4],
    more: &Value,
) -> String {
    let [port, admin, sidecar, operator] = ports;
    let mut policy = json!({
        "public_url": "https://gateway.example.com",
        "listen": { "port": port, "admin_port": admin },
        "sidecar": { "port": sidecar },
        "issuers": [{ "issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url) }],
        "upstreams": { "default": upstream.url },
        "routes": [{ "path": "/v1/tools/*", "scopes": ["tool:read"] }],
    });
    policy.as_object_mut().unwrap().extend(more["policy"].as_object().cloned().unwrap_or_default());
    let mut values = json!({
        "mode": "gateway", "policy": policy,
        "gateway": { "bind": "127.0.0.1", "operatorPort": operator, "concurrency": 1, "replicas": 1 },
    });
    values["ledger"] = more["ledger"].clone();
    // Some lack an option.
    let (major, minor, patch) = gateway::envoy_version();
    values["images"]["envoy"]["tag"] = json!(format!("v{major}.{minor}.{patch}"));
    let file = folder.join("values.json");
    fs::write(&file, values.to_string()).unwrap();
    file.display().to_string()
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn the_pod_of_an_own_gateway_serves_and_shows_the_operator_what_it_needs_and_no_more() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let numbers: [u16; 4] = free_ports();
    let [gateway, operator] = [numbers[0], numbers[3]].map(|port| format!("127.0.0.1:{port}"));
    let folder = tempfile::tempdir().unwrap();
    let values = values(folder.path(), &issuer, &upstream, &numbers, &json!({ "ledger": {} }));
    let pod = Pod::of(&Objects(yaml(&text(&values, &[]))));
    pod.prepare();
    let (records, log) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let [envoy, sidecar] = ["envoy", "sidecar"].map(|name| pod.container("containers", name));
    let mut running = Running(Vec::new());
    let mut command = pod.command(envoy, &["--use-dynamic-base-id"]);
    command.stdout(File::create(&records).unwrap()).stderr(File::create(&log).unwrap());
    running.0.push(command.spawn().unwrap());
    running.0.push(pod.command(sidecar, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

    for (container, kind) in [(envoy, "startupProbe"), (envoy, "readinessProbe"), (sidecar, "readinessProbe")]
    {
        let path = probe(container, kind);
        let told = || format!("{path}: {}", fs::read_to_string(&log).unwrap_or_default());
        eventually(&told(), || async {
            tokio::net::TcpStream::connect(&operator).await.ok()?;
            (get(&operator, &path, "").await.status == 200).then_some(())
        })
        .await;
    }
    assert_eq!(get(&gateway, "/v1/tools/x", "").await.status, 401);
    let authorization = format!("authorization: Bearer {}\r\n", token().mint(&issuer));
    let allowed = get(&gateway, "/v1/tools/x", &authorization).await;
    assert_eq!((allowed.status, upstream.seen().len()), (200, 1), "{allowed:?}");
    assert_eq!(get(&gateway, "/health", "").await.status, 200);

    let statistics = get(&operator, "/stats/prometheus", "").await.body;
    assert!(statistics.contains("gatewaystack_decisions_total{"), "{statistics}");
    assert_eq!(get(&operator, "/sidecar/metrics", "").await.status, 200);
    for path in
        ["/", "/config_dump", "/quitquitquit", "/stats", "/sidecar/health", "/ready/..", "/v1/tools/x"]
    {
        assert_eq!(get(&operator, path, &authorization).await.status, 404, "{path}");
    }
    let post = client::post_json(&operator, "/ready", &[], "{}").await;
    assert_eq!(post.status, 404, "the admin interface takes commands as POST");

    let decisions = eventually("decision records on standard output", || async {
        let text = fs::read_to_string(&records).unwrap();
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (records.len() >= 3)
            .then(|| records.into_iter().map(|record| record["decision"].clone()).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(decisions, ["deny", "allow", "allow"]);
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn a_policy_that_changes_rolls_out() {
    let checksum = |more: &[&str]| {
        let objects = Objects(yaml(&text(&file("gateway"), more)));
        objects.one("Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/policy"].clone()
    };
    assert_eq!(checksum(&[]), checksum(&["--set", "gateway.replicas=5"]));
    assert_ne!(checksum(&[]), checksum(&["--set", "policy.realm=other"]));
}
