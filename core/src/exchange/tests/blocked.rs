//! Who is blocked is refused, whatever is remembered of the token and wherever the request is.

use super::*;
use crate::config::policy::OnStale;
use crate::feed::Feed;
use crate::feed::blocks::{Change, Kind, key};
use crate::hash::Secret;
use crate::record;
use sha2::{Digest as _, Sha256};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A gateway with a feed that is new and empty.
fn fed(more: Value) -> Gate {
    let mut policy = json!({
        "feed": {"cluster": "sidecar"},
        "routes": [{"path": "/open", "access": "public"}, {"path": "/mcp", "mcp": {"tools": {"t": [], "free": "public"}}}, {"path": "/*"}],
    });
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut gate = gate(policy);
    gate.feed.fetched_at = gate.now_ms;
    gate
}

fn change(gate: &mut Gate, kind: &str, value: &str, until_s: Option<u32>) {
    let kind = Kind::of(kind).unwrap();
    gate.feed.blocks.apply(Change { kind, key: key(Secret(1, 2), kind, value.as_bytes()), until_s });
}

fn whose() -> Token {
    token().claim("org_id", "acme").claim("client_id", "agent-1").claim("azp", "other").claim("jti", "id-9")
}

#[test]
fn whoever_is_blocked_is_refused_by_each_name_that_a_block_may_have() {
    let text = whose().mint();
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let session = format!("{:016x}", record::session(Secret(3, 4), b"session-1"));
    let bearer = format!("Bearer {text}");
    let headers = [("authorization", bearer.as_str()), ("mcp-session-id", "session-1")];
    for (kind, value, is_blocked) in [
        ("user", "auth0|ann", true),
        ("user", "auth0|an", false),
        ("user", "acme", false),
        ("tenant", "acme", true),
        ("client", "agent-1", true),
        ("client", "other", false),
        ("token", "id-9", true),
        ("token", &format!("sha256:{digest}"), true),
        ("token", "sha256:00", false),
        ("session", "session-1", true),
        ("session", &session, true),
        ("session", "session-2", false),
        ("agent", "auth0|ann", false),
    ] {
        for is_cached in [false, true] {
            let mut gate = fed(json!({}));
            if is_cached {
                assert_eq!(gate.send("GET", "/x", &headers).status(), 200, "nobody is blocked yet");
            }
            change(&mut gate, kind, value, Some(0));
            let got = gate.send("GET", "/x", &headers);
            assert_eq!(got.status(), if is_blocked { 403 } else { 200 }, "{kind} {value}, {is_cached}");
            if is_blocked {
                assert_eq!(got.body()["error"], "blocked");
                let record = ["decision", "reason", "sub", "client"].map(|name| gate.record[name].clone());
                assert_eq!(record, ["deny", "blocked", "auth0|ann", "agent-1"].map(Value::from));
                assert_eq!(got.header("www-authenticate"), None, "signing in again doesn't help");
            }
            change(&mut gate, kind, value, None);
            assert_eq!(gate.send("GET", "/x", &headers).status(), 200, "{kind} {value} is lifted");
        }
    }
}

#[test]
fn a_block_ends_by_itself_and_the_next_request_passes() {
    let mut gate = fed(json!({}));
    let text = token().mint();
    let now_s = u32::try_from(gate.now_ms / 1_000).unwrap();
    change(&mut gate, "user", "auth0|ann", Some(now_s + 2));
    assert_eq!(gate.status("GET", "/x", &text), 403);
    gate.now_ms += 2_000;
    assert_eq!(gate.status("GET", "/x", &text), 200);
}

#[test]
fn a_blocked_caller_reaches_no_tool_and_everybody_reaches_what_is_public() {
    for hold_headers in [true, false] {
        let mut gate = fed(json!({"hold_headers": hold_headers}));
        change(&mut gate, "user", "auth0|ann", Some(0));
        let bearer = format!("Bearer {}", token().mint());
        for name in ["t", "free"] {
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}});
            let (got, _) = gate.post("/mcp", &[("authorization", &bearer)], call.to_string().as_bytes());
            assert_eq!((got.status(), &got.body()["error"]["code"]), (403, &json!(-32001)), "{name}");
            assert_eq!(gate.record["reason"], "blocked");
        }
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "free"}});
        assert_eq!(gate.post("/mcp", &[], call.to_string().as_bytes()).0.status(), 200, "without a token");
        assert_eq!(gate.send("GET", "/open", &[("authorization", &bearer)]).status(), 200);
    }
}

