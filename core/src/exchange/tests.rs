//! The contract's rows, on real tokens, without Envoy.

use crate::authenticate::Fetched;
use crate::testing::*;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod again;
mod aliases;
mod answers;
mod blocked;
mod identity;
mod keys;
mod locations;
mod records;
mod room;
mod rules;
mod shared_limits;
mod shadow;
mod spellings;
mod states;
mod tokens;

fn tools() -> Gate {
    gate(json!({"routes": [
        {"path": "/status", "access": "public"},
        {"path": "/v1/tools/*", "methods": ["GET"], "scopes": ["tool:read"]},
        {"path": "/v1/tools/*", "methods": ["POST"], "scopes": ["tool:write"]},
        {"path": "/v1/admin/*", "any_scope": ["admin", "owner"], "users_only": true},
        {"path": "/live", "upgrade": ["websocket"]},
        {"path": "/plain", "forward_authorization": true},
        {"path": "/strict", "audiences": ["https://other"], "audience": "strict"},
    ]}))
}

#[test]
fn a_good_token_is_forwarded_as_its_user_and_taken_away() {
    let mut gate = tools();
    let token = token().claim("org_id", "org 1").mint();
    let headers =
        [("authorization", &*format!("Bearer {token}")), ("x-user-id", "evil"), ("X_Tenant_ID", "evil")];
    let got = gate.send("GET", "/v1/tools/list", &headers);
    let edits = got.edits();
    assert_eq!(edits.remove, [b"authorization".to_vec(), b"x-user-id".to_vec(), b"X_Tenant_ID".to_vec()]);
    let set =
        [("x-user-id".to_owned(), "auth0|ann".to_owned()), ("x-tenant-id".to_owned(), "org%201".to_owned())];
    assert_eq!(edits.set, set);
    assert_eq!(edits.path, None);
    assert_eq!(gate.record["decision"], "allow");
    assert_eq!(gate.record["sub"], "auth0|ann");
    assert_eq!(gate.record["tenant"], "org 1");
    assert_eq!(gate.record["route"], "/v1/tools/*");
    // The second time the token comes out of the cache, with the same result.
    assert_eq!(gate.send("GET", "/v1/tools/list", &headers).edits(), edits);
    assert_eq!(gate.tokens.borrow().len(), 1);
}

#[test]
fn without_a_token_the_challenge_points_at_the_metadata_and_names_no_error() {
    let mut gate = tools();
    let got = gate.send("GET", "/v1/tools/list", &[]);
    assert_eq!(got.status(), 401);
    let challenge = "Bearer realm=\"mcp\", scope=\"tool:read\", \
        resource_metadata=\"https://gateway.example.com/.well-known/oauth-protected-resource\"";
    assert_eq!(got.header("www-authenticate"), Some(challenge));
    let body =
        json!({"error": "unauthorized", "error_description": "Access token required", "request_id": "req-1"});
    assert_eq!(got.body(), body);
    assert_eq!(got.header("cache-control"), Some("no-store"));
    // A path that no route allows has no scope to ask for.
    let got = gate.send("GET", "/nope", &[]);
    assert_eq!(got.status(), 401);
    assert!(!got.header("www-authenticate").unwrap().contains("scope="));
}

#[test]
fn a_missing_scope_is_403_with_what_is_needed() {
    let mut gate = tools();
    let auth = format!("Bearer {}", token().mint());
    let got = gate.send("POST", "/v1/tools/x", &[("authorization", &auth)]);
    assert_eq!(got.status(), 403);
    assert_eq!(got.body()["needed"], json!(["tool:write"]));
    assert_eq!(got.body()["have"], json!(["tool:read"]));
    let challenge = got.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"mcp\", error=\"insufficient_scope\", error_description=\""),
        "{challenge}"
    );
    assert!(challenge.contains(", scope=\"tool:write\", resource_metadata="), "{challenge}");
    let got = gate.send("GET", "/v1/admin/x", &[("authorization", &auth)]);
    assert_eq!((got.status(), got.body()["needed"].clone()), (403, json!(["admin"])));
    let owner = token().scope("owner").mint();
    assert_eq!(gate.status("GET", "/v1/admin/x", &owner), 200);
}

