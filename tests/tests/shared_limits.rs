//! Limits over machines: gateways of their own, one rate limit service over one real Redis, which is killed
//! and comes back.

use gatewaystack::limits::{Service, configuration};
use gatewaystack_core::config;
use gatewaystack_tests::*;
use limitador::limit::Limit;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// The service, somewhere; with its runtime all its connections end, as with a process.
struct Running {
    address: String,
    runtime: Option<Runtime>,
}

impl Running {
    /// Knows the policy's limits by what `gatewaystack limits` says of them.
    async fn start(policy: &Value, redis: &Redis, manner: Manner) -> Self {
        Self::at("127.0.0.1:0", policy, redis, manner).await
    }

    async fn at(address: &str, policy: &Value, redis: &Redis, manner: Manner) -> Self {
        let mut whole = policy.clone();
        whole["issuers"] = json!([{"issuer": "https://idp.example/", "audiences": ["api"]}]);
        whole["rate_limit_service"] = json!({"cluster": "any"});
        let whole = config::load(Some(whole.to_string().as_bytes()), None).unwrap();
        let file = configuration(&whole, Service::Limitador).unwrap();
        let limits: Vec<Limit> = serde_saphyr::from_str(&file).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (address, redis) = (address.to_owned(), redis.url.clone());
        let listener = runtime.spawn(async move { TcpListener::bind(address).await.unwrap() }).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(LimitService::new(limits, &redis, manner).serve(listener));
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn gateway_of(policy: &Value, service: &str, issuer: &TestIssuer, upstream: &Upstream) -> Gateway {
    let mut policy = policy.clone();
    policy["rate_limit_service"] = json!({"url": format!("http://{service}"), "timeout": "2s"});
    gateway().policy(policy).issuer(issuer).upstream(&upstream.url).workers(2).start().await
}

fn policy(mode: &str) -> Value {
    json!({"routes": [{"path": "/v1/*"}], "rate_limits": [
        {"by": "user", "max": 100, "window": "1h", "scope": "global", "failure_mode": mode},
        {"by": "user", "max": 400, "window": "1h"},
    ]})
}

/// How many of so many requests at once got which status.
async fn burst(gateways: &[&Gateway], token: &str, count: usize) -> BTreeMap<u16, usize> {
    let tasks: Vec<_> = (0..count)
        .map(|at| {
            let (address, token) = (gateways[at % gateways.len()].address().to_owned(), token.to_owned());
            tokio::spawn(async move {
                let request = format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
                client::raw(&address, request.as_bytes()).await.status
            })
        })
        .collect();
    let mut statuses = BTreeMap::new();
    for task in tasks {
        *statuses.entry(task.await.unwrap()).or_insert(0) += 1;
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: cargo xtask test --all"]
async fn a_limit_of_100_over_two_gateways_lets_exactly_100_through() {
    let (issuer, redis) = (TestIssuer::start().await, Redis::start().await);
    for (at, manner) in [Manner::Envoyproxy, Manner::Limitador].into_iter().enumerate() {
        let upstream = Upstream::start().await;
        let policy = policy("deny");
        let service = Running::start(&policy, &redis, manner).await;
        let first = gateway_of(&policy, &service.address, &issuer, &upstream).await;
        let second = gateway_of(&policy, &service.address, &issuer, &upstream).await;
        let ann = token().subject(&format!("ann {at}")).mint(&issuer);
        assert_eq!(burst(&[&first, &second], &ann, 250).await, [(200, 100), (429, 150)].into(), "{manner:?}");
        assert_eq!(upstream.seen().len(), 100);
        let refused = second.get("/v1/x").bearer(&ann).send().await;
        assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("rate_limited")));
        assert_eq!(refused.header("ratelimit-policy"), Some("100;w=3600"));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait), "{wait}");
        let record = second.records(126).await.pop().unwrap();
        assert_eq!((&record["decision"], &record["reason"]), (&json!("limited"), &json!("rate_limited")));
        // Another user isn't touched, and sees what is left of the tighter limit, where the service tells.
        let bob = token().subject(&format!("bob {at}")).mint(&issuer);
        let got = first.get("/v1/x").bearer(&bob).send().await;
        let left = if manner == Manner::Envoyproxy { "99" } else { "399" };
        assert_eq!((got.status, got.header("ratelimit-remaining")), (200, Some(left)));
        assert_eq!(first.stat(&["gatewaystack_limits_asked_total"]).await, 126);
        assert_eq!(first.stat(&["gatewaystack_limits_unanswered_total"]).await, 0);
        for gateway in [&first, &second] {
            assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: cargo xtask test --all"]
async fn without_redis_the_failure_mode_decides_the_gateways_own_limit_holds_and_then_all_is_as_before() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let mut redis = Redis::start().await;
    let (allows, denies) = (policy("allow"), policy("deny"));
    let service = Running::start(&allows, &redis, Manner::Envoyproxy).await;
    let allowing = gateway_of(&allows, &service.address, &issuer, &upstream).await;
    let denying = gateway_of(&denies, &service.address, &issuer, &upstream).await;
    let ann = token().mint(&issuer);
    assert_eq!(burst(&[&allowing], &ann, 110).await, [(200, 100), (429, 10)].into());

    redis.kill();
    // 110 were counted here before; the gateway's own limit of 400 ends it.
    assert_eq!(burst(&[&allowing], &ann, 300).await, [(200, 290), (429, 10)].into());
    assert_eq!(allowing.stat(&["gatewaystack_limits_unanswered_total"]).await, 290);
    let reached = upstream.seen().len();
    let refused = denying.get("/v1/x").bearer(&ann).send().await;
    assert_eq!((refused.status, &refused.json()["error"]), (503, &json!("temporarily_unavailable")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(upstream.seen().len(), reached);
    let record = denying.records(1).await.pop().unwrap();
    assert_eq!((&record["decision"], &record["reason"]), (&json!("error"), &json!("limits_unavailable")));

    // It comes back, empty, and counts for both again.
    redis.again().await;
    let bob = token().subject("bob").mint(&issuer);
    assert_eq!(burst(&[&allowing, &denying], &bob, 150).await, [(200, 100), (429, 50)].into());

    // The service itself goes, and comes back where it was.
    let address = service.address.clone();
    drop(service);
    eventually("the service to be gone", || async {
        (denying.get("/v1/x").bearer(&ann).send().await.status == 503).then_some(())
    })
    .await;
    let cid = token().subject("cid").mint(&issuer);
    assert_eq!(allowing.get("/v1/x").bearer(&cid).send().await.status, 200);
    let _service = Running::at(&address, &allows, &redis, Manner::Envoyproxy).await;
    eventually("the service", || async {
        (denying.get("/v1/x").bearer(&cid).send().await.status == 200).then_some(())
    })
    .await;
}

fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 41, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: cargo xtask test --all"]
async fn calls_of_a_tool_have_a_limit_over_machines_whether_or_not_headers_are_held() {
    let (issuer, redis) = (TestIssuer::start().await, Redis::start().await);
    let policy = json!({
        "routes": [{"path": "/mcp", "mcp": {"tools": {"purge": [], "list": []}}}],
        "rate_limits": [
            {"by": "user", "max": 2, "window": "1h", "scope": "global", "failure_mode": "deny", "tools": ["purge"]},
        ],
    });
    let service = Running::start(&policy, &redis, Manner::Envoyproxy).await;
    for held in [true, false] {
        let upstream = Upstream::start().await;
        let mut whole = policy.clone();
        whole["rate_limit_service"] = json!({"url": format!("http://{}", service.address), "timeout": "2s"});
        let builder = gateway().policy(whole).issuer(&issuer).upstream(&upstream.url);
        let gateway = if held { builder } else { builder.without_held_headers() }.start().await;
        let ann = token().subject(&format!("ann {held}")).mint(&issuer);
        let ask = |tool: &str| {
            gateway.post("/mcp", &call(tool)).header("content-type", "application/json").bearer(&ann).send()
        };
        let mut statuses = Vec::new();
        for tool in ["purge", "list", "purge", "list", "purge", "list"] {
            let got = ask(tool).await;
            if got.status == 429 {
                let error = &got.json()["error"];
                assert_eq!((&got.json()["id"], &error["code"]), (&json!(41), &json!(-32029)), "{got:?}");
            }
            statuses.push(got.status);
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429, 200], "held: {held}");
        let bodies: Vec<_> = upstream.seen().iter().filter(|seen| seen["body"] != "").cloned().collect();
        assert_eq!(bodies.len(), 5, "no body of a refused call leaves: {bodies:?}");
        assert!(bodies.iter().all(|seen| seen["headers"]["x-user-id"] == json!([format!("ann%20{held}")])));
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    }
}

/// What comes while the service is asked waits with the headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: cargo xtask test --all"]
async fn bodies_and_trailers_wait_for_the_answer_and_arrive_whole() {
    let (issuer, redis) = (TestIssuer::start().await, Redis::start().await);
    let upstream = Upstream::start().await;
    let policy = json!({
        "routes": [{"path": "/mcp", "mcp": {"tools": {"list": []}}}, {"path": "/v1/*"}],
        "rate_limits": [{"by": "user", "max": 4, "window": "1h", "scope": "global", "failure_mode": "deny"}],
    });
    let service = Running::start(&policy, &redis, Manner::Limitador).await;
    let gateway = gateway_of(&policy, &service.address, &issuer, &upstream).await;
    let bearer = format!("Bearer {}", token().mint(&issuer));
    let large = "0123456789abcdef".repeat(16 * 1024);
    let trailers = [("x-user-id", "evil"), ("x-sum", "1")];
    for (path, body) in
        [("/v1/x", "small"), ("/v1/x", &large), ("/mcp", &call("list")), ("/mcp", &call("list"))]
    {
        let headers: &[(&str, &[u8])] =
            &[("authorization", bearer.as_bytes()), ("content-type", b"application/json")];
        let got = client::http2(gateway.address(), "POST", path, headers, Some(body), &trailers).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        let seen = upstream.seen().pop().unwrap();
        assert!(seen["body"] == *body && !seen.to_string().contains("evil"), "{path}: {seen}");
    }
    let headers: &[(&str, &[u8])] = &[("authorization", bearer.as_bytes())];
    let got = client::http2(gateway.address(), "POST", "/v1/x", headers, Some(&large), &trailers).await;
    assert_eq!((got.status, upstream.seen().len()), (429, 4));
}

#[test]
fn the_limits_file_of_compose_is_what_the_command_prints() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let policy: Value = serde_saphyr::from_str(&read("envoy/examples/demo-mcp.yaml")).unwrap();
    let env = read("demo/demo.env");
    let variables = env.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    // As docker-compose.yml gives them to the profile.
    let more = [
        ("RATE_LIMIT_SERVICE_URL", "http://ratelimit:8081"),
        ("RATE_LIMIT_GLOBAL_MAX", "30"),
        ("RATE_LIMIT_FAILURE_MODE", "allow"),
    ];
    let env = variables.chain(more).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (policy, _) = config::load_value(Some(policy), &env).unwrap();
    assert_eq!(configuration(&policy, Service::Limitador).unwrap(), read("deploy/limits/limitador.yaml"));
    let compose = read("docker-compose.yml");
    assert!(compose.contains("RATE_LIMIT_GLOBAL_MAX: ${RATE_LIMIT_SERVICE_URL:+30}"));
    assert!(compose.contains("RATE_LIMIT_FAILURE_MODE: ${RATE_LIMIT_SERVICE_URL:+allow}"));
}

#[test]
fn both_services_are_told_each_limit_once() {
    let policy = json!({
        "issuers": [{"issuer": "https://idp.example/", "audiences": ["api"]}],
        "routes": [{"path": "/mcp", "mcp": {"tools": {"purge": []}}}],
        "rate_limits": [
            {"by": "user", "max": 60, "window": "60s"},
            {"by": "user", "max": 10000, "window": "1h", "scope": "global", "failure_mode": "allow"},
            {"by": "tenant", "max": 5, "window": "1s", "scope": "global", "failure_mode": "deny", "tools": ["purge"]},
        ],
        "rate_limit_service": {"url": "http://ratelimit:8081", "domain": "prod"},
    });
    let policy = config::load(Some(policy.to_string().as_bytes()), None).unwrap();
    let name = &policy.rate_limits[2].shared.as_ref().unwrap().name;
    let envoyproxy: Value =
        serde_saphyr::from_str(&configuration(&policy, Service::Envoyproxy).unwrap()).unwrap();
    let limit = |name: &str, unit: &str, max: u64| json!({"key": name, "rate_limit": {"unit": unit, "requests_per_unit": max}});
    let both = json!([limit("user-10000-per-1h", "hour", 10000), limit(name, "second", 5)]);
    assert_eq!(envoyproxy, json!({"domain": "prod", "descriptors": both}));
    let limitador: Vec<Limit> =
        serde_saphyr::from_str(&configuration(&policy, Service::Limitador).unwrap()).unwrap();
    let told: Vec<_> = limitador.iter().map(|l| (l.name().unwrap(), l.max_value(), l.seconds())).collect();
    assert_eq!(told, [("user-10000-per-1h", 10000, 3600), (name.as_str(), 5, 1)]);
}
