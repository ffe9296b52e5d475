//! Two gateways, each with its own sidecar, over one ledger in a real PostgreSQL (contract §13): what each
//! decided is in it once, whoever is killed, the database too; and what is blocked at one is blocked at both.

use gatewaystack::audit::hash::is_consistent;
use gatewaystack::audit::note::{Checkpoint, Verifier};
use gatewaystack::audit::store::Store;
use gatewaystack::audit::tile;
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::postgres::Postgres;
use gatewaystack_tests::root::Root;
use gatewaystack_tests::site::{Site, clients, keeps_asking, kill};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn policy(issuer: &TestIssuer, upstream: &str, secrets: &Path) -> Value {
    json!({
        "version": 1,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}],
        "upstreams": {"default": upstream},
        "routes": [{"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [],
        "ledger": {"on": true, "store": "postgres", "url_file": secrets.join("url")},
        "audit": {"log": true, "checkpoint": "200ms", "key_file": secrets.join("audit.key")},
    })
}

async fn ask(site: &Site, token: &str) -> u16 {
    let request = format!(
        "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    client::raw(&format!("127.0.0.1:{}", site.port), request.as_bytes()).await.status
}

async fn operators(site: &Site, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client::raw(&format!("127.0.0.1:{}", site.sidecar_port), request.as_bytes()).await
}

fn numbers(records: &[Value]) -> BTreeSet<(String, u64)> {
    records.iter().filter_map(|r| Some((r["vm"].as_str()?.to_owned(), r["seq"].as_u64()?))).collect()
}

/// The size of the newest checkpoint, as this sidecar serves it.
async fn size(site: &Site) -> u64 {
    let served = operators(site, "/audit/checkpoint").await;
    if served.status != 200 {
        return 0;
    }
    served.body.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)
}

