//! Keys: rotated, missing, unknown, stale. The gateway keeps serving good callers, and asks the issuer
//! as little as it can.

use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

async fn start(issuer: &TestIssuer, upstream: &Upstream, workers: usize) -> Gateway {
    let policy = json!({"routes": [{"path": "/v1/*"}], "rate_limits": [{"by": "user", "max": 1_000_000, "window": "1h"}]});
    gateway().policy(policy).issuer(issuer).upstream(&upstream.url).workers(workers).start().await
}

#[tokio::test]
async fn an_issuer_that_goes_down_after_the_first_fetch_is_still_good() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = start(&issuer, &upstream, 2).await;
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
    issuer.down();
    for n in 0..20 {
        let fresh = token().subject(&format!("user {n}")).mint(&issuer);
        assert_eq!(gateway.get("/v1/x").bearer(&fresh).send().await.status, 200);
    }
}

#[tokio::test]
async fn a_cold_start_without_the_issuer_is_503_and_recovers_by_itself() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    issuer.down();
    let gateway = start(&issuer, &upstream, 2).await;
    let good = token().mint(&issuer);
    let got = gateway.get("/v1/x").bearer(&good).send().await;
    assert_eq!((got.status, got.json()["error"].as_str()), (503, Some("temporarily_unavailable")), "{got:?}");
    assert!(got.header("retry-after").is_some_and(|s| s.parse::<u64>().unwrap() >= 1));
    assert_eq!(got.header("www-authenticate"), None);
    assert_eq!(gateway.get("/v1/x").send().await.status, 401, "what needs no key is judged without one");
    issuer.up().await;
    eventually("recovery", || async {
        (gateway.get("/v1/x").bearer(&good).send().await.status == 200).then_some(())
    })
    .await;
    assert!(gateway.stat(&["gatewaystack_key_fetch_failures_total"]).await > 0);
}

#[tokio::test]
async fn an_issuer_that_hangs_at_the_start_is_503_in_time() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    issuer.set_mood(Mood::Hangs);
    let gateway = start(&issuer, &upstream, 1).await;
    let got = gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await;
    assert_eq!(got.status, 503);
}

#[tokio::test]
async fn three_hundred_made_up_key_ids_cost_at_most_two_fetches() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = start(&issuer, &upstream, 4).await;
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
    let (before, start) = (issuer.fetches(), Instant::now());
    for n in 0..300 {
        let made_up = token().signed_by(key_b().named(&format!("made-up-{n}"))).mint(&issuer);
        let got = gateway.get("/v1/x").bearer(&made_up).send().await;
        assert!(matches!(got.status, 401 | 503), "{got:?}");
        assert_eq!(got.status == 503, got.header("retry-after").is_some());
    }
    let cost = issuer.fetches() - before;
    println!("300 made-up kids: {cost} fetches");
    // One at once, and then one each half a minute: two, where that takes less.
    assert!(cost <= 1 + paced(start, Duration::from_secs(30)), "{cost}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_without_one_valid_request_refused() {
    let issuer = Arc::new(TestIssuer::start().await);
    let upstream = Upstream::start().await;
    let gateway = Arc::new(start(&issuer, &upstream, 4).await);
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|client| {
            let (gateway, issuer, done) = (Arc::clone(&gateway), Arc::clone(&issuer), Arc::clone(&done));
            tokio::spawn(async move {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    // Always the newest key, as an issuer signs.
                    let fresh = token().subject(&format!("{client}-{sent}")).mint(&issuer);
                    let got = gateway.get("/v1/x").bearer(&fresh).send().await;
                    assert_eq!(got.status, 200, "{got:?}");
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    eventually("load", || async { (upstream.seen().len() > 50).then_some(()) }).await;
    // The new key is published next to the old one, and signs from now on.
    issuer.set_keys(vec![key_b(), key_a()]);
    let before = upstream.seen().len();
    eventually("load with the new key", || async { (upstream.seen().len() > before + 200).then_some(()) })
        .await;
    done.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for client in load {
        sent += client.await.unwrap();
    }
    println!("{sent} requests during a rotation, none refused, {} fetches", issuer.fetches());
}

/// An issuer whose first answer was written before its new key was, and comes when `late` says so.
async fn rotating_issuer(late: Arc<AtomicBool>) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fetches = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetches);
    let answer = move || {
        let (late, first) = (Arc::clone(&late), count.fetch_add(1, Ordering::Relaxed) == 0);
        async move {
            while first && !late.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let keys = if first { vec![key_a().jwk()] } else { vec![key_b().jwk(), key_a().jwk()] };
            axum::Json(json!({ "keys": keys }))
        }
    };
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, fetches)
}

#[tokio::test]
async fn a_fetch_that_began_before_a_key_was_published_costs_its_first_token_nothing() {
    in_time(Duration::from_secs(5), || async {
        let (late, upstream) = (Arc::new(AtomicBool::new(false)), Upstream::start().await);
        let (url, fetches) = rotating_issuer(Arc::clone(&late)).await;
        let trusted = json!({"issuer": url, "audiences": [AUDIENCE], "jwks_uri": format!("{url}jwks")});
        let gateway = gateway()
            .policy(json!({"routes": [{"path": "/v1/*"}]}))
            .trust(trusted)
            .upstream(&upstream.url)
            .workers(2)
            .start()
            .await;
        let fresh = token().mint_as(&url, &key_b());
        let release = async {
            eventually("a request that waits", || async {
                let waits = gateway.stat(&["http.", "downstream_rq_active"]).await > 0;
                (waits && fetches.load(Ordering::Relaxed) > 0).then_some(())
            })
            .await;
            late.store(true, Ordering::Relaxed);
        };
        let (got, ()) = tokio::join!(gateway.get("/v1/x").bearer(&fresh).send(), release);
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(fetches.load(Ordering::Relaxed), 2);
    })
    .await;
}

#[tokio::test]
async fn a_key_set_that_is_none_never_replaces_a_good_one() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = start(&issuer, &upstream, 1).await;
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
    issuer.set_mood(Mood::Answers(200, "{\"keys\":[]}".into()));
    // An unknown kid makes the gateway ask again, and get nonsense.
    let unknown = token().signed_by(key_b()).mint(&issuer);
    let got = gateway.get("/v1/x").bearer(&unknown).send().await;
    assert_eq!(got.status, 503, "the token may be good: {got:?}");
    assert_eq!(gateway.get("/v1/x").bearer(&token().subject("bob").mint(&issuer)).send().await.status, 200);
}

#[tokio::test]
async fn keys_are_discovered_where_no_place_is_configured() {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}]}))
        .trust(json!({"issuer": issuer.url, "audiences": [AUDIENCE]}))
        .upstream(&upstream.url)
        .start()
        .await;
    assert_eq!(gateway.get("/v1/x").bearer(&token().mint(&issuer)).send().await.status, 200);
}

#[tokio::test]
async fn the_portable_verifier_accepts_and_refuses_as_the_hosts_does() {
    for verifier in ["native", "portable"] {
        let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
        let policy = json!({"verifier": verifier, "routes": [{"path": "/v1/*"}]});
        let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
        let fractional = token().claim("exp", token::now_s() as f64 + 60.5).mint(&issuer);
        assert_eq!(gateway.get("/v1/x").bearer(&fractional).send().await.status, 200, "{verifier}");
        let forged = token().signed_by(key_b().named("a")).mint(&issuer);
        assert_eq!(gateway.get("/v1/x").bearer(&forged).send().await.status, 401, "{verifier}");
        assert_eq!(gateway.stat(&["gatewaystack_native_verifier"]).await, u64::from(verifier == "native"));
    }
}
