//! Contract §1 over HTTP/2, with fields that no codec would send.

use gatewaystack_tests::*;
use serde_json::{Value, json};

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = json!({"rate_limits": [], "identity": {"user_query": "userId"}, "routes": [
        {"path": "/open/*", "access": "public"},
        {"path": "/live", "upgrade": ["websocket"]},
        {"path": "/v1/*"},
    ]});
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).start().await;
    (issuer, upstream, gateway)
}

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A good request, with other values for some of its fields.
fn request<'a>(bearer: &'a [u8], other: &[(&'a [u8], &'a [u8])]) -> Fields<'a> {
    let usual: [(&[u8], &[u8]); 5] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"a"),
        (b":path", b"/v1/x"),
        (b"authorization", bearer),
    ];
    usual
        .map(|(name, value)| (name, other.iter().find(|(n, _)| *n == name).map_or(value, |(_, v)| *v)))
        .to_vec()
}

/// The statuses of requests, all at once: Envoy takes a second to end a connection that has broken the
/// protocol.
async fn statuses(gateway: &Gateway, requests: &[Fields<'_>]) -> Vec<u16> {
    let send = |fields: &Fields<'_>| {
        let address = gateway.address().to_owned();
        let owned: Vec<_> = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        tokio::spawn(async move {
            let fields: Vec<(&[u8], &[u8])> = owned.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            raw_http2::send(&address, &fields).await
        })
    };
    let mut statuses = Vec::new();
    for task in requests.iter().map(send).collect::<Vec<_>>() {
        statuses.push(task.await.unwrap());
    }
    statuses
}

#[tokio::test]
async fn targets_and_methods_that_cannot_be_judged_never_succeed() {
    let (issuer, upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer)).into_bytes();
    assert_eq!(raw_http2::send(gateway.address(), &request(&bearer, &[])).await, 200, "the client works");
    let paths: &[&[u8]] = &[
        b"/v1/../v1/x",
        b"/v1/./x",
        b"/v1//x",
        b"//v1/x",
        b"/v1/x;y",
        b"/v1/x%2fy",
        b"/v1/x%5Cy",
        b"/v1/%2e%2e/x",
        b"/v1/x%25y",
        b"/v1/x%3by",
        b"/v1/x%00",
        b"/v1/x%0a",
        b"/v1/x%7f",
        b"/v1/x%",
        b"/v1/x%g1",
        b"/v1/x%ff",
        b"/v1/x\\y",
        b"/v1/..",
        b"/v1/x/.",
        b"/v1/x//",
        b"/v1/x#y",
        b"/v1/x?a#y",
        b"v1/x",
        b"*",
        b"",
        b"http://a/v1/x",
        b"/v1/caf\xc3\xa9",
        b"/v1/\xff",
        b"/v1/x y",
        b"/v1/x\ty",
        b"/v1/x\0y",
        b"/v1/x\r\ny",
        b"/v1/x?a b",
        b"/open/../v1/x",
        b"/open/%2e./x",
    ];
    let requests: Vec<_> = paths.iter().map(|path| request(&bearer, &[(b":path", *path)])).collect();
    for (path, got) in paths.iter().zip(statuses(&gateway, &requests).await) {
        assert!(matches!(got, 0 | 400 | 404), "{}: {got}", String::from_utf8_lossy(path));
    }
    let methods: &[&'static [u8]] = &[b"TRACE", b"CONNECT", b"", b"GE T", b"GET\0", b"\xff"];
    for path in [&b"/v1/x"[..], b"/live", b"*"] {
        let of = |method: &&'static [u8]| request(&bearer, &[(b":method", *method), (b":path", path)]);
        let requests: Vec<_> = methods.iter().map(of).collect();
        for (method, got) in methods.iter().zip(statuses(&gateway, &requests).await) {
            assert!(!(200..300).contains(&got), "{}: {got}", String::from_utf8_lossy(method));
        }
    }
    assert_eq!(upstream.seen().len(), 1, "the good one alone");
    // Each line is JSON, whatever bytes the requests had.
    assert!(gateway.records(20).await.iter().all(|record| record["decision"] != "limited"));
}

