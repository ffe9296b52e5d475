//! What a record says of who called, from where, and what was missing.

use super::*;
use crate::hash::Secret;
use crate::record;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn recorded(gate: &mut Gate, headers: &[(&str, &str)]) -> Value {
    gate.send("GET", "/v1/tools/x", headers);
    gate.record.clone()
}

#[test]
fn a_record_has_every_member_and_null_where_there_is_nothing_to_say() {
    let mut gate = tools();
    let record = recorded(&mut gate, &[]);
    for (member, expect) in [
        ("vm", json!("00000000000000a1")),
        ("seq", json!(7)),
        ("client", Value::Null),
        ("agent", Value::Null),
        ("actor", Value::Null),
        ("rule", Value::Null),
        ("session", Value::Null),
        ("trace_id", Value::Null),
        ("user_agent", Value::Null),
        ("address", Value::Null),
    ] {
        assert_eq!(record.get(member), Some(&expect), "{member}");
    }
    assert!(record.get("needed").is_none() && record.get("have").is_none());
}

#[test]
fn a_record_names_the_client_and_who_acts_for_the_user() {
    let mut gate = tools();
    for (claims, client, actor) in [
        (json!({"client_id": "c", "azp": "a", "cid": "o", "appid": "e"}), json!("c"), Value::Null),
        (json!({"azp": "a", "cid": "o"}), json!("a"), Value::Null),
        (json!({"cid": "o", "appid": "e"}), json!("o"), Value::Null),
        (json!({"appid": "e"}), json!("e"), Value::Null),
        // One of another form is none.
        (json!({"client_id": 5, "azp": "a"}), json!("a"), Value::Null),
        (json!({"client_id": "", "azp": ""}), Value::Null, Value::Null),
        (json!({"act": {"sub": "agent", "act": {"sub": "first"}}}), Value::Null, json!("agent")),
        (json!({"act": "agent"}), Value::Null, Value::Null),
        (json!({"act": {"sub": ["agent"]}}), Value::Null, Value::Null),
    ] {
        let mut whose = token();
        for (name, value) in claims.as_object().unwrap() {
            whose = whose.claim(name, value.clone());
        }
        let bearer = format!("Bearer {}", whose.mint());
        let record = recorded(&mut gate, &[("authorization", &bearer)]);
        assert_eq!(
            (&record["client"], &record["actor"], &record["decision"]),
            (&client, &actor, &json!("allow"))
        );
    }
}

#[test]
fn a_refusal_for_scopes_says_what_was_needed_and_what_was_there() {
    let mut gate = gate(json!({"routes": [{"path": "/v1/*", "scopes": ["a", "b"]}]}));
    let many: Vec<String> = (0..40).map(|n| format!("s{n:02}")).collect();
    let bearer = format!("Bearer {}", token().scope(&many.join(" ")).mint());
    let record = recorded(&mut gate, &[("authorization", &bearer)]);
    assert_eq!((&record["reason"], &record["needed"]), (&json!("insufficient_scope"), &json!(["a", "b"])));
    assert_eq!(record["have"], json!(many[..32]), "32 at most");
    // The next one of this caller is allowed, and has neither.
    let bearer = format!("Bearer {}", token().scope("a b").mint());
    assert!(recorded(&mut gate, &[("authorization", &bearer)]).get("needed").is_none());
}

#[test]
fn a_trace_is_recorded_where_its_header_is_one() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut gate = tools();
    let good = format!("00-{ID}-00f067aa0ba902b7-01");
    for (traceparent, expect) in [
        (good.clone(), json!(ID)),
        (format!("cc-{ID}-00f067aa0ba902b7-01-more"), json!(ID)),
        (format!("ff-{ID}-00f067aa0ba902b7-01"), Value::Null),
        (good.to_uppercase(), Value::Null),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), Value::Null),
        (format!("00-{ID}"), Value::Null),
        (format!("00-{}\"-00f067aa0ba902b7-01", &ID[1..]), Value::Null),
        (format!("0-{ID}-00f067aa0ba902b7-01"), Value::Null),
        ("é".to_owned(), Value::Null),
        (String::new(), Value::Null),
    ] {
        assert_eq!(
            recorded(&mut gate, &[("traceparent", &traceparent)])["trace_id"],
            expect,
            "{traceparent}"
        );
    }
}

#[test]
fn what_a_client_says_of_itself_is_cut_and_its_session_is_hashed() {
    let mut gate = tools();
    let long = format!("agent/1 \"{}", "é".repeat(1_000));
    let record = recorded(&mut gate, &[("user-agent", &long), ("mcp-session-id", "secret-session")]);
    let agent = record["user_agent"].as_str().unwrap();
    assert!(agent.starts_with("agent/1 \"é") && (250..=256).contains(&agent.len()), "{}", agent.len());
    let hash = format!("{:016x}", record::session(Secret(3, 4), b"secret-session"));
    assert_eq!(record["session"], json!(hash));
    assert!(!record.to_string().contains("secret-session"));
    // What can't be judged has no session, but a client.
    gate.send("GET", "/v1/../x", &[("user-agent", "curl/8")]);
    assert_eq!(
        (&gate.record["reason"], &gate.record["user_agent"]),
        (&json!("unsafe_path"), &json!("curl/8"))
    );
}

#[test]
fn an_address_is_shown_as_the_policy_says() {
    for (how, address, expect) in [
        ("none", "192.0.2.7", Value::Null),
        ("full", "192.0.2.7", json!("192.0.2.7")),
        ("network", "192.0.2.7", json!("192.0.2.0/24")),
        ("network", "::ffff:192.0.2.7", json!("192.0.2.0/24")),
        ("full", "2001:db8:1:2::3", json!("2001:db8:1:2::3")),
        ("network", "2001:db8:1:2::3", json!("2001:db8:1::/48")),
    ] {
        let mut gate = gate(json!({"routes": [], "audit": {"address": how}}));
        gate.address = address.parse().unwrap();
        assert_eq!(recorded(&mut gate, &[])["address"], expect, "{how} {address}");
    }
}
