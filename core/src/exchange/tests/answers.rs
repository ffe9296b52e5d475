//! What we answer ourselves, and what we write down (contract §3, §4, §10).

use super::*;
use crate::decision::{Decision, Wait};
use crate::exchange::{Exchange, GaveUp, Judged};
use crate::request::Headers;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn preflights_are_answered_and_refusals_carry_cors_headers() {
    let mut gate = gate(
        json!({"routes": [{"path": "/*"}], "cors": {"origins": ["https://app.example.com"], "credentials": true}}),
    );
    let preflight = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let got = gate.send("OPTIONS", "/x", &preflight("https://app.example.com"));
    assert_eq!(
        (got.status(), got.header("access-control-allow-origin")),
        (204, Some("https://app.example.com"))
    );
    assert_eq!(got.header("access-control-allow-methods"), Some("GET, POST, PUT, PATCH, DELETE"));
    assert_eq!(got.header("access-control-max-age"), Some("600"));
    assert_eq!(got.header("access-control-allow-credentials"), Some("true"));
    let got = gate.send("OPTIONS", "/x", &preflight("https://app.example.com.evil"));
    assert_eq!((got.status(), got.header("access-control-allow-origin")), (204, None));
    let got = gate.send("GET", "/x", &[("origin", "https://app.example.com")]);
    assert_eq!((got.status(), got.header("vary")), (401, Some("Origin")));
    assert!(got.header("access-control-expose-headers").unwrap().starts_with("WWW-Authenticate, "));
    assert_eq!(
        gate.send("OPTIONS", "/x", &[("origin", "https://app.example.com")]).status(),
        401,
        "not a preflight"
    );
}

#[test]
fn grpc_gets_trailers_and_head_gets_no_body() {
    let mut gate = tools();
    let got = gate.send("POST", "/v1/tools/x", &[("content-type", "application/grpc+proto")]);
    assert_eq!(got.reply().grpc.as_ref().map(|g| g.0), Some(16));
    assert!(got.header("www-authenticate").is_some());
    let got = gate.send("HEAD", "/v1/tools/x", &[]);
    assert_eq!((got.status(), got.reply().body.as_str()), (401, ""));
}

/// One that waits in vain, and one that can't be read.
#[test]
fn whoever_is_refused_without_being_judged_gets_what_any_answer_has() {
    let mut gate = cold_gate(json!({
        "routes": [{"path": "/x"}, {"path": "/mcp", "mcp": {"allowed_origins": ["*"], "tools": {"t": []}}}],
        "cors": {"origins": ["https://app.example"]},
    }));
    let auth = format!("Bearer {}", token().mint());
    let grpc = ("content-type", "application/grpc");
    let twice = [("content-encoding", "a"), ("content-encoding", "b")];
    let mut refused = |method: &str, path: &str, more: &[(&str, &str)]| {
        let headers = [&[("authorization", auth.as_str()), ("origin", "https://app.example")], more].concat();
        match gate.send(method, path, &headers) {
            Got::Held(held) => gate.give_up(*held, GaveUp::Room),
            got => got,
        }
    };
    for (more, status, grpc_status) in [(&[][..], 503, 14), (&twice, 400, 3)] {
        let got = refused("POST", "/x", more);
        assert_eq!((got.status(), &got.body()["request_id"]), (status, &json!("req-1")));
        assert_eq!(got.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(got.reply().grpc, None);
        let got = refused("POST", "/x", &[more, &[grpc]].concat());
        assert_eq!((got.status(), got.reply().body.as_str()), (status, ""));
        assert_eq!(got.reply().grpc.as_ref().map(|(code, _)| *code), Some(grpc_status));
        // An MCP client understands JSON-RPC alone, and other clients anything but that.
        let is_rpc = |got: &Got| got.body()["jsonrpc"] == "2.0" && got.body()["id"] == Value::Null;
        assert!(is_rpc(&refused("DELETE", "/mcp", more)), "{status}");
        assert!(!is_rpc(&refused("DELETE", "/x", more)), "{status}");
    }
    let got = refused("HEAD", "/x", &twice);
    assert_eq!((got.status(), got.reply().body.as_str()), (400, ""));
}

/// The host failed: what it was asked for is still told by the record's id.
#[test]
fn a_fault_of_ours_is_answered_under_the_requests_id() {
    let mut gate = cold_gate(json!({"routes": [{"path": "/x"}]}));
    let auth = format!("Bearer {}", token().mint());
    let Got::Held(held) = gate.send("GET", "/x", &[("authorization", &auth)]) else { panic!() };
    let judged = gate.world(|world| held.fault(world));
    let Decision::Reply(reply) = judged.decision else { panic!() };
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["request_id"]), (500, &json!("req-1")));
    assert_eq!(judged.exchange.facts().unwrap().request_id, "req-1");
}

