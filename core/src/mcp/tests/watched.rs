//! Shadow mode: a body passes and is judged all the same, to the very decision that enforcing would come to.

use super::*;
use crate::exchange::Exchange;
use crate::exchange::respond::{Framing, Head};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn gate_in(mode: &str, hold_headers: bool) -> Gate {
    let mcp = json!({
        "tools": {"whoami": [], "list_notes": ["tool:read"], "add_note": ["tool:read", "tool:write"], "help": "public"},
        "lazy_auth": ["ping"], "max_body": 2048,
    });
    let limits = json!([
        {"by": "user", "max": 6, "window": "60s", "tools": ["whoami"]},
        {"by": "address", "max": 500, "window": "60s", "on": "all"},
        {"by": "address", "max": 14, "window": "60s", "on": "failures"},
    ]);
    let routes = json!([{"path": "/mcp", "mcp": mcp}]);
    gate(json!({"mode": mode, "hold_headers": hold_headers, "routes": routes, "rate_limits": limits}))
}

/// What the record says was decided, or would have been, and the status of our own answer (0: there is none).
fn decision(got: &Got, record: &Value) -> Value {
    let answered = match got {
        Got::Replied(reply) => json!(reply.status),
        _ => json!(0),
    };
    let shadow = &record["shadow"];
    let (of, status) = if shadow.is_null() { (record, &answered) } else { (shadow, &shadow["status"]) };
    let (decision, reason) = (&of["decision"], &of["reason"]);
    json!([decision, reason, status, record["tool"], record["operation"], record["sub"], record["route"]])
}