/// How often the sidecars are killed; `GATEWAYSTACK_KILLS` says another number.
fn kills() -> usize {
    std::env::var("GATEWAYSTACK_KILLS").map_or(10, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: cargo xtask test --all"]
async fn what_two_gateways_did_is_once_in_one_ledger_whoever_is_killed() {
    let (issuer, server) = (TestIssuer::start().await, Postgres::start());
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let secrets = tempfile::tempdir().unwrap();
    std::fs::write(secrets.path().join("url"), server.url()).unwrap();
    let policy = policy(&issuer, &echo.url, secrets.path());
    let mut sites = [Site::start(&policy).await, Site::start(&policy).await];
    let ann = token().claim("sub", "ann").mint(&issuer);
    for site in &sites {
        eventually("a ready sidecar", || async {
            (operators(site, "/ready").await.status == 200).then_some(())
        })
        .await;
    }

    // What is blocked at one is blocked at both.
    let mallory = token().claim("sub", "mallory").mint(&issuer);
    assert_eq!([ask(&sites[0], &mallory).await, ask(&sites[1], &mallory).await], [200, 200]);
    sites[0].run(&["block", "user", "mallory"]);
    let began = Instant::now();
    let [first, second] = [&sites[0], &sites[1]]
        .map(|site| eventually("a refusal", || async { (ask(site, &mallory).await == 403).then_some(()) }));
    tokio::join!(first, second);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(sites[1].run(&["blocks", "--json"]).matches("mallory").count(), 1);

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..clients())
        .map(|at| {
            let (stop, token) = (stop.clone(), ann.clone());
            let address = format!("127.0.0.1:{}", sites[at % 2].port);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    keeps_asking(&address, &token, &stop).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    let mut checkpoints = Vec::new();
    for round in 0..kills() {
        tokio::time::sleep(Duration::from_millis(300 + (round as u64 * 97) % 400)).await;
        let site = &mut sites[round % 2];
        if round % 3 == 2 {
            server.kill();
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.again();
        }
        kill(&mut site.sidecar);
        let other = &sites[(round + 1) % 2];
        let served = operators(other, "/audit/checkpoint").await;
        checkpoints.extend((served.status == 200).then_some(served.body));
        // Who writes the audit log is gone for some time, once in a while: the other goes on with it.
        if round % 4 < 2 {
            let before =
                eventually("a checkpoint", || async { Some(size(other).await).filter(|size| *size > 0) })
                    .await;
            eventually("the other one goes on", || async { (size(other).await > before).then_some(()) })
                .await;
        }
        sites[round % 2].start_sidecar().await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    for site in &mut sites {
        kill(&mut site.envoy);
        gatewaystack::ledger::end_torn_line(&site.data().join("decisions.jsonl")).unwrap();
    }
    let lines: Vec<Value> = sites.iter().flat_map(Site::lines).collect();
    eventually("both files in the ledger", || async {
        let [first, second] = [&sites[0], &sites[1]];
        let metrics = [operators(first, "/metrics").await.body, operators(second, "/metrics").await.body];
        let done = metrics.iter().all(|metrics| metrics.contains("gatewaystack_ledger_lag_seconds 0.000"));
        let total = format!("gatewaystack_ledger_records_total {}\n", lines.len());
        (done && metrics.iter().any(|metrics| metrics.contains(&total))).then_some(())
    })
    .await;
    let in_ledger: Vec<Value> = serde_json::from_str(&sites[0].run(&["records", "--json"])).unwrap();
    assert_eq!((in_ledger.len(), numbers(&in_ledger)), (lines.len(), numbers(&lines)), "each line once");
    assert_eq!(numbers(&lines).len(), lines.len());

    let key = Verifier::read(sites[1].run(&["audit", "key"]).trim()).unwrap();
    eventually("a leaf for each", || async {
        let found: Value = serde_json::from_str(&sites[0].run(&["audit", "verify", "--json"])).unwrap();
        (found["size"].as_u64()? >= lines.len() as u64).then_some(())
    })
    .await;
    let copy = tempfile::tempdir().unwrap();
    sites[1].run(&["audit", "export", copy.path().join("log").to_str().unwrap()]);
    let mut store = Store::folder(&copy.path().join("log/audit"));
    let (_, newest) = store.checked(&key, &[]).unwrap();
    let leaves: Vec<Value> = (0..newest.size)
        .map(|at| serde_json::from_slice(&store.leaf(at, newest.size).unwrap()).unwrap())
        .filter(|leaf: &Value| leaf["kind"] == "record")
        .collect();
    assert_eq!((leaves.len(), numbers(&leaves)), (lines.len(), numbers(&lines)), "each line is one leaf");
    assert!(checkpoints.len() > 2);
    for note in &checkpoints {
        let old = Checkpoint::read(note, &key, &[]).unwrap();
        let proof = tile::consistency(&mut store, old.size, newest.size).unwrap();
        assert!(is_consistent(old.size, &old.root, newest.size, &newest.root, &proof), "{} leaves", old.size);
    }
    println!("{} records, {} leaves, {} kills of a sidecar", lines.len(), newest.size, kills());

    // A person who is erased is in no row, and in no file of either.
    sites[0].run(&["audit", "erase", "--subject", "ann"]);
    let left: Value =
        serde_json::from_str(&sites[1].run(&["records", "--json", "--where", "{sub: {is: ann}}"])).unwrap();
    assert_eq!(left, json!([]));
    for site in &sites {
        let text = std::fs::read_to_string(site.data().join("decisions.jsonl")).unwrap();
        assert!(!text.contains("\"ann\""));
    }
    sites[0].run(&["audit", "verify"]);
}

/// PostgreSQL on another machine is who it says, or nobody; here that is what the URL asks for.
#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --all"]
async fn a_database_that_nobody_vouches_for_is_not_spoken_to() {
    let (root, other) = (Root::new(), Root::new());
    let (certificate, key) = root.vouch("localhost");
    let server = Postgres::with_tls(&certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let policy = json!({
        "version": 1,
        "issuers": [{"issuer": "https://idp.example.com/", "audiences": ["a"]}],
        "sidecar": {"data_dir": folder.path().join("data")},
        "ledger": {"on": true, "store": "postgres", "url_file": folder.path().join("url")},
    });
    std::fs::write(folder.path().join("gateway.yaml"), policy.to_string()).unwrap();
    let blocks = |url: &str, trusted: &str| {
        std::fs::write(folder.path().join("url"), url).unwrap();
        let mut command = std::process::Command::new(from_environment("GATEWAYSTACK_BIN"));
        command.arg("blocks").arg("--policy").arg(folder.path().join("gateway.yaml"));
        command.env_clear().env("SSL_CERT_FILE", trusted).output().unwrap()
    };
    let required = server.url_at("localhost") + "?sslmode=require";
    let good = blocks(&required, &root.pem());
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    // Another name than the certificate's; another root.
    let elsewhere = server.url_at("127.0.0.1") + "?sslmode=require";
    for (url, trusted) in [(&elsewhere, root.pem()), (&required, other.pem())] {
        let refused = blocks(url, &trusted);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains("certificate"), "{url}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    // A server without TLS isn't spoken to in the clear.
    let plain = Postgres::start();
    let refused = blocks(&(plain.url_at("localhost") + "?sslmode=require"), &root.pem());
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
}
