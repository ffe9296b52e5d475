//! One decision record a request, no matter who decided it; no secret in it, nor in the log.

use gatewaystack_tests::*;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn each_request_leaves_exactly_one_record() {
    let issuer = TestIssuer::start().await;
    let echo = gatewaystack_demo::Echo::start(0).await.unwrap();
    let policy = json!({"routes": [{"path": "/open", "access": "public"}, {"path": "/hang"}, {"path": "/v1/*", "scopes": ["tool:read"]}]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&echo.url).start().await;
    let good = token().claim("org_id", "org").mint(&issuer);
    gateway.get("/open").send().await;
    gateway.get("/v1/x?secret=1").bearer(&good).send().await;
    gateway.get("/v1/x").send().await;
    gateway.get("/nope").bearer(&good).send().await;
    gateway.get("/v1/../x").bearer(&good).send().await;
    // Refused by Envoy before the filter sees it.
    gateway.get("/v1/x").header("x_underscore", "1").send().await;
    for header in ["", "content-type: text/plain\r\n"] {
        let request = format!("OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{header}\r\n");
        assert_eq!(client::raw(gateway.address(), request.as_bytes()).await.status, 404);
    }
    // A client that goes away while the upstream thinks.
    let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let request = format!("GET /hang HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {good}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    eventually("the request upstream", || async {
        (gateway.stat(&["upstream_rq_active"]).await > 0).then_some(())
    })
    .await;
    drop(stream);

    let records = gateway.records(9).await;
    let seen: Vec<_> =
        records.iter().map(|r| (r["decision"].as_str().unwrap(), r["reason"].as_str().unwrap())).collect();
    for expect in [
        ("allow", "public"),
        ("allow", "authorized"),
        ("deny", "no_token"),
        ("deny", "no_route"),
        ("deny", "unsafe_path"),
    ] {
        assert!(seen.contains(&expect), "{expect:?} in {seen:?}");
    }
    assert_eq!(seen.iter().filter(|(d, r)| *d == "error" && r.starts_with("envoy:")).count(), 3, "{seen:?}");
    assert_eq!(records.len(), 9, "{records:#?}");
    let allowed = records.iter().find(|r| r["path"] == "/v1/x" && r["decision"] == "allow").unwrap();
    assert_eq!(
        (&allowed["sub"], &allowed["tenant"], &allowed["status"]),
        (&json!("ann"), &json!("org"), &json!(200))
    );
    let members = [
        "status",
        "ts",
        "request_id",
        "sub",
        "tenant",
        "issuer",
        "machine",
        "method",
        "path",
        "route",
        "tool",
        "operation",
        "decision",
        "reason",
        "latency_us",
        "policy",
        "vm",
        "seq",
        "client",
        "agent",
        "actor",
        "rule",
        "session",
        "trace_id",
        "user_agent",
        "address",
    ];
    for record in &records {
        let lacks: Vec<_> = members.iter().filter(|member| record.get(**member).is_none()).collect();
        assert!(lacks.is_empty() && record.as_object().unwrap().len() == members.len(), "{lacks:?} {record}");
    }
    let gone = records.iter().find(|r| r["path"] == "/hang").unwrap();
    assert_eq!((&gone["decision"], &gone["status"]), (&json!("allow"), &json!(0)), "it got no answer");
    assert_eq!(
        (&allowed["issuer"], &allowed["route"], &allowed["method"]),
        (&json!(issuer.url), &json!("/v1/*"), &json!("GET"))
    );
    let all = format!("{records:?}{}", gateway.log());
    assert!(
        !all.contains(&good[..40]) && !all.contains("secret=1"),
        "no token and no query in records and log"
    );
    assert_eq!(gateway.stat(&["gatewaystack_decisions_total", "no_token"]).await, 1);
}
