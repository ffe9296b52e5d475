//! The schema and the gateway about one value after the other, at each member: what the schema takes has no
//! fault of form, and what it refuses the gateway refuses, too. So an editor marks nothing that is good.

use super::schema::Schema;
use super::{Host, examples, loaded, members, spots, yaml};
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::reference::{Member, Shape};
use serde_json::{Value, json};

/// Values of every type, and texts of many forms.
fn probes(member: &Member) -> Vec<Value> {
    let mut all = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(70_000),
        json!(9_000_000_000u64),
        json!({}),
        json!({ "zzz": 1 }),
        json!({ "a": "b" }),
        json!({ "a": null }),
        json!({ "a": ["b"] }),
        json!({ "a": { "scope": ["b"] } }),
        json!({ "unlisted": "allowed" }),
        json!({ "unlisted": "allow" }),
        json!([]),
        json!([null]),
        json!([1]),
        json!([[]]),
        json!([{}]),
        json!(["x"]),
        json!(["x", 1]),
    ];
    let texts = [
        "",
        " ",
        "x",
        "X-User-Id",
        "a b",
        "a\"b",
        "a\nb",
        "é",
        "*",
        "/",
        "/x",
        "/x/*",
        "/x?y",
        "//x",
        "0",
        "1",
        "5m",
        "500ms",
        "1 m",
        "5 minutes",
        "1.5h",
        "5M",
        "-5m",
        "m",
        "https://a.example",
        "https://a.example/",
        "https://a.example/x",
        "https://a.example/*",
        "HTTPS://A.example",
        "ftp://a.example",
        "a.example",
        "a.example:443",
        "http://[::1]:80",
        "::1",
        "127.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/99",
        "enforce",
        "Enforce",
        "public",
        "allow",
        "urn:a:b",
        "a:b#c",
        "GET",
        "g t",
        "CONNECT",
        "~",
        "/~2",
        "user_id",
        "user.id",
        "a*b",
        "a*",
        "websocket",
        "file",
    ];
    all.extend(texts.map(Value::from));
    all.extend(texts.map(|text| json!([text])));
    for words in [Some(&member.shape), inner(&member.shape)] {
        if let Some(Shape::Words(words)) = words {
            all.extend(words.iter().map(|word| Value::from(word.to_ascii_lowercase())));
            all.extend(words.iter().map(|word| Value::from(*word)));
            all.extend(words.iter().map(|word| json!([word.to_ascii_lowercase()])));
        }
    }
    all.push(yaml(member.facts.example));
    all
}

fn inner(shape: &Shape) -> Option<&'static Shape> {
    match shape {
        Shape::List(inner) | Shape::Map(inner) => Some(inner),
        _ => None,
    }
}

/// Whether an error is about form: another type, a member or a word that nobody knows.
fn is_of_form(error: &ConfigError) -> bool {
    let begins = ["invalid type", "invalid value", "unknown ", "has no value", "expected deny or allow"];
    begins.iter().any(|begin| error.message.starts_with(begin))
        || error.message.starts_with("expected public, a list of scopes")
        || error.message.starts_with("expected a duration") && !error.message.contains("from")
}

#[test]
fn the_schema_takes_what_the_gateway_takes_and_no_other_form() {
    let (examples, schema, mut seen) = (examples(), Schema::of_policies(), [0, 0]);
    for (section, member) in members() {
        let spots = spots(&examples, section, member);
        let (example, place, _) = spots.iter().find(|spot| spot.2).unwrap();
        for probe in probes(member) {
            let mut policy = example.policy.clone();
            place.object(&mut policy).insert(member.name.to_owned(), probe.clone());
            // As it is written: an own gateway would first fill in some members that are `null`.
            let errors = loaded(&policy, Host::Mesh).err().unwrap_or_default();
            let (path, takes) = (section.path(member.name), schema.takes(&policy));
            seen[usize::from(takes)] += 1;
            let told = || format!("{path} = {probe}\n{}\n{errors:#?}", schema.told(&policy));
            assert!(takes || !errors.is_empty(), "the schema refuses what the gateway takes: {}", told());
            let of_form = errors.iter().find(|error| is_of_form(error));
            assert!(!takes || of_form.is_none(), "the schema takes what has another form: {}", told());
        }
    }
    assert!(seen.iter().all(|seen| *seen > 500), "{seen:?}");
}
