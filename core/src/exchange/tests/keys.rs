//! Keys: awaited, unknown, rotated, withdrawn, stale (contract §2.1).

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
    gate.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 401);
    assert_eq!(gate.status("GET", "/v1/tools/x", &made_up("k1")), 401);
    assert_eq!(gate.status("GET", "/v1/tools/x", &made_up("k3")), 503);
}

#[test]
fn a_fetch_that_began_before_the_key_was_published_is_not_the_last_word() {
    let mut cold = cold_gate(json!({"routes": [{"path": "/*"}]}));
    let auth = format!("Bearer {}", token().signed_by(key_b()).mint());
    let Got::Held(held) = cold.send("GET", "/x", &[("authorization", &auth)]) else { panic!() };
    cold.publish(0, &[&key_a()]);
    let Got::Held(held) = cold.resume(*held, Fetched::Good) else {
        panic!("refused, though its key may be new")
    };
    cold.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(cold.resume(*held, Fetched::Good).status(), 200);

    // The second fetch is the one that a `kid` is worth: it is the last word.
    let made_up = format!("Bearer {}", token().header("kid", "k1").mint());
    let mut cold = cold_gate(json!({"routes": [{"path": "/*"}]}));
    let Got::Held(held) = cold.send("GET", "/x", &[("authorization", &made_up)]) else { panic!() };
    cold.publish(0, &[&key_a()]);
    let Got::Held(held) = cold.resume(*held, Fetched::Good) else { panic!() };
    cold.publish(0, &[&key_a()]);
    assert_eq!(cold.resume(*held, Fetched::Good).status(), 401);
    assert_eq!(cold.status("GET", "/x", &token().header("kid", "k1").mint()), 401, "remembered");
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
    let cell = crate::jwks::control::control_cell(&gate.policy.issuers[0]);
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
    gate.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(gate.tokens.borrow().len(), 1, "its key is still there");
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
