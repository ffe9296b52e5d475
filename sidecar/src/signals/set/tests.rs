//! Which SETs are refused and with which code, and what the others say.

use super::read;
use crate::ledger::signal::{Change, Signal};
use crate::signals::fault::Fault;
use crate::signals::keys::candidates;
use crate::signals::testing::*;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::jwks;
use serde_json::{Value, json};

fn judge(policy: &Policy, set: &Set, published: &Signer) -> Result<Option<Signal>, Fault> {
    let text = set.mint();
    let unverified = read(&text, policy, 1_795_993_081.5)?;
    let keys = jwks::parse(published.document().as_bytes()).unwrap();
    let kid = unverified.kid.clone();
    unverified.verified(&candidates(&keys, kid.as_deref()))
}

fn said(set: &Set) -> Signal {
    judge(&policy(json!({})), set, &key_a()).unwrap().unwrap()
}

fn refused(set: &Set) -> &'static str {
    judge(&policy(json!({})), set, &key_a()).unwrap_err().code
}

fn caep(name: &str) -> String {
    format!("{CAEP}{name}")
}

fn risc(name: &str) -> String {
    format!("{RISC}{name}")
}

#[test]
fn each_known_event_says_what_follows() {
    use Change::{Disable, Enable, Revoke};
    for (uri, event, changes) in [
        (caep("session-revoked"), json!({}), vec![Revoke]),
        (caep("credential-change"), json!({"change_type": "revoke"}), vec![Revoke]),
        (caep("token-claims-change"), json!({"claims": {"role": "x"}}), vec![Revoke]),
        (risc("sessions-revoked"), json!({}), vec![Revoke]),
        (risc("account-disabled"), json!({"reason": "bulk-account"}), vec![Disable]),
        (risc("account-disabled"), json!({"reason": "hijacking"}), vec![Revoke, Disable]),
        (risc("account-purged"), json!({}), vec![Disable]),
        (risc("account-enabled"), json!({}), vec![Enable]),
    ] {
        let signal = said(&set().event(&uri, event));
        assert_eq!((signal.changes, signal.subject.as_str()), (changes, "ann"), "{uri}");
        assert!(uri.ends_with(&format!("/{}", signal.why)));
        assert_eq!(signal.by, "https://a.example/");
    }
    for uri in [
        "https://schemas.openid.net/secevent/ssf/event-type/verification",
        "https://schemas.openid.net/secevent/caep/event-type/Session-Revoked",
        "session-revoked",
        "https://evil.example/caep/event-type/session-revoked",
    ] {
        let unknown = set().event(uri, json!({})).without("sub_id");
        assert_eq!(judge(&policy(json!({})), &unknown, &key_a()), Ok(None), "{uri}");
    }
}

#[test]
fn several_aspects_of_one_event_count_together_and_must_not_contradict_each_other() {
    let both = |one: &str, other: &str| set().claim("events", json!({ (one): {}, (other): {} }));
    let signal = said(&both(&caep("session-revoked"), &risc("account-disabled")));
    assert_eq!(signal.changes, [Change::Revoke, Change::Disable]);
    assert_eq!(
        said(&both(&caep("session-revoked"), "https://vendor.example/more")).changes,
        [Change::Revoke]
    );
    assert_eq!(refused(&both(&risc("account-enabled"), &caep("session-revoked"))), "invalid_request");
    let many: Value = (0..9).map(|n| (format!("https://vendor.example/{n}"), json!({}))).collect();
    assert_eq!(refused(&set().claim("events", many)), "invalid_request");
}

