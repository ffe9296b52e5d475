//! The schemas, by a reader of JSON Schema: every example is good, and what is broken in form is refused as
//! the gateway refuses it. The chart's schema has the same members, and is asked about the chart's own
//! values.

use super::{Example, Place, examples, places};
use gatewaystack_tests::root;
use serde_json::{Value, json};

/// A schema of the repository.
pub struct Schema(jsonschema::Validator);

impl Schema {
    pub fn of_policies() -> Self {
        Self::read("envoy/gateway.schema.json")
    }

    pub fn of_values() -> Self {
        Self::read("deploy/helm/values.schema.json")
    }

    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self(jsonschema::validator_for(&schema).unwrap())
    }

    pub fn takes(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// What is wrong, and where.
    pub fn told(&self, value: &Value) -> String {
        let errors = self.0.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path()));
        errors.map(|text| text.chars().take(300).collect::<String>()).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn every_example_is_good() {
    let schema = Schema::of_policies();
    for Example { file, policy } in examples() {
        assert!(schema.takes(&policy), "{file}: {}", schema.told(&policy));
    }
}

#[test]
fn a_member_that_nobody_knows_is_refused_in_every_section() {
    let (schema, mut seen) = (Schema::of_policies(), std::collections::BTreeSet::new());
    for Example { file, policy } in examples() {
        for place in places(&policy) {
            let mut broken = policy.clone();
            place.object(&mut broken).insert("zzz".to_owned(), json!(1));
            assert!(!schema.takes(&broken), "{file}: {}zzz", place.path);
            seen.insert(place.section.name);
        }
    }
    assert_eq!(seen.len(), super::RawPolicy::SECTION.all().len(), "{seen:?}");
}

/// The chart's own values with those of a file, as Helm puts them together.
fn values(file: &str) -> Value {
    let read =
        |path: &str| super::yaml(&std::fs::read_to_string(root().join("deploy/helm").join(path)).unwrap());
    let mut all = read("values.yaml");
    put(&mut all, read(file));
    all
}

fn put(into: &mut Value, value: Value) {
    match (into, value) {
        (Value::Object(into), Value::Object(value)) => {
            for (name, value) in value {
                put(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value,
    }
}

#[test]
fn the_charts_values_are_good_and_their_policies_closed() {
    let schema = Schema::of_values();
    let (mut cases, mut overrides) = (0, 0);
    for file in std::fs::read_dir(root().join("deploy/helm/ci")).unwrap() {
        let file = format!("ci/{}", file.unwrap().file_name().into_string().unwrap());
        let good = values(&file);
        assert!(schema.takes(&good), "{file}: {}", schema.told(&good));
        for Place { pointer, .. } in places(&good["policy"]) {
            assert!(
                !schema.takes(&set(&good, &format!("/policy{pointer}/zzz"), json!(1))),
                "{file}: {pointer}"
            );
        }
        for at in 0..good["overrides"].as_array().unwrap().len() {
            let policy = format!("/overrides/{at}/policy");
            assert!(!schema.takes(&set(&good, &format!("{policy}/zzz"), json!(1))), "{file}: {policy}");
            overrides += 1;
        }
        cases += 1;
    }
    assert!(cases > 9 && overrides > 3, "{cases} {overrides}");
}

#[test]
fn an_override_may_say_a_part_and_take_members_out() {
    let (schema, good) = (Schema::of_values(), values("ci/gateway-overrides.yaml"));
    for (pointer, value, is_good) in [
        ("/cors", json!(null), true),
        ("/cors", json!({ "origins": null }), true),
        ("/cors", json!({ "origin": null }), false),
        ("/listen/tls", json!({ "key_file": "/c" }), true),
        ("/listen/tls", json!({ "key": "/c" }), false),
        ("/listen/port", json!("8443"), false),
        ("/mode", json!(null), true),
        ("/mode", json!("enforced"), false),
        ("/realm", json!(1), false),
        ("/upstreams", json!({ "notes": null }), true),
        ("/upstreams", json!({ "notes": 1 }), false),
        ("/issuers", json!([{ "issuer": "https://b.example", "audiences": ["b"] }]), true),
        ("/issuers", json!([{ "issuer": "https://b.example", "audience": "b" }]), false),
        ("/routes", json!({ "replace": [{ "path": "/a" }] }), true),
        ("/routes", json!({ "replace": [{ "paths": "/a" }] }), false),
        ("/routes", json!({ "instead": [] }), false),
        ("/routes", json!([{ "scopes": ["a"] }]), false),
        ("/routes", json!(null), true),
        ("/rate_limits", json!([{ "by": "user", "max": 1, "window": "1s" }]), true),
        ("/rate_limits", json!([{ "by": "users", "max": 1, "window": "1s" }]), false),
    ] {
        let values = set(&good, &format!("/overrides/0/policy{pointer}"), value.clone());
        assert_eq!(schema.takes(&values), is_good, "{pointer} = {value}: {}", schema.told(&values));
    }
}

/// A copy with another value at a pointer, whose object is made where it isn't there.
fn set(whole: &Value, pointer: &str, value: Value) -> Value {
    let mut whole = whole.clone();
    let (around, name) = pointer.rsplit_once('/').unwrap();
    let mut at = &mut whole;
    for part in around.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Array(items) => &mut items[part.parse::<usize>().unwrap()],
            other => {
                if other.is_null() {
                    *other = json!({});
                }
                other.as_object_mut().unwrap().entry(part).or_insert(Value::Null)
            }
        };
    }
    if at.is_null() {
        *at = json!({});
    }
    at.as_object_mut().unwrap().insert(name.to_owned(), value);
    whole
}
