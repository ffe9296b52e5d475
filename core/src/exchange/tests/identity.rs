//! Contract §14: who acts. Users, groups, machines and agents, as tokens say them in many ways.

use super::*;
use crate::groups::{Groups, Unknown};
use crate::principal::Principal;
use std::sync::Arc;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A gateway whose first issuer has these members, too.
fn with_issuer(members: Value) -> Gate {
    let mut issuer = json!({"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a"});
    issuer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    gate(json!({"issuers": [issuer], "routes": [
        {"path": "/users", "users_only": true}, {"path": "/scoped", "scopes": ["tool:read"]}, {"path": "/*"}
    ]}))
}

/// Who a token makes a request's, where it is good.
fn caller(gate: &mut Gate, token: &Token) -> Option<Arc<Principal>> {
    let minted = token.mint();
    assert!(matches!(gate.status("GET", "/x", &minted), 200 | 401 | 403));
    gate.tokens.borrow_mut().find(minted.as_bytes(), gate.now_ms)
}

fn groups(gate: &mut Gate, token: &Token) -> Result<Vec<String>, Unknown> {
    match caller(gate, token).unwrap().groups() {
        Groups::Known(names) => Ok(names.iter().map(str::to_owned).collect()),
        Groups::Unknown(why) => Err(*why),
    }
}

#[test]
fn groups_are_a_set_or_unknown() {
    let many = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>();
    let mut sorted = many(500);
    sorted.sort_unstable();
    let known = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let mut gate = with_issuer(json!({}));
    for (claims, expect) in [
        (json!({}), known(&[])),
        (json!({"groups": []}), known(&[])),
        (json!({"groups": ["b", "a", "b"]}), known(&["a", "b"])),
        (json!({"groups": "Domain Users"}), known(&["Domain Users"])),
        (json!({"groups": ""}), known(&[])),
        (json!({"groups": ["", "a"]}), known(&["a"])),
        (json!({"groups": ["a"], "roles": "r", "cognito:groups": ["c", "a"]}), known(&["a", "c", "r"])),
        (json!({"groups": ["ä", "A", "a"]}), known(&["A", "a", "ä"])),
        (json!({"role": ["a"], "Groups": ["a"], "/groups": ["a"]}), known(&[])),
        (json!({"groups": many(500)}), Ok(sorted.clone())),
        (json!({"groups": many(500), "roles": many(500)}), Ok(sorted.clone())),
        (json!({"groups": many(501)}), Err(Unknown::TooMany)),
        (json!({"groups": many(500), "roles": "one more"}), Err(Unknown::TooMany)),
        (json!({"groups": 7}), Err(Unknown::Form)),
        (json!({"groups": null}), Err(Unknown::Form)),
        (json!({"groups": true}), Err(Unknown::Form)),
        (json!({"groups": {"a": "b"}}), Err(Unknown::Form)),
        (json!({"groups": ["a", 7]}), Err(Unknown::Form)),
        (json!({"groups": ["a", null]}), Err(Unknown::Form)),
        (json!({"groups": ["a", ["b"]]}), Err(Unknown::Form)),
        (json!({"groups": ["a"], "roles": 1}), Err(Unknown::Form)),
        (json!({"_claim_names": {"groups": "src1"}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"groups": null}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"groups": "src1"}, "groups": ["a"]}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"roles": "src1"}}), Err(Unknown::Elsewhere)),
        (json!({"_claim_names": {"email": "src1"}, "groups": ["a"]}), known(&["a"])),
        (json!({"_claim_names": "groups"}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": true}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": "true"}), Err(Unknown::Elsewhere)),
        (json!({"hasgroups": false, "groups": ["a"]}), known(&["a"])),
    ] {
        assert_eq!(groups(&mut gate, &token().claims(&claims)), expect, "{claims}");
    }
}

