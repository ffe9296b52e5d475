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

#[tokio::test]
async fn an_address_is_what_trusted_proxies_say_and_never_what_a_client_says() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    for hops in ["0", "1"] {
        let gateway = gateway()
            .policy(json!({"routes": [{"path": "/v1/*"}], "rate_limits": [{"by": "address", "max": 2, "window": "1h", "on": "failures"}]}))
            .issuer(&issuer)
            .upstream(&upstream.url)
            .env("TRUSTED_HOPS", hops)
            .start()
            .await;
        let forged = token().signed_by(key_b().named("a")).mint(&issuer);
        let mut statuses = Vec::new();
        for address in ["198.51.100.1", "198.51.100.1", "198.51.100.2", "198.51.100.1"] {
            // The first is the client's word, the last the proxy's.
            let forwarded = format!("203.0.113.{}, {address}", statuses.len());
            let got = gateway.get("/v1/x").bearer(&forged).header("x-forwarded-for", &forwarded).send().await;
            statuses.push(got.status);
        }
        let expect = if hops == "0" { [401, 401, 429, 429] } else { [401, 401, 401, 429] };
        assert_eq!(statuses, expect, "{hops} trusted hops");
    }
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Each request counts under 64 rules, so that 16,000 users fill a million counters. There is room for
/// 655,360 in 65,536 shared cells of at most 240 bytes: more make others go, and nothing grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_counters_leave_envoys_memory_flat() {
    const RULES: usize = 64;
    let issuer = TestIssuer::start().await;
    let rules: Vec<_> =
        (0..RULES).map(|n| json!({"by": "user", "max": 1_000 + n, "window": "30d"})).collect();
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}], "rate_limits": rules}))
        .issuer(&issuer)
        .upstream("http://127.0.0.1:9")
        .start()
        .await;
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 502);
    let idle = resident_kb(gateway.pid());
    let users = 1_000_000 / RULES + 1;
    crowd(&gateway, &issuer, 0..users).await;
    let million = resident_kb(gateway.pid());
    let evicted = gateway.stat(&["gatewaystack_table_evictions_total"]).await;
    crowd(&gateway, &issuer, users..users + users / 8).await;
    let more = resident_kb(gateway.pid());
    println!(
        "resident memory of Envoy: {idle} KiB idle, {million} KiB with a million counters, {more} KiB with an eighth more; \
         {evicted} live ones had to go"
    );
    assert!(evicted > 300_000, "the table was full: {evicted}");
    // Room for the cells with the host's overhead, and for the tokens that are remembered.
    assert!(million < idle + 64 * 1024, "{idle} KiB, then {million} KiB");
    assert!(more < million + 4 * 1024, "{million} KiB, then {more} KiB");
}

/// Requests of as many users, a few at a time.
async fn crowd(gateway: &Gateway, issuer: &TestIssuer, users: std::ops::Range<usize>) {
    const AT_ONCE: usize = 4;
    let tasks = (0..AT_ONCE).map(|task| {
        let (address, url, key) = (gateway.address().to_owned(), issuer.url.clone(), issuer.first_key());
        let users = users.clone().skip(task).step_by(AT_ONCE);
        tokio::spawn(async move {
            for user in users {
                let token = token().subject(&format!("user-{user}")).mint_as(&url, &key);
                let request = format!(
                    "GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                );
                let got = client::raw(&address, request.as_bytes()).await;
                assert_eq!(got.status, 502, "counted and let through, to an upstream that isn't there");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
