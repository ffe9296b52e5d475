//! The audit log in the real gateway: what happened is in it once, a stranger checks it with another program,
//! and no end of any part breaks it (contract §13.5).

use gatewaystack::audit::hash::{hex, is_consistent};
use gatewaystack::audit::log::{Log, folder, key};
use gatewaystack::audit::note::Checkpoint;
use gatewaystack::audit::store::Store;
use gatewaystack::audit::tile;
use gatewaystack::audit::verify::{Also, verify};
use gatewaystack::ledger::Home;
use gatewaystack_tests::gateway::from_environment;
use gatewaystack_tests::site::{Site, kill};
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

fn policy(issuer: &TestIssuer, upstream: &str) -> Value {
    json!({
        "version": 1,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}],
        "upstreams": {"default": upstream},
        "routes": [{"path": "/open", "access": "public"}, {"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [],
        "ledger": {"on": true},
        "audit": {"log": true, "checkpoint": "200ms"},
    })
}

/// The other verifier.
fn stranger(log: &Path, key: &str, more: &[&str]) -> Output {
    let script = sources().join("python/verify_audit.py");
    Command::new(from_environment("GATEWAYSTACK_PYTHON"))
        .arg(script)
        .arg(log)
        .arg(key)
        .args(more)
        .output()
        .unwrap()
}

/// What both verifiers say of a log, and that it is the same; it may grow between the two.
async fn both(site: &Site) -> Value {
    let key = site.run(&["audit", "key"]);
    let ours = || serde_json::from_str(&site.run(&["audit", "verify", "--json"])).unwrap();
    eventually("a log that lies still", || async {
        let before: Value = ours();
        let theirs = stranger(&folder(&site.data()), key.trim(), &[]);
        if ours() != before {
            return None;
        }
        let said = String::from_utf8_lossy(&theirs.stderr);
        assert_eq!(serde_json::from_slice::<Value>(&theirs.stdout).unwrap_or(json!(said)), before);
        Some(before)
    })
    .await
}

fn leaves(data: &Path) -> Vec<Value> {
    let store = Store::folder(&folder(data));
    let (_, checkpoint) = store.checked(key(&Home::from(data)).unwrap().unwrap().verifier(), &[]).unwrap();
    (0..checkpoint.size)
        .map(|at| serde_json::from_slice(&store.leaf(at, checkpoint.size).unwrap()).unwrap())
        .collect()
}

fn of_kind<'a>(leaves: &'a [Value], kind: &str) -> Vec<&'a Value> {
    leaves.iter().filter(|leaf| leaf["kind"] == kind).collect()
}