#[tokio::test]
async fn doubled_hidden_and_misplaced_fields_never_succeed() {
    let (issuer, upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer)).into_bytes();
    let twice: &[&[u8]] = &[
        b"content-type",
        b"content-encoding",
        b"origin",
        b"mcp-protocol-version",
        b"mcp-method",
        b"mcp-name",
        b"mcp-session-id",
        b"x-required-scope",
    ];
    let mut rows: Vec<Fields<'_>> =
        twice.iter().map(|name| vec![(*name, &b"a"[..]), (*name, &b"b"[..])]).collect();
    let once: &[(&[u8], &[u8])] = &[
        (b"authorization", b"Bearer a.b.c"),
        (b"authorization", &bearer),
        (b":path", b"/open/x"),
        (b":method", b"POST"),
        (b":authority", b"b"),
        (b":protocol", b"websocket"),
        (b":unknown", b"x"),
        (b"x_user_id", b"evil"),
        (b"X-User-Id", b"evil"),
        (b"x-user-id ", b"evil"),
        (b"x-user-id", b"evil\r\nx-tenant-id: evil"),
        (b"x-user\xff", b"evil"),
        (b"", b"evil"),
        (b"connection", b"x-user-id"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"websocket"),
    ];
    rows.extend(once.iter().map(|field| vec![*field]));
    let requests: Vec<_> = rows.iter().map(|row| [request(&bearer, &[]), row.clone()].concat()).collect();
    for (row, got) in rows.iter().zip(statuses(&gateway, &requests).await) {
        assert!(!(200..300).contains(&got), "{got} {:?}", String::from_utf8_lossy(row[0].0));
    }
    // An extended CONNECT (RFC 8441), which isn't offered.
    let mut extended = request(&bearer, &[(b":method", b"CONNECT"), (b":path", b"/live")]);
    extended.insert(1, (b":protocol", b"websocket"));
    assert!(!(200..300).contains(&raw_http2::send(gateway.address(), &extended).await));
    assert_eq!(upstream.seen(), Vec::<Value>::new());
    assert_eq!(raw_http2::send(gateway.address(), &request(&bearer, &[])).await, 200);
    assert_eq!(gateway.stat(&["wasm", "reload"]).await, 0);
    let records = gateway.records(requests.len() + 2).await;
    assert_eq!(records.iter().filter(|record| record["decision"] == "allow").count(), 1, "{records:#?}");
}

#[tokio::test]
async fn a_host_beside_the_authority_changes_nothing_and_a_spoofed_identity_is_gone() {
    let (issuer, upstream, gateway) = stage().await;
    let bearer = format!("Bearer {}", token().mint(&issuer)).into_bytes();
    let spoofed: &[(&[u8], &[u8])] = &[
        (b"x-user-id", b"evil"),
        (b"x-user-id", b"\xff\xfe evil"),
        (b"x-tenant-id", b"evil"),
        (b"x-gatewaystack-secret", b"evil"),
    ];
    for path in [&b"/v1/x?userId=evil"[..], b"/open/x?%75SERID=evil"] {
        let fields = [request(&bearer, &[(b":path", path)]), spoofed.to_vec()].concat();
        assert_eq!(raw_http2::send(gateway.address(), &fields).await, 200);
    }
    let with_host = [request(&bearer, &[]), vec![(&b"host"[..], &b"evil.example"[..])]].concat();
    assert!(matches!(raw_http2::send(gateway.address(), &with_host).await, 0 | 200 | 400));
    for seen in upstream.seen() {
        assert!(!seen.to_string().contains("evil"), "{seen}");
    }
    assert!(upstream.seen().len() >= 2);
}