#[test]
fn groups_are_where_the_policy_says() {
    let mut gate = with_issuer(
        json!({"group_claims": ["/realm_access/roles", "https://a.example/roles", "/a~1b/c~0d", "/list/1"]}),
    );
    for (claims, expect) in [
        (json!({"realm_access": {"roles": ["a"]}}), Ok(vec!["a"])),
        (json!({"https://a.example/roles": "n"}), Ok(vec!["n"])),
        (json!({"a/b": {"c~d": ["p"]}}), Ok(vec!["p"])),
        (json!({"list": ["zero", ["one"]]}), Ok(vec!["one"])),
        (json!({"list": {"1": "member"}}), Ok(vec!["member"])),
        (json!({"groups": ["a"], "roles": ["b"], "/realm_access/roles": ["c"]}), Ok(vec![])),
        (json!({"realm_access": "roles"}), Ok(vec![])),
        (json!({"realm_access": [{"roles": ["a"]}]}), Ok(vec![])),
        (json!({"realm_access": {"roles": {"a": 1}}}), Err(Unknown::Form)),
        // Of a claim that isn't asked for nobody misses anything.
        (json!({"_claim_names": {"groups": "src1"}, "hasgroups": true}), Ok(vec![])),
        (json!({"_claim_names": {"realm_access": "src1"}}), Err(Unknown::Elsewhere)),
    ] {
        let expect = expect.map(|names| names.into_iter().map(str::to_owned).collect());
        assert_eq!(groups(&mut gate, &token().claims(&claims)), expect, "{claims}");
    }
}

#[test]
fn users_tenants_and_scopes_may_stand_inside_another_claim() {
    let mut gate = with_issuer(
        json!({"user_claim": "/identity/0/id", "tenant_claim": "/org/a~1b", "scope_claims": ["/access/scopes", "/permissions"], "tenants": ["acme"]}),
    );
    let good =
        json!({"identity": [{"id": "ann"}], "org": {"a/b": "acme"}, "access": {"scopes": "x tool:read"}});
    let without = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        token().without("scope").claims(&claims).mint()
    };
    assert_eq!(gate.status("GET", "/scoped", &without("x", json!(1))), 200);
    assert_eq!((&gate.record["sub"], &gate.record["tenant"]), (&json!("ann"), &json!("acme")));
    for (member, value, status) in [
        ("identity", json!([{"id": 7}]), 401),
        ("identity", json!([{"id": ""}]), 401),
        ("identity", json!([["ann"]]), 401),
        ("identity", json!([]), 401),
        ("identity", json!({"0": {"id": "bob"}}), 200),
        ("identity", json!({"00": {"id": "bob"}}), 401),
        ("org", json!({"a/b": "other"}), 403),
        ("org", json!({"a/b": 7}), 401),
        ("org", json!({"a~1b": "acme"}), 403),
        ("access", json!({"scopes": ["tool:read"]}), 200),
        ("access", json!({"scopes": {"tool:read": 1}}), 403),
        ("access", json!(["tool:read"]), 403),
    ] {
        assert_eq!(
            gate.status("GET", "/scoped", &without(member, value.clone())),
            status,
            "{member} {value}"
        );
    }
    // `permissions` is an array, whatever way leads there.
    let permissions = |value: Value| {
        let mut claims = good.clone();
        claims["access"] = json!({});
        claims["permissions"] = value;
        token().without("scope").claims(&claims).mint()
    };
    assert_eq!(gate.status("GET", "/scoped", &permissions(json!(["tool:read"]))), 200);
    assert_eq!(gate.status("GET", "/scoped", &permissions(json!("tool:read"))), 403);
}

#[test]
fn a_name_with_dots_is_one_name() {
    let mut gate = with_issuer(json!({"user_claim": "act.sub", "group_claims": ["realm_access.roles"]}));
    let ann = token().claims(&json!({"act.sub": "ann", "realm_access.roles": "a", "act": {"sub": "bob"}}));
    assert_eq!(groups(&mut gate, &ann), Ok(vec!["a".to_owned()]));
    assert_eq!(gate.record["sub"], "ann");
    assert_eq!(gate.status("GET", "/x", &ann.without("act.sub").mint()), 401);
}

#[test]
fn how_and_when_somebody_signed_in_is_kept() {
    let mut gate = with_issuer(json!({}));
    for (claims, acr, at) in [
        (json!({}), None, None),
        (json!({"acr": "urn:mace:silver", "auth_time": NOW_S - 5}), Some("urn:mace:silver"), Some(NOW_S - 5)),
        (json!({"acr": 1, "auth_time": "now"}), None, None),
        (json!({"acr": "", "auth_time": -1}), None, None),
        (json!({"acr": ["mfa"], "auth_time": null}), None, None),
    ] {
        let caller = caller(&mut gate, &token().claims(&claims)).unwrap();
        assert_eq!(caller.acr(), acr, "{claims}");
        assert_eq!(caller.signed_in().map(|at| at as u64), at, "{claims}");
    }
}