#[test]
fn each_status_has_its_grpc_status() {
    let policy = json!({"routes": [{"path": "/x"}, {"path": "/w", "scopes": ["w"]}], "rate_limits": [{"by": "user", "max": 1, "window": "60s"}]});
    let grpc = ("content-type", "application/grpc");
    let auth = format!("Bearer {}", token().mint());
    let good = ("authorization", auth.as_str());
    let mut gate = gate(policy.clone());
    assert_eq!(gate.send("POST", "/x", &[good, grpc]).status(), 200);
    for (path, headers, expect) in [
        ("/x", &[good, grpc][..], (429, 8)),
        ("/w", &[good, grpc], (403, 7)),
        ("/x", &[grpc], (401, 16)),
        ("/x//y", &[grpc], (400, 3)),
        ("/x", &[("authorization", "Bearer"), grpc], (400, 3)),
    ] {
        let got = gate.send("POST", path, headers);
        assert_eq!((got.status(), got.reply().grpc.as_ref().unwrap().0), expect, "{path} {headers:?}");
    }
    let mut cold = cold_gate(policy);
    cold.keys.held_mut(crate::config::policy::IssuerId(0)).unwrap().failures = 1;
    let got = cold.send("POST", "/x", &[good, grpc]);
    assert_eq!((got.status(), got.reply().grpc.as_ref().unwrap().0), (503, 14));
    // Envoy has another form for gRPC-Web, which is HTTP.
    let got = cold.send("POST", "/x", &[("content-type", "application/grpc-web")]);
    assert_eq!((got.reply().grpc.clone(), got.body()["error"].as_str()), (None, Some("unauthorized")));
}

#[test]
fn a_refusal_has_envoys_request_id_where_it_can_be_shown() {
    let mut gate = tools();
    for (path, headers) in [("/status", &[("host", "a"), ("host", "b")][..]), ("/a//b", &[]), ("/nope", &[])]
    {
        let got = gate.send("GET", path, headers);
        assert_eq!(
            (&got.body()["request_id"], &gate.record["request_id"]),
            (&json!("req-1"), &json!("req-1"))
        );
    }
    // Else it gets one of ours, which says nothing of its own.
    let mut made_up = |id: &str, path: &str| {
        let got = gate.vouches(path, &[("x-request-id", id)]).unwrap_err();
        let made_up = got.body()["request_id"].as_str().unwrap().to_owned();
        assert_eq!(gate.record["request_id"], json!(made_up));
        assert!(made_up.len() == 16 && made_up.bytes().all(|b| b.is_ascii_hexdigit()), "{made_up}");
        made_up
    };
    assert_ne!(made_up("\"<script>", "/nope"), made_up("'<script>", "/nope"));
    assert_eq!(made_up("\"<script>", "/nope"), made_up("\"<script>", "/a//b"));
    let mut facts = crate::record::DecisionRecord::default();
    facts.describe_unparsed(&[(b"x-request-id", b"\"<script>")]);
    assert_eq!(facts.request_id, "");
}

#[test]
fn every_counted_answer_tells_the_limit() {
    let mut gate = gate(
        json!({"routes": [{"path": "/open", "access": "public"}, {"path": "/x"}], "rate_limits": [{"by": "address", "max": 9, "window": "60s", "on": "all"}]}),
    );
    for (path, status, left) in [
        ("/open", 200, "8"),
        ("/x", 401, "7"),
        ("/.well-known/oauth-protected-resource", 200, "6"),
        ("/nope", 401, "5"),
    ] {
        let got = gate.send("GET", path, &[]);
        assert_eq!((got.status(), got.header("ratelimit-remaining")), (status, Some(left)), "{path}");
        assert_eq!(got.header("ratelimit-policy"), Some("9;w=60"), "{path}");
    }
}