async fn ask(port: u16, token: &str) -> u16 {
    let request = format!(
        "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    client::raw(&format!("127.0.0.1:{port}"), request.as_bytes()).await.status
}

async fn operators(site: &Site, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client::raw(&format!("127.0.0.1:{}", site.sidecar_port), request.as_bytes()).await
}

/// Once so many leaves of a kind are there.
async fn until(site: &Site, kind: &str, count: usize) -> Vec<Value> {
    eventually("leaves", || async {
        let there = folder(&site.data()).join("checkpoint").exists();
        let leaves = if there { leaves(&site.data()) } else { Vec::new() };
        (of_kind(&leaves, kind).len() >= count).then_some(leaves)
    })
    .await
}

#[tokio::test]
#[ignore = "needs Python packages: cargo xtask test --all"]
async fn what_the_gateway_did_is_proved_to_a_stranger() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let site = Site::start(&policy(&issuer, &echo.url)).await;
    let (ann, gone) =
        (token().claim("sub", "ann").mint(&issuer), token().claim("sub", "erase-me-7").mint(&issuer));
    // Envoy holds a connection that is to be closed for a second: so all at once.
    let asked: Vec<_> = (0..60)
        .map(|n| {
            let (port, token) = (site.port, if n % 2 == 0 { ann.clone() } else { gone.clone() });
            tokio::spawn(async move { ask(port, &token).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), 200);
    }
    site.run(&["block", "user", "mallory", "--why", "stolen laptop"]);
    site.run(&["unblock", "user", "mallory"]);
    let leaves = until(&site, "record", 60).await;
    let text = json!(leaves).to_string();
    assert!(
        !text.contains("ann")
            && !text.contains("erase-me")
            && !text.contains("mallory")
            && !text.contains("laptop")
    );
    for leaf in of_kind(&leaves, "record") {
        let members: BTreeSet<&str> = leaf.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            members,
            ["kind", "at", "source", "offset", "vm", "seq", "request_id", "commitment"].into()
        );
    }
    until(&site, "unblock", 1).await;
    let found = both(&site).await;
    assert_eq!(found["origin"], "gateway.example.com/audit");

    // Where operators are, and nowhere else.
    let served = operators(&site, "/audit/checkpoint").await;
    assert_eq!((served.status, served.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(operators(&site, "/audit/tile/0/000.p/999").await.status, 404);
    assert_eq!(operators(&site, "/audit/..%2faudit.key").await.status, 404);
    let request = b"GET /audit/checkpoint HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let outside = client::raw(&format!("127.0.0.1:{}", site.port), request).await.status;
    assert_ne!(outside, 200);
    let vkey = site.run(&["audit", "key"]);
    let url = format!("http://127.0.0.1:{}/audit", site.sidecar_port);
    let program = from_environment("GATEWAYSTACK_BIN");
    let verified = Command::new(&program)
        .args(["audit", "verify", &url, "--key", vkey.trim()])
        .env_clear()
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let metrics = operators(&site, "/metrics").await.body;
    assert!(
        metrics.contains("gatewaystack_audit_writable 1")
            && metrics
                .contains("gatewaystack_audit_checkpoint_info{origin=\"gateway.example.com/audit\",size=\"")
    );

    // One request, proved to somebody who has the key alone.
    let records: Value = serde_json::from_str(&site.run(&[
        "records",
        "--json",
        "--where",
        r#"{"sub": {"is": "ann"}}"#,
        "--limit",
        "1",
    ]))
    .unwrap();
    let id = records[0]["request_id"].as_str().unwrap();
    let proof = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(proof.path(), site.run(&["audit", "prove", id, "--open"])).unwrap();
    let checked = Command::new(&program)
        .args(["audit", "check-proof", "--json", "--key", vkey.trim()])
        .arg(proof.path())
        .env_clear()
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&shown["value"], &shown["leaf"]["request_id"]), (&records[0], &records[0]["request_id"]));
    let changed = std::fs::read_to_string(proof.path()).unwrap().replace("\"ann\"", "\"bob\"");
    std::fs::write(proof.path(), changed).unwrap();
    let checked = Command::new(&program)
        .args(["audit", "check-proof", "--key", vkey.trim()])
        .arg(proof.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));

    // A person who is erased is in no file, while the gateway runs; nor is who was looked for.
    site.run(&["records", "--json", "--where", r#"{"sub": {"is": "erase-me-7"}}"#]);
    let old = std::fs::read_to_string(folder(&site.data()).join("checkpoint")).unwrap();
    assert!(!files_with(&site.data(), b"erase-me-7").is_empty());
    site.run(&["audit", "erase", "--subject", "erase-me-7"]);
    assert_eq!(files_with(&site.data(), b"erase-me-7"), Vec::<PathBuf>::new());
    assert_eq!(site.output(&["audit", "erase", "--subject", "erase-me-7"]).status.code(), Some(1));
    let leaves = until(&site, "erasure", 1).await;
    assert_eq!(of_kind(&leaves, "erasure")[0]["records"], 30);
    assert_eq!(of_kind(&leaves, "look").len(), 3, "who has read records is known");
    assert_eq!(ask(site.port, &ann).await, 200);
    until(&site, "record", 61).await;
    both(&site).await;
    let before = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(before.path(), old).unwrap();
    site.run(&["audit", "verify", "--since", before.path().to_str().unwrap()]);
    assert_eq!(site.output(&["audit", "verify", "--key", "nonsense"]).status.code(), Some(2));
    assert_eq!(site.output(&["audit", "verify", "--since", "/nowhere"]).status.code(), Some(2));
}

/// What couldn't be proved doesn't happen, where the policy wants that; and nothing is missing afterwards.
#[tokio::test]
async fn a_route_that_needs_the_log_waits_until_it_can_be_written_again() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let mut policy = policy(&issuer, &echo.url);
    policy["routes"] = json!([{"path": "/v1/*", "audit": {"required": true}}, {"path": "/free"}]);
    let site = Site::start(&policy).await;
    let ann = token().mint(&issuer);
    let says = async |status: u16| {
        eventually("the other answer", || async { (ask(site.port, &ann).await == status).then_some(()) })
            .await;
    };
    says(200).await;
    // A file stands where the log's folder was.
    let (tile, away) = (folder(&site.data()).join("tile"), site.data().join("away"));
    std::fs::rename(&tile, &away).unwrap();
    std::fs::write(&tile, "").unwrap();
    says(503).await;
    let ready = operators(&site, "/ready").await;
    assert_eq!((ready.status, ready.body.contains("the audit log")), (503, true));
    assert!(operators(&site, "/metrics").await.body.contains("\ngatewaystack_audit_writable 0\n"));
    std::fs::remove_file(&tile).unwrap();
    std::fs::rename(&away, &tile).unwrap();
    says(200).await;
    let count =
        serde_json::from_str::<Value>(&site.run(&["records", "--json"])).unwrap().as_array().unwrap().len();
    let leaves = until(&site, "record", count).await;
    assert!(of_kind(&leaves, "record").len() >= count);
    site.run(&["audit", "verify"]);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

fn files_with(folder: &Path, text: &[u8]) -> Vec<PathBuf> {
    let has = |file: &PathBuf| {
        std::fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text))
    };
    files(folder).into_iter().filter(has).collect()
}