#[test]
fn a_block_that_comes_while_the_limits_are_asked_holds() {
    let mut gate = fed(json!({
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [{"by": "user", "max": 5, "window": "60s", "scope": "global", "failure_mode": "allow"}],
    }));
    let bearer = format!("Bearer {}", token().mint());
    for is_blocked in [false, true] {
        let Got::Asks(asks, _) = gate.send("GET", "/x", &[("authorization", &bearer)]) else { panic!() };
        if is_blocked {
            change(&mut gate, "user", "auth0|ann", Some(0));
        }
        assert_eq!(gate.answer(*asks, None).status(), if is_blocked { 403 } else { 200 });
    }
}

#[test]
fn a_new_gateway_waits_a_second_for_who_is_blocked_and_no_longer() {
    let text = token().mint();
    let bearer = format!("Bearer {text}");
    let headers = [("authorization", bearer.as_str())];
    // It comes in time.
    let mut gate = fed(json!({}));
    gate.feed = Feed { began_at: gate.now_ms, ..Feed::default() };
    let Got::Held(held) = gate.send("GET", "/x", &headers) else { panic!() };
    change(&mut gate, "user", "auth0|ann", Some(0));
    gate.feed.fetched_at = gate.now_ms;
    assert_eq!(gate.resume_with_feed(*held).status(), 403);
    // What needs no caller doesn't wait.
    gate.feed.fetched_at = 0;
    assert_eq!(gate.send("GET", "/open", &headers).status(), 200);
    assert_eq!(gate.send("GET", "/x", &[]).status(), 401);
    // It doesn't come.
    for (on_stale, status) in [(OnStale::Keep, 200), (OnStale::Deny, 503)] {
        let mut gate = fed(json!({}));
        gate.policy.feed.as_mut().unwrap().on_stale = on_stale;
        gate.feed = Feed { began_at: gate.now_ms, ..Feed::default() };
        let Got::Held(held) = gate.send("GET", "/x", &headers) else { panic!() };
        gate.now_ms += 1_000;
        let got = gate.resume_with_feed(*held);
        assert_eq!(got.status(), status);
        assert_eq!(gate.send("GET", "/x", &headers).status(), status, "nobody waits any more");
        if status == 503 {
            let told = (got.body()["error"].clone(), got.header("retry-after").unwrap().to_owned());
            assert_eq!(told, (json!("temporarily_unavailable"), "1".to_owned()));
            assert_eq!(gate.record["reason"], "feed_stale");
            assert_eq!(gate.send("GET", "/open", &[]).status(), 200, "nobody has to sign in there");
        }
    }
}

/// Keys and feed are both missing at a start.
#[test]
fn a_request_waits_for_the_feed_and_then_for_its_keys() {
    let mut gate = cold_gate(json!({"feed": {"cluster": "sidecar"}, "routes": [{"path": "/*"}]}));
    gate.feed.began_at = gate.now_ms;
    let bearer = format!("Bearer {}", token().mint());
    let Got::Held(held) = gate.send("GET", "/x", &[("authorization", &bearer)]) else { panic!() };
    gate.feed.fetched_at = gate.now_ms;
    let Got::Held(held) = gate.resume_with_feed(*held) else { panic!("the keys aren't there") };
    gate.publish(0, &[&key_a()]);
    assert_eq!(gate.resume(*held, Fetched::Good).status(), 200);
}

#[test]
fn a_body_is_judged_once_it_is_known_who_is_blocked() {
    let mut gate = fed(json!({"hold_headers": true}));
    gate.feed = Feed { began_at: gate.now_ms, ..Feed::default() };
    let bearer = format!("Bearer {}", token().mint());
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}}).to_string();
    let (got, _) = gate.post("/mcp", &[("authorization", &bearer)], call.as_bytes());
    let Got::Held(held) = got else { panic!("{got:?}") };
    change(&mut gate, "user", "auth0|ann", Some(0));
    gate.feed.fetched_at = gate.now_ms;
    assert_eq!(gate.resume_with_feed(*held).status(), 403);
}

#[test]
fn shadow_mode_says_who_would_have_been_refused_and_waits_for_nothing() {
    let mut gate = fed(json!({"mode": "shadow"}));
    let text = token().mint();
    change(&mut gate, "user", "auth0|ann", Some(0));
    assert_eq!(gate.status("GET", "/x", &text), 200);
    assert_eq!(gate.record["shadow"]["reason"], "blocked");
    gate.feed = Feed { began_at: gate.now_ms, ..Feed::default() };
    assert_eq!(gate.status("GET", "/x", &text), 200);
    assert_eq!(gate.record["shadow"]["reason"], "feed_pending");
}

#[test]
fn without_a_feed_nothing_is_looked_up_and_nothing_waits() {
    let mut gate = gate(json!({"routes": [{"path": "/*"}]}));
    change(&mut gate, "user", "auth0|ann", Some(0));
    assert_eq!(gate.status("GET", "/x", &token().mint()), 200);
}

