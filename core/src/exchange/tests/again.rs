//! What is judged more than once, and what ties: counted once, refused for now and not for good, and the
//! tighter of two limits shown.

use super::*;
use crate::authenticate::{Waited, authenticate};
use crate::credential::{Credential, Presented, Scheme, Token};
use crate::jwks::control;
use crate::rate_limit::Outcome;
use crate::tally::Tally;
use crate::world::World;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn failures(max: u32, hold_headers: bool) -> Gate {
    gate(json!({
        "hold_headers": hold_headers,
        "routes": [{"path": "/mcp", "mcp": {"tools": {"t": []}}}, {"path": "/*"}],
        "rate_limits": [{"by": "address", "max": max, "window": "60s", "on": "failures"}],
    }))
}

/// How many failures of its address are left.
fn left(gate: &Gate) -> u32 {
    let peek =
        |world: &World<'_>| world.counters.peek_failures(world.policy, (world.address)(), world.now_ms);
    match gate.world(peek).unwrap() {
        Outcome::Within(state) => state.remaining,
        other => panic!("{other:?}"),
    }
}

/// Headers first, then the body: both see the same bad token.
#[test]
fn a_bad_token_before_a_body_counts_once_whatever_leaves_first() {
    let forged = format!("Bearer {}", token().signed_by(key_b()).header("kid", "a").mint());
    let call =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t"}}).to_string();
    let rest = [("mcp-method", "tools/call"), ("mcp-name", "t")];
    for hold_headers in [true, false] {
        for (era, headers) in [("2025-06-18", &rest[..0]), ("2026-07-28", &rest)] {
            let mut gate = failures(9, hold_headers);
            let mut all = vec![("authorization", forged.as_str()), ("mcp-protocol-version", era)];
            all.extend(headers);
            let got = gate.post("/mcp", &all, call.as_bytes()).0;
            assert_eq!(got.status(), 401, "{hold_headers} {era}");
            assert_eq!(left(&gate), 8, "{hold_headers} {era}");
        }
    }
}

#[test]
fn a_request_that_was_held_counts_its_address_once() {
    let mut cold = cold_gate(json!({
        "routes": [{"path": "/*"}],
        "rate_limits": [{"by": "address", "max": 9, "window": "60s", "on": "all"}],
    }));
    let auth = format!("Bearer {}", token().mint());
    let Got::Held(held) = cold.send("GET", "/x", &[("authorization", &auth)]) else { panic!() };
    cold.publish(0, &[&key_a()]);
    assert_eq!(cold.resume(*held, Fetched::Good).header("ratelimit-remaining"), Some("8"));
}