#[test]
fn where_the_policy_has_origins_an_upstream_says_nothing_of_them() {
    let routes =
        json!([{"path": "/x"}, {"path": "/open", "access": "public"}, {"path": "/seen", "mode": "shadow"}]);
    let token = format!("Bearer {}", token().mint());
    for (origins, expect) in
        [(json!(["https://app.example.com"]), true), (json!(["*"]), true), (json!([]), false)]
    {
        let gate = gate(json!({"cors": {"origins": origins}, "routes": routes}));
        for (path, origin, is_removed) in [
            ("/x", Some("https://app.example.com"), expect),
            ("/x", Some("https://evil.example"), expect),
            ("/open", Some("https://evil.example"), expect),
            ("/x", None, false),
            ("/seen", Some("https://evil.example"), false),
        ] {
            let mut headers = vec![
                (":method", "GET"),
                (":path", path),
                (":authority", "gateway.example.com"),
                ("authorization", token.as_str()),
            ];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let headers: Vec<(&[u8], &[u8])> =
                headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            let exchange =
                gate.world(|world| Exchange::New.on_headers(world, Headers::of(&headers))).exchange;
            assert_eq!(exchange.decides_origins(&gate.policy), is_removed, "{origins} {path} {origin:?}");
        }
    }
}

/// Where headers can't be held, an upstream may answer before the body is judged: browsers get our word on
/// origins then, too, and its addresses lead back.
#[test]
fn an_answer_before_the_body_is_judged_has_our_word_on_origins() {
    let (ours, other) = ("https://app.example.com", "https://gateway.example.com");
    let gate = gate(json!({
        "hold_headers": false,
        "upstreams": {"default": "http://app:8080"},
        "cors": {"origins": [ours], "credentials": true},
        "routes": [{"path": "/mcp", "mcp": {"tools": {"a": []}}}],
    }));
    let token = format!("Bearer {}", token().mint());
    for (origin, allowed) in [(Some(ours), Some(ours)), (Some(other), None), (None, None)] {
        let mut headers = vec![
            (":method", "POST"),
            (":path", "/mcp"),
            (":authority", "gateway.example.com"),
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
        ];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let Judged { exchange, decision, .. } =
            gate.world(|world| Exchange::New.on_headers(world, Headers::of(&headers)));
        let has_left = matches!(&decision, Decision::Wait(Wait::Body(read)) if read.let_go.is_some());
        assert!(has_left, "{decision:?}");
        assert_eq!(exchange.decides_origins(&gate.policy), origin.is_some(), "{origin:?}");
        let response = exchange.response(&gate.policy);
        let find = |name: &str| response.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_ref());
        assert_eq!((find("access-control-allow-origin"), find("vary")), (allowed, Some("Origin")));
        assert!(exchange.seen(&gate.policy).is_some());
    }
}

#[test]
fn public_documents_answer_preflights_from_everywhere() {
    for (require_token, anybody) in [(false, true), (true, false)] {
        let mut gate = gate(json!({
            "routes": [{"path": "/x"}], "cors": {"origins": ["https://app.example.com"]},
            "metadata": {"require_token": require_token},
        }));
        let asks = [("origin", "https://inspector.example"), ("access-control-request-method", "GET")];
        let got = gate.send("OPTIONS", "/.well-known/oauth-protected-resource", &asks);
        assert_eq!(got.status(), 204);
        assert_eq!(got.header("access-control-allow-origin"), anybody.then_some("*"));
        assert_eq!(gate.send("OPTIONS", "/x", &asks).header("access-control-allow-origin"), None);
    }
    // What is relayed is public in any case, where there is somebody to relay it.
    for require_token in [false, true] {
        let mut gate = gate(json!({
            "routes": [{"path": "/x"}], "cors": {"origins": ["https://app.example.com"], "credentials": true},
            "metadata": {"serve": "sidecar", "require_token": require_token},
        }));
        for origin in ["https://inspector.example", "https://app.example.com"] {
            let asks = [("origin", origin), ("access-control-request-method", "GET")];
            let got = gate.send("OPTIONS", "/.well-known/openid-configuration", &asks);
            assert_eq!(
                (got.status(), got.header("access-control-allow-origin")),
                (204, Some("*")),
                "{origin}"
            );
            assert_eq!(got.header("access-control-allow-credentials"), None, "{origin}");
        }
    }
}