/// A thousand changes of one byte each: both verifiers find every one.
#[test]
#[ignore = "needs Python packages: cargo xtask test --all"]
fn a_thousand_changed_bytes_are_found_by_two_verifiers() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), "gateway.example.com/audit", 0).unwrap().unwrap();
    for size in [1, 7, 256, 400, 777] {
        let before = log.covered().unwrap_or(0);
        for n in log.size()..size {
            log.push(
                json!({"kind": "record", "seq": n, "commitment": hex(&[n as u8; 32])}).to_string().as_bytes(),
            )
            .unwrap();
        }
        log.publish(|_, _, _| String::new()).unwrap();
        log.tidy(before).unwrap();
    }
    let (root, signer) = (folder(data.path()), key(&Home::from(data.path())).unwrap().unwrap());
    let vkey = signer.verifier().text();
    let all = files(&root);
    let mut random = 0x5eed_4a05u64;
    let mut next = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most
    };
    let mut changes = String::new();
    for _ in 0..1_000 {
        let file = &all[next(all.len())];
        let whole = std::fs::read(file).unwrap();
        let at = next(whole.len());
        let value = whole[at] ^ (1 + next(255) as u8);
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let mut changed = whole.clone();
        changed[at] = value;
        std::fs::write(file, &changed).unwrap();
        let found = verify(&mut Store::folder(&root), signer.verifier(), &Also::default(), &mut |_, _| ());
        assert!(found.unwrap_err().starts_with(name), "{name}, byte {at} is {value}");
        std::fs::write(file, &whole).unwrap();
        changes += &format!("{}\n", json!([name, at, value]));
    }
    let list = data.path().join("changes");
    std::fs::write(&list, changes).unwrap();
    let said = stranger(&root, &vkey, &["--changes", list.to_str().unwrap()]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert_eq!((said.lines().count(), said.lines().filter(|line| *line == "misfit").count()), (1_000, 1_000));
    assert!(stranger(&root, &vkey, &[]).status.success());
}

/// How often each part is killed; `GATEWAYSTACK_KILLS` says another number for the sidecar.
fn kills() -> (usize, usize) {
    let sidecar = std::env::var("GATEWAYSTACK_KILLS").map_or(12, |text| text.parse().unwrap());
    (sidecar, (sidecar * 3).div_ceil(10))
}