#[test]
fn what_no_route_allows_is_denied_after_authentication() {
    let mut gate = tools();
    let good = token().mint();
    for (method, path) in [
        ("GET", "/nope"),
        ("GET", "/v1/tools"),
        ("GET", "/v1/toolsX"),
        ("DELETE", "/v1/tools/x"),
        ("GET", "/V1/tools/x"),
    ] {
        let got = gate.send(method, path, &[("authorization", &format!("Bearer {good}"))]);
        assert_eq!(
            (got.status(), got.body()["error"].as_str()),
            (403, Some("access_denied")),
            "{method} {path}"
        );
        assert_eq!(got.header("www-authenticate"), None);
        assert_eq!(gate.status(method, path, "a.b.c"), 401, "{method} {path}");
    }
    assert_eq!(gate.status("HEAD", "/v1/tools/x/", &good), 200);
}

#[test]
fn public_routes_take_anybody_and_no_token_travels_on() {
    let mut gate = tools();
    let got = gate.send("GET", "/status", &[("authorization", "Bearer junk"), ("x-user-id", "evil")]);
    assert_eq!(got.edits().remove, [b"authorization".to_vec(), b"x-user-id".to_vec()]);
    assert!(got.edits().set.is_empty());
    assert_eq!(
        gate.send("GET", "/plain", &[("authorization", &format!("Bearer {}", token().mint()))])
            .edits()
            .remove
            .len(),
        0
    );
}

#[test]
fn upgrades_pass_only_where_they_are_allowed() {
    let mut gate = tools();
    let auth = format!("Bearer {}", token().mint());
    let upgrade = [("authorization", auth.as_str()), ("connection", "Upgrade"), ("upgrade", "websocket")];
    assert_eq!(gate.send("GET", "/live", &upgrade).status(), 200);
    let got = gate.send("GET", "/plain", &upgrade);
    assert_eq!((got.status(), got.body()["error"].as_str()), (403, Some("upgrade_not_allowed")));
    assert_eq!(gate.send("GET", "/status", &upgrade[1..]).status(), 403);
    for other in ["h2c", "websocket, h2c", ""] {
        let got = gate.send("GET", "/live", &[("authorization", &auth), ("upgrade", other)]);
        assert_eq!(got.status(), 403, "{other}");
    }
}

