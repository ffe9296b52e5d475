//! A mesh's proxy: what Istio and Envoy Gateway make of the chart's objects, in a bootstrap for the real
//! Envoy. What they leave to Envoy stays as the chart has it; only the filter's code, which their agents
//! fetch, is a file here, and the issuer's cluster leads to the tests' issuer.

mod bootstrap;
mod ledger;

use super::chart::{Objects, cases, policies};
use bootstrap::{AUDIENCE, BASE, Filter, ISSUER, bootstrap, configuration, filter_of, namespace};
use gatewaystack_tests::gateway::{from_environment, spawn_where};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::process::{Child, Command};
use tempfile::TempDir;

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_policy_is_handed_on_as_it_is_with_the_clusters_that_the_chart_makes() {
    for case in cases().iter().filter(|case| !case.starts_with("gateway")) {
        let objects = Objects::of(case);
        for (name, policy) in policies(case) {
            is_handed_on(case, &objects, &name, &policy);
        }
    }
}

/// Its configuration is this policy, except for the names of clusters; these lead to what the proxies of its
/// namespace see.
fn is_handed_on(case: &str, objects: &Objects, name: &str, policy: &Value) {
    let mut got = configuration(&filter_of(objects, name));
    for (at, issuer) in policy["issuers"].as_array().unwrap().iter().enumerate() {
        if issuer.get("jwks_cluster").is_some() {
            continue; // it has to come out as it went in
        }
        let cluster = got["issuers"][at].as_object_mut().unwrap().remove("jwks_cluster").unwrap();
        let cluster = cluster.as_str().unwrap().to_owned();
        if let [direction, port, "", host] = cluster.split('|').collect::<Vec<_>>()[..] {
            let plugin = ["WasmPlugin", "EnvoyFilter"].iter().find_map(|kind| objects.find(kind, name));
            let here = namespace(plugin.unwrap());
            let is_it = |entry: &&Value| {
                namespace(entry) == here
                    && entry["spec"]["hosts"] == json!([host])
                    && entry["spec"]["ports"][0]["number"] == json!(port.parse::<u16>().unwrap())
            };
            let in_the_cluster = host.ends_with(".svc.cluster.local");
            assert_eq!(direction, "outbound", "{case}");
            assert_eq!(objects.all("ServiceEntry").any(|e| is_it(&e)), !in_the_cluster, "{case}: {cluster}");
        } else {
            assert!(case.starts_with("envoy-gateway"), "{case}: {cluster}");
        }
    }
    if policy["ledger"]["on"] == true && policy.get("sidecar").is_none() {
        let sidecar = got.as_object_mut().unwrap().remove("sidecar").unwrap();
        assert!(sidecar["cluster"].as_str().unwrap().contains("gatewaystack-ledger"), "{case}: {sidecar}");
    }
    if policy["ledger"]["store"] == "postgres" {
        let url = got["ledger"].as_object_mut().unwrap().remove("url_file").unwrap();
        assert_eq!(url, "/ledger/url", "{case}: a place, and no secret");
    }
    assert_eq!(got, *policy, "{case} {name}");
}

/// A proxy that runs; it ends with this value.
struct Proxy {
    envoy: Child,
    folder: TempDir,
    address: String,
    admin: String,
    issuer: TestIssuer,
    upstream: Upstream,
}

impl Proxy {
    async fn of(case: &str) -> Self {
        Self::of_target(case, BASE).await
    }

    async fn of_target(case: &str, name: &str) -> Self {
        Self::with(filter_of(&Objects::of(case), name), case, &[]).await
    }

    async fn with(filter: Filter, case: &str, variables: &[(&str, &str)]) -> Self {
        let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
        // Its name in the policy; the cluster leads to the tests' issuer.
        issuer.set_configuration(json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}jwks") }));
        let [port, admin] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let to = (issuer.url.as_str(), upstream.url.as_str());
        let bootstrap = bootstrap(filter, (port, admin), to, folder.path());
        // JSON is YAML.
        let envoy = spawn_where(&folder, &bootstrap.to_string(), variables);
        let [address, admin] = [port, admin].map(|port| format!("127.0.0.1:{port}"));
        let ready = admin.clone();
        let mut proxy = Self { envoy, folder, address, admin, issuer, upstream };
        eventually("the proxy", || {
            assert_eq!(proxy.envoy.try_wait().unwrap(), None, "{case}: {}", proxy.log());
            async {
                tokio::net::TcpStream::connect(&ready).await.ok()?;
                let answer =
                    client::raw(&ready, b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
                (answer.status == 200).then_some(())
            }
        })
        .await;
        proxy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    /// The decisions of the first so many requests, as the access log has them.
    async fn decisions(&self, count: usize) -> Vec<String> {
        eventually("decision records", || async {
            let text =
                std::fs::read_to_string(self.folder.path().join("decisions.jsonl")).unwrap_or_default();
            let records: Vec<Value> =
                text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
            let of = |record: &Value| record["decision"].as_str().unwrap().to_owned();
            (records.len() >= count).then(|| records.iter().take(count).map(of).collect())
        })
        .await
    }

    /// How many requests Envoy has begun to send to the upstream.
    async fn sent(&self) -> u64 {
        let request = b"GET /stats?filter=cluster.upstream.upstream_rq_total HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let stats = client::raw(&self.admin, request).await.body;
        stats.trim().rsplit_once(": ").unwrap().1.parse().unwrap()
    }

    fn token(&self, scope: &str) -> String {
        token().claim("aud", AUDIENCE).scope(scope).mint_as(ISSUER, &self.issuer.first_key())
    }

    /// Whether Envoy shows Prometheus a statistic of this name, without any label of ours, at this value.
    async fn shows(&self, name: &str, value: u64) {
        eventually(name, || async {
            let request = b"GET /stats/prometheus HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            let all = client::raw(&self.admin, request).await.body;
            all.lines().any(|line| line == format!("{name}{{}} {value}")).then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str, headers: &str) -> Response {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: gateway.example.com\r\nconnection: close\r\n{headers}\r\n");
        client::raw(&self.address, request.as_bytes()).await
    }

    async fn call(&self, tool: &str, scope: &str) -> Response {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } });
        let authorization = format!("Bearer {}", self.token(scope));
        let headers =
            [("authorization", authorization.as_str()), ("accept", "application/json, text/event-stream")];
        client::post_json(&self.address, "/mcp", &headers, &call.to_string()).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.envoy.kill();
        let _ = self.envoy.wait();
    }
}

async fn guards(case: &str) -> Proxy {
    let proxy = Proxy::of(case).await;
    let refused = proxy.get("/v1/tools/x", "").await;
    assert_eq!(refused.status, 401, "{case}: {refused:?}\n{}", proxy.log());
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("https://gateway.example.com/.well-known/oauth-protected-resource"),
        "{challenge}"
    );
    let document = proxy.get("/.well-known/oauth-protected-resource", "").await;
    assert_eq!(document.json()["authorization_servers"][0], ISSUER, "the filter serves it: {document:?}");
    assert_eq!(proxy.upstream.seen(), [Value::Null; 0], "{case}");
    // By keys that were fetched through the cluster that the chart names.
    let authorization = format!("authorization: Bearer {}\r\n", proxy.token("tool:read"));
    let allowed = proxy.get("/v1/tools/x", &authorization).await;
    assert_eq!(allowed.status, 200, "{case}: {allowed:?}\n{}", proxy.log());
    assert_eq!(allowed.json()["headers"]["x-user-id"], json!(["ann"]), "{case}");
    assert_eq!(proxy.get("/elsewhere", &authorization).await.status, 403, "{case}");
    assert_eq!(proxy.decisions(4).await, ["deny", "allow", "allow", "deny"], "{case}");
    proxy
}