/// Parts are killed under load. Whatever reached the file is in the ledger once and a leaf once, what never
/// came is a gap, and every checkpoint is a beginning of the last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_and_double_nothing() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let mut site = Site::start(&policy(&issuer, &echo.url)).await;
    let token = token().mint(&issuer);
    let (of_sidecar, of_envoy) = kills();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let began = std::time::Instant::now();
    let clients: Vec<_> = (0..site::clients())
        .map(|_| {
            let (stop, token, address) = (stop.clone(), token.clone(), format!("127.0.0.1:{}", site.port));
            tokio::spawn(async move {
                let mut answered = 0u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    answered += site::keeps_asking(&address, &token, &stop).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answered
            })
        })
        .collect();
    let mut checkpoints = Vec::new();
    for round in 0..of_sidecar {
        tokio::time::sleep(Duration::from_millis(150 + (round as u64 * 97) % 400)).await;
        kill(&mut site.sidecar);
        checkpoints.extend(std::fs::read_to_string(folder(&site.data()).join("checkpoint")).ok());
        if round * of_envoy / of_sidecar < (round + 1) * of_envoy / of_sidecar {
            kill(&mut site.envoy);
            site.start_envoy().await;
        }
        site.start_sidecar().await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    let rate = answered / began.elapsed().as_secs().max(1);
    // The file doesn't grow any more.
    kill(&mut site.envoy);
    gatewaystack::ledger::end_torn_line(&site.data().join("decisions.jsonl")).unwrap();
    let lines = eventually("the end of the file in the ledger", || async {
        let lines = site.lines();
        let metrics = operators(&site, "/metrics").await.body;
        let has = |line: &str| metrics.contains(line);
        (has(&format!("gatewaystack_ledger_records_total {}\n", lines.len()))
            && has("gatewaystack_ledger_lag_seconds 0.000"))
        .then_some(lines)
    })
    .await;
    until(&site, "record", lines.len()).await;
    kill(&mut site.sidecar);
    let leaves = leaves(&site.data());
    let records = of_kind(&leaves, "record");
    let numbers = |records: &[&Value]| -> BTreeSet<(String, u64)> {
        records.iter().filter_map(|r| Some((r["vm"].as_str()?.to_owned(), r["seq"].as_u64()?))).collect()
    };
    let in_file = numbers(&lines.iter().collect::<Vec<_>>());
    assert_eq!((records.len(), &numbers(&records)), (lines.len(), &in_file), "each line is one leaf");
    let in_ledger: Vec<Value> = serde_json::from_str(&site.run(&["records", "--json"])).unwrap();
    assert_eq!(
        (in_ledger.len(), numbers(&in_ledger.iter().collect::<Vec<_>>())),
        (lines.len(), in_file.clone())
    );
    assert!(
        answered > 0 && in_file.len() as u64 + 2 * 64 * of_envoy as u64 >= answered,
        "{answered} were answered"
    );
    missing_is_told(&site, &in_file);
    let found: Value = serde_json::from_str(&site.run(&["audit", "verify", "--json"])).unwrap();
    let root = Checkpoint::read(
        &std::fs::read_to_string(folder(&site.data()).join("checkpoint")).unwrap(),
        key(&Home::from(site.data().as_path())).unwrap().unwrap().verifier(),
        &[],
    )
    .unwrap();
    assert_eq!(found["size"], root.size);
    let mut store = Store::folder(&folder(&site.data()));
    for note in &checkpoints {
        let old =
            Checkpoint::read(note, key(&Home::from(site.data().as_path())).unwrap().unwrap().verifier(), &[])
                .unwrap();
        let proof = tile::consistency(&mut store, old.size, root.size).unwrap();
        assert!(is_consistent(old.size, &old.root, root.size, &root.root, &proof), "{} leaves", old.size);
    }
    println!(
        "{answered} requests, {rate} a second, {} records, {} leaves, {of_sidecar} and {of_envoy} kills",
        lines.len(),
        leaves.len()
    );
}

/// All numbers up to a VM's last are there, or known to be missing.
fn missing_is_told(site: &Site, there: &BTreeSet<(String, u64)>) {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    there.iter().for_each(|(vm, seq)| _ = highest.insert(vm, *seq));
    let expect: u64 = highest.values().sum::<u64>() - there.len() as u64;
    let db = rusqlite::Connection::open(site.data().join("ledger.db")).unwrap();
    let sql = "SELECT coalesce(sum(to_seq - from_seq + 1), 0) FROM missing";
    let missing: u64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(missing, expect);
}