#[test]
fn a_policy_adds_marks_of_machines() {
    let mut gate = with_issuer(json!({"machine": [
        {"claim": "kind", "is": "service"}, {"claim": "/app/n", "is": 7}, {"claim": "bot", "is": true},
        {"claim": "name", "prefix": "svc-"}, {"claim": "/app/secret", "exists": true}
    ]}));
    for (claims, is_machine) in [
        (json!({}), false),
        (json!({"kind": "service"}), true),
        (json!({"kind": ["x", "service"]}), true),
        (json!({"kind": "Service"}), false),
        (json!({"kind": {"service": true}}), false),
        (json!({"/kind": "service"}), false),
        (json!({"app": {"n": 7}}), true),
        (json!({"app": {"n": "7"}}), false),
        (json!({"app": {"n": 7.5}}), false),
        (json!({"bot": true}), true),
        (json!({"bot": "true"}), false),
        (json!({"bot": false}), false),
        (json!({"bot": 1}), false),
        (json!({"name": "svc-a"}), true),
        (json!({"name": "svc"}), false),
        (json!({"name": "a svc-"}), false),
        (json!({"app": {"secret": null}}), true),
        (json!({"app": {"secret": false}}), true),
        (json!({"app": []}), false),
        // Those that every issuer's tokens have stay.
        (json!({"gty": "client-credentials"}), true),
        (json!({"cid": "auth0|ann"}), true),
        (json!({"appid": "auth0|ann"}), true),
        (json!({"idtyp": "app"}), true),
        (json!({"gty": ["client_credentials"]}), true),
        (json!({"preferred_username": "service-account-x"}), true),
    ] {
        let status = gate.status("GET", "/users", &token().claims(&claims).mint());
        assert_eq!(status, if is_machine { 403 } else { 200 }, "{claims}");
        assert_eq!(gate.record["machine"], json!(is_machine), "{claims}");
    }
    let mut absent = with_issuer(json!({"machine": [{"claim": "email", "exists": false}]}));
    assert_eq!(absent.status("GET", "/users", &token().mint()), 403);
    assert_eq!(absent.status("GET", "/users", &token().claim("email", "a@x").mint()), 200);
}

fn with_agents(unlisted: &str) -> Gate {
    gate(json!({"agents": {"unlisted": unlisted, "list": [
        {"name": "reporter", "clients": ["r1", "https://agents.example/reporter"], "owner": "team a"},
        {"name": "all of example", "clients": ["https://agents.example/*", "r*"]},
        {"name": "tests", "clients": ["https://agents.example/test/*", "r!*"]},
    ]}, "routes": [
        {"path": "/open", "access": "public"},
        {"path": "/mcp", "mcp": {"tools": {"read": "public"}}},
        {"path": "/*"},
    ]}))
}

#[test]
fn a_client_is_an_agent_by_its_whole_id_or_the_longest_beginning() {
    for unlisted in ["allow", "deny"] {
        let mut gate = with_agents(unlisted);
        for (claims, agent) in [
            (json!({"client_id": "r1"}), Some("reporter")),
            (json!({"azp": "https://agents.example/reporter"}), Some("reporter")),
            (json!({"cid": "https://agents.example/reporter/"}), Some("all of example")),
            (json!({"appid": "https://agents.example/"}), Some("all of example")),
            (json!({"client_id": "https://agents.example/test/1"}), Some("tests")),
            (json!({"client_id": "https://agents.example/test"}), Some("all of example")),
            (json!({"client_id": "r"}), Some("all of example")),
            (json!({"client_id": "r!"}), Some("tests")),
            (json!({"client_id": "r12"}), Some("all of example")),
            (json!({"client_id": format!("r{}", "x".repeat(2_047))}), Some("all of example")),
            (json!({"client_id": format!("r{}", "x".repeat(2_048))}), None),
            (json!({"client_id": "R1"}), None),
            (json!({"client_id": " r1"}), None),
            (json!({"client_id": "https://agents.example"}), None),
            (json!({"client_id": "x", "azp": "r1"}), None),
            (json!({"client_id": ["r1"]}), None),
            (json!({"act": {"sub": "r1", "client_id": "r1"}}), None),
            (json!({}), None),
        ] {
            let status = gate.status("GET", "/x", &token().claims(&claims).mint());
            let is_refused = agent.is_none() && unlisted == "deny";
            assert_eq!(status, if is_refused { 403 } else { 200 }, "{unlisted} {claims}");
            assert_eq!(gate.record["agent"], json!(agent), "{claims}");
            let reason = if is_refused { "agent_unlisted" } else { "authorized" };
            assert_eq!(gate.record["reason"], reason, "{claims}");
        }
    }
}