#[test]
fn the_time_is_the_events_then_toe_then_iat_and_never_after_it_was_said() {
    let now = i64::try_from(NOW_S).unwrap();
    let uri = caep("session-revoked");
    let at = |set: &Set| said(set).at_s;
    assert_eq!(at(&set()), now);
    assert_eq!(at(&set().claim("toe", NOW_S - 7)), now - 7);
    let both = set().claim("toe", NOW_S - 7).event(&uri, json!({"event_timestamp": NOW_S - 90_000}));
    assert_eq!(at(&both), now - 90_000);
    assert_eq!(at(&set().event(&uri, json!({"event_timestamp": 1_795_993_080.9}))), now - 1);
    for ahead in [NOW_S + 1, NOW_S * 1_000] {
        assert_eq!(at(&set().event(&uri, json!({ "event_timestamp": ahead }))), now, "{ahead}");
    }
    for bad in [json!("1795993081"), json!(-1), json!(null)] {
        assert_eq!(refused(&set().event(&uri, json!({"event_timestamp": bad.clone()}))), "invalid_request");
        assert_eq!(refused(&set().claim("toe", bad)), "invalid_request");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_code() {
    let revoked = caep("session-revoked");
    let ok = [
        set().header("typ", "application/SECEVENT+JWT"),
        set().claim("aud", format!("{GATEWAY}/ssf/events")),
        set().claim("aud", json!(["https://other.example", GATEWAY])),
        set().claim("iss", "https://a.example").of("https://a.example", "ann"),
        set().claim("iat", NOW_S - 86_399),
        set().claim("iat", NOW_S + 60),
        set().without_header("kid"),
        set().claim("txn", "x").claim("jti", "j".repeat(256)),
    ];
    for set in &ok {
        assert_eq!(said(set).changes, [Change::Revoke], "{}", set.claims);
    }
    let user = json!({"format": "iss_sub", "iss": "https://a.example/", "sub": "ann"});
    for (set, code) in [
        (set().header("typ", "JWT"), "invalid_request"),
        (set().header("typ", "at+jwt"), "invalid_request"),
        (set().header("typ", "secevent"), "invalid_request"),
        (set().without_header("typ"), "invalid_request"),
        (set().header("alg", "none"), "invalid_key"),
        (set().header("alg", "HS256"), "invalid_key"),
        (set().header("crit", json!(["x"])), "invalid_request"),
        (set().header("kid", 1), "invalid_key"),
        (set().header("kid", "k".repeat(257)), "invalid_key"),
        (set().signed_by(key_b()).header("kid", "a"), "invalid_key"),
        (set().claim("iss", "https://evil.example/"), "invalid_issuer"),
        (set().claim("iss", "https://a.example//"), "invalid_issuer"),
        (set().claim("iss", json!(["https://a.example/"])), "invalid_issuer"),
        (set().without("iss"), "invalid_issuer"),
        (set().claim("aud", "api"), "invalid_audience"),
        (set().claim("aud", format!("{GATEWAY}.evil")), "invalid_audience"),
        (set().claim("aud", format!("{GATEWAY}/")), "invalid_audience"),
        (set().claim("aud", json!([])), "invalid_audience"),
        (set().without("aud"), "invalid_audience"),
        (set().claim("iat", NOW_S - 86_400), "invalid_request"),
        (set().claim("iat", NOW_S + 61), "invalid_request"),
        (set().claim("iat", NOW_S.to_string()), "invalid_request"),
        (set().without("iat"), "invalid_request"),
        (set().without("jti"), "invalid_request"),
        (set().claim("jti", ""), "invalid_request"),
        (set().claim("jti", 7), "invalid_request"),
        (set().claim("jti", "j".repeat(257)), "invalid_request"),
        (set().claim("sub", "ann"), "invalid_request"),
        (set().claim("exp", NOW_S + 60), "invalid_request"),
        (set().without("events"), "invalid_request"),
        (set().claim("events", json!({})), "invalid_request"),
        (set().claim("events", json!([revoked])), "invalid_request"),
        (set().event(&revoked, json!([])), "invalid_request"),
        (set().event(&revoked, Value::Null), "invalid_request"),
        (set().without("sub_id"), "invalid_request"),
        (set().claim("sub_id", "ann"), "invalid_request"),
        (set().claim("sub_id", json!({"format": "email", "email": "ann@a.example"})), "invalid_request"),
        (set().claim("sub_id", json!({"iss": "https://a.example/", "sub": "ann"})), "invalid_request"),
        (set().claim("sub_id", json!({ "user": user })), "invalid_request"),
        (set().claim("sub_id", json!({"format": "complex", "session": user})), "invalid_request"),
        (set().of("https://a.example/", ""), "invalid_request"),
        (set().of("https://a.example/", "a\nb"), "invalid_request"),
        (set().of("https://a.example/", &"s".repeat(513)), "invalid_request"),
        // Of others' users.
        (set().of("https://b.example/", "bob"), "access_denied"),
        (set().of("https://a.example/", "b|bob"), "access_denied"),
        (
            set().raw_claims("{\"iss\":\"https://a.example/\",\"iss\":\"https://b.example/\"}"),
            "invalid_request",
        ),
        (set().raw_claims("[]"), "invalid_request"),
    ] {
        assert_eq!(refused(&set), code, "{} {}", set.header, set.claims);
    }
    let text = set().mint();
    for bad in
        [String::new(), "a.b".to_owned(), format!("{text}="), format!("{text}.x"), text.replace('.', "..")]
    {
        assert_eq!(
            read(&bad, &policy(json!({})), 1_795_993_081.0).unwrap_err().code,
            "invalid_request",
            "{bad}"
        );
    }
}

/// What an issuer signs for others to present, it hasn't signed to tell us something.
#[test]
fn an_access_token_or_an_id_token_is_no_signal() {
    let token = json!({
        "iss": "https://a.example/", "aud": GATEWAY, "sub": "ann", "iat": NOW_S, "exp": NOW_S + 60, "jti": "1",
        "events": {(caep("session-revoked")): {}}, "sub_id": {"format": "iss_sub", "iss": "https://a.example/", "sub": "ann"},
    });
    for typ in ["JWT", "at+jwt", "secevent+jwt"] {
        assert_eq!(
            refused(&set().header("typ", typ).raw_claims(&token.to_string())),
            "invalid_request",
            "{typ}"
        );
    }
}

#[test]
fn an_issuers_users_have_its_prefix() {
    let of_b =
        |sub: &str| set().claim("iss", "https://b.example/").of("https://b.example/", sub).signed_by(key_b());
    let of = |sub: &str| judge(&policy(json!({})), &of_b(sub), &key_b()).unwrap().unwrap();
    assert_eq!(of("bob").subject, "b|bob");
    assert_eq!(of("b|bob").subject, "b|b|bob");
    let complex = json!({
        "format": "complex", "session": {"format": "opaque", "id": "s"},
        "user": {"format": "iss_sub", "iss": "https://b.example/", "sub": "bob"},
    });
    assert_eq!(
        judge(&policy(json!({})), &of_b("").claim("sub_id", complex), &key_b()).unwrap().unwrap().subject,
        "b|bob"
    );
    // The same id of two issuers is two.
    assert_ne!(of("bob").id, said(&set()).id);
    assert_eq!(said(&set().claim("toe", 1)).id, said(&set()).id);
}
