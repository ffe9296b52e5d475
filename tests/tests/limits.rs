//! Limits are exact under any concurrency, and bounded in memory.

use gatewaystack_tests::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_concurrent_requests_exactly_50_pass_a_limit_of_50_with_four_workers() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}], "rate_limits": [{"by": "user", "max": 50, "window": "1h"}]}))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .workers(4)
        .start()
        .await;
    let address = gateway.address().to_owned();
    let good = token().mint(&issuer);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (address, good) = (address.clone(), good.clone());
            tokio::spawn(async move {
                let request = format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {good}\r\n\r\n");
                client::raw(&address, request.as_bytes()).await
            })
        })
        .collect();
    let mut statuses = std::collections::BTreeMap::new();
    for task in tasks {
        let got = task.await.unwrap();
        if got.status == 429 {
            assert_eq!(got.json()["error"], "rate_limited");
            assert!(got.header("retry-after").is_some_and(|s| s.parse::<u64>().unwrap() >= 1));
            assert_eq!(got.header("ratelimit-policy"), Some("50;w=3600"));
        }
        *statuses.entry(got.status).or_insert(0) += 1;
    }
    assert_eq!(statuses, [(200, 50), (429, 150)].into());
    assert_eq!(upstream.seen().len(), 50);
    // Another user isn't touched.
    assert_eq!(gateway.get("/v1/x").bearer(&token().subject("bob").mint(&issuer)).send().await.status, 200);
}

#[tokio::test]
async fn tenants_share_a_limit_and_addresses_that_fail_are_stopped() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}], "rate_limits": [
            {"by": "tenant", "max": 2, "window": "1h"},
            {"by": "address", "max": 3, "window": "1h", "on": "failures"},
        ]}))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    let of = |sub: &str| token().subject(sub).claim("org_id", "org").mint(&issuer);
    let mut statuses = Vec::new();
    for sub in ["ann", "bob", "cid"] {
        statuses.push(gateway.get("/v1/x").bearer(&of(sub)).send().await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    let forged = token().signed_by(key_b().named("a")).mint(&issuer);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(gateway.get("/v1/x").bearer(&forged).send().await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    assert_eq!(gateway.get("/v1/x").send().await.status, 401, "a request without a token isn't touched");
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The table is a fixed number of slots, so what counts is that a second crowd as large as the first costs nothing more. The
/// core's test fills every way of every slot; here the real shared data is filled by a crowd of users in the real Envoy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_users_leaves_envoys_memory_flat() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}], "verifier": "auto"}))
        .issuer(&issuer)
        .upstream("http://127.0.0.1:9")
        .start()
        .await;
    let crowd = |from: usize, to: usize| {
        let tokens: Vec<String> =
            (from..to).map(|n| token().subject(&format!("user-{n}")).mint(&issuer)).collect();
        let address = gateway.address().to_owned();
        async move {
            for token in tokens {
                let request = format!(
                    "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                );
                client::raw(&address, request.as_bytes()).await;
            }
        }
    };
    crowd(0, 500).await;
    let before = resident_kb(gateway.pid());
    crowd(500, 1500).await;
    let after = resident_kb(gateway.pid());
    println!("resident memory of Envoy: {before} KiB after 500 users, {after} KiB after 1,500");
    // 1,000 entries of 24 bytes in cells of their own: far below what a leak of one token (0.6 KiB) a request and worker would show.
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
}
