//! The contract's rows, on real tokens, without Envoy.

use crate::authenticate::Fetched;
use crate::testing::*;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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

/// Every rule of CONTRACT §2: the token, its status, and the record's reason.
#[test]
fn every_token_rule_holds() {
    let far = NOW_S + 3600;
    let ok = |t: Token| (t.mint(), 200, "authorized");
    let bad = |t: Token, reason: &'static str| (t.mint(), 401, reason);
    let claims = |text: &str| {
        token().raw_claims(
            &text.replace("EXP", &far.to_string()).replace("ISS", ISSUER).replace("AUD", AUDIENCE),
        )
    };
    let full = r#"{"iss":"ISS","aud":"AUD","sub":"u","scope":"tool:read","exp":"#;
    let exp = |value: &str| claims(&format!("{full}{value}}}"));
    let deep = |n: usize| claims(&format!("{full}EXP,\"x\":{}1{}}}", "[".repeat(n), "]".repeat(n)));
    let good = token().mint();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let cases = [
        ok(token()),
        ok(token().header("typ", "JWT")),
        ok(token().header("typ", "application/AT+JWT")),
        ok(token().without_header("typ")),
        ok(token().without_header("kid")),
        ok(token().header("jwk", json!({})).header("jku", "https://evil").header("x5c", json!([]))),
        bad(token().header("alg", "none"), "token_algorithm"),
        bad(token().header("alg", "HS256"), "token_algorithm"),
        bad(token().header("alg", "RS512"), "token_algorithm"),
        bad(token().header("alg", "rs256"), "token_algorithm"),
        bad(token().without_header("alg"), "token_algorithm"),
        bad(token().header("typ", "dpop+jwt"), "token_type"),
        bad(token().header("typ", 1), "token_type"),
        bad(token().header("crit", json!([])), "token_critical"),
        bad(token().header("kid", 1), "token_kid"),
        bad(token().header("kid", "k".repeat(257)), "token_kid"),
        bad(token().raw_header(r#"{"alg":"RS256","kid":"a","alg":"RS256"}"#), "token_malformed"),
        bad(token().raw_header(r#"["RS256"]"#), "token_malformed"),
        bad(token().signed_by(key_b()).header("kid", "a"), "token_signature"),
        bad(token().claim("iss", "https://evil.example/"), "token_issuer"),
        ok(token().claim("iss", ISSUER.trim_end_matches('/'))),
        bad(token().claim("iss", format!("{ISSUER}/")), "token_issuer"),
        bad(token().claim("iss", json!([ISSUER])), "token_issuer"),
        bad(token().without("iss"), "token_issuer"),
        ok(token().claim("aud", json!(["x", AUDIENCE]))),
        bad(token().claim("aud", "x"), "token_audience"),
        bad(token().claim("aud", format!("{AUDIENCE}/")), "token_audience"),
        bad(token().claim("aud", json!([])), "token_audience"),
        bad(token().claim("aud", json!([1, AUDIENCE])), "token_audience"),
        bad(token().without("aud"), "token_audience"),
        bad(token().without("exp"), "token_claim"),
        ok(exp(&format!("{}", NOW_S - 59))),
        ok(exp(&format!("{}.5", NOW_S - 60))),
        bad(exp(&format!("{}", NOW_S - 60)), "token_expired"),
        bad(exp("0"), "token_expired"),
        bad(exp("-1"), "token_claim"),
        bad(exp("\"9999999999\""), "token_claim"),
        bad(exp("1e400"), "token_malformed"),
        bad(exp("9007199254740992"), "token_claim"),
        ok(exp("9007199254740991")),
        bad(exp("null"), "token_claim"),
        ok(token().claim("nbf", NOW_S + 60)),
        bad(token().claim("nbf", NOW_S + 61), "token_not_yet_valid"),
        bad(token().claim("iat", NOW_S + 61), "token_not_yet_valid"),
        bad(token().claim("iat", "soon"), "token_claim"),
        bad(token().without("sub"), "token_subject"),
        bad(token().sub(""), "token_subject"),
        bad(token().sub("a\nb"), "token_subject"),
        bad(token().sub(&"s".repeat(513)), "token_subject"),
        ok(token().sub(&"s".repeat(512))),
        bad(token().claim("sub", 7), "token_subject"),
        bad(claims(&format!("{full}EXP,\"sub\":\"v\"}}")), "token_malformed"),
        ok(deep(31)),
        bad(deep(32), "token_malformed"),
        (format!("{head}.{signature}="), 401, "token_malformed"),
        (format!("{head}.{}", &signature[..signature.len() - 2]), 401, "token_signature"),
        (format!("{head}."), 401, "token_signature"),
        ("..".to_owned(), 401, "token_malformed"),
        ("a.b.c.d.e".to_owned(), 401, "token_encrypted"),
        ("opaque".to_owned(), 401, "token_opaque"),
    ];
    for (at, (token, status, reason)) in cases.iter().enumerate() {
        let mut gate = tools();
        let got = gate.send("GET", "/v1/tools/x", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!((got.status(), gate.record["reason"].as_str()), (*status, Some(*reason)), "case {at}");
        assert_eq!(
            *status == 200,
            gate.tokens.borrow().len() == 1,
            "only good tokens are remembered: case {at}"
        );
    }
}

#[test]
fn scopes_come_from_all_their_claims_and_no_others() {
    let has = |name: &str, value: Value| {
        let token = token().without("scope").claim(name, value).mint();
        tools().status("GET", "/v1/tools/x", &token) == 200
    };
    assert!(has("scope", json!("x tool:read")));
    assert!(has("scope", json!(["tool:read"])));
    assert!(has("scp", json!("tool:read")));
    assert!(has("scp", json!(["tool:read"])));
    assert!(has("scopes", json!("tool:read")));
    assert!(has("permissions", json!(["tool:read"])));
    assert!(!has("permissions", json!("tool:read")));
    assert!(!has("roles", json!(["tool:read"])));
    assert!(!has("scope", json!("tool:readX")));
    assert!(!has("scope", json!({"tool:read": true})));
}

#[test]
fn a_routes_audience_adds_or_stands_alone() {
    let mut gate = tools();
    let other = token().claim("aud", "https://other").mint();
    assert_eq!(gate.status("GET", "/strict", &other), 200);
    assert_eq!(gate.status("GET", "/strict", &token().mint()), 401);
    // The verdict is remembered, the audience is checked on each route all the same.
    assert_eq!(gate.status("GET", "/plain", &other), 401);
}

#[test]
fn machine_tokens_are_marked_and_kept_from_routes_for_users() {
    for machine in [
        token().scope("admin").claim("gty", "client-credentials"),
        token().scope("admin").sub("app@clients"),
        token().scope("admin").claim("azp", "auth0|ann"),
        token().scope("admin").claim("client_id", "auth0|ann"),
    ] {
        let mut gate = tools();
        assert_eq!(gate.status("GET", "/v1/admin/x", &machine.mint()), 403);
        assert_eq!(
            (&gate.record["machine"], &gate.record["reason"]),
            (&json!(true), &json!("machine_not_allowed"))
        );
    }
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
    assert_eq!(tools().send_bytes("GET", b"/status", &[(b"origin", b"\xff")]).status(), 400);
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
fn held_requests_go_on_when_keys_come_and_are_refused_when_they_do_not() {
    let routes = json!({"routes": [{"path": "/*"}]});
    let auth = format!("Bearer {}", token().mint());
    let ask = |gate: &mut Gate| match gate.send("GET", "/x", &[("authorization", &auth)]) {
        Got::Held(held) => *held,
        other => panic!("{other:?}"),
    };
    let mut cold = cold_gate(routes.clone());
    let held = ask(&mut cold);
    cold.publish(0, &[&key_a()]);
    assert_eq!(cold.resume(held, Fetched::Good).status(), 200);

    let mut cold = cold_gate(routes.clone());
    let held = ask(&mut cold);
    let got = cold.resume(held, Fetched::Failed);
    assert_eq!((got.status(), got.body()["error"].as_str()), (503, Some("temporarily_unavailable")));
    assert!(got.header("retry-after").is_some() && got.header("www-authenticate").is_none());

    // After a failure nobody waits: the answer comes at once.
    cold.keys.held_mut(crate::config::policy::IssuerId(0)).unwrap().failures = 1;
    assert_eq!(cold.send("GET", "/x", &[("authorization", &auth)]).status(), 503);
    // What can be refused without keys is refused without them.
    assert_eq!(cold.status("GET", "/x", &token().claim("aud", "x").mint()), 401);
}

#[test]
fn an_unknown_key_id_is_worth_one_fetch_in_thirty_seconds() {
    let mut gate = tools();
    let rotated = token().signed_by(key_b()).mint();
    let auth = format!("Bearer {rotated}");
    let Got::Held(held) = gate.send("GET", "/v1/tools/x", &[("authorization", &auth)]) else { panic!() };
    gate.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 200);

    // Spent: 503 for what may be a new key; 401 without a fetch for what wasn't one a moment ago.
    let made_up = |kid: &str| token().header("kid", kid).mint();
    assert_eq!(gate.status("GET", "/v1/tools/x", &made_up("k1")), 503);
    assert_eq!(gate.record["reason"], "key_pending");
    assert_eq!(gate.status("GET", "/v1/tools/x", &token().header("kid", "k2").claim("aud", "x").mint()), 401);
    gate.now_ms += 30_000;
    let Got::Held(held) =
        gate.send("GET", "/v1/tools/x", &[("authorization", &format!("Bearer {}", made_up("k1")))])
    else {
        panic!()
    };
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 401);
    assert_eq!(gate.status("GET", "/v1/tools/x", &made_up("k1")), 401);
    assert_eq!(gate.status("GET", "/v1/tools/x", &made_up("k3")), 503);
}

#[test]
fn a_worker_that_is_behind_waits_for_keys_that_another_has_published() {
    let mut gate = tools();
    assert_eq!(
        gate.status("GET", "/v1/tools/x", &token().header("kid", "k1").mint()),
        102,
        "the one fetch in thirty seconds"
    );
    // Its end is published; this worker hasn't read it, and would take a good token for an unknown one.
    let cell = gate.policy.issuers[0].control_cell();
    crate::jwks::control::update(&gate.table, &cell, |control| control.generation += 1).unwrap();
    let rotated = format!("Bearer {}", token().signed_by(key_b()).mint());
    let Got::Held(held) = gate.send("GET", "/v1/tools/x", &[("authorization", &rotated)]) else { panic!() };
    gate.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 200);
}

#[test]
fn a_removed_key_ends_its_tokens_and_old_keys_end_after_max_stale() {
    let mut gate = tools();
    let token = token().mint();
    assert_eq!(gate.status("GET", "/v1/tools/x", &token), 200);
    gate.publish(0, &[&key_b()]);
    assert_eq!(gate.tokens.borrow().len(), 0);
    assert_ne!(gate.status("GET", "/v1/tools/x", &token), 200);
    let mut gate = tools();
    gate.now_ms += 1_000 * 60 * 59;
    assert_eq!(gate.status("GET", "/v1/tools/x", &token), 200, "a failing issuer leaves the old keys in use");
    gate.keys.held_mut(crate::config::policy::IssuerId(0)).unwrap().fetched_at -= 24 * 3_600_000;
    assert_eq!(gate.status("GET", "/v1/tools/x", &crate::testing::token().sub("b").mint()), 503);
    assert_eq!(gate.status("GET", "/v1/tools/x", &token), 503, "a token that was verified by them, too");
}

#[test]
fn a_second_issuer_cannot_act_as_the_firsts_users() {
    let mut gate = gate(
        json!({"routes": [{"path": "/first", "issuers": [ISSUER]}, {"path": "/*"}], "identity": {"user_query": "userId"}, "issuers": [
            {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a"},
            {"issuer": SECOND, "audiences": [AUDIENCE], "jwks_cluster": "b", "user_prefix": "b|", "tenants": ["org_1"]},
        ]}),
    );
    let second = |sub: &str| token().second_issuer().sub(sub).claim("org_id", "org_1");
    let got = gate.send("GET", "/x", &[("authorization", &format!("Bearer {}", second("auth0|ann").mint()))]);
    assert_eq!(got.edits().set[0].1, "b|auth0|ann");
    assert_eq!(got.edits().set[1].1, "b|org_1");
    assert_eq!(got.edits().path.as_deref(), Some("/x?userId=b%7Cauth0%7Cann"));
    assert_eq!(gate.record["issuer"], SECOND);
    // The second's key does not sign for the first, in any spelling of `iss`.
    for iss in [ISSUER, ISSUER.trim_end_matches('/')] {
        assert_eq!(gate.status("GET", "/x", &second("u").claim("iss", iss).header("kid", "a").mint()), 401);
        let got = gate.status("GET", "/x", &second("u").claim("iss", iss).mint());
        assert!(matches!(got, 102 | 401 | 503), "{got}");
    }
    // The first can't mint the second's users either.
    assert_eq!(gate.status("GET", "/x", &token().sub("b|auth0|ann").mint()), 401);
    assert_eq!(gate.record["reason"], "token_reserved_user");
    assert_eq!(gate.status("GET", "/x", &token().claim("org_id", "b|org_1").mint()), 401);
    for (got, reason) in [
        (gate.status("GET", "/first", &second("u").mint()), "issuer_not_on_route"),
        (gate.status("GET", "/x", &second("u").claim("org_id", "org_2").mint()), "tenant_not_allowed"),
        (gate.status("GET", "/x", &second("u").without("org_id").mint()), "tenant_not_allowed"),
    ] {
        assert_eq!(got, 403, "{reason}");
    }
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
fn shadow_mode_strips_and_injects_but_refuses_nothing() {
    let mut gate = gate(
        json!({"mode": "shadow", "routes": [{"path": "/x", "scopes": ["tool:read"]}], "identity": {"user_query": "userId"}}),
    );
    let auth = format!("Bearer {}", token().mint());
    let got = gate.send("GET", "/x?userId=evil", &[("authorization", &auth), ("x-user-id", "evil")]);
    let Got::Observed(edits) = &got else { panic!("{got:?}") };
    assert_eq!(edits.remove, [b"x-user-id".to_vec()], "the token stays");
    assert_eq!(edits.set[0].1, "auth0|ann");
    assert_eq!(edits.path.as_deref(), Some("/x?userId=auth0%7Cann"));
    for (path, headers, decision, reason) in [
        ("/x", vec![("x-user-id", "evil")], "deny", "no_token"),
        ("/nope", vec![("authorization", auth.as_str())], "deny", "no_route"),
        ("/a//b", vec![("x-user-id", "evil")], "deny", "unsafe_path"),
    ] {
        let got = gate.send("GET", path, &headers);
        let Got::Observed(edits) = &got else { panic!("{got:?}") };
        assert!(edits.set.is_empty() && edits.path.is_none());
        assert_eq!(edits.remove.len(), headers.iter().filter(|h| h.0 == "x-user-id").count());
        assert_eq!(gate.record["decision"], "allow");
        assert_eq!(
            (&gate.record["shadow"]["decision"], &gate.record["shadow"]["reason"]),
            (&json!(decision), &json!(reason))
        );
    }
    let mut cold = cold_gate(json!({"mode": "shadow", "routes": [{"path": "/x"}]}));
    assert_eq!(cold.send("GET", "/x", &[("authorization", &auth)]).status(), 200, "nothing waits for keys");
    assert_eq!(cold.record["shadow"]["decision"], "unknown");
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
        "status",
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
