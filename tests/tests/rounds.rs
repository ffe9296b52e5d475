//! Two gateways under load whose parts are killed and started again, one after another: whatever dies,
//! nothing reaches the upstream that wasn't verified. Says how many of the good requests were served
//! meanwhile.

use gatewaystack::limits::{Service, configuration};
use gatewaystack_core::config;
use gatewaystack_tests::site::{Site, kill};
use gatewaystack_tests::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

const ROUNDS: usize = 20;

/// A request on a connection of its own; `None`: nobody answered it.
async fn ask(port: u16, path: &str, bearer: Option<&str>) -> Option<u16> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let bearer = bearer.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-user-id: evil\r\n{bearer}\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        // The status is all that is wanted: Envoy waits a second for a client that reads to the end before it
        // closes.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.ok()?
}

/// What good requests came to, and how often nobody had to be refused.
#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server, and a minute: cargo xtask test --all"]
async fn whatever_part_dies_nothing_passes_unverified() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let mut redis = Redis::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let policy = json!({
        "version": 1,
        "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}],
        "upstreams": {"default": upstream.url},
        "routes": [{"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limit_service": {"url": format!("http://{}", listener.local_addr().unwrap())},
        "rate_limits": [
            {"by": "user", "max": 1_000_000, "window": "1h", "scope": "global", "failure_mode": "allow"},
            {"by": "user", "max": 1_000_000, "window": "1h"},
        ],
    });
    let compiled = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
    let limits = serde_saphyr::from_str(&configuration(&compiled, Service::Limitador).unwrap()).unwrap();
    let service = tokio::spawn(LimitService::new(limits, &redis.url, Manner::Envoyproxy).serve(listener));
    let mut sites = [Site::start(&policy).await, Site::start(&policy).await];

    let good = token().mint(&issuer);
    // None of these may ever pass.
    let bad = [
        None,
        Some("not.a.token".to_owned()),
        Some(token().expired().mint(&issuer)),
        Some(token().scope("other").mint(&issuer)),
        Some(token().signed_by(key_b().named("a")).mint(&issuer)),
    ];
    let (stop, counts) =
        (Arc::new(AtomicBool::new(false)), [Arc::new(Counts::default()), Arc::new(Counts::default())]);
    let mut clients = Vec::new();
    for (site, counts) in sites.iter().zip(&counts) {
        for client in 0..4 {
            let (port, good, bad) = (site.port, good.clone(), bad.clone());
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(counts));
            clients.push(tokio::spawn(async move {
                for turn in client.. {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let served = ask(port, "/v1/good", Some(&good)).await == Some(200);
                    counts.served.fetch_add(u64::from(served), Relaxed);
                    counts.asked.fetch_add(1, Relaxed);
                    match ask(port, "/v1/bad", bad[turn % bad.len()].as_deref()).await {
                        Some(200..=299) => {
                            counts.wrong.lock().unwrap().push(format!("{:?}", bad[turn % bad.len()]))
                        }
                        Some(401 | 403) => drop(counts.refused.fetch_add(1, Relaxed)),
                        _ => {}
                    }
                    // The same pace whether or not somebody answers, else a gateway that is gone would be
                    // asked most.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }));
        }
    }

    let mut killed = BTreeMap::new();
    let mut left = (0, 0);
    for round in 0..ROUNDS {
        let (site, other) = (round % 2, (round + 1) % 2);
        let served = |at: usize| counts[at].served.load(Relaxed);
        let asked = |at: usize| counts[at].asked.load(Relaxed);
        let began = (asked(other), served(other));
        let part = ["Envoy", "sidecar", "Redis"][round % 3];
        *killed.entry(part).or_insert(0) += 1;
        match part {
            "Envoy" => kill(&mut sites[site].envoy),
            "sidecar" => kill(&mut sites[site].sidecar),
            _ => redis.kill(),
        }
        // Anyone who is left serves.
        let before = served(other);
        let what = format!("the other gateway's answers without {part}");
        eventually(&what, || async { (served(other) > before + 20).then_some(()) }).await;
        match part {
            "Envoy" => sites[site].start_envoy().await,
            "sidecar" => sites[site].start_sidecar().await,
            _ => redis.again().await,
        }
        left = (left.0 + asked(other) - began.0, left.1 + served(other) - began.1);
        let before = served(site);
        eventually("answers of the one that came back", || async {
            (served(site) > before + 20).then_some(())
        })
        .await;
        let health = ask(sites[site].port, "/health", None).await;
        assert_eq!(health, Some(200), "after round {round}: {part}");
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    service.abort();

    let seen = upstream.seen();
    for request in &seen {
        assert_eq!(request["target"], "/v1/good", "{request}");
        assert_eq!(request["headers"]["x-user-id"], json!(["ann"]), "{request}");
        assert!(request["headers"].get("authorization").is_none(), "{request}");
    }
    let (mut asked, mut all_served) = (0, 0);
    for (counts, site) in counts.iter().zip(&sites) {
        assert_eq!(*counts.wrong.lock().unwrap(), Vec::<String>::new());
        assert!(counts.refused.load(Relaxed) > 100, "the bad ones were asked");
        let log = std::fs::read_to_string(site.log()).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        asked += counts.asked.load(Relaxed);
        all_served += counts.served.load(Relaxed);
    }
    assert!(seen.len() as u64 >= all_served);
    let share = |of: (u64, u64)| format!("{} of {} ({:.2} %)", of.1, of.0, 100.0 * of.1 as f64 / of.0 as f64);
    println!(
        "{ROUNDS} rounds ({killed:?}): of the good requests both gateways served {}, the one whose part lived {} while another's was down",
        share((asked, all_served)),
        share(left)
    );
}