/// As records show it, whatever its length.
#[test]
fn a_long_session_is_blocked_by_what_its_record_shows() {
    let mut gate = fed(json!({}));
    let bearer = format!("Bearer {}", token().mint());
    let ids = ["a", "b"].map(|end| "s".repeat(300) + end);
    let shown = ids.each_ref().map(|id| {
        gate.send("GET", "/x", &[("authorization", &bearer), ("mcp-session-id", id)]);
        gate.record["session"].as_str().unwrap().to_owned()
    });
    assert_ne!(shown[0], shown[1]);
    change(&mut gate, "session", &shown[0], Some(0));
    for (id, status) in ids.iter().zip([403, 200]) {
        let got = gate.send("GET", "/x", &[("authorization", &bearer), ("mcp-session-id", id)]);
        assert_eq!(got.status(), status);
    }
}

/// Where headers can't wait for the body, they don't leave with the name of somebody who is blocked.
#[test]
fn nothing_of_a_blocked_callers_request_leaves_before_its_body() {
    let mut gate = fed(json!({"hold_headers": false}));
    change(&mut gate, "user", "auth0|ann", Some(0));
    let bearer = format!("Bearer {}", token().mint());
    let got = gate.send("POST", "/mcp", &[("authorization", &bearer), ("content-type", "application/json")]);
    assert_eq!(got.status(), 403);
}

fn revoke(gate: &mut Gate, subject: &str, until_s: u64) {
    change(gate, "revoked", subject, Some(u32::try_from(until_s).unwrap()));
}

/// Tokens that were issued at the time of the event or before it.
#[test]
fn revoked_tokens_are_refused_and_a_newer_one_is_not() {
    let now_s = fed(json!({})).now_ms / 1_000;
    let issued = |seconds_ago: u64| token().claim("iat", now_s - seconds_ago);
    for (text, is_revoked) in [
        (issued(100).mint(), true),
        (issued(60).mint(), true),
        (token().claim("iat", f64::from(u32::try_from(now_s - 60).unwrap()) + 0.9).mint(), true),
        (issued(59).mint(), false),
        (issued(0).mint(), false),
        (token().without("iat").mint(), true),
        (issued(100).claim("sub", "auth0|bob").mint(), false),
    ] {
        for is_cached in [false, true] {
            let mut gate = fed(json!({}));
            if is_cached {
                assert_eq!(gate.status("GET", "/x", &text), 200);
            }
            revoke(&mut gate, "auth0|ann", now_s - 60);
            let got = gate.send("GET", "/x", &[("authorization", &format!("Bearer {text}"))]);
            assert_eq!(got.status(), if is_revoked { 401 } else { 200 }, "{text}");
            if is_revoked {
                assert_eq!(
                    (&got.body()["error"], &gate.record["reason"]),
                    (&json!("invalid_token"), &json!("revoked"))
                );
                assert!(got.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
                change(&mut gate, "revoked", "auth0|ann", None);
                assert_eq!(gate.status("GET", "/x", &text), 200);
            }
        }
    }
}

/// Where a table of revocations is full, its oldest become one for all of an issuer's tokens.
#[test]
fn all_old_tokens_of_an_issuer_may_be_revoked_and_no_others() {
    let more = json!({"issuers": [
        {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a"},
        {"issuer": SECOND, "audiences": [AUDIENCE], "jwks_cluster": "b", "user_prefix": "b|"},
    ]});
    let mut gate = fed(more);
    let now_s = gate.now_ms / 1_000;
    let issued = |seconds_ago: u64| token().claim("iat", now_s - seconds_ago);
    change(&mut gate, "issuer", ISSUER, Some(u32::try_from(now_s - 60).unwrap()));
    for (text, expect) in [
        (issued(60).mint(), 401),
        (issued(100).sub("bob").mint(), 401),
        (token().without("iat").mint(), 401),
        (issued(59).mint(), 200),
        (issued(100).second_issuer().mint(), 200),
    ] {
        assert_eq!(gate.status("GET", "/x", &text), expect, "{text}");
    }
    // What is said of one user counts besides.
    revoke(&mut gate, "auth0|ann", now_s - 10);
    assert_eq!(gate.status("GET", "/x", &issued(59).mint()), 401);
    assert_eq!(gate.status("GET", "/x", &issued(59).sub("bob").mint()), 200);
    change(&mut gate, "revoked", "auth0|ann", None);
    change(&mut gate, "issuer", ISSUER, None);
    assert_eq!(gate.status("GET", "/x", &issued(100).mint()), 200);
}

/// A subject is what the issuer calls it, whatever the policy does.
#[test]
fn signals_name_users_as_their_issuer_does() {
    let mut gate = fed(json!({"issuers": [
        {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_cluster": "a", "user_claim": "email"},
        {"issuer": SECOND, "audiences": [AUDIENCE], "jwks_cluster": "b", "user_prefix": "b|"},
    ]}));
    let ann = |sub: &str| token().sub(sub).claim("email", "ann@a.example");
    let bob = token().second_issuer().sub("7");
    let texts = [ann("7").mint(), ann("b|7").mint(), ann("").without("sub").mint(), bob.mint()];
    for (kind, subject, expect) in [
        ("revoked", "7", [401, 200, 200, 200]),
        ("disabled", "7", [403, 200, 200, 200]),
        ("user", "7", [200, 200, 200, 200]),
        ("disabled", "ann@a.example", [200, 200, 200, 200]),
        ("user", "ann@a.example", [403, 403, 403, 200]),
        ("revoked", "b|7", [200, 200, 200, 401]),
        ("disabled", "b|7", [200, 200, 200, 403]),
    ] {
        change(&mut gate, kind, subject, Some(u32::MAX));
        let got = texts.each_ref().map(|text| gate.status("GET", "/x", text));
        assert_eq!(got, expect, "{kind} {subject}");
        change(&mut gate, kind, subject, None);
    }
}

#[test]
fn who_is_blocked_is_told_so_whatever_the_token() {
    let mut gate = fed(json!({}));
    revoke(&mut gate, "auth0|ann", u64::from(u32::MAX));
    change(&mut gate, "user", "auth0|ann", Some(0));
    assert_eq!(gate.status("GET", "/x", &token().mint()), 403);
}

#[test]
fn a_revoked_token_reaches_no_tool_and_the_error_has_the_calls_id() {
    for hold_headers in [true, false] {
        let mut gate = fed(json!({"hold_headers": hold_headers}));
        revoke(&mut gate, "auth0|ann", u64::from(u32::MAX));
        let bearer = format!("Bearer {}", token().mint());
        for name in ["t", "free"] {
            let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name}});
            let (got, _) = gate.post("/mcp", &[("authorization", &bearer)], call.to_string().as_bytes());
            assert_eq!((got.status(), &got.body()["error"]["code"]), (401, &json!(-32001)), "{name}");
            assert_eq!(got.body()["error"]["data"]["error"], "invalid_token");
            assert!(!hold_headers || got.body()["id"] == 7);
            assert_eq!(gate.record["reason"], "revoked");
        }
    }
}