/// The issuer was away: that says nothing of the token.
#[test]
fn a_fetch_that_failed_refuses_a_new_key_for_now_and_not_for_good() {
    let mut gate = tools();
    let rotated = token().signed_by(key_b()).mint();
    let auth = format!("Bearer {rotated}");
    let ask = |gate: &mut Gate| gate.send("GET", "/v1/tools/x", &[("authorization", &auth)]);
    let Got::Held(held) = ask(&mut gate) else { panic!() };
    let cell = control::control_cell(&gate.policy.issuers[0]);
    let fail = |control: &mut control::Control| {
        assert!(control.take_lease(1, gate.now_ms));
        control.fail(1, gate.now_ms);
    };
    control::update(&gate.table, &cell, fail).unwrap();
    let got = gate.resume(*held, Fetched::Failed);
    assert_eq!((got.status(), got.header("retry-after")), (503, Some("30")));
    assert_eq!(gate.record["reason"], "key_pending");
    // Nor is it remembered as one that no key has.
    let got = ask(&mut gate);
    assert_eq!((got.status(), gate.record["reason"].as_str()), (503, Some("key_pending")));
    gate.now_ms += 30_000;
    // Nobody waits twice for an issuer that is away, even where that was found out after another fetch would
    // be worth it.
    let Got::Held(held) = ask(&mut gate) else { panic!() };
    gate.now_ms += 30_000;
    assert_eq!(gate.resume(*held, Fetched::Failed).status(), 503);
    let Got::Held(held) = ask(&mut gate) else { panic!() };
    gate.publish(0, &[&key_a(), &key_b()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 200);
}

/// Limits of as many requests left: the one that is over last is the tighter.
#[test]
fn of_two_limits_with_as_much_left_the_longer_one_is_shown() {
    let with = |limits: &[Value]| {
        gate(json!({
            "routes": [{"path": "/open", "access": "public"}, {"path": "/*"}],
            "rate_limits": limits,
        }))
    };
    let limit = |by: &str, window: &str| {
        let mut limit = json!({"by": by, "max": 2, "window": window});
        if by == "address" {
            limit["on"] = json!("all");
        }
        limit
    };
    let auth = format!("Bearer {}", token().claim("org_id", "o").mint());
    for (one, other) in [("user", "user"), ("user", "tenant"), ("address", "user"), ("address", "address")] {
        for windows in [["30s", "90s"], ["90s", "30s"]] {
            let mut gate = with(&[limit(one, windows[0]), limit(other, windows[1])]);
            let got = gate.send("GET", "/x", &[("authorization", &auth)]);
            let shown = (got.header("ratelimit-remaining"), got.header("ratelimit-reset"));
            assert_eq!(shown, (Some("1"), Some("90")), "{one} {other} {windows:?}");
        }
    }
    // Over both: anyone who comes back after the shorter is refused again.
    for windows in [["30s", "90s"], ["90s", "30s"]] {
        let mut gate = with(&windows.map(|window| limit("address", window)));
        let mut ask = || gate.send("GET", "/open", &[]);
        assert_eq!([ask().status(), ask().status()], [200, 200]);
        let got = ask();
        assert_eq!((got.status(), got.header("retry-after")), (429, Some("90")), "{windows:?}");
    }
}

/// A batch counts as a whole or not at all: what it leaves is no use to it, and its caller's.
#[test]
fn a_batch_of_more_than_is_left_is_told_of_nothing_and_costs_nothing() {
    let mut gate = gate(json!({
        "hold_headers": true,
        "routes": [{"path": "/mcp", "mcp": {"tools": {"t": []}}}],
        "rate_limits": [{"by": "user", "max": 2, "window": "60s"}],
    }));
    let auth = format!("Bearer {}", token().mint());
    let headers = [("authorization", auth.as_str()), ("mcp-protocol-version", "2025-03-26")];
    let call = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t"}});
    let mut left = |calls: Value| {
        let got = gate.post("/mcp", &headers, calls.to_string().as_bytes()).0;
        (got.status(), got.header("ratelimit-remaining").map(str::to_owned))
    };
    assert_eq!(left(json!([call(1), call(2), call(3)])), (429, Some("0".to_owned())));
    assert_eq!(left(call(1)), (200, Some("1".to_owned())));
    assert_eq!(left(json!([call(1), call(2)])), (429, Some("0".to_owned())));
    assert_eq!(left(call(1)), (200, Some("0".to_owned())));
}

#[test]
fn of_two_shared_limits_the_one_that_decided_is_shown_and_of_equals_the_longer_one() {
    let (within, over) = (1, 2);
    for (code, limits, expect) in [
        (within, [(within, 7, 30), (within, 7, 90)], (200, "7", "90")),
        (within, [(within, 7, 90), (within, 7, 30)], (200, "7", "90")),
        // Nothing is left of the first, either, but it has let this one pass.
        (over, [(within, 0, 900), (over, 0, 90)], (429, "0", "90")),
        (over, [(over, 0, 90), (within, 0, 900)], (429, "0", "90")),
        // What it says of one doesn't agree with what it says of all.
        (within, [(over, 3, 90), (within, 7, 30)], (200, "7", "30")),
    ] {
        let mut gate = gate(json!({
            "rate_limit_service": {"cluster": "limits"},
            "rate_limits": [
                {"by": "user", "max": 100, "window": "1h", "scope": "global", "failure_mode": "deny"},
                {"by": "tenant", "max": 100, "window": "1d", "scope": "global", "failure_mode": "deny"},
            ],
            "routes": [{"path": "/*"}],
        }));
        let auth = format!("Bearer {}", token().claim("org_id", "o").mint());
        let Got::Asks(exchange, _) = gate.send("GET", "/x", &[("authorization", &auth)]) else { panic!() };
        let limits = limits.map(|(code, remaining, reset)| (code, true, remaining, reset));
        let got = gate.answer(*exchange, Some(&shared_limits::said(code, &limits)));
        let header = |name| got.header(name).unwrap();
        let shown = (got.status(), header("ratelimit-remaining"), header("ratelimit-reset"));
        assert_eq!(shown, expect, "{limits:?}");
    }
}

/// A file in shadow mode: a request that an enforced route has as it stands isn't only watched, though an
/// observed route would have it if case were ignored.
#[test]
fn what_an_enforced_route_has_as_it_stands_is_enforced_whatever_else_it_resembles() {
    let policy =
        json!({"mode": "shadow", "routes": [{"path": "/Both/x"}, {"path": "/*", "mode": "enforce"}]});
    let auth = format!("Bearer {}", token().mint());
    let mut gate = gate(policy);
    assert_eq!(gate.send("GET", "/both/x", &[]).status(), 401);
    let got = gate.send("GET", "/both/x", &[("authorization", &auth)]);
    assert_eq!((got.status(), gate.record["reason"].as_str()), (403, Some("ambiguous_case")));
    assert_eq!(gate.send("GET", "/Both/x", &[]).status(), 200, "the observed route's own");
}

/// Only what a server could take for an enforced route's own is enforced with it: its path, except for case.
/// What no route has, by its method or host, has the file's mode.
#[test]
fn what_has_no_route_has_the_files_mode_though_an_enforced_route_has_its_path() {
    let route =
        json!({"path": "/x", "methods": ["GET"], "hosts": ["gateway.example.com"], "mode": "enforce"});
    let mut gate = gate(json!({"mode": "shadow", "routes": [route]}));
    for (method, path, status) in
        [("GET", "/x", 401), ("POST", "/x", 200), ("POST", "/X", 401), ("GET", "/y", 200)]
    {
        assert_eq!(gate.send(method, path, &[]).status(), status, "{method} {path}");
    }
}

/// However far its header was read before.
fn bearer(token: Token<'_>) -> Presented<'_> {
    Ok(Some(Credential { scheme: Scheme::Bearer, token }))
}

#[test]
fn a_token_that_was_verified_before_is_found_and_counted_as_such() {
    let mut gate = gate(json!({"routes": [{"path": "/*"}]}));
    let token = token().mint();
    let hits = |gate: &Gate| {
        gate.world(|world| {
            let mut tally = Tally::default();
            for token in [Token::Unread(token.as_bytes()), Token::Signed(&token)] {
                authenticate(world, None, bearer(token), Waited::NOTHING, &mut tally).unwrap();
            }
            tally.cache_hits
        })
    };
    assert_eq!(hits(&gate), 1, "the first has it verified");
    assert_eq!(hits(&gate), 2);
    // Nobody else's is.
    gate.tokens = Default::default();
    assert_eq!(gate.status("GET", "/x", &crate::testing::token().sub("b").mint()), 200);
    assert_eq!(hits(&gate), 1);
}

#[test]
fn a_bearer_that_cannot_be_read_is_nobody_without_a_count() {
    let gate = failures(9, true);
    gate.world(|world| {
        for presented in [Ok(None), bearer(Token::Encrypted), bearer(Token::Opaque)] {
            let mut tally = Tally::default();
            assert!(authenticate(world, None, presented, Waited::NOTHING, &mut tally).is_err());
        }
    });
    assert_eq!(left(&gate), 9);
}