#[test]
fn who_is_no_agent_is_refused_wherever_a_token_counts() {
    let mut gate = with_agents("deny");
    let bearer = format!("Bearer {}", token().mint());
    let got = gate.send("GET", "/x", &[("authorization", &bearer)]);
    assert_eq!((got.status(), got.body()["error"].clone()), (403, json!("agent_unlisted")));
    assert_eq!(got.header("www-authenticate"), None);
    assert_eq!(gate.send("GET", "/open", &[("authorization", &bearer)]).status(), 200);
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}"#;
    let (got, _) = gate.post("/mcp", &[("authorization", &bearer)], call);
    assert_eq!(got.status(), 403);
    let (got, _) = gate.post("/mcp", &[], call);
    assert_eq!(got.status(), 200, "what is open needs nobody");
    let agent = format!("Bearer {}", token().claim("azp", "r1").mint());
    let (got, _) = gate.post("/mcp", &[("authorization", &agent)], call);
    assert_eq!(got.status(), 200);
    // What a policy doesn't say is closed.
    let mut gate = crate::testing::gate(json!({"agents": {}, "routes": [{"path": "/*"}]}));
    assert_eq!(gate.status("GET", "/x", &token().claim("azp", "r1").mint()), 403);
}

/// An issuer that may sign with these, whose keys are RSA's `a` and P-256's `e`.
fn with_algorithms(algorithms: Value) -> Gate {
    let mut gate = with_issuer(json!({"algorithms": algorithms}));
    gate.publish_set(0, &[key_a().jwk(), ec_key(1).jwk("e")]);
    gate
}

fn es256(kid: &str) -> Token {
    token().header("alg", "ES256").header("kid", kid)
}

#[test]
fn a_token_is_signed_as_its_issuer_may_and_by_a_key_of_that_kind() {
    let (ec, other) = (ec_key(1), ec_key(2));
    let by = |token: &Token, key: &EcSigner| token.mint_by(|signed| key.sign(signed));
    let both = json!(["RS256", "ES256"]);
    let good = by(&es256("e"), &ec);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let cases = [
        (json!(["RS256"]), good.clone(), 401, "token_algorithm"),
        (json!(["RS256"]), token().mint(), 200, "authorized"),
        (json!(["ES256"]), good.clone(), 200, "authorized"),
        (json!(["ES256"]), token().mint(), 401, "token_algorithm"),
        (both.clone(), good.clone(), 200, "authorized"),
        (both.clone(), token().mint(), 200, "authorized"),
        // Without a `kid` the only key of the kind.
        (both.clone(), by(&es256("e").without_header("kid"), &ec), 200, "authorized"),
        (both.clone(), by(&es256("e"), &other), 401, "token_signature"),
        // One kind's header, the other one's key.
        (both.clone(), es256("a").mint(), 0, ""),
        (both.clone(), by(&es256("a"), &ec), 0, ""),
        (both.clone(), by(&token().header("kid", "e"), &ec), 0, ""),
        (both.clone(), by(&token(), &ec), 401, "token_signature"),
        (both.clone(), es256("e").mint(), 401, "token_signature"),
        (both.clone(), by(&es256("e").header("alg", "es256"), &ec), 401, "token_algorithm"),
        (both.clone(), by(&es256("e").header("alg", "ES384"), &ec), 401, "token_algorithm"),
        (both.clone(), by(&es256("e").header("alg", "ES256K"), &ec), 401, "token_algorithm"),
        (both.clone(), es256("e").mint_by(|_| vec![0; 64]), 401, "token_signature"),
        (both.clone(), es256("e").mint_by(|_| vec![0xff; 64]), 401, "token_signature"),
        (both.clone(), es256("e").mint_by(|signed| ec.sign(signed)[..63].to_vec()), 401, "token_signature"),
        (
            both.clone(),
            es256("e").mint_by(|signed| [ec.sign(signed), vec![0]].concat()),
            401,
            "token_signature",
        ),
        // As ASN.1 has it, a token doesn't.
        (
            both.clone(),
            es256("e").mint_by(|signed| crate::jwks::der_signature(&ec.sign(signed)).unwrap()),
            401,
            "token_signature",
        ),
        (both.clone(), format!("{head}."), 401, "token_signature"),
        (both, format!("{head}.{signature}="), 401, "token_malformed"),
    ];
    for (at, (algorithms, token, status, reason)) in cases.iter().enumerate() {
        let mut gate = with_algorithms(algorithms.clone());
        let got = gate.status("GET", "/x", token);
        if *status == 0 {
            // No key of that kind has this name: it may be a new one, and one fetch is worth it.
            assert!(matches!(got, 102 | 401 | 503), "case {at}: {got}");
            assert!(gate.tokens.borrow().is_empty());
        } else {
            assert_eq!((got, gate.record["reason"].as_str()), (*status, Some(*reason)), "case {at}");
        }
    }
}