/// What couldn't be proved later doesn't happen, where the policy wants that.
#[test]
fn nothing_passes_while_the_audit_log_cannot_be_written_where_it_is_required() {
    let policy = json!({
        "feed": {"cluster": "sidecar"},
        "routes": [
            {"path": "/open", "access": "public"},
            {"path": "/free"},
            {"path": "/x", "audit": {"required": true}},
        ],
        "rate_limits": [{"by": "user", "max": 1, "window": "60s"}],
    });
    let bearer = format!("Bearer {}", token().mint());
    let headers = [("authorization", bearer.as_str())];
    let mut gate = gate(policy);
    let known =
        |gate: &Gate, audited_at: u64| Feed { fetched_at: gate.now_ms, audited_at, ..Feed::default() };
    // It says that it can't; it has said nothing for long; it never said anything.
    for audited_at in [0, gate.now_ms - 30_001] {
        gate.feed = known(&gate, audited_at);
        let got = gate.send("GET", "/x", &headers);
        assert_eq!((got.status(), got.body()["error"].clone()), (503, json!("audit_unavailable")));
        assert_eq!(got.header("retry-after").unwrap(), "1");
        assert_eq!(gate.record["reason"], "audit_unavailable");
        assert_eq!(gate.send("GET", "/open", &[]).status(), 200);
        assert_eq!(gate.send("GET", "/x", &[]).status(), 401, "who has no token is told that first");
    }
    // Nothing of it was counted.
    gate.feed = known(&gate, gate.now_ms - 30_000);
    assert_eq!(gate.send("GET", "/x", &headers).status(), 200);
    gate.feed = known(&gate, 0);
    assert_eq!(gate.send("GET", "/free", &headers).status(), 429, "others don't need it");
}

/// A tool that is open to all is one of its route's requests, too.
#[test]
fn an_open_tool_passes_no_more_than_others_while_the_audit_log_cannot_be_written() {
    let tools = json!({"t": [], "free": "public"});
    let mut gate = gate(json!({
        "feed": {"cluster": "sidecar"},
        "routes": [{"path": "/mcp", "audit": {"required": true}, "mcp": {"tools": tools}}],
    }));
    let ask = |gate: &mut Gate, name: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": {}}});
        gate.post("/mcp", &[], call.to_string().as_bytes()).0.status()
    };
    gate.feed = Feed { fetched_at: gate.now_ms, ..Feed::default() };
    assert_eq!((ask(&mut gate, "free"), ask(&mut gate, "t")), (503, 401));
    gate.feed.audited_at = gate.now_ms;
    assert_eq!((ask(&mut gate, "free"), ask(&mut gate, "t")), (200, 401));
}