#[test]
fn a_limit_of_addresses_with_a_route_counts_that_route_alone() {
    let mut gate = gate(json!({
        "routes": [{"path": "/open/*", "access": "public"}, {"path": "/login", "access": "public"}, {"path": "/x"}],
        "rate_limits": [{"by": "address", "max": 2, "window": "60s", "on": "all", "route": "/open/*"}],
    }));
    for (path, status) in [
        ("/login", 200),
        ("/x", 401),
        ("/nope", 401),
        ("/open/a", 200),
        ("/login", 200),
        ("/open/b", 200),
        ("/open/a", 429),
        ("/login", 200),
        ("/x", 401),
    ] {
        let got = gate.send("GET", path, &[]);
        assert_eq!(got.status(), status, "{path}");
        assert_eq!(got.header("ratelimit-limit").is_some(), path.starts_with("/open/"), "{path}");
    }
}

#[test]
fn records_hold_no_token_no_query_and_no_long_string() {
    let mut gate = tools();
    let token = token().mint();
    let long = format!("/v1/tools/{}?secret=1", "é".repeat(0) + &"p".repeat(1000));
    gate.status("GET", &long, &token);
    let text = gate.record.to_string();
    assert!(!text.contains(&token[..20]) && !text.contains("secret"));
    assert_eq!(gate.record["path"].as_str().map(str::len), Some(256));
    assert_eq!(gate.record["ts"], "2026-09-21T14:13:20.000000Z");
    let members = [
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
    ];
    assert!(members.iter().all(|m| gate.record.get(m).is_some()), "{text}");
}

#[test]
fn the_filter_answers_metadata_itself_and_has_none_for_another_path() {
    const DOCUMENT: &str = "/.well-known/oauth-protected-resource";
    let routes = json!([{"path": "/v1/*", "scopes": ["tool:read"]}]);
    let mut gate = gate(json!({"routes": routes, "scopes_supported": ["openid", "offline_access"]}));
    let got = gate.send("GET", DOCUMENT, &[]);
    let document = json!({"resource": AUDIENCE, "authorization_servers": [ISSUER],
        "scopes_supported": ["openid", "tool:read"], "bearer_methods_supported": ["header"]});
    assert_eq!((got.status(), got.body()), (200, document));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("cache-control", "public, max-age=300"),
        ("vary", "Host"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(got.header(name), Some(value));
    }
    assert_eq!(gate.record["reason"], "metadata");
    let head = gate.send("HEAD", DOCUMENT, &[]);
    assert_eq!((head.status(), head.reply().body.as_str()), (200, ""));
    for path in ["/mcp", "/v1/x", "/a/b"] {
        let got = gate.send("GET", &format!("{DOCUMENT}{path}"), &[]);
        assert_eq!((got.status(), got.body()["error"].clone()), (404, json!("not_found")), "{path}");
    }
    assert_eq!(gate.record["reason"], "no_document");
    let got = gate.send("OPTIONS", DOCUMENT, &[]);
    assert_eq!((got.status(), got.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn a_built_in_path_names_its_own_methods_to_whoever_asks_by_another() {
    let mut gate = gate(json!({"routes": [{"path": "/v1/*", "methods": ["PUT", "DELETE"]}],
        "builtin": {"health": true, "demo_routes": true, "test_routes": true}}));
    for (path, allow) in [
        ("/", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/protected/echo", "POST"),
        ("/writer-only", "GET, HEAD, POST"),
    ] {
        let got = gate.send("DELETE", path, &[]);
        assert_eq!((got.status(), got.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[test]
fn metadata_can_ask_for_a_token() {
    let mut gate = gate(json!({"routes": [], "metadata": {"require_token": true}}));
    let path = "/.well-known/oauth-protected-resource";
    assert_eq!(gate.send("GET", path, &[]).status(), 401);
    let good = token().mint();
    let bearer = format!("Bearer {good}");
    assert_eq!(gate.send("GET", path, &[("authorization", &bearer)]).body()["resource"], AUDIENCE);
}

#[test]
fn challenge_scope_all_names_every_advertised_scope_and_the_operations() {
    let routes = json!([{"path": "/v1/*", "scopes": ["admin"]}, {"path": "/v2/*", "scopes": ["tool:read"]}]);
    let supported = json!(["openid", "offline_access", "extra"]);
    for (choice, expect) in
        [("operation", "scope=\"admin\""), ("all", "scope=\"admin extra openid tool:read\"")]
    {
        let mut gate =
            gate(json!({"routes": routes, "scopes_supported": supported, "hidden_scopes": ["admin"],
            "challenge_scope": choice}));
        let got = gate.send("GET", "/v1/x", &[]);
        let challenge = got.header("www-authenticate").unwrap();
        assert!(challenge.contains(expect), "{choice}: {challenge}");
    }
}