#[test]
fn keys_of_a_curve_are_taken_as_they_must_be() {
    let good = ec_key(1).jwk("e");
    let with = |member: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[member] = value;
        jwk
    };
    let read = |jwk: Value| {
        let set = json!({"keys": [key_a().jwk(), jwk]});
        crate::jwks::parse(set.to_string().as_bytes()).unwrap().len() == 2
    };
    assert!(read(good.clone()));
    assert!(read(with("alg", Value::Null)) && read(with("use", Value::Null)));
    for (member, value) in [
        ("crv", json!("P-384")),
        ("crv", json!("p-256")),
        ("crv", Value::Null),
        ("alg", json!("RS256")),
        ("alg", json!("ECDH-ES")),
        ("use", json!("enc")),
        ("kty", json!("OKP")),
        ("kty", json!("RSA")),
        ("key_ops", json!(["sign"])),
        ("x", json!("AA")),
        ("y", json!("")),
        ("y", Value::Null),
        ("x", json!(base64url([1; 33]))),
        ("x", json!("!")),
    ] {
        assert!(!read(with(member, value.clone())), "{member} {value}");
    }
    // A point beside the curve is a key that verifies nothing.
    let mut gate = with_algorithms(json!(["ES256"]));
    gate.publish_set(0, &[with("y", json!(base64url([1; 32])))]);
    assert_eq!(gate.status("GET", "/x", &es256("e").mint_by(|signed| ec_key(1).sign(signed))), 401);
}

#[test]
fn a_signature_is_written_as_asn_1_has_it_and_has_a_twin() {
    use crate::jwks::{der_signature, twin_signature};
    let raw = |r: &[u8], s: &[u8]| {
        let pad = |n: &[u8]| [vec![0; 32 - n.len()], n.to_vec()].concat();
        [pad(r), pad(s)].concat()
    };
    assert_eq!(der_signature(&raw(&[1], &[0x7f])).unwrap(), [0x30, 6, 2, 1, 1, 2, 1, 0x7f]);
    assert_eq!(der_signature(&raw(&[0x80], &[0xff, 0])).unwrap(), [0x30, 9, 2, 2, 0, 0x80, 2, 3, 0, 0xff, 0]);
    assert_eq!(der_signature(&raw(&[0xff; 32], &[0xff; 32])).unwrap().len(), 72);
    for bad in [raw(&[], &[1]), raw(&[1], &[]), vec![1; 63], vec![1; 65], vec![]] {
        assert_eq!(der_signature(&bad), None);
    }
    assert_eq!(twin_signature(&raw(&[1], &[0xff; 32])), None);
    assert_eq!(twin_signature(&[1; 63]), None);
    // Both are good, and a block of one token is a block of the other.
    let ec = ec_key(1);
    let one = es256("e").mint_by(|signed| ec.sign(signed));
    let two = es256("e").mint_by(|signed| twin_signature(&ec.sign(signed)).unwrap());
    assert_ne!(one, two);
    let mut gate = with_algorithms(json!(["ES256"]));
    assert_eq!([&one, &two].map(|token| gate.status("GET", "/x", token)), [200, 200]);
    let digests = |token: &str| {
        let caller = gate.tokens.borrow_mut().find(token.as_bytes(), gate.now_ms).unwrap();
        caller.digest(token.as_bytes());
        let mut digests: Vec<_> = caller.token_digests().map(str::to_owned).collect();
        digests.sort();
        digests
    };
    assert_eq!((digests(&one), digests(&one).len()), (digests(&two), 2));
}

