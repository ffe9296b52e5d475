//! A gateway that takes a new policy or a new filter while it runs: no request is lost by it, keys and
//! counters stay, and what is bad changes nothing. Files of Envoy's own discovery: the listener's (LDS, as
//! `gatewaystack render --reloadable` writes it) and the filter's (ECDS, as meshes deliver it).

use gatewaystack_tests::issuer::Mood;
use gatewaystack_tests::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Clients of each kind, and Envoy's workers.
const CLIENTS: usize = 2;

async fn stage() -> (TestIssuer, Upstream, Gateway) {
    let (issuer, upstream) = (TestIssuer::start().await, Upstream::start().await);
    let policy = json!({
        "identity": {"user_header": "X-User-Id"},
        "routes": [{"path": "/v1/*", "scopes": ["tool:read"]}],
        "rate_limits": [{"by": "user", "max": 1_000_000, "window": "1h"}],
    });
    let gateway = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url).workers(CLIENTS);
    let gateway = gateway.reloadable().start().await;
    (issuer, upstream, gateway)
}

fn load(gateway: &Gateway, issuer: &TestIssuer) -> Load {
    Load::start(CLIENTS, gateway.address(), "/v1/x", &token().subject("load").mint(issuer))
}

/// What the upstream sees when a policy names the user by this header.
fn named_by(header: &str) -> impl Fn(&Value) -> bool {
    move |seen| seen["headers"][header] == json!(["load"])
}

/// A file as Envoy's discovery wants it replaced: written next to it, and moved into place.
fn replace(file: &Path, content: impl AsRef<[u8]>) {
    let beside = file.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, file).unwrap();
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The filter in the listener's file.
fn filter(listeners: &mut Value) -> &mut Value {
    let filters = listeners.pointer_mut("/resources/0/filter_chains/0/filters").unwrap();
    filters.as_array_mut().unwrap().last_mut().unwrap().pointer_mut("/typed_config/http_filters/0").unwrap()
}