#[test]
fn ambiguous_requests_are_refused_before_anything_else() {
    let auth = format!("Bearer {}", token().mint());
    let auth = auth.as_str();
    type Headers = &'static [(&'static str, &'static str)];
    let cases: &[(&str, &str, Headers)] = &[
        ("GET", "/v1/tools/../admin/x", &[]),
        ("GET", "/v1//tools/x", &[]),
        ("GET", "/v1/tools/%2e%2e/x", &[]),
        ("GET", "/v1/tools/x;y", &[]),
        ("TRACE", "/v1/tools/x", &[]),
        ("CONNECT", "/v1/tools/x", &[]),
        ("TRACE", "/live", &[("connection", "upgrade"), ("upgrade", "websocket")]),
        ("CONNECT", "/live", &[("connection", "upgrade"), ("upgrade", "websocket")]),
        ("GET", "/v1/tools/x", &[("authorization", "Bearer a.b.c")]),
        ("GET", "/v1/tools/x", &[("content-type", "a"), ("content-type", "b")]),
        ("GET", "/v1/tools/x", &[("content-encoding", "a"), ("content-encoding", "b")]),
        ("GET", "/v1/tools/x", &[("host", "a"), ("host", "b")]),
        ("GET", "/v1/tools/x", &[("host", "a,b")]),
        ("GET", "/v1/tools/x", &[("content-type", "a,b")]),
        ("GET", "/v1/tools/x", &[("content-encoding", "gzip,br")]),
        ("GET", "/v1/tools/x", &[("origin", "https://a,https://b")]),
        ("GET", "/v1/tools/x", &[("mcp-name", "a"), ("mcp-name", "b")]),
        ("GET", "/v1/tools/x", &[("mcp-method", "a"), ("mcp-method", "b")]),
        ("GET", "/v1/tools/x", &[("mcp-session-id", "a"), ("mcp-session-id", "b")]),
        ("GET", "/v1/tools/x", &[("mcp-protocol-version", "a"), ("mcp-protocol-version", "b")]),
        ("GET", "/v1/tools/x", &[("x-required-scope", "a"), ("x-required-scope", "b")]),
        ("GET", "/v1/tools/x", &[("connection", "close, X-User-Id")]),
    ];
    for (method, path, headers) in cases {
        let mut all = vec![("authorization", auth)];
        all.extend(headers.iter());
        let got = tools().send(method, path, &all);
        assert_eq!(
            (got.status(), got.body()["error"].as_str()),
            (400, Some("invalid_request")),
            "{method} {path} {headers:?}"
        );
        assert_eq!(got.header("www-authenticate"), None);
    }
    let joined = format!("{auth},{auth}");
    assert_eq!(
        tools().send("GET", "/status", &[("authorization", &joined)]).status(),
        400,
        "on public routes, too"
    );
    assert_eq!(tools().send_bytes("GET", b"/caf\xc3\xa9", &[]).status(), 400);
    let high = tools().send_bytes("GET", b"/status", &[(b"x-any", b"\xff\xfe"), (b"\xff", b"x")]);
    assert_eq!(high.status(), 200, "bytes that aren't judged are left alone");
    for value in [&b"\xff"[..], "https://app.example\u{17f}".as_bytes()] {
        assert_eq!(tools().send_bytes("GET", b"/status", &[(b"origin", value)]).status(), 400);
    }
}

#[test]
fn a_path_is_judged_and_forwarded_in_one_spelling() {
    let mut gate = gate(
        json!({"identity": {"user_query": "userId"}, "routes": [{"path": "/admin/*", "scopes": ["admin"]}, {"path": "/*"}]}),
    );
    let auth = format!("Bearer {}", token().mint());
    let got = gate.send("GET", "/%61dmin/x", &[("authorization", &auth)]);
    assert_eq!(got.status(), 403);
    let got = gate.send("GET", "/%66ree?userId=evil&a=%41", &[("authorization", &auth)]);
    assert_eq!(got.edits().path.as_deref(), Some("/free?a=%41&userId=auth0%7Cann"));
    assert!(got.edits().rerouted);
    let got = gate.send("GET", "/free?x=1", &[("authorization", &auth)]);
    assert!(!got.edits().rerouted, "the query alone does not choose another route");
    // A later route would match, but a server that ignores case would take it for the earlier one.
    let got = gate.send("GET", "/Admin/x", &[("authorization", &auth)]);
    assert_eq!((got.status(), gate.record["reason"].as_str()), (403, Some("ambiguous_case")));
}

#[test]
fn where_nobody_is_named_a_query_loses_who_it_says_it_is_from() {
    let mut gate = gate(json!({
        "identity": {"user_query": "userId"},
        "builtin": {"health": true},
        "routes": [{"path": "/open", "access": "public"}],
    }));
    for (query, expect) in
        [("?userId=evil", Some("")), ("?userId=evil&a=1", Some("?a=1")), ("?a=1", None), ("", None)]
    {
        for path in ["/open", "/health"] {
            let got = gate.send("GET", &format!("{path}{query}"), &[]);
            let expect = expect.map(|query| format!("{path}{query}"));
            assert_eq!((got.edits().path.clone(), got.edits().rerouted), (expect, false), "{path}{query}");
        }
    }
}