/// Here the upstream sees the headers of what is refused by its body, and no more.
async fn lets_headers_go(case: &str) {
    let proxy = guards(case).await;
    let (sent, seen) = (proxy.sent().await, proxy.upstream.seen().len());
    let refused = proxy.call("list_notes", "other").await;
    assert_eq!(refused.status, 403, "{case}: {refused:?}");
    assert_eq!((proxy.sent().await, proxy.upstream.seen().len()), (sent + 1, seen), "{case}");
    // As docs/kubernetes.md takes them apart.
    proxy.shows("gatewaystack_tool_refusals_total_d_deny_r_insufficient_scope_n_list_notes_t__mcp", 1).await;
    proxy.shows("gatewaystack_decisions_total_d_deny_r_no_token_t__v1_tools__", 1).await;
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_wasm_plugins_configuration_is_loaded_as_it_is() {
    lets_headers_go("istio-gateway").await;
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn an_extension_policys_configuration_is_loaded_as_it_is() {
    lets_headers_go("envoy-gateway").await;
}

/// What is refused by its body hasn't been sent to the upstream at all.
async fn holds_headers(case: &str) {
    let proxy = guards(case).await;
    let before = proxy.sent().await;
    let refused = proxy.call("list_notes", "other").await;
    assert_eq!(refused.status, 403, "{case}: {refused:?}");
    assert_eq!(proxy.sent().await, before, "{case}");
    let allowed = proxy.call("list_notes", "tool:read").await;
    assert_eq!(allowed.status, 200, "{case}: {allowed:?}");
    assert_eq!(proxy.sent().await, before + 1, "{case}");
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn an_envoy_filter_holds_headers() {
    holds_headers("istio-hold-headers").await;
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_patch_policy_holds_headers() {
    holds_headers("envoy-gateway-hold-headers").await;
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn envoy_accepts_what_the_other_meshes_get() {
    let started = ["istio-gateway", "istio-hold-headers", "envoy-gateway", "envoy-gateway-hold-headers"];
    for case in
        cases().iter().filter(|case| !case.starts_with("gateway") && !started.contains(&case.as_str()))
    {
        let objects = Objects::of(case);
        for (name, _) in policies(case) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("envoy.json");
            let to = ("http://127.0.0.1:3", "http://127.0.0.1:4");
            let bootstrap = bootstrap(filter_of(&objects, &name), (1, 2), to, folder.path());
            std::fs::write(&file, bootstrap.to_string()).unwrap();
            let mut envoy = Command::new(from_environment("ENVOY_BIN"));
            let output = envoy.args(["--mode", "validate", "-l", "error", "-c"]).arg(&file).output().unwrap();
            assert!(output.status.success(), "{case} {name}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn an_override_enforces_where_the_base_only_watches() {
    for case in ["istio-overrides", "envoy-gateway-overrides"] {
        let (base, over) = tokio::join!(Proxy::of(case), Proxy::of_target(case, "gatewaystack-billing"));
        for (proxy, nobody, elsewhere, decision) in [(base, 200, 200, "allow"), (over, 401, 403, "deny")] {
            // The enforced one waits for its keys; the other doesn't need them to let everything pass.
            let authorization = format!("authorization: Bearer {}\r\n", proxy.token("tool:read"));
            assert_eq!(proxy.get("/v1/tools/x", &authorization).await.status, 200, "{case}");
            assert_eq!(proxy.get("/v1/tools/x", "").await.status, nobody, "{case}");
            assert_eq!(proxy.get("/elsewhere", &authorization).await.status, elsewhere, "{case}");
            assert_eq!(proxy.decisions(3).await, ["allow", decision, decision], "{case}");
        }
    }
}
