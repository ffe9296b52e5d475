//! Contract §2: which tokens are good, and whose they make a request.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Every rule of contract §2: the token, its status, and the record's reason.
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
        bad(token().header("typ", "secevent+jwt"), "token_type"),
        bad(token().header("typ", "application/SecEvent+JWT"), "token_type"),
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

/// Of the echo for tests: what it is asked for, and what is said to be missing; `None`: it isn't a list of
/// scopes (RFC 6749 §3.3) that could be shown again.
#[test]
fn the_echo_for_tests_needs_the_scopes_that_its_request_names() {
    let mut gate = gate(json!({"routes": [], "builtin": {"demo_routes": true, "test_routes": true}}));
    let auth = format!("Bearer {}", token().scope("tool:read openid").mint());
    let (fits, long) = ("s".repeat(256), "s".repeat(257));
    for (named, status, needed) in [
        ("tool:read", 200, None),
        (" tool:read  openid ", 200, None),
        ("tool:read admin", 403, Some(vec!["tool:read", "admin"])),
        ("!#[]~", 403, Some(vec!["!#[]~"])),
        (fits.as_str(), 403, Some(vec![fits.as_str()])),
        (&long, 400, None),
        ("", 400, None),
        ("  ", 400, None),
        ("a\"b", 400, None),
        ("a\\b", 400, None),
        ("tool:read a\tb", 400, None),
        ("\u{e9}", 400, None),
    ] {
        let headers = [("authorization", auth.as_str()), ("x-required-scope", named)];
        let got = gate.send("GET", "/__test__/echo", &headers);
        assert_eq!(got.status(), status, "{named}");
        if let Some(needed) = needed {
            assert_eq!(got.body()["needed"], json!(needed), "{named}");
        }
    }
    assert_eq!(gate.send("GET", "/__test__/echo", &[("authorization", &auth)]).status(), 400);
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
        token().scope("admin").claim("cid", "auth0|ann"),
        token().scope("admin").claim("appid", "auth0|ann"),
        token().scope("admin").claim("gty", "client_credentials"),
        token().scope("admin").claim("gty", "Client-Credentials"),
        token().scope("admin").claim("gty", json!(["client_credentials"])),
        token().scope("admin").claim("gty", json!(["other", "client-credentials"])),
        token().scope("admin").claim("gty", "client_credentials refresh_token"),
        token().scope("admin").claim("idtyp", "app"),
        token().scope("admin").claim("oid", "auth0|ann").claim("roles", json!(["x"])),
        token().scope("admin").claim("preferred_username", "service-account-batch"),
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
fn a_users_token_is_no_machines() {
    for user in [
        token().scope("admin").claim("gty", json!(["authorization_code", "refresh_token"])),
        token().scope("admin").claim("gty", json!({"client_credentials": true})),
        token().scope("admin").claim("gty", "password"),
        token().scope("admin").claim("gty", "not_client_credentials"),
        token().scope("admin").claim("cid", "app").claim("azp", "app").claim("appid", json!(null)),
        token().scope("admin").claim("idtyp", "user"),
        token().scope("admin").claim("oid", "other").claim("roles", json!(["x"])),
        token().scope("admin").claim("oid", "auth0|ann"),
        token().scope("admin").claim("oid", "auth0|ann").claim("roles", json!(["x"])).claim("scp", "admin"),
        token().scope("admin").claim("preferred_username", "ann-service-account-"),
        token().scope("admin").claim("preferred_username", "ann"),
    ] {
        let mut gate = tools();
        assert_eq!(gate.status("GET", "/v1/admin/x", &user.mint()), 200);
        assert_eq!(gate.record["machine"], json!(false));
    }
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

/// Entra: asked for by the whole name, in the token by its end.
#[test]
fn a_scope_is_known_with_its_prefix_and_without() {
    let api = "api://11111111-2222/";
    let mut gate = gate(json!({
        "issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "scope_prefix": api, "scopes": ["read", format!("{api}write")]}],
        "routes": [
            {"path": "/read", "scopes": ["read"]},
            {"path": "/whole", "scopes": [format!("{api}read")]},
            {"path": "/any", "any_scope": ["admin", "write"]},
            {"path": "/person", "scopes": ["openid"]},
        ],
    }));
    for (scope, reads, any) in [
        ("read".to_owned(), true, false),
        (format!("{api}read"), true, false),
        (format!("write {api}admin"), false, true),
        (format!("{api}{api}read"), false, false),
        ("admin".to_owned(), false, false),
        ("api://other/read".to_owned(), false, false),
    ] {
        let token = token().scope(&scope).mint();
        let status = |is: bool| if is { 200 } else { 403 };
        assert_eq!(gate.status("GET", "/read", &token), status(reads), "{scope}");
        assert_eq!(gate.status("GET", "/whole", &token), status(reads), "{scope}");
        assert_eq!(gate.status("GET", "/any", &token), status(any), "{scope}");
    }
    let got = gate.send("GET", "/read", &[]);
    let challenge = got.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.contains(&format!("scope=\"{api}read\"")), "{challenge}");
    let policy = policy(json!({
        "issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "scope_prefix": api}],
        "hidden_scopes": ["secret"],
        "routes": [
            {"path": "/a", "scopes": ["read", "secret"]},
            {"path": "/mcp", "mcp": {"tools": {"x": ["tool"], "y": {"any_scope": ["one"]}, "z": "public"}}},
        ],
    }));
    assert_eq!(
        policy.scopes_supported,
        [&format!("{api}one"), &format!("{api}read"), &format!("{api}tool"), "email", "openid", "profile"]
    );
}
