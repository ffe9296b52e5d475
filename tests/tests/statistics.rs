//! What an operator's Prometheus reads: closed sets of labels, and nothing of a client's in them.

use gatewaystack_tests::*;
use serde_json::json;

async fn prometheus(gateway: &Gateway) -> Vec<String> {
    let request = b"GET /stats/prometheus HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let body = client::raw(&gateway.rendered.admin, request).await.body;
    body.lines()
        .filter(|line| line.contains("gatewaystack_") && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn decisions_keys_and_caches_are_counted_under_labels() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let policy = json!({"routes": [{"path": "/v1/*", "scopes": ["tool:read"]}, {"path": "/open", "access": "public"}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let good = token().mint(&issuer);
    for _ in 0..3 {
        assert_eq!(gateway.get("/v1/x").bearer(&good).send().await.status, 200);
    }
    assert_eq!(gateway.get("/v1/x").bearer(&token().scope("x").mint(&issuer)).send().await.status, 403);
    assert_eq!(gateway.get("/made-up-by-a-client").send().await.status, 401);
    assert_eq!(gateway.get("/open").send().await.status, 200);
    let value = |lines: &[String], parts: &[&str]| {
        let found: Vec<_> =
            lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).collect();
        assert_eq!(found.len(), 1, "{parts:?} in {lines:#?}");
        found[0].rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    let lines = eventually("the statistics of six requests", || async {
        let lines = prometheus(&gateway).await;
        let counted: u64 = lines
            .iter()
            .filter(|line| line.contains("decisions_total"))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        // Hits are handed to Envoy at the next tick.
        let hits = lines.iter().any(|line| line.contains("cache_hits_total") && !line.ends_with(" 0"));
        (counted >= 6 && hits).then_some(lines)
    })
    .await;
    for (decision, reason, count) in [
        ("allow", "authorized", 3),
        ("allow", "public", 1),
        ("deny", "insufficient_scope", 1),
        ("deny", "no_token", 1),
    ] {
        let labels = [format!("decision=\"{decision}\""), format!("reason=\"{reason}\"")];
        let all: Vec<String> = lines
            .iter()
            .filter(|line| {
                line.contains("decisions_total{") && labels.iter().all(|label| line.contains(label))
            })
            .cloned()
            .collect();
        let sum: u64 = all.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
        assert_eq!(sum, count, "{decision} {reason}: {all:#?}");
        assert!(all.iter().all(|line| line.contains("route=\"")), "{all:#?}");
    }
    assert_eq!(value(&lines, &["token_cache_hits_total"]), 2);
    assert_eq!(value(&lines, &["table_evictions_total"]), 0);
    assert_eq!(value(&lines, &["key_fetch_failures_total", "issuer=\"0\""]), 0);
    assert_eq!(value(&lines, &["native_verifier"]), 1);
    assert!(value(&lines, &["keys_age_seconds", "issuer=\"0\""]) < 60);
    assert!(lines.iter().all(|line| !line.contains("made-up")), "{lines:#?}");
}
