//! What a policy and an environment mean, and that whatever is wrong names itself.

use super::overlap::overlaps;
use super::policy::{Access, Builtin, JwksSource, LimitKey, Mode, Policy};
use super::{Environment, fold, load, load_filter, load_value};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod aliases;
mod environment;
mod form;
mod identity;
mod members;
mod paths;
mod rules;
mod spellings;

/// A policy that is good and small.
fn good() -> Value {
    json!({
        "issuers": [{ "issuer": "https://idp.example/", "audiences": ["https://gateway.local/api"] }],
        "upstreams": { "default": "http://127.0.0.1:3333" },
        "routes": [{ "path": "/v1/tools/*", "scopes": ["tool:read"] }]
    })
}

/// Variables that are good alone.
fn variables(more: &[(&str, &str)]) -> Environment {
    let base = [("AUTH_ISSUER", "https://idp.example/"), ("AUTH_AUDIENCE", "https://gateway.local/api")];
    base.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn loaded(policy: &Value) -> Result<Policy, Vec<String>> {
    load(Some(policy.to_string().as_bytes()), None).map_err(paths_of)
}

fn paths_of(errors: Vec<super::error::ConfigError>) -> Vec<String> {
    errors.into_iter().map(|e| e.path).collect()
}

/// Sets the member at a JSON pointer, making objects on the way.
fn set(policy: &mut Value, pointer: &str, value: Value) {
    let mut at = policy;
    for name in pointer.split('/').skip(1) {
        if at.is_null() {
            *at = json!({});
        }
        at = match at {
            Value::Array(items) => {
                let index: usize = name.parse().unwrap();
                while items.len() <= index {
                    items.push(json!({}));
                }
                &mut items[index]
            }
            other => other.as_object_mut().unwrap().entry(name).or_insert(Value::Null),
        };
    }
    *at = value;
}

const EXAMPLE: &str = include_str!("tests/example.json");

#[test]
fn the_example_of_the_policys_description_loads() {
    let policy = load(Some(EXAMPLE.as_bytes()), None).unwrap();
    assert_eq!(policy.issuers.len(), 2);
    assert_eq!(policy.issuers[0].refresh_ms, 300_000);
    assert_eq!(policy.rate_limits.len(), 5);
    assert_eq!(policy.own.upstreams.len(), 2);
    let users = policy.routes.iter().find(|r| r.name == "/v1/users/*/notes").unwrap();
    assert_eq!(users.strip_prefix.as_deref(), Some("/v1"));
    assert_eq!(users.pattern.segments[2], None);
    assert!(!users.pattern.rest);
    let hidden: Vec<&str> = policy.scopes_supported.iter().map(String::as_str).collect();
    assert_eq!(hidden, ["admin", "email", "openid", "owner", "profile", "tool:read", "tool:write"]);
}

#[test]
fn all_errors_are_told_at_once() {
    let policy = json!({
        "version": 2,
        "mode": "off",
        "isuers": [],
        "cors": { "origins": ["*"], "credentials": true },
        "listen": { "port": 70000, "tls": null },
        "issuers": [
            { "issuer": "http://idp.example/", "audiences": "api" },
            { "issuer": "https://b.example/", "audiences": ["b"], "leeway": "6m" }
        ],
        "routes": [
            { "path": "/a", "scopes": ["ok", "not ok"] },
            { "path": "/a/../b" },
            { "path": "/c", "methods": "GET", "unknown": 1 },
            "everything"
        ]
    });
    let mut paths = loaded(&policy).unwrap_err();
    paths.sort();
    let mut expected = vec![
        "version",
        "mode",
        "isuers",
        "cors.credentials",
        "listen.port",
        "listen.tls",
        "issuers[0].issuer",
        "issuers[0].audiences",
        "issuers[1].leeway",
        "issuers[1].user_prefix",
        "routes[0].scopes[1]",
        "routes[1].path",
        "routes[2].methods",
        "routes[2].unknown",
        "routes[3]",
    ];
    expected.sort_unstable();
    assert_eq!(paths, expected);
}

#[test]
fn text_that_is_not_one_json_object_is_refused() {
    for text in ["", "[]", "1", "{} {}", "{\"version\":1,\"version\":1}", "{\"a\":", "\u{feff}{}"] {
        assert!(load(Some(text.as_bytes()), None).is_err(), "{text}");
        assert!(load_filter(Some(text.as_bytes()), None).is_err(), "{text}");
    }
    assert!(load(Some(&[b'{', 0xff, b'}']), None).is_err());
    let deep = format!("{}{}", "{\"a\":".repeat(33), "1}".repeat(33));
    assert!(load(Some(deep.as_bytes()), None).unwrap_err()[0].message.contains("deep"));
}

#[test]
fn a_mesh_has_no_built_in_routes_but_metadata_from_the_filter() {
    let policy = load_filter(Some(good().to_string().as_bytes()), None).unwrap();
    let built_in: Vec<&str> =
        policy.routes.iter().filter(|r| r.builtin.is_some()).map(|r| r.name.as_str()).collect();
    assert_eq!(
        built_in,
        ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/*"]
    );
    assert!(policy.metadata.by_filter && !policy.hold_headers && !policy.own.health);
}

/// So each can say all the methods of its path.
#[test]
fn no_two_built_in_routes_have_a_path_in_common() {
    let mut policy = good();
    set(
        &mut policy,
        "/builtin",
        json!({"health": true, "webhook": true, "signals": true, "demo_routes": true, "test_routes": true}),
    );
    set(&mut policy, "/ledger", json!({"on": true}));
    let policy = load(Some(policy.to_string().as_bytes()), None).unwrap();
    let built_in: Vec<_> = policy.routes.iter().filter(|route| route.builtin.is_some()).collect();
    assert_eq!(built_in.len(), 16);
    for (at, one) in built_in.iter().enumerate() {
        for other in &built_in[..at] {
            assert!(!overlaps(&one.pattern, &other.pattern), "{} {}", one.name, other.name);
        }
    }
}

/// Signals are kept in the ledger.
#[test]
fn signals_are_on_where_the_ledger_is_and_in_a_mesh_where_somebody_asks_for_them() {
    let env = variables(&[]);
    for (place_is_mesh, ledger, asked, is_on) in [
        (false, true, None, true),
        (false, true, Some(false), false),
        (false, false, None, false),
        (false, false, Some(true), false),
        (true, true, None, false),
        (true, true, Some(true), true),
    ] {
        let mut policy = good();
        set(&mut policy, "/ledger", json!({"on": ledger}));
        if let Some(asked) = asked {
            set(&mut policy, "/builtin", json!({"signals": asked}));
        }
        let policy = if place_is_mesh {
            load_filter(Some(policy.to_string().as_bytes()), None).unwrap()
        } else {
            load_value(Some(policy), &env).unwrap().0
        };
        let found = policy.routes.iter().any(|route| route.builtin.is_some() && route.name == "/ssf/events");
        assert_eq!(found, is_on, "{place_is_mesh} {ledger} {asked:?}");
    }
}

#[test]
fn what_render_folds_means_the_same_in_the_filter() {
    let env = variables(&[("PROXY_TARGET", "http://127.0.0.1:3333"), ("ENABLE_TEST_ROUTES", "true")]);
    for policy in [None, Some(good())] {
        let env = if policy.is_some() { variables(&[]) } else { env.clone() };
        let (ours, folded) = load_value(policy, &env).unwrap();
        let filters = load_filter(Some(folded.to_string().as_bytes()), None).unwrap();
        assert_eq!(format!("{ours:?}"), format!("{filters:?}"));
        assert!(ours.hold_headers && !ours.metadata.by_filter);
    }
}

#[test]
fn the_environment_alone_gives_the_originals_routes() {
    let env = variables(&[("PROXY_TARGET", "http://127.0.0.1:3333"), ("REQUIRED_SCOPES_READ", "notes:read")]);
    let policy = load(None, Some(&env)).unwrap();
    let route = |name: &str, method: &str| {
        let takes =
            |r: &&super::policy::Route| r.methods.as_ref().is_none_or(|m| m.iter().any(|m| m == method));
        policy.routes.iter().filter(|r| r.name == name).find(takes).unwrap()
    };
    assert_eq!(route("/v1/tools/*", "GET").scopes.all, ["notes:read"]);
    assert_eq!(route("/v1/tools/*", "POST").scopes.all, ["tool:write"]);
    assert_eq!(route("/proxy/*", "DELETE").strip_prefix.as_deref(), Some("/proxy"));
    assert_eq!(route("/proxy/*", "PUT").timeout_ms, Some(5_000));
    assert_eq!(route("/protected", "HEAD").builtin, Some(Builtin::Scoped));
    assert_eq!(route("/health", "GET").access, Access::Public);
    assert!(policy.routes.iter().all(|r| r.name != "/__test__/echo"));
    assert_eq!(policy.resource, "https://gateway.local/api");
    assert!(matches!(policy.issuers[0].jwks, JwksSource::Discover(_)));
    let limits: Vec<(u32, &LimitKey)> = policy.rate_limits.iter().map(|l| (l.max, &l.by)).collect();
    assert_eq!(limits[0], (60, &LimitKey::User));
    assert_eq!(limits[1], (300, &LimitKey::Address { failures_only: true, except: Vec::new() }));
    assert_eq!(policy.scopes_supported, ["email", "notes:read", "openid", "profile", "tool:write"]);
}

#[test]
fn without_a_proxy_target_the_originals_routes_stay_and_have_no_upstream() {
    let policy = load(None, Some(&variables(&[]))).unwrap();
    assert!(policy.own.upstreams.is_empty());
    assert!(policy.routes.iter().any(|r| r.name == "/proxy/*" && r.upstream.is_none()));
}

#[test]
fn another_issuer_does_not_keep_the_policys_keys() {
    let mut policy = good();
    set(&mut policy, "/issuers/0/jwks_uri", json!("https://idp.example/keys"));
    let env = [("AUTH_ISSUER".to_owned(), "https://other.example/".to_owned())].into();
    let folded = fold(Some(policy.clone()), &env).unwrap();
    assert_eq!(folded["issuers"][0]["jwks_uri"], Value::Null);
    let env = [("AUTH_ISSUER".to_owned(), "https://idp.example".to_owned())].into();
    assert_eq!(
        fold(Some(policy), &env).unwrap()["issuers"][0]["jwks_uri"],
        json!("https://idp.example/keys")
    );
}

#[test]
fn the_filter_reads_its_environment_only_where_the_policy_says_so() {
    let env: Environment = [("ENFORCEMENT".to_owned(), "shadow".to_owned())].into();
    let mut policy = good();
    let mode = |policy: &Value| load_filter(Some(policy.to_string().as_bytes()), Some(&env)).unwrap().mode;
    assert_eq!(mode(&policy), Mode::Enforce);
    set(&mut policy, "/environment", json!(true));
    assert_eq!(mode(&policy), Mode::Shadow);
}

#[test]
fn limits_from_variables_change_the_plain_rules_alone() {
    let rules = |policy: &Value, env: &[(&str, &str)]| {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        fold(Some(policy.clone()), &env).unwrap()["rate_limits"].clone()
    };
    let mut policy = good();
    assert_eq!(rules(&policy, &[]), Value::Null);
    assert_eq!(
        rules(&policy, &[("RATE_LIMIT_MAX", "5")]),
        json!([{ "by": "user", "max": 5, "window": "60s" }, { "by": "address", "max": 300, "window": "60s", "on": "failures" }])
    );
    set(
        &mut policy,
        "/rate_limits",
        json!([{ "by": "user", "max": 1, "window": "1h", "route": "/v1/tools/*" }]),
    );
    assert_eq!(
        rules(&policy, &[("RATE_LIMIT_TENANT_MAX", "9"), ("RATE_LIMIT_WINDOW_MS", "1000")]),
        json!([
            { "by": "user", "max": 1, "window": "1h", "route": "/v1/tools/*" },
            { "by": "user", "max": 60, "window": "1000ms" },
            { "by": "tenant", "max": 9, "window": "1000ms" }
        ])
    );
    let limits = |policy: &Policy| -> Vec<u32> { policy.rate_limits.iter().map(|limit| limit.max).collect() };
    assert_eq!(limits(&loaded(&good()).unwrap()), [600, 300], "a policy that says nothing");
    assert_eq!(rules(&good(), &[("RATE_LIMIT_ADDRESS_FAILURES", "7")])[0]["max"], json!(600));
    set(&mut policy, "/rate_limits", json!([]));
    assert!(loaded(&policy).unwrap().rate_limits.is_empty());
}

#[test]
fn the_allow_list_opens_each_entry_to_any_scope_that_holds_it() {
    let list = r#"{"tool:all":["GET:/v1/*"],"tool:read":["GET:/v1/tools/*","POST:/v1/search"]}"#;
    let folded = fold(None, &variables(&[("TOOL_SCOPE_ALLOWLIST_JSON", list)])).unwrap();
    let routes = folded["routes"].as_array().unwrap();
    let seen: Vec<(&str, &Value)> =
        routes.iter().skip(1).map(|r| (r["path"].as_str().unwrap(), &r["any_scope"])).collect();
    assert_eq!(
        seen,
        [
            ("/v1/search", &json!(["tool:read"])),
            ("/v1/tools/*", &json!(["tool:all", "tool:read"])),
            ("/v1/*", &json!(["tool:all"]))
        ]
    );
}

#[test]
fn a_routes_number_in_an_error_is_the_one_that_it_has_in_the_policy() {
    let mut policy = good();
    set(&mut policy, "/routes/0/scopes", json!([" "]));
    let env = [("PROXY_TARGET".to_owned(), "http://127.0.0.1:1".to_owned())].into();
    assert_eq!(paths_of(fold(Some(policy), &env).unwrap_err()), ["routes[0].scopes[0]"]);
}

#[test]
fn a_policys_revision_and_a_limits_id_follow_their_content() {
    let policy = loaded(&good()).unwrap();
    assert_eq!(policy.revision.len(), 16);
    assert_eq!(policy.revision, loaded(&good()).unwrap().revision);
    let mut other = good();
    set(&mut other, "/realm", json!("api"));
    assert_ne!(policy.revision, loaded(&other).unwrap().revision);
    assert_ne!(policy.rate_limits[0].id, policy.rate_limits[1].id);
}

#[test]
fn each_difference_between_policies_is_another_revision() {
    let revision = |pointer: &str, value: Value| {
        let mut policy = good();
        set(&mut policy, pointer, value);
        loaded(&policy).unwrap().revision
    };
    let revisions = [
        revision("/realm", json!("a")),
        revision("/realm", json!("b")),
        revision("/issuers/0/leeway", json!("0s")),
        revision("/issuers/0/leeway", json!(0)),
        revision("/listen/port", json!(1)),
        revision("/listen/port", json!(2)),
        revision("/builtin/health", json!(false)),
        revision("/builtin/health", json!(true)),
        revision("/routes/0/scopes", json!(["a", "b"])),
        revision("/routes/0/scopes", json!(["b", "a"])),
        revision("/routes/0/scopes", json!(["ab"])),
    ];
    for (at, one) in revisions.iter().enumerate() {
        assert!(!revisions[..at].contains(one), "{at}");
    }
}

#[test]
fn limits_of_other_addresses_count_apart() {
    let id = |limit: Value| {
        let mut policy = good();
        set(&mut policy, "/rate_limits", json!([limit]));
        loaded(&policy).unwrap().rate_limits[0].id
    };
    let of = |except: Value| json!({ "by": "address", "max": 9, "window": "60s", "except": except });
    let mut all = vec![
        id(of(json!([]))),
        id(of(json!(["10.0.0.0/8"]))),
        id(of(json!(["10.0.0.0/9"]))),
        id(of(json!(["11.0.0.0/8"]))),
        id(of(json!(["::ffff:10.0.0.0/104"]))),
        id(of(json!(["10.0.0.0/8", "11.0.0.0/8"]))),
        id(json!({ "by": "address", "max": 9, "window": "60s", "on": "failures" })),
        id(json!({ "by": "tenant", "max": 9, "window": "60s" })),
        id(json!({ "by": "user", "max": 9, "window": "60s" })),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
