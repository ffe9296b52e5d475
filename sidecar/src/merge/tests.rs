//! The rules as cases, what holds for all policies, and what is told about what came out.

use super::locked::{Locked, MEMBERS, OF_ROUTES, default_names};
use super::{judge, merge};
use crate::check::Host;
use crate::settings::Source;
use gatewaystack_core::config::{self, Environment};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One of `cases.yaml`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    base: Value,
    overrides: Vec<Value>,
    #[serde(default)]
    locked: Vec<String>,
    merged: Option<Value>,
    #[serde(default)]
    refused: Vec<String>,
}

fn locked(names: &[String]) -> Locked {
    Locked::new(names.iter().map(String::as_str)).unwrap()
}

#[test]
fn the_rules_are_these() {
    let cases: Vec<Case> = serde_saphyr::from_str(include_str!("tests/cases.yaml")).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let told = merge(&case.base, &case.overrides, &locked(&case.locked));
        match told {
            Ok(merged) => assert_eq!(Some(merged.value), case.merged, "{}", case.name),
            Err(faults) => {
                let places: std::collections::BTreeSet<String> =
                    faults.iter().map(|(document, error)| format!("{document} {}", error.path)).collect();
                assert_eq!(places, case.refused.into_iter().collect(), "{}: {faults:?}", case.name);
            }
        }
    }
}

#[test]
fn a_lock_that_would_lock_nothing_is_refused() {
    for name in ["issuer", "routes.mode", "routes[].scope", "routes[]", "builtin.health", ""] {
        let error = Locked::new([name]).unwrap_err();
        assert!(error.contains("expected a member of a policy"), "{error}");
    }
    let names = default_names();
    assert_eq!(Locked::new(names.iter().map(String::as_str)), Ok(Locked::by_default()));
}