fn two(members: [Value; 2], more: Value) -> Gate {
    let mut issuers = [
        json!({"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a"}),
        json!({"issuer": SECOND, "audiences": [AUDIENCE], "jwks_cluster": "b"}),
    ];
    for (issuer, members) in issuers.iter_mut().zip(members) {
        issuer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    }
    let mut policy = json!({"issuers": issuers, "routes": [{"path": "/*"}]});
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gate(policy)
}

fn linked(more: Value) -> Gate {
    let mut all = json!({"links": [
        {"user": "ann", "is": [{"issuer": ISSUER, "sub": "auth0|ann"}, {"issuer": SECOND, "sub": "7"}]},
        {"user": "b|9", "is": [{"issuer": SECOND.trim_end_matches('/'), "sub": "9"}, {"issuer": ISSUER, "sub": "nine"}]},
    ]});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    two([json!({}), json!({"user_prefix": "b|"})], all)
}

#[test]
fn a_linked_account_is_its_user_everywhere() {
    let mut gate = linked(json!({}));
    for (token, status, user) in [
        (token(), 200, "ann"),
        (token().second_issuer().sub("7"), 200, "ann"),
        (token().second_issuer().sub("9"), 200, "b|9"),
        (token().sub("nine"), 200, "b|9"),
        (token().sub("7"), 200, "7"),
        (token().second_issuer().sub("auth0|ann"), 200, "b|auth0|ann"),
        (token().sub("Ann"), 200, "Ann"),
        // By their own names they would be somebody else.
        (token().sub("ann"), 401, ""),
        (token().sub("b|9"), 401, ""),
    ] {
        let got = gate.send("GET", "/x", &[("authorization", &format!("Bearer {}", token.mint()))]);
        assert_eq!(got.status(), status, "{user}");
        if status == 200 {
            assert_eq!((got.edits().set[0].1.as_str(), &gate.record["sub"]), (user, &json!(user)));
        } else {
            assert_eq!(gate.record["reason"], "token_reserved_user");
        }
    }
    // Issuers' signals name the account.
    let minted = token().second_issuer().sub("7").mint();
    assert_eq!(gate.status("GET", "/x", &minted), 200);
    let caller = gate.tokens.borrow_mut().find(minted.as_bytes(), gate.now_ms).unwrap();
    assert_eq!(caller.subject(), Some("b|7"));
}

#[test]
fn a_linked_user_has_one_limit_and_one_session() {
    let mut gate = linked(json!({"rate_limits": [{"by": "user", "max": 2, "window": "60s"}]}));
    let (one, other) = (token().mint(), token().second_issuer().sub("7").mint());
    assert_eq!([&one, &other, &one].map(|token| gate.status("GET", "/x", token)), [200, 200, 429]);
    assert_eq!(gate.status("GET", "/x", &token().second_issuer().sub("8").mint()), 200);
}

fn by_mail() -> Gate {
    let rule = json!({"user": {"claim": "email", "requires": {"email_verified": true}, "fold": "lower"}});
    two([rule.clone(), rule], json!({}))
}

