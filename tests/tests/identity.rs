//! Who acts, in the real Envoy (contract §14): ES256 by Envoy's verifier, one person at two issuers,
//! agents and what upstreams are told of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn trust(issuer: &TestIssuer, more: Value) -> Value {
    let mut value =
        json!({"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)});
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// The same token with what `change` makes of its signature.
fn resigned(token: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = change(URL_SAFE_NO_PAD.decode(signature).unwrap());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_token_of_es256_is_verified_by_envoy_where_the_issuers_policy_says_so() {
    let curves = TestIssuer::with_keys(vec![ec_key("e", 7), key_a()]).await;
    let plain = TestIssuer::with_keys(vec![key_b(), ec_key("e", 8)]).await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({"routes": [{"path": "/v1/*"}]}))
        .trust(trust(&curves, json!({"algorithms": ["RS256", "ES256"]})))
        .trust(trust(&plain, json!({"user_prefix": "b|"})))
        .upstream(&upstream.url)
        .start()
        .await;
    let status = async |token: &str| gateway.get("/v1/x").bearer(token).send().await.status;
    // Often, for each signature is another one: numbers with a zero in front are among them.
    let mut last = String::new();
    for n in 0..300 {
        last = token().claim("jti", n).mint(&curves);
        assert_eq!(status(&last).await, 200, "{last}");
    }
    assert_eq!(status(&token().signed_by(key_a()).mint(&curves)).await, 200);
    assert_eq!(status(&token().mint(&plain)).await, 200);
    // A signature in the form of X.509, which Envoy itself reads.
    let der = |raw: Vec<u8>| p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der().as_bytes().to_vec();
    let with = |byte: usize| {
        move |mut raw: Vec<u8>| {
            raw[byte] ^= 1;
            raw
        }
    };
    let refused = [
        resigned(&last, der),
        resigned(&last, with(0)),
        resigned(&last, with(63)),
        resigned(&last, |raw| raw[..63].to_vec()),
        resigned(&last, |raw| [raw, vec![0]].concat()),
        resigned(&last, |_| vec![0; 64]),
        resigned(&last, |_| vec![0xff; 64]),
        resigned(&last, |_| Vec::new()),
        // Another key under its name, another algorithm for its key, and the other way round.
        token().signed_by(ec_key("e", 9)).mint(&curves),
        token().header("alg", "ES384").signed_by(ec_key("e", 7)).mint(&curves),
        token().header("alg", "none").signed_by(ec_key("e", 7)).mint(&curves),
        token().header("alg", "HS256").signed_by(ec_key("e", 7)).mint(&curves),
        token().header("alg", "ES256").header("kid", "e").signed_by(key_a()).mint(&curves),
        // An issuer whose policy doesn't have it, though its key set does.
        token().signed_by(ec_key("e", 8)).mint(&plain),
    ];
    for token in refused {
        assert_eq!(status(&token).await, 401, "{token}");
    }
}

#[tokio::test]
async fn one_person_is_one_user_and_an_agent_is_named_to_limits_upstreams_and_records() {
    let customers = TestIssuer::start().await;
    let staff = TestIssuer::with_keys(vec![key_b()]).await;
    let upstream = Upstream::start().await;
    let gateway = gateway()
        .policy(json!({
            "ledger": {"on": true},
            "routes": [{"path": "/v1/*", "users_only": true}, {"path": "/open", "access": "public"}],
            "rate_limits": [{"by": "user", "max": 100, "window": "1h"}],
            "links": [{"user": "ann", "is": [
                {"issuer": customers.url, "sub": "auth0|ann"}, {"issuer": staff.url, "sub": "6f1c"}]}],
            "agents": {"list": [
                {"name": "reporter", "clients": ["https://agents.example/reporter"]},
                {"name": "others", "clients": ["https://agents.example/*"]}]},
            "identity": {"agent_header": "X-Agent", "client_header": "X-Client-Id",
                "groups_header": "X-User-Groups"},
        }))
        .trust(trust(&customers, json!({"group_claims": ["groups"]})))
        .trust(trust(
            &staff,
            json!({"user_prefix": "staff|", "group_claims": ["/realm_access/roles"],
            "machine": [{"claim": "kind", "is": "service"}]}),
        ))
        .upstream(&upstream.url)
        .start()
        .await;
    let reporter = |sub: &str| token().subject(sub).claim("client_id", "https://agents.example/reporter");
    let ask = async |token: &str| {
        let request = gateway.get("/v1/x").bearer(token).header("x-agent", "admin");
        request.header("x-user-groups", "root").header("x-client-id", "root").send().await
    };
    let first = ask(&reporter("auth0|ann").claim("groups", json!(["b,c", "a"])).mint(&customers)).await;
    let roles = json!({"roles": ["clerk"]});
    let second = ask(&reporter("6f1c").claim("realm_access", roles).mint(&staff)).await;
    let left = |answer: &Response| answer.header("ratelimit-remaining").map(str::to_owned);
    assert_eq!([left(&first), left(&second)], ["99", "98"].map(|n| Some(n.to_owned())), "one limit");
    let seen = |answer: &Response, name: &str| answer.json()["headers"][name].clone();
    for (answer, groups) in [(&first, "a,b%2Cc"), (&second, "clerk")] {
        assert_eq!(seen(answer, "x-user-id"), json!(["ann"]));
        assert_eq!(seen(answer, "x-agent"), json!(["reporter"]));
        assert_eq!(seen(answer, "x-client-id"), json!(["https://agents.example/reporter"]));
        assert_eq!(seen(answer, "x-user-groups"), json!([groups]));
    }
    // Groups that aren't known are none to an upstream, and not what the client says.
    let unknown =
        ask(&reporter("bob").claim("hasgroups", true).claim("groups", Value::Null).mint(&customers)).await;
    assert_eq!((unknown.status, seen(&unknown, "x-user-groups")), (200, Value::Null));
    let other = token().subject("bob").claim("client_id", "https://agents.example/other").mint(&customers);
    assert_eq!(seen(&ask(&other).await, "x-agent"), json!(["others"]));
    // Who is somebody else by name, who has no agent, and a machine by its mark.
    assert_eq!(ask(&reporter("ann").mint(&customers)).await.status, 401);
    for stranger in
        [token().subject("bob"), token().subject("bob").claim("client_id", "https://agents.example")]
    {
        let refused = ask(&stranger.mint(&customers)).await;
        assert_eq!((refused.status, &refused.json()["error"]), (403, &json!("agent_unlisted")));
    }
    let machine = ask(&reporter("6f1c").claim("kind", "service").mint(&staff)).await;
    assert_eq!(machine.status, 403, "{machine:?}");
    assert_eq!(
        gateway.get("/open").header("x-agent", "admin").send().await.json()["headers"]["x-agent"],
        Value::Null
    );

    gateway.run(&["block", "agent", "reporter"]);
    let (begun, token) = (Instant::now(), reporter("6f1c").mint(&staff));
    eventually("the agent's refusal", || async { (ask(&token).await.status == 403).then_some(()) }).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(ask(&other).await.status, 200, "another agent goes on");
    let records = eventually("its record", || async {
        let condition = json!({"reason": {"is": "blocked"}, "agent": {"is": "reporter"}}).to_string();
        let said = gateway.run(&["records", "--json", "--where", &condition]);
        let records: Vec<Value> = serde_json::from_str(&said).unwrap();
        (!records.is_empty()).then_some(records)
    })
    .await;
    assert_eq!((&records[0]["sub"], &records[0]["agent"]), (&json!("ann"), &json!("reporter")));
}