/// The names that a reader of policies expects in place of one that nobody knows.
fn expected_in(policy: &Value, path: &str) -> Vec<String> {
    let errors = config::load(Some(policy.to_string().as_bytes()), None).unwrap_err();
    let error = errors.iter().find(|error| error.path == path).unwrap();
    let names = error.message.split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn all_members_of_a_policy_can_be_locked_and_nothing_else() {
    assert_eq!(expected_in(&json!({ "zzz": 1 }), "zzz"), MEMBERS);
    assert_eq!(expected_in(&json!({ "routes": [{ "zzz": 1 }] }), "routes[0].zzz"), OF_ROUTES);
}

/// Documents whose members have one form each, as those of policies have.
fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![any::<bool>().prop_map(Value::from), (0..100u32).prop_map(Value::from)];
    let list = prop::collection::vec((0..100u32).prop_map(Value::from), 0..4).prop_map(Value::from);
    let object = prop::collection::btree_map("[ab]", scalar.clone(), 0..3).prop_map(|m| json!(m));
    let member = (
        prop::option::of(scalar),
        prop::option::of(object),
        prop::option::of(list.clone()),
        prop::option::of(list.clone()),
        prop::option::of(list),
    );
    member.prop_map(|(realm, builtin, public_hosts, routes, rate_limits)| {
        let all = [
            ("realm", realm),
            ("builtin", builtin),
            ("public_hosts", public_hosts),
            ("routes", routes),
            ("rate_limits", rate_limits),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    })
}

fn merged(base: &Value, overrides: &[Value]) -> Value {
    merge(base, overrides, &Locked::default()).unwrap().value
}

proptest! {
    #[test]
    fn an_empty_override_is_the_identity(base in document()) {
        prop_assert_eq!(&merged(&base, &[json!({})]), &base);
        prop_assert_eq!(&merged(&json!({}), std::slice::from_ref(&base)), &base);
    }

    /// Not so with `null` and `replace`, which say something about a base that isn't there yet.
    #[test]
    fn two_overrides_are_what_they_make_together(base in document(), one in document(), two in document()) {
        let together = merged(&one, std::slice::from_ref(&two));
        let step = merged(&base, std::slice::from_ref(&one));
        let expected = merged(&base, &[one, two.clone()]);
        prop_assert_eq!(&merged(&base, &[together]), &expected);
        prop_assert_eq!(&merged(&step, &[two]), &expected);
    }

    /// Whatever an override says, what is locked comes out as the base has it, or nothing comes out.
    #[test]
    fn what_is_locked_stays(base in document(), over in document()) {
        let names = ["realm", "builtin", "routes", "rate_limits"];
        if let Ok(merged) = merge(&base, std::slice::from_ref(&over), &Locked::new(names).unwrap()) {
            prop_assert_eq!(merged.value.get("realm"), base.get("realm"));
            prop_assert_eq!(merged.value.get("builtin"), base.get("builtin"));
            for list in ["routes", "rate_limits"] {
                let before = base[list].as_array().cloned().unwrap_or_default();
                let after = merged.value[list].as_array().cloned().unwrap_or_default();
                prop_assert!(after.starts_with(&before));
            }
            // A list of limits takes the default ones' place.
            let has_limits = |policy: &Value| policy.get("rate_limits").is_some();
            prop_assert_eq!(has_limits(&merged.value), has_limits(&base));
        }
    }

    /// Each element is found again where it is said to come from.
    #[test]
    fn each_element_has_its_origin(base in document(), one in document(), two in document()) {
        let documents = [base.clone(), one.clone(), two.clone()];
        let merged = merge(&base, &[one, two], &Locked::default()).unwrap();
        for (list, elements) in ["routes", "rate_limits"].iter().zip(&merged.elements) {
            let all = merged.value[list].as_array().cloned().unwrap_or_default();
            prop_assert_eq!(all.len(), elements.len());
            for (value, (document, path)) in all.iter().zip(elements) {
                let pointer = format!("/{}", path.replace('[', "/").replace(']', ""));
                prop_assert_eq!(documents[*document].pointer(&pointer), Some(value));
            }
        }
    }
}

fn base() -> Value {
    json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "routes": [
            { "path": "/admin/*", "scopes": ["admin"] },
            { "path": "/mcp", "mcp": { "tools": { "whoami": [], "purge": ["admin"] } } },
        ],
        "rate_limits": [{ "by": "user", "max": 60, "window": "60s" }],
    })
}

/// What is told, as `place path: message`; `-` is the place of all together.
fn told(overrides: &[Value], host: Option<Host>) -> Vec<String> {
    let documents: Vec<Value> = [base()].into_iter().chain(overrides.iter().cloned()).collect();
    let source = Source::of(None, Environment::new());
    let told = judge(&documents, &Locked::by_default(), &source, host);
    let told = told.map(|(_, warnings)| warnings).unwrap_or_else(|errors| errors);
    let place = |at: Option<usize>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    told.into_iter().map(|(at, error)| format!("{} {error}", place(at))).collect()
}

fn check(overrides: &[Value], host: Option<Host>, expected: &[&str]) {
    let told = told(overrides, host);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (line, start) in told.iter().zip(expected) {
        assert!(line.starts_with(start), "{start}: {told:#?}");
    }
}

