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
    let name = format!(
        "issuer=\"{}\"",
        issuer.url.trim_start_matches("http://").trim_end_matches('/').replace(':', "_")
    );
    assert_eq!(value(&lines, &["key_fetch_failures_total", &name]), 0);
    assert_eq!(value(&lines, &["native_verifier"]), 1);
    assert!(value(&lines, &["keys_age_seconds", &name]) < 60);
    assert!(lines.iter().all(|line| !line.contains("made-up")), "{lines:#?}");
}

/// A line's labels as Prometheus has them, in the order of these names, and its value.
fn labels(line: &str, names: [&str; 4]) -> ([String; 4], u64) {
    let value = |name: &str| {
        let after = line.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {line}")).1;
        after.split_once('"').unwrap().0.to_owned()
    };
    (names.map(value), line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

fn call(tool: &str) -> serde_json::Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}})
}

#[tokio::test]
async fn refused_calls_are_counted_by_tool_and_reason_under_the_policys_names_alone() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let tools = json!({"whoami": [], "notes.list": ["tool:read"], "purge": {"any_scope": ["admin"]}, "help": "public"});
    let policy = json!({
        "mode": "shadow",
        "routes": [{"path": "/mcp", "mcp": {"tools": tools}}, {"path": "/strict", "mode": "enforce", "mcp": {"tools": tools}}],
        "rate_limits": [{"by": "user", "max": 1, "window": "1h", "tools": ["notes.list"]}],
    });
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    let send = async |path: &str, token: Option<&str>, body: &serde_json::Value| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", b.as_str())).collect();
        client::post_json(gateway.address(), path, &headers, &body.to_string()).await.status
    };
    let (ann, bob) =
        (token().scope("tool:read").mint(&issuer), token().subject("bob").scope("x").mint(&issuer));
    // The enforced route waits for the keys; from then on the other has them.
    assert_eq!(send("/strict", Some(&bob), &call("purge")).await, 403);
    assert_eq!(send("/strict", None, &call("made.up-by-a-client")).await, 401);
    for (token, body) in [
        (Some(&ann), call("whoami")),
        (None, call("help")),
        (None, call("whoami")),
        (Some(&bob), call("notes.list")),
        (Some(&bob), call("notes.list")),
        (Some(&ann), call("notes.list")),
        (Some(&ann), call("notes.list")),
        (Some(&ann), call("made.up-by-a-client")),
        (Some(&ann), call("unlisted")),
        (Some(&ann), json!([call("whoami"), call("purge")])),
        (
            Some(&ann),
            json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "purge"}}),
        ),
        (Some(&"not.a.token".to_owned()), call("purge")),
    ] {
        assert_eq!(send("/mcp", token.map(String::as_str), &body).await, 200, "{body}");
    }
    let expected = [
        ("/mcp", "(batch)", "shadow_deny", "insufficient_scope", 1),
        ("/mcp", "notes_list", "shadow_deny", "insufficient_scope", 2),
        ("/mcp", "notes_list", "shadow_limited", "rate_limited", 1),
        ("/mcp", "purge", "shadow_deny", "token_malformed", 1),
        ("/mcp", "unlisted", "shadow_deny", "unlisted", 2),
        ("/mcp", "whoami", "shadow_deny", "no_token", 1),
        ("/strict", "purge", "deny", "insufficient_scope", 1),
        ("/strict", "unlisted", "deny", "no_token", 1),
    ];
    let expected = expected
        .map(|(route, tool, decision, reason, n)| ([route, tool, decision, reason].map(str::to_owned), n));
    let counted = eventually("the statistics of all refusals", || async {
        let lines = prometheus(&gateway).await;
        assert!(lines.iter().all(|line| !line.contains("made")), "{lines:#?}");
        let of_tools = lines.iter().filter(|line| line.contains("tool_refusals_total{"));
        let all: std::collections::BTreeMap<_, _> =
            of_tools.map(|line| labels(line, ["route", "tool", "decision", "reason"])).collect();
        (all.values().sum::<u64>() >= 10).then_some(all)
    })
    .await;
    let grown: Vec<_> = counted.clone().into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(grown, expected);
    // What a tool's rule may refuse is there at zero, so that Prometheus sees the first refusal as growth; no
    // name is there twice.
    let zero = ["/mcp", "purge", "shadow_deny", "insufficient_scope"].map(str::to_owned);
    assert_eq!(counted.get(&zero), Some(&0), "{counted:#?}");
}

#[tokio::test]
async fn tools_after_the_first_thousand_are_counted_together() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let tools: serde_json::Map<_, _> =
        (0..1_002).map(|n| (format!("t{n:04}"), json!(["tool:read"]))).collect();
    let policy = json!({"routes": [{"path": "/mcp", "mcp": {"tools": tools}}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    // Without a token nobody reads which tool is called.
    let bearer = format!("Bearer {}", token().scope("other").mint(&issuer));
    for tool in ["t0999", "t1000", "t1001", "t9999"] {
        let body = call(tool).to_string();
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(client::post_json(gateway.address(), "/mcp", &headers, &body).await.status, 403);
    }
    let expected =
        [("(more)", 2), ("t0999", 1), ("unlisted", 1)].map(|(tool, count)| (tool.to_owned(), count));
    eventually("the statistics of four refusals", || async {
        let lines = prometheus(&gateway).await;
        let of_tools =
            lines.iter().filter(|line| line.contains("tool_refusals_total{") && !line.ends_with(" 0"));
        let mut counted: Vec<_> = of_tools
            .map(|line| labels(line, ["route", "tool", "decision", "reason"]))
            .map(|([_, tool, ..], count)| (tool, count))
            .collect();
        counted.sort();
        (counted == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_route_that_nobody_asks_for_has_no_statistics() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let routes: Vec<_> =
        (0..300).map(|n| json!({"path": format!("/service-{n}/*"), "scopes": ["tool:read"]})).collect();
    let gateway = gateway()
        .policy(json!({ "routes": routes, "rate_limits": [] }))
        .issuer(&issuer)
        .upstream(&upstream.url)
        .start()
        .await;
    let good = token().mint(&issuer);
    assert_eq!(gateway.get("/service-7/x").bearer(&good).send().await.status, 200);
    assert_eq!(gateway.get("/service-8/x").send().await.status, 401);
    let decisions = eventually("both decisions", || async {
        let lines = prometheus(&gateway).await;
        let of: Vec<String> = lines.into_iter().filter(|line| line.contains("decisions_total{")).collect();
        (of.len() >= 2).then_some(of)
    })
    .await;
    assert!(decisions.len() < 10, "those of what was asked, and of how it was started: {decisions:#?}");
    let mut lines = prometheus(&gateway).await;
    lines.retain(|line| line.starts_with("gatewaystack_"));
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(lines.len() < 20 && bytes < 4_096, "{} series, {bytes} bytes: {lines:#?}", lines.len());
}
