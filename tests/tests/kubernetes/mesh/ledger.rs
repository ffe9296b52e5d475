//! The sidecar of a mesh, from its StatefulSet, and proxies that ask it through the cluster that the chart
//! names.

use super::bootstrap::{BASE, filter_of};
use super::{Objects, Proxy, Value, json};
use crate::pod::{Pod, Running, SECRET, get, probe};
use gatewaystack_tests::eventually;
use gatewaystack_tests::postgres::Postgres;
use gatewaystack_tests::root::Root;
use gatewaystack_tests::sidecar::LedgerProcess;
use std::process::Stdio;

async fn refuses_whom_the_sidecar_blocks(case: &str) {
    let objects = Objects::of(case);
    let pod = Pod::of(&objects);
    refuses(case, &objects, &pod).await;
}

async fn refuses(case: &str, objects: &Objects, pod: &Pod) {
    let sidecar = pod.container("containers", "sidecar");
    // It listens where the policy says, which is one port for all tests: here it gets one of its own.
    let port = gatewaystack_tests::free_port();
    let mut command = pod.command(sidecar, &[]);
    command.env("SIDECAR_PORT", port.to_string()).env("SIDECAR_HOST", "127.0.0.1");
    let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let _running = Running(vec![child]);
    let address = format!("127.0.0.1:{port}");
    let path = sidecar["readinessProbe"]["httpGet"]["path"].as_str().unwrap();
    eventually("the sidecar", || async {
        tokio::net::TcpStream::connect(&address).await.ok()?;
        (get(&address, path, "").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(get(&address, "/internal/feed", "").await.status, 403, "it is asked for the secret");

    let mut filter = filter_of(objects, BASE);
    let (_, to) = filter.ledger.as_mut().expect("the chart names the cluster");
    *to = format!("http://{address}");
    let proxy = Proxy::with(filter, case, &[("GATEWAYSTACK_SIDECAR_SECRET", SECRET)]).await;
    let authorization = format!("authorization: Bearer {}\r\n", proxy.token("tool:read"));
    eventually("keys", || async {
        (proxy.get("/v1/tools/x", &authorization).await.status == 200).then_some(())
    })
    .await;
    let words = ["/gatewaystack", "block", "--policy", "/config/policy.json", "user", "ann"];
    let blocked = pod.exec(sidecar, &words).output().unwrap();
    assert!(blocked.status.success(), "{}", String::from_utf8_lossy(&blocked.stderr));
    let refused = eventually("a refusal", || async {
        let answer = proxy.get("/v1/tools/x", &authorization).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!((refused.status, &refused.json()["error"]), (403, &json!("blocked")), "{case}");

    // What the proxies did is in the sidecar's ledger, once.
    assert_eq!(proxy.get("/v1/tools/last", &authorization).await.status, 403);
    let words = ["/gatewaystack", "records", "--policy", "/config/policy.json", "--json"];
    let records: Vec<Value> = eventually("the last record", || async {
        let said = pod.exec(sidecar, &words).output().unwrap();
        let records: Vec<Value> = serde_json::from_slice(&said.stdout).ok()?;
        records.iter().any(|record| record["path"] == "/v1/tools/last").then_some(records)
    })
    .await;
    let numbers: std::collections::BTreeSet<_> =
        records.iter().map(|record| record["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=records.len() as u64).map(Some).collect(), "{case}");
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn proxies_of_istio_refuse_whom_their_sidecar_blocks() {
    refuses_whom_the_sidecar_blocks("istio-ledger").await;
}

#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn proxies_of_envoy_gateway_refuse_whom_their_sidecar_blocks() {
    refuses_whom_the_sidecar_blocks("envoy-gateway-ledger").await;
}

/// The proxies' records reach one ledger, over a `kill -9` of it; a new proxy, as in a rollout, is another VM
/// and begins at 1.
#[tokio::test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
async fn a_mesh_has_one_ledger_that_takes_each_record_once() {
    let case = "istio-ledger";
    let objects = Objects::of(case);
    let port = gatewaystack_tests::free_port();
    let (address, data) = (format!("127.0.0.1:{port}"), tempfile::tempdir().unwrap());
    let serve =
        async || LedgerProcess::start(&crate::chart::policy(case), SECRET, &address, data.path()).await;
    let proxy = async || {
        let mut filter = filter_of(&objects, BASE);
        filter.ledger.as_mut().expect("the chart names the cluster").1 = format!("http://{address}");
        Proxy::with(filter, case, &[("GATEWAYSTACK_SIDECAR_SECRET", SECRET)]).await
    };
    let mut sidecar = serve().await;
    let first = proxy().await;
    let mut asked = 0;
    for round in 0..3 {
        for is_away in [false, true] {
            if is_away {
                sidecar.kill();
            }
            for at in 0..40 {
                // Nobody has signed in: what is refused is recorded, too.
                let answer = first.get(&format!("/v1/tools/{round}/{is_away}/{at}"), "").await;
                assert_eq!(answer.status, 401, "{}", first.log());
            }
            asked += 40;
        }
        sidecar = serve().await;
    }
    let all = eventually("all records", || async {
        let all: Vec<Value> = serde_json::from_str(&sidecar.run(&["records", "--json"])).unwrap();
        (all.len() >= asked).then_some(all)
    })
    .await;
    let paths: std::collections::BTreeSet<&str> = all.iter().map(|r| r["path"].as_str().unwrap()).collect();
    let numbers: std::collections::BTreeSet<_> = all.iter().map(|record| record["seq"].as_u64()).collect();
    assert_eq!((all.len(), paths.len(), numbers), (asked, asked, (1..=asked as u64).map(Some).collect()));
    let next = proxy().await;
    assert_eq!(next.get("/v1/tools/next", "").await.status, 401);
    let found = eventually("its record", || async {
        let said = sidecar.run(&["records", "--json", "--where", r#"{path: {is: /v1/tools/next}}"#]);
        serde_json::from_str::<Vec<Value>>(&said).unwrap().pop()
    })
    .await;
    assert_eq!(found["seq"], 1);
    assert_ne!(found["vm"], all[0]["vm"]);
}

/// A database that is known by the certificate authority that the chart mounts.
struct Database {
    root: Root,
    server: Postgres,
}

impl Database {
    fn start() -> Self {
        let root = Root::new();
        let (certificate, key) = root.vouch("localhost");
        let server = Postgres::with_tls(&certificate, &key);
        Self { root, server }
    }

    /// A pod that reaches it; what it keeps is its own.
    fn pod(&self, objects: &Objects) -> Pod {
        let pod = Pod::of(objects);
        let url = self.server.url_at("localhost") + "?sslmode=require";
        std::fs::write(pod.volume("ledger").join("url"), url).unwrap();
        std::fs::copy(self.root.pem(), pod.volume("ca").join("ca.crt")).unwrap();
        pod
    }
}

#[tokio::test]
#[ignore = "Helm, schemas and PostgreSQL: cargo xtask test --all fetches them"]
async fn proxies_of_istio_refuse_whom_a_sidecar_blocks_in_postgresql() {
    let (case, database) = ("istio-postgres", Database::start());
    let objects = Objects::of(case);
    refuses(case, &objects, &database.pod(&objects)).await;
}

/// A sidecar of the Deployment, where a proxy asks it.
struct Sidecar {
    pod: Pod,
    address: String,
    process: Running,
}

impl Sidecar {
    async fn start(pod: Pod, address: &str) -> Self {
        let sidecar = pod.container("containers", "sidecar");
        let (_, port) = address.split_once(':').unwrap();
        let mut command = pod.command(sidecar, &[]);
        command.env("SIDECAR_PORT", port).env("SIDECAR_HOST", "127.0.0.1");
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let process = Running(vec![child]);
        let path = probe(sidecar, "readinessProbe");
        eventually("the sidecar", || async {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (get(address, &path, "").await.status == 200).then_some(())
        })
        .await;
        Self { pod, address: address.to_owned(), process }
    }

    fn run(&self, words: &[&str]) -> std::process::Output {
        let sidecar = self.pod.container("containers", "sidecar");
        let words = [&["/gatewaystack"], words, &["--policy", "/config/policy.json"]].concat();
        let output = self.pod.exec(sidecar, &words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    async fn proxy(&self, case: &str, objects: &Objects) -> Proxy {
        let mut filter = filter_of(objects, BASE);
        filter.ledger.as_mut().expect("the chart names the cluster").1 = format!("http://{}", self.address);
        Proxy::with(filter, case, &[("GATEWAYSTACK_SIDECAR_SECRET", SECRET)]).await
    }
}

/// Each proxy posts to a sidecar of its own here, as a Service may have it; one of these is replaced
/// meanwhile, with all that it had.
#[tokio::test]
#[ignore = "Helm, schemas and PostgreSQL: cargo xtask test --all fetches them"]
async fn several_sidecars_of_a_mesh_have_each_record_once_and_keep_nothing() {
    let (case, database) = ("istio-postgres", Database::start());
    let objects = Objects::of(case);
    let addresses = gatewaystack_tests::free_ports::<2>().map(|port| format!("127.0.0.1:{port}"));
    let mut first = Sidecar::start(database.pod(&objects), &addresses[0]).await;
    let second = Sidecar::start(database.pod(&objects), &addresses[1]).await;
    let proxies = [first.proxy(case, &objects).await, second.proxy(case, &objects).await];
    let mut asked = 0;
    for round in 0..3 {
        for (at, proxy) in proxies.iter().enumerate() {
            for number in 0..40 {
                let answer = proxy.get(&format!("/v1/tools/{round}/{at}/{number}"), "").await;
                assert_eq!(answer.status, 401, "{}", proxy.log());
                asked += 1;
            }
        }
        // Without a word, and another pod in its place.
        drop(first.process);
        first = Sidecar::start(database.pod(&objects), &addresses[0]).await;
    }
    let authorization = format!("authorization: Bearer {}\r\n", proxies[0].token("tool:read"));
    eventually("keys", || async {
        let status = proxies[0].get("/v1/tools/ann", &authorization).await.status;
        (status == 200).then_some(())
    })
    .await;
    for sidecar in [&first, &second] {
        let all = eventually("all records", || async {
            let all: Vec<Value> =
                serde_json::from_slice(&sidecar.run(&["records", "--json"]).stdout).unwrap();
            (all.len() > asked && all.iter().any(|record| record["sub"] == "ann")).then_some(all)
        })
        .await;
        let refused = all.iter().filter(|record| record["status"] == 401);
        let paths: Vec<&str> = refused.map(|record| record["path"].as_str().unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = paths.iter().collect();
        assert_eq!((paths.len(), distinct.len()), (asked, asked));
    }
    // Who is gone had no file of records: nobody waits for it, and nobody is told that it may have the name.
    let erased = second.run(&["audit", "erase", "--subject", "ann"]);
    assert!(!String::from_utf8_lossy(&erased.stderr).contains("wasn't there"), "{erased:?}");
}
