//! Limits over machines: what the rate limit service is asked, and what its answers, or their lack, come to.

use super::*;
use crate::exchange::Exchange;
use crate::protobuf::{self, Field};
use crate::testing::{key_a, key_b};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const AUTHORIZED: &str = "/v1/things";

/// Two limits over machines and one of this gateway's own.
fn shared(mode: &str) -> Gate {
    gate(json!({
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [
            {"by": "user", "max": 5, "window": "60s"},
            {"by": "user", "max": 100, "window": "1h", "scope": "global", "failure_mode": mode},
            {"by": "tenant", "max": 1000, "window": "1d", "scope": "global", "failure_mode": "allow"},
        ],
        "routes": [
            {"path": "/mcp", "mcp": {"tools": {"purge": [], "list": []}}},
            {"path": "/*"},
        ],
        "hold_headers": true,
    }))
}

fn bearer(token: &Token) -> [(&'static str, String); 1] {
    [("authorization", format!("Bearer {}", token.mint()))]
}

/// The question of a request, and the exchange that waits for its answer.
fn asks(gate: &mut Gate, token: &Token) -> (Box<Exchange>, ReadRequest) {
    let [(name, value)] = bearer(token);
    match gate.send("GET", AUTHORIZED, &[(name, &value)]) {
        Got::Asks(exchange, message) => (exchange, ReadRequest::read(&message)),
        other => panic!("not asked: {other:?}"),
    }
}

/// A `RateLimitRequest`.
#[derive(Debug, PartialEq)]
struct ReadRequest {
    domain: String,
    /// (limit, key) of each descriptor of one entry.
    limits: Vec<(String, String)>,
    /// Those of the one that has several.
    all: Vec<(String, String)>,
    hits: u64,
}

impl ReadRequest {
    fn read(message: &[u8]) -> Self {
        let mut asked = Self { domain: String::new(), limits: Vec::new(), all: Vec::new(), hits: 0 };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let entry = |field: Option<(u64, Field<'_>)>| match field.unwrap() {
            (1, Field::Bytes(entry)) => {
                let fields: Vec<_> = protobuf::fields(entry).map(Option::unwrap).collect();
                match fields.as_slice() {
                    [(1, Field::Bytes(key)), (2, Field::Bytes(value))] => (text(key), text(value)),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        };
        for field in protobuf::fields(message) {
            match field.unwrap() {
                (1, Field::Bytes(domain)) => asked.domain = text(domain),
                (2, Field::Bytes(descriptor)) => {
                    let entries: Vec<_> = protobuf::fields(descriptor).map(entry).collect();
                    if entries.len() == 1 {
                        asked.limits.extend(entries);
                    } else {
                        assert!(asked.all.is_empty() && asked.limits.is_empty(), "once, and first");
                        asked.all = entries;
                    }
                }
                (3, Field::Number(hits)) => asked.hits = hits,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(asked.all, if asked.limits.len() > 1 { asked.limits.clone() } else { Vec::new() });
        asked
    }
}

/// A `RateLimitResponse`: its code, and (code, known, remaining, reset) of each limit. Of several at once it
/// knows nothing.
pub(super) fn said(code: u64, limits: &[(u64, bool, u64, u64)]) -> Vec<u8> {
    let mut message = Vec::new();
    protobuf::number(&mut message, 1, code);
    let several = (1, false, 0, 0);
    for (code, known, remaining, reset) in
        Some(&several).filter(|_| limits.len() > 1).into_iter().chain(limits)
    {
        let (mut status, mut duration) = (Vec::new(), Vec::new());
        protobuf::number(&mut status, 1, *code);
        if *known {
            protobuf::bytes(&mut status, 2, &[0x08, 100]);
        }
        protobuf::number(&mut status, 3, *remaining);
        protobuf::number(&mut duration, 1, *reset);
        protobuf::bytes(&mut status, 4, &duration);
        protobuf::bytes(&mut message, 2, &status);
    }
    message
}

#[test]
fn the_service_is_asked_by_the_rules_names_and_learns_nobodys() {
    let mut gate = shared("deny");
    let (_, ann) = asks(&mut gate, &token().claim("org_id", "org_1"));
    assert_eq!((ann.domain.as_str(), ann.hits), ("gatewaystack", 1));
    let names: Vec<&str> = ann.limits.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["user-100-per-1h", "tenant-1000-per-1d"]);
    assert!(ann.limits.iter().all(|(_, key)| key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit())));
    // On a gateway that trusts the issuer second, and prefixes its users, too.
    let mut second = super::gate(json!({
        "issuers": [
            {"issuer": SECOND, "audiences": [AUDIENCE], "jwks_cluster": "b"},
            {"issuer": ISSUER.trim_end_matches('/'), "audiences": [AUDIENCE], "jwks_cluster": "a", "user_prefix": "a|"},
        ],
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [{"by": "user", "max": 100, "window": "1h", "scope": "global", "failure_mode": "deny"}],
        "routes": [{"path": "/*"}],
    }));
    second.publish(1, &[&key_a()]);
    assert_eq!(asks(&mut second, &token()).1.limits, ann.limits[..1]);
    // The same user is the same key on every gateway; another has another; without a tenant its limit doesn't
    // apply.
    let (_, again) = asks(&mut shared("deny"), &token());
    assert_eq!(again.limits, ann.limits[..1]);
    let (_, bob) = asks(&mut gate, &token().sub("bob"));
    assert_ne!(bob.limits[0].1, ann.limits[0].1);
}

#[test]
fn an_answer_decides_and_the_tightest_limit_is_shown() {
    let within = said(1, &[(1, true, 7, 30), (1, true, 900, 60)]);
    let over = said(2, &[(1, true, 7, 30), (2, true, 0, 90)]);
    let unsaid = said(2, &[]);
    // status, remaining, reset, retry-after
    for (message, expect) in [
        (&within, (200, "4", "60", None)),
        (&said(1, &[(1, true, 2, 30), (1, true, 900, 60)]), (200, "2", "30", None)),
        (&said(1, &[]), (200, "4", "60", None)),
        (&over, (429, "0", "90", Some("90"))),
        (&unsaid, (429, "0", "3600", Some("3600"))),
        // Nobody waits longer than the window is.
        (&said(2, &[(2, true, 0, u64::MAX), (1, true, 5, 5)]), (429, "0", "3600", Some("3600"))),
        // Nor has more left than the limit is.
        (&said(1, &[(1, true, u64::MAX, 30), (1, true, u64::MAX, 60)]), (200, "4", "60", None)),
    ] {
        let mut gate = shared("deny");
        let (exchange, _) = asks(&mut gate, &token().claim("org_id", "org_1"));
        let got = gate.answer(*exchange, Some(message));
        let shown = (
            got.status(),
            got.header("ratelimit-remaining").unwrap(),
            got.header("ratelimit-reset").unwrap(),
            got.header("retry-after"),
        );
        assert_eq!(shown, expect, "{message:?}");
        let reason = if expect.0 == 429 { "rate_limited" } else { "authorized" };
        assert_eq!(gate.record["reason"], reason);
    }
}

/// Without a tenant one limit applies: then the question has one descriptor, and the answer one status.
#[test]
fn what_is_said_of_the_only_limit_is_what_it_has_left() {
    for (said, expect) in [
        (said(1, &[(1, true, 2, 30)]), (200, Some("2"), Some("30"))),
        (said(2, &[(2, true, 0, 90)]), (429, Some("0"), Some("90"))),
        (said(1, &[(1, true, 2, 30), (1, true, 2, 30)]), (503, None, None)),
    ] {
        let mut gate = shared("deny");
        let (exchange, _) = asks(&mut gate, &token());
        let got = gate.answer(*exchange, Some(&said));
        let shown = (got.status(), got.header("ratelimit-remaining"), got.header("ratelimit-reset"));
        assert_eq!(shown, expect, "{said:?}");
    }
}

/// An answer is a few limits: one that never ends isn't read to its end.
#[test]
fn a_service_says_64_kib_at_most() {
    assert_eq!(crate::rate_limit::service::MAX_ANSWER, 65_536);
}

#[test]
fn limitador_says_by_a_header_how_long_to_wait() {
    let mut message = said(2, &[]);
    let mut header = Vec::new();
    protobuf::bytes(&mut header, 1, b"X-RateLimit-Reset");
    protobuf::bytes(&mut header, 2, b"42");
    protobuf::bytes(&mut message, 3, &header);
    let mut gate = shared("deny");
    let (exchange, _) = asks(&mut gate, &token());
    assert_eq!(gate.answer(*exchange, Some(&message)).header("retry-after"), Some("42"));
}

#[test]
fn without_an_answer_the_failure_mode_decides() {
    let unknown_code = said(7, &[]);
    let user_unknown = said(1, &[(1, false, 0, 0), (1, true, 900, 60)]);
    let tenant_unknown = said(1, &[(1, true, 7, 30), (1, false, 0, 0)]);
    for (message, deny, allow) in [
        (None, 503, 200),
        (Some(&b""[..]), 503, 200),
        (Some(b"\x08"), 503, 200),
        (Some(b"\xff\xff"), 503, 200),
        (Some(&unknown_code), 503, 200),
        // A limit that the service doesn't have isn't counted.
        (Some(&user_unknown), 503, 200),
        (Some(&tenant_unknown), 200, 200),
        // It tells of one limit of two, or of more than it was asked about.
        (Some(&said(1, &[(1, true, 7, 30)])), 503, 200),
        (Some(&said(1, &[(1, true, 7, 30), (1, true, 7, 30), (1, true, 7, 30)])), 503, 200),
        (Some(&said(1, &[])), 200, 200),
    ] {
        for (mode, expect) in [("deny", deny), ("allow", allow)] {
            let mut gate = shared(mode);
            let (exchange, _) = asks(&mut gate, &token().claim("org_id", "org_1"));
            let got = gate.answer(*exchange, message);
            assert_eq!(got.status(), expect, "{mode} {message:?}");
            if expect == 503 {
                assert_eq!(got.body()["error"], "temporarily_unavailable");
                assert_eq!(got.header("retry-after"), Some("1"));
                assert_eq!(gate.record["reason"], "limits_unavailable");
            }
        }
    }
}

#[test]
fn the_gateways_own_limits_hold_whatever_the_service_says_and_count_once() {
    let mut gate = shared("allow");
    for left in ["4", "3", "2", "1", "0"] {
        let (exchange, _) = asks(&mut gate, &token());
        assert_eq!(gate.answer(*exchange, None).header("ratelimit-remaining"), Some(left));
    }
    // Over its own limit nobody is asked.
    let [(name, value)] = bearer(&token());
    assert_eq!(gate.send("GET", AUTHORIZED, &[(name, &value)]).status(), 429);
}

#[test]
fn what_is_refused_or_only_watched_asks_nobody() {
    let mut gate = shared("deny");
    assert_eq!(gate.send("GET", AUTHORIZED, &[]).status(), 401);
    assert_eq!(gate.status("GET", AUTHORIZED, &token().claim("exp", NOW_S - 3600).mint()), 401);
    let mut policy = json!({
        "mode": "shadow",
        "rate_limit_service": {"cluster": "limits"},
        "rate_limits": [{"by": "user", "max": 1, "window": "1h", "scope": "global", "failure_mode": "deny"}],
        "routes": [{"path": "/*"}],
    });
    let mut watched = super::gate(policy.clone());
    assert_eq!(watched.status("GET", AUTHORIZED, &token().mint()), 200);
    assert_eq!(watched.record["shadow"]["decision"], "allow");
    policy["mode"] = json!("enforce");
    assert_eq!(super::gate(policy).status("GET", AUTHORIZED, &token().mint()), 102);
}

#[test]
fn a_token_that_expires_while_the_service_is_asked_is_refused() {
    let mut gate = shared("allow");
    let (exchange, _) = asks(&mut gate, &token());
    gate.now_ms += 2 * 3_600_000;
    assert_eq!(gate.answer(*exchange, Some(&said(1, &[]))).status(), 401);
}

/// Nobody could have told meanwhile of a key that was withdrawn.
#[test]
fn keys_that_grow_too_old_while_the_service_is_asked_vouch_for_nobody() {
    let long = token().claim("exp", NOW_S + 100 * 86_400);
    for (days, expect) in [(0, 200), (30, 503)] {
        let mut gate = shared("allow");
        let (exchange, _) = asks(&mut gate, &long);
        gate.now_ms += days * 86_400_000;
        assert_eq!(gate.answer(*exchange, Some(&said(1, &[]))).status(), expect, "{days}");
    }
}

/// Its removal ends what was verified by it, wherever the request is by then. (Whether a new key has its name
/// is found out by the next request.)
#[test]
fn a_key_that_is_withdrawn_while_the_service_is_asked_vouches_for_nobody() {
    for (keys, expect) in [(vec![key_a(), key_b()], 200), (vec![key_b()], 503)] {
        let mut gate = shared("allow");
        let (exchange, _) = asks(&mut gate, &token());
        gate.publish(0, &keys.iter().collect::<Vec<_>>());
        let got = gate.answer(*exchange, Some(&said(1, &[])));
        assert_eq!(got.status(), expect, "{got:?}");
    }
    // One that was only pushed out of the cache is verified anew.
    let mut gate = shared("allow");
    let (exchange, _) = asks(&mut gate, &token());
    gate.tokens = Default::default();
    assert_eq!(gate.answer(*exchange, Some(&said(1, &[]))).status(), 200);
}

#[test]
fn a_rule_about_tools_asks_for_their_calls_and_a_batch_counts_as_many() {
    let mut gate = gate(json!({
        "rate_limit_service": {"cluster": "limits", "domain": "prod"},
        "rate_limits": [
            {"by": "user", "max": 9, "window": "1m", "scope": "global", "failure_mode": "deny", "tools": ["purge"]},
            {"by": "user", "max": 99, "window": "1m", "scope": "global", "failure_mode": "deny", "route": "/mcp"},
        ],
        "routes": [{"path": "/mcp", "mcp": {"tools": {"purge": [], "list": []}}}],
        "hold_headers": true,
    }));
    let call = |tool: &str, id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let [(name, value)] = bearer(&token());
    let mut asked = |body: Value| {
        let headers = [(name, value.as_str()), ("mcp-protocol-version", "2025-03-26")];
        match gate.post("/mcp", &headers, body.to_string().as_bytes()).0 {
            Got::Asks(_, message) => ReadRequest::read(&message),
            other => panic!("not asked: {other:?}"),
        }
    };
    let both = asked(call("purge", 1));
    assert_eq!((both.domain.as_str(), both.limits.len(), both.hits), ("prod", 2, 1));
    // Each rule has a name of its own, though both count a user's minute.
    assert!(
        both.limits[0].0.starts_with("user-9-per-1m-") && both.limits[1].0.starts_with("user-99-per-1m-")
    );
    let one = asked(call("list", 1));
    assert_eq!((one.limits.len(), &one.limits[0].0), (1, &both.limits[1].0));
    assert_eq!(asked(json!([call("purge", 1), call("list", 2), call("list", 3)])).hits, 3);
}

#[test]
fn a_refusal_on_an_mcp_route_is_json_rpc_with_the_calls_id() {
    let mut gate = shared("deny");
    let body =
        json!({"jsonrpc": "2.0", "id": 41, "method": "tools/call", "params": {"name": "list"}}).to_string();
    let [(name, value)] = bearer(&token());
    for (message, status, code) in [(Some(said(2, &[])), 429, -32029), (None, 503, -32603)] {
        let Got::Asks(exchange, _) = gate.post("/mcp", &[(name, value.as_str())], body.as_bytes()).0 else {
            panic!("not asked")
        };
        let got = gate.answer(*exchange, message.as_deref());
        assert_eq!(
            (got.status(), &got.body()["id"], &got.body()["error"]["code"]),
            (status, &json!(41), &json!(code))
        );
    }
}