type Headers = Vec<(&'static str, String)>;

/// Requests of every kind, with a body or (`None`) one that is over the cap.
fn requests() -> Vec<(Headers, Option<String>)> {
    let mut all = Vec::new();
    let forged = token().signed_by(key_b()).header("kid", "a").mint();
    let tokens = [None, Some(nobody()), Some(reader()), Some("a.b.c".to_owned()), Some(forged)];
    for era in LEGACY.into_iter().chain([NEWEST]) {
        for token in &tokens {
            let mut fixed = vec![("mcp-protocol-version", era.to_owned())];
            fixed.extend(token.as_ref().map(|token| ("authorization", format!("Bearer {token}"))));
            for name in ["help", "whoami", "list_notes", "add_note", "unheard_of"] {
                let mut headers = fixed.clone();
                headers.extend([("mcp-method", "tools/call".to_owned()), ("mcp-name", name.to_owned())]);
                all.push((headers, Some(tool(name).to_string())));
            }
            let batch = json!([tool("whoami"), tool("list_notes")]).to_string();
            let bodies = [
                request("ping", json!({})).to_string(),
                batch,
                "{".to_owned(),
                String::new(),
                json!({"id": 1, "result": {}}).to_string(),
                tool("help").to_string(),
            ];
            let mut ping = fixed.clone();
            ping.push(("mcp-method", "ping".to_owned()));
            all.extend(bodies.map(|body| (ping.clone(), Some(body))));
            all.push((ping.clone(), None));
            let unknown = [("mcp-protocol-version", "2024-11-05".to_owned())];
            all.push((unknown.into(), Some(tool("whoami").to_string())));
            let mut gone = fixed.clone();
            gone.push(("mcp-method", "resources/subscribe".to_owned()));
            all.push((gone, Some(request("resources/subscribe", json!({})).to_string())));
            for (name, value) in
                [("content-type", "text/plain"), ("content-encoding", "gzip"), ("origin", "null")]
            {
                let mut headers = ping.clone();
                headers.push((name, value.to_owned()));
                all.push((headers, Some(tool("help").to_string())));
            }
        }
    }
    all
}

#[test]
fn the_record_has_the_decision_that_enforcing_comes_to() {
    for hold_headers in [true, false] {
        let (mut enforcing, mut watching) =
            (gate_in("enforce", hold_headers), gate_in("shadow", hold_headers));
        let mut seen = std::collections::BTreeSet::new();
        for (headers, body) in requests() {
            let pairs: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let post = |gate: &mut Gate| {
                let got = match &body {
                    Some(body) => gate.post("/mcp", &pairs, body.as_bytes()).0,
                    None => gate.post_too_much("/mcp", &pairs).0,
                };
                let decision = decision(&got, &gate.record);
                (got, decision)
            };
            let (_, enforced) = post(&mut enforcing);
            let (got, watched) = post(&mut watching);
            assert!(matches!(got, Got::Observed(_)), "{headers:?} {got:?}");
            assert_eq!(watching.record["reason"], "shadow");
            assert_eq!(watched, enforced, "hold {hold_headers} {headers:?} {body:?}");
            seen.insert(format!("{} {}", watched[0], watched[1]).replace('"', ""));
        }
        for expect in [
            "allow authorized",
            "allow public",
            "deny body_malformed",
            "deny body_media_type",
            "deny body_too_large",
            "deny insufficient_scope",
            "deny mcp_mismatch",
            "deny mcp_version",
            "deny no_token",
            "deny origin_not_allowed",
            "deny token_malformed",
            "deny unlisted",
            "deny token_signature",
            "limited address_limited",
            "limited rate_limited",
        ] {
            assert!(seen.contains(expect), "{expect} in {seen:?}");
        }
    }
}

fn watch(gate: &mut Gate, headers: &[(&str, &str)]) -> (Exchange, crate::decision::Edits) {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    match gate.send("POST", "/mcp", &all) {
        Got::Watched(exchange, edits, cap) => {
            assert_eq!(cap, 2048);
            (*exchange, edits)
        }
        other => panic!("{other:?}"),
    }
}

/// The headers leave before anybody knows what they are for.
#[test]
fn nobody_is_named_in_headers_that_leave_before_their_body_is_judged() {
    let auth = format!("Bearer {}", reader());
    for hold_headers in [true, false] {
        let mut gate = gate_in("shadow", hold_headers);
        let newest = [
            ("authorization", auth.as_str()),
            ("x-user-id", "evil"),
            ("mcp-protocol-version", NEWEST),
            ("mcp-method", "tools/call"),
            ("mcp-name", "list_notes"),
        ];
        for headers in [&newest[..2], &newest] {
            let (exchange, edits) = watch(&mut gate, headers);
            assert_eq!((edits.remove.len(), edits.set.len()), (1, 0));
            assert!(edits.removes("x-user-id"));
            let Got::Observed(edits) = gate.body(exchange, tool("list_notes").to_string().as_bytes()) else {
                panic!()
            };
            assert_eq!(edits.set, [("x-user-id".to_owned(), "auth0|ann".to_owned())], "for nobody to apply");
            assert_eq!(gate.record["shadow"]["decision"], "allow");
        }
        // A stream's headers say all.
        let got = gate.send("GET", "/mcp", &newest[..1]);
        assert!(matches!(&got, Got::Observed(edits) if edits.set.len() == 1), "{got:?}");
    }
}

#[test]
fn a_body_that_never_ends_is_recorded_as_unknown_and_counted_nowhere() {
    let mut gate = gate_in("shadow", true);
    let auth = format!("Bearer {}", nobody());
    let newest = [
        ("authorization", auth.as_str()),
        ("mcp-protocol-version", NEWEST),
        ("mcp-method", "tools/call"),
        ("mcp-name", "whoami"),
    ];
    for _ in 0..20 {
        let (exchange, _) = watch(&mut gate, &newest);
        assert_eq!(
            decision(&Got::Observed(crate::decision::Edits::default()), &gate.record),
            json!(["unknown", "body_unread", 0, "whoami", "tools/call", "auth0|ann", "/mcp"])
        );
        assert_eq!(exchange.facts().unwrap().observed(), Some(("unknown", "body_unread")));
    }
    let mut call = |expect: &str| {
        gate.post("/mcp", &newest, tool("whoami").to_string().as_bytes());
        assert_eq!(gate.record["shadow"]["reason"], expect);
    };
    (0..6).for_each(|_| call("authorized"));
    call("rate_limited");
}

#[test]
fn whatever_the_upstream_answers_while_a_body_passes_is_shown() {
    let mut gate = gate_in("shadow", false);
    let (mut exchange, _) = watch(&mut gate, &[]);
    assert!(!exchange.judges_answer() && exchange.response(&gate.policy).is_empty());
    let head = Head { status: 200, ..Head::default() };
    assert!(matches!(exchange.on_response(&gate.policy, &head), Framing::Pass));
    gate.body(exchange, tool("help").to_string().as_bytes());
    assert_eq!(gate.record["shadow"]["reason"], "public");
}

#[test]
fn keys_that_come_while_a_body_passes_decide_about_it() {
    let auth = format!("Bearer {}", reader());
    let call = tool("list_notes").to_string();
    for hold_headers in [true, false] {
        let routes =
            json!([{"path": "/mcp", "mcp": {"tools": {"list_notes": ["tool:read"]}, "max_body": 2048}}]);
        for (keys_come, expect) in [(true, "authorized"), (false, "keys_pending")] {
            let mut gate =
                cold_gate(json!({"mode": "shadow", "hold_headers": hold_headers, "routes": routes}));
            let (exchange, _) = watch(&mut gate, &[("authorization", &auth)]);
            if keys_come {
                gate.publish(0, &[&key_a()]);
            }
            gate.body(exchange, call.as_bytes());
            assert_eq!(gate.record["shadow"]["reason"], expect, "nothing waits for keys");
        }
    }
}

/// By its spelling Envoy could take it for the other route's: it is enforced, and its headers are held where
/// they can be.
#[test]
fn a_call_that_could_be_an_enforced_routes_is_not_only_watched() {
    let routes =
        json!([{"path": "/mcp", "mode": "shadow", "mcp": {"tools": {"help": "public"}}}, {"path": "/*"}]);
    for hold_headers in [true, false] {
        let mut gate = gate(json!({"hold_headers": hold_headers, "routes": routes}));
        let got = gate.send("POST", "/%6dcp", &[("content-type", "application/json")]);
        assert!(matches!(&got, Got::Reads(_, let_go) if let_go.is_none() == hold_headers), "{got:?}");
        let got = gate.send_with_body(
            "GET",
            "/%6dcp",
            &[("authorization", &format!("Bearer {}", reader()))],
            Some(b"{}"),
        );
        assert_eq!(got.status(), 400, "{got:?}");
    }
}

/// An edit that the host refuses lets an impostor through: then even shadow mode refuses, and says so.
#[test]
fn what_the_host_cannot_strip_is_refused_while_it_is_watched() {
    let mut gate = gate_in("shadow", true);
    let (exchange, _) = watch(&mut gate, &[("x-user-id", "evil")]);
    let exchange = gate.fault(exchange);
    let facts = exchange.facts().unwrap();
    assert_eq!((facts.outcome(), facts.observed()), (("error", "fault_host"), None));
}