#[test]
fn a_verified_address_is_one_user_at_every_issuer() {
    let mut gate = by_mail();
    let mail =
        |mail: Value, verified: Value| token().claims(&json!({"email": mail, "email_verified": verified}));
    for (token, status, user) in [
        (mail(json!("Ann@Example.com"), json!(true)), 200, "ann@example.com"),
        (mail(json!("ann@example.com"), json!(true)).second_issuer().sub("7"), 200, "ann@example.com"),
        (mail(json!("E\u{301}va@x"), json!(true)), 200, "\u{e9}va@x"),
        (mail(json!("\u{c9}VA@X"), json!(true)), 200, "\u{e9}va@x"),
        (mail(json!("ann@x"), json!("true")), 401, "token_user_unverified"),
        (mail(json!("ann@x"), json!(false)), 401, "token_user_unverified"),
        (mail(json!("ann@x"), json!(1)), 401, "token_user_unverified"),
        (mail(json!("ann@x"), json!([true])), 401, "token_user_unverified"),
        (mail(json!("ann@x"), json!(null)), 401, "token_user_unverified"),
        (token().claim("email", "ann@x"), 401, "token_user_unverified"),
        (mail(json!(""), json!(true)), 401, "token_subject"),
        (mail(json!(["ann@x"]), json!(true)), 401, "token_subject"),
        (token().claim("email_verified", true), 401, "token_subject"),
    ] {
        assert_eq!(gate.status("GET", "/x", &token.mint()), status, "{user}");
        let shown = if status == 200 { &gate.record["sub"] } else { &gate.record["reason"] };
        assert_eq!(shown, &json!(user));
    }
    // Subjects and tenants stay each issuer's own.
    let minted = mail(json!("a@x"), json!(true)).second_issuer().sub("7").claim("org_id", "acme").mint();
    assert_eq!(gate.status("GET", "/x", &minted), 200);
    assert_eq!(gate.record["tenant"], format!("{SECOND}|acme"));
    let caller = gate.tokens.borrow_mut().find(minted.as_bytes(), gate.now_ms).unwrap();
    assert_eq!(caller.subject(), Some(format!("{SECOND}|7").as_str()));
    let minted = mail(json!("a@x"), json!(true)).claim("org_id", format!("{SECOND}|acme")).mint();
    assert_eq!(gate.status("GET", "/x", &minted), 401);
}

#[test]
fn upstreams_are_told_of_agent_client_and_groups_where_the_policy_says_so() {
    let mut gate = gate(json!({
        "identity": {"agent_header": "X-Agent", "client_header": "X-Client-Id", "groups_header": "X-User-Groups"},
        "agents": {"unlisted": "allow", "list": [{"name": "the reporter", "clients": ["r1"]}]},
        "routes": [{"path": "/open", "access": "public"}, {"path": "/*"}],
    }));
    let spoofed =
        [("X_Agent", "evil"), ("x-client_id", "evil"), ("X-USER_GROUPS", "admin"), ("x-agent", "evil")];
    let mut told = |token: Option<&Token>| {
        let mut headers = spoofed.to_vec();
        let bearer = token.map(|token| format!("Bearer {}", token.mint()));
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let path = if token.is_some() { "/x" } else { "/open" };
        let got = gate.send("GET", path, &headers);
        let edits = got.edits();
        for (name, _) in spoofed {
            assert!(edits.remove.iter().any(|removed| **removed == *name.as_bytes()), "{name}");
        }
        let set = edits.set.iter().map(|(name, value)| (name.clone(), value.clone()));
        set.filter(|(name, _)| name != "x-user-id").collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let agent = token().claims(&json!({"client_id": "r1", "groups": ["b, c", "a", "50%", "\u{e9}"]}));
    assert_eq!(
        told(Some(&agent)),
        pairs(&[
            ("x-agent", "the%20reporter"),
            ("x-client-id", "r1"),
            ("x-user-groups", "50%25,a,b%2C%20c,%C3%A9")
        ])
    );
    assert_eq!(told(Some(&token())), pairs(&[("x-user-groups", "")]));
    assert_eq!(
        told(Some(&token().claim("groups", 7).claim("azp", "other"))),
        pairs(&[("x-client-id", "other")])
    );
    assert_eq!(told(None), pairs(&[]));
}

#[test]
fn an_agent_is_blocked_by_its_name() {
    use crate::feed::blocks::{Change, Kind, key};
    use crate::hash::Secret;
    let mut gate = gate(json!({
        "feed": {"cluster": "sidecar"},
        "agents": {"unlisted": "allow", "list": [{"name": "reporter", "clients": ["r*"]}]},
        "routes": [{"path": "/*"}],
    }));
    gate.feed.fetched_at = gate.now_ms;
    let minted = ["r1", "r2", "x"].map(|client: &str| token().claim("client_id", client).mint());
    assert_eq!([0, 1, 2].map(|at| gate.status("GET", "/x", &minted[at])), [200; 3]);
    let named = key(Secret(1, 2), Kind::Agent, b"reporter");
    gate.feed.blocks.apply(Change { kind: Kind::Agent, key: named, until_s: Some(0) });
    assert_eq!([0, 1, 2].map(|at| gate.status("GET", "/x", &minted[at])), [403, 403, 200]);
}