#[test]
fn a_limit_counts_every_route_within_its_pattern() {
    let mut gate = gate(json!({
        "routes": [{"path": "/v1/admin/purge"}, {"path": "/v1/admin/*"}, {"path": "/v1/*"}],
        "rate_limits": [{"by": "user", "max": 2, "window": "60s", "route": "/v1/admin/*"}],
    }));
    let token = token().mint();
    // No narrower route is a way around it.
    let mut ask = |path| gate.status("GET", path, &token);
    assert_eq!(
        ["/v1/admin/purge", "/v1/x", "/v1/admin/x", "/v1/admin/purge", "/v1/x"].map(&mut ask),
        [200, 200, 200, 429, 200]
    );
}

#[test]
fn limits_count_users_then_tenants_and_tell_the_tightest() {
    let mut gate = gate(json!({"routes": [{"path": "/*"}], "rate_limits": [
        {"by": "tenant", "max": 3, "window": "60s"}, {"by": "user", "max": 2, "window": "30s"},
    ]}));
    let ask = |gate: &mut Gate, sub: &str| {
        let token = token().sub(sub).claim("org_id", "o").mint();
        gate.send("GET", "/x", &[("authorization", &format!("Bearer {token}"))])
    };
    let got = ask(&mut gate, "ann");
    assert_eq!(got.header("ratelimit-policy"), Some("2;w=30"));
    assert_eq!(got.header("ratelimit-remaining"), Some("1"));
    assert_eq!(got.header("ratelimit-reset"), Some("30"));
    assert_eq!(ask(&mut gate, "ann").status(), 200);
    let got = ask(&mut gate, "ann");
    assert_eq!(
        (got.status(), got.header("retry-after"), got.body()["error"].as_str()),
        (429, Some("30"), Some("rate_limited"))
    );
    assert_eq!(gate.record["decision"], "limited");
    // Ann's refused request cost her tenant nothing: one of three is left.
    assert_eq!(ask(&mut gate, "bob").header("ratelimit-remaining"), Some("0"));
    assert_eq!(ask(&mut gate, "cid").status(), 429);
    gate.now_ms += 30_000;
    assert_eq!(ask(&mut gate, "ann").status(), 429, "the tenant's window isn't over");
    gate.now_ms += 30_000;
    assert_eq!(ask(&mut gate, "ann").status(), 200);
}

#[test]
fn addresses_that_fail_too_often_are_stopped_before_any_signature() {
    let mut gate =
        gate(json!({"routes": [{"path": "/open", "access": "public"}, {"path": "/*"}], "rate_limits": [
            {"by": "address", "max": 2, "window": "60s", "on": "failures", "except": ["203.0.113.0/24"]},
        ]}));
    let (known, fresh) = (token().mint(), token().sub("bob").mint());
    let forged = token().signed_by(key_b()).header("kid", "a").mint();
    assert_eq!(gate.status("GET", "/x", &known), 200);
    for harmless in [token().claim("exp", 1).mint(), token().claim("aud", "x").mint()] {
        assert_eq!(gate.status("GET", "/x", &harmless), 401);
    }
    assert_eq!(gate.status("GET", "/x", &forged), 401);
    assert_eq!(gate.send("GET", "/x", &[("authorization", "Bearer")]).status(), 400);
    assert_eq!(gate.status("GET", "/x", &fresh), 429);
    assert_eq!(gate.record["reason"], "address_limited");
    assert_eq!(gate.status("GET", "/x", &known), 200, "a token known to be good passes");
    assert_eq!(gate.send("GET", "/x", &[]).status(), 401);
    assert_eq!(gate.send("GET", "/open", &[]).status(), 200);
    gate.address = [203, 0, 113, 9].into();
    assert_eq!(gate.status("GET", "/x", &fresh), 200);
}