#[test]
fn an_error_says_whose_it_is() {
    check(&[json!({})], None, &[]);
    let faulty = json!({
        "realm": "a\"b",
        "routes": [{ "path": "/x", "scopes": ["a b"] }, { "path": "/y", "scope": ["a"] }],
        "rate_limits": [{ "by": "user", "max": 0, "window": "60s" }],
    });
    let good = json!({ "routes": [{ "path": "/z" }] });
    let mut expected = told(&[good.clone(), faulty.clone()], None);
    expected.sort();
    let starts = ["2 rate_limits[0].max: ", "2 realm: ", "2 routes[0].scopes[0]: ", "2 routes[1].scope: "];
    assert_eq!(expected.len(), starts.len(), "{expected:#?}");
    assert!(expected.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{expected:#?}");
    // The base's own route, wherever it has come to stand.
    let documents = [json!({ "routes": [{ "path": "nope" }] }), good];
    let all = judge(&documents, &Locked::default(), &Source::of(None, Environment::new()), None).unwrap_err();
    let places: Vec<_> = all.iter().map(|(at, error)| (*at, error.path.as_str())).collect();
    assert_eq!(places, [(Some(0), "issuers"), (Some(0), "routes[0].path")], "{all:?}");
    // What an override took out is the override's.
    let documents = [base(), json!({ "issuers": null })];
    let all = judge(&documents, &Locked::default(), &Source::of(None, Environment::new()), None).unwrap_err();
    assert_eq!((all[0].0, all[0].1.path.as_str()), (Some(1), "issuers"), "{all:?}");
    // So is the route that hides it.
    check(
        &[
            json!({ "routes": [{ "path": "/z" }] }),
            json!({ "routes": [{ "path": "/admin/*", "scopes": ["admin", "b"] }] }),
        ],
        None,
        &["0 routes[0]: never matches: routes[0] of override 2 takes all its requests"],
    );
    // All at once, what is locked and what else is wrong.
    check(
        &[json!({ "issuers": [], "mode": "shadow", "realm": "a\"b" })],
        None,
        &["1 issuers: is locked", "1 mode: is locked: only the base says it; enforce alone", "1 realm: "],
    );
}

#[test]
fn a_route_that_hides_one_of_the_base_and_asks_less_is_told() {
    let one = |route: Value| [json!({ "routes": [route] })];
    for (route, less) in [
        (json!({ "path": "/admin/x", "access": "public" }), Some("access")),
        (json!({ "path": "/admin/*", "scopes": ["tool:read"] }), Some("scopes")),
        (json!({ "path": "/admin/x", "any_scope": ["admin", "other"] }), Some("scopes")),
        (json!({ "path": "/admin/x", "scopes": ["admin"], "audiences": ["b"] }), Some("audiences")),
        (
            json!({ "path": "/admin/x", "scopes": ["admin"], "forward_authorization": true }),
            Some("forward_authorization"),
        ),
        (json!({ "path": "/admin/x", "scopes": ["admin"], "upgrade": ["websocket"] }), Some("upgrade")),
        // A server may take it for the base's.
        (json!({ "path": "/Admin/*", "access": "public" }), Some("access")),
        (json!({ "path": "/mcp", "mcp": { "tools": { "whoami": [], "purge": [] } } }), Some("mcp")),
        (
            json!({ "path": "/mcp", "mcp": { "tools": { "whoami": [], "purge": ["admin"], "more": ["a"] } } }),
            Some("mcp"),
        ),
        (json!({ "path": "/mcp" }), Some("mcp")),
        (json!({ "path": "/admin/x", "scopes": ["admin", "more"] }), None),
        (json!({ "path": "/admin/x", "any_scope": ["admin"] }), None),
        (json!({ "path": "/elsewhere", "access": "public" }), None),
        (json!({ "path": "/mcp", "mcp": { "tools": { "whoami": ["a"] } } }), None),
    ] {
        let told: Vec<String> =
            told(&one(route.clone()), None).into_iter().filter(|l| l.contains("asks less")).collect();
        let expected = less.map(|less| format!("and asks less of them: {less}"));
        assert_eq!(told.len(), usize::from(less.is_some()), "{route}: {told:?}");
        assert!(
            expected.is_none_or(
                |end| told[0].starts_with("1 routes[0]: takes requests of ") && told[0].contains(&end)
            ),
            "{route}: {told:?}"
        );
    }
}

#[test]
fn what_a_place_cannot_take_is_told_of_the_merged_policy() {
    check(
        &[json!({ "upstreams": {} })],
        Some(Host::Istio),
        &["1 upstreams: is read by an own gateway alone"],
    );
    check(
        &[json!({ "routes": [{ "path": "/x", "strip_prefix": "/x" }] })],
        Some(Host::Eg),
        &["1 routes[0].strip_prefix: is read by an own gateway alone"],
    );
}