/// Changes of a filter that nothing can be done with: what is wrong, and what is done to the filter.
fn bad_filters(folder: &Path) -> Vec<(&'static str, Value)> {
    let good = fs::read(gateway::from_environment("GATEWAYSTACK_WASM")).unwrap();
    let (cut, other) = (folder.join("cut.wasm"), folder.join("other.wasm"));
    fs::write(&cut, &good[..good.len() / 2]).unwrap();
    fs::write(&other, b"no wasm at all").unwrap();
    let policy = |text: &str| json!({"configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}});
    let code = |file: PathBuf| json!({"vm_config": {"code": {"local": {"filename": file}}}});
    vec![
        ("a policy with a member that there isn't", policy(r#"{"version":1,"surprise":true}"#)),
        ("a policy that is no JSON", policy("{")),
        ("half a filter", code(cut)),
        ("another file", code(other)),
        ("no file", code(folder.join("nowhere.wasm"))),
    ]
}

/// The filter with an empty custom section more.
fn other_code(gateway: &Gateway) -> PathBuf {
    let copy = gateway.state().join("copy.wasm");
    let mut code = fs::read(gateway::from_environment("GATEWAYSTACK_WASM")).unwrap();
    code.extend([0, 2, 1, b'x']);
    fs::write(&copy, code).unwrap();
    copy
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

async fn stat_is(gateway: &Gateway, parts: &[&str], value: u64) {
    eventually(&format!("{parts:?} to be {value}"), || async {
        (gateway.stat(parts).await == value).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_policy_under_load_loses_no_request_and_keeps_keys_and_counters() {
    let (issuer, upstream, gateway) = stage().await;
    let remaining = |got: Response| got.header("ratelimit-remaining").unwrap().to_owned();
    let ann = token().mint(&issuer);
    for left in ["999999", "999998"] {
        assert_eq!(remaining(gateway.get("/v1/x").bearer(&ann).send().await), left);
    }
    let load = load(&gateway, &issuer);
    load.sees("the first policy", named_by("x-user-id")).await;

    let other = Upstream::start().await;
    gateway
        .reload(|policy| {
            policy["identity"]["user_header"] = json!("X-Caller");
            policy["upstreams"]["other"] = json!(other.url);
            policy["routes"].as_array_mut().unwrap().push(json!({"path": "/new", "upstream": "other"}));
        })
        .unwrap();
    load.sees("the second policy, on each connection", named_by("x-caller")).await;
    assert_eq!(gateway.get("/new").bearer(&ann).send().await.status, 200);
    assert_eq!(other.seen().len(), 1);
    let got =
        gateway.get("/v1/x").bearer(&ann).header("x-user-id", "evil").header("x-caller", "evil").send().await;
    assert_eq!(got.json()["headers"]["x-caller"], json!(["ann"]));
    assert!(!got.body.contains("evil"), "{got:?}");
    // The limit is the same rule as before: `/new` was the third request under it.
    assert_eq!(remaining(got), "999996");

    gateway.reload(|policy| policy["rate_limits"][0]["max"] = json!(2_000_000)).unwrap();
    load.sees("the third policy", named_by("x-user-id")).await;
    let got = gateway.get("/v1/x").bearer(&ann).send().await;
    assert_eq!(remaining(got), "1999999", "another rule counts from its beginning");
    assert_eq!(gateway.get("/new").bearer(&ann).send().await.status, 403);

    // Other code, too.
    let file = gateway.state().join("listeners.json");
    let mut listeners = read(&file);
    let config = &mut filter(&mut listeners)["typed_config"]["config"];
    let mut policy: Value = serde_json::from_str(config["configuration"]["value"].as_str().unwrap()).unwrap();
    policy["identity"]["user_header"] = json!("X-Fourth");
    config["configuration"]["value"] = json!(policy.to_string());
    config["vm_config"]["code"]["local"]["filename"] = json!(other_code(&gateway));
    replace(&file, listeners.to_string());
    load.sees("the fourth policy, in other code", named_by("x-fourth")).await;
    let got = gateway.get("/v1/x").bearer(&ann).send().await;
    assert_eq!(remaining(got), "1999998", "the counters are everybody's");

    let answers = load.end().await;
    let seen = upstream.seen().iter().filter(|seen| seen["target"] == "/v1/x").count();
    assert_eq!(seen as u64, answers + 5, "each once");
    assert_eq!(issuer.fetches(), 1, "the keys that were there are used");
    assert_eq!(gateway.stat(&["listener_manager.lds.update_rejected"]).await, 0);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_bad_is_rejected_and_the_old_one_serves() {
    let (issuer, _upstream, gateway) = stage().await;
    let load = load(&gateway, &issuer);
    load.sees("the first policy", named_by("x-user-id")).await;
    let file = gateway.state().join("listeners.json");
    let before = fs::read(&file).unwrap();
    assert!(gateway.reload(|policy| policy["surprise"] = json!(true)).is_err());
    assert!(fs::read(&file).unwrap() == before, "what can't be rendered is not written");
    let rejected = ["listener_manager.lds.update_rejected"];
    let bad = bad_filters(&gateway.state());
    for (at, (what, change)) in bad.iter().enumerate() {
        let mut listeners: Value = serde_json::from_slice(&before).unwrap();
        merge(&mut filter(&mut listeners)["typed_config"]["config"], change);
        // One move, which Envoy answers once.
        replace(&file, listeners.to_string());
        stat_is(&gateway, &rejected, at as u64 + 1).await;
        assert_eq!(gateway.get("/v1/x").send().await.status, 401, "{what}");
    }
    // What isn't even JSON.
    replace(&file, "{");
    eventually("the file to be refused", || async {
        let refused = gateway.stat(&["listener_manager.lds.update_rejected"]).await
            + gateway.stat(&["listener_manager.lds.update_failure"]).await;
        (refused > bad.len() as u64).then_some(())
    })
    .await;
    load.sees("the first policy still", named_by("x-user-id")).await;
    gateway.reload(|policy| policy["identity"]["user_header"] = json!("X-Caller")).unwrap();
    load.sees("a good one after the bad ones", named_by("x-caller")).await;
    assert!(load.end().await > 0);
    assert_eq!(gateway.get("/v1/x").send().await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_for_keys_outlives_a_reload() {
    in_time(Duration::from_secs(5), || async {
        let (issuer, upstream, gateway) = stage().await;
        drop(upstream);
        issuer.set_mood(Mood::Hangs);
        let unknown = token().signed_by(key_b()).mint(&issuer);
        let ask = gateway.get("/v1/x").bearer(&unknown).send();
        let reload = async {
            eventually("a request that waits", || async {
                (gateway.stat(&["http.", "downstream_rq_active"]).await > 0).then_some(())
            })
            .await;
            gateway.reload(|policy| policy["identity"]["user_header"] = json!("X-Caller")).unwrap();
            stat_is(&gateway, &["listener_manager.listener_in_place_updated"], 1).await;
            issuer.set_mood(Mood::Well);
        };
        let (got, ()) = tokio::join!(ask, reload);
        assert_eq!(got.status, 401, "judged, and not lost: {got:?}");
    })
    .await;
}

/// The stage with its filter in a file of its own.
struct Alone {
    issuer: TestIssuer,
    _upstream: Upstream,
    gateway: Gateway,
    file: PathBuf,
}

impl Alone {
    async fn start() -> Self {
        let (issuer, upstream, gateway) = stage().await;
        let file = gateway.state().join("filter.json");
        let listeners = gateway.state().join("listeners.json");
        let mut with_discovery = read(&listeners);
        let slot = filter(&mut with_discovery);
        let plugin = slot["typed_config"].take();
        *slot = json!({"name": "gatewaystack", "config_discovery": {
            "type_urls": [plugin["@type"]],
            "config_source": {"resource_api_version": "V3", "path_config_source": {
                "path": file, "watched_directory": {"path": gateway.state()},
            }},
        }});
        let alone = Self { issuer, _upstream: upstream, gateway, file };
        alone.put(&plugin);
        replace(&listeners, with_discovery.to_string());
        stat_is(&alone.gateway, &["listener_manager.listener_in_place_updated"], 1).await;
        stat_is(&alone.gateway, &["extension_config_discovery", "config_reload"], 1).await;
        alone
    }

    fn plugin(&self) -> Value {
        read(&self.file)["resources"][0]["typed_config"].clone()
    }

    fn put(&self, plugin: &Value) {
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "gatewaystack",
            "typed_config": plugin,
        });
        replace(&self.file, json!({ "resources": [resource] }).to_string());
    }

    /// Gives the filter a policy that names the user by this header.
    fn name_by(&self, header: &str) {
        let mut policy = self.gateway.rendered.policy_json.clone();
        policy["identity"]["user_header"] = json!(header);
        let mut plugin = self.plugin();
        plugin["config"]["configuration"]["value"] = json!(policy.to_string());
        self.put(&plugin);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_is_discovered_is_replaced_under_load_policy_and_code() {
    let alone = Alone::start().await;
    let (issuer, gateway) = (&alone.issuer, &alone.gateway);
    let load = load(gateway, issuer);
    load.sees("the first policy", named_by("x-user-id")).await;
    alone.name_by("X-Caller");
    load.sees("the second policy", named_by("x-caller")).await;

    let mut plugin = alone.plugin();
    plugin["config"]["vm_config"]["code"]["local"]["filename"] = json!(other_code(gateway));
    alone.put(&plugin);
    stat_is(gateway, &["extension_config_discovery", "update_success"], 3).await;
    alone.name_by("X-Third");
    load.sees("the third policy, in the other code", named_by("x-third")).await;
    assert!(load.end().await > 0);
    assert_eq!(issuer.fetches(), 1, "the keys that were there are used");
    assert_eq!(gateway.stat(&["extension_config_discovery", "config_fail"]).await, 0);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discovered_filter_that_is_bad_is_rejected_and_the_old_one_serves() {
    let alone = Alone::start().await;
    let gateway = &alone.gateway;
    let load = load(gateway, &alone.issuer);
    load.sees("the first policy", named_by("x-user-id")).await;
    let good = alone.plugin();
    for (at, (what, change)) in bad_filters(&gateway.state()).iter().enumerate() {
        let mut plugin = good.clone();
        merge(&mut plugin["config"], change);
        alone.put(&plugin);
        stat_is(gateway, &["extension_config_discovery", "config_fail"], at as u64 + 1).await;
        stat_is(gateway, &["extension_config_discovery", "update_rejected"], at as u64 + 1).await;
        assert_eq!(gateway.get("/v1/x").send().await.status, 401, "{what}");
    }
    alone.put(&good);
    alone.name_by("X-Caller");
    load.sees("a good one after the bad ones", named_by("x-caller")).await;
    assert!(load.end().await > 0);
}
