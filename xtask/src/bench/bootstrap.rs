//! Bootstraps. In: what `gatewaystack render` made, a chain's setup and its fragment of `chains/`. Out: the
//! chain's bootstrap, as JSON, which Envoy takes for YAML.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::chain::{Answer, Filters, Setup};

/// Envoy's filters for a chain: a file of `chains/`, and whether `jwt_authn` has its cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    text: &'static str,
    jwt_cache: bool,
}

const fn fragment(text: &'static str, jwt_cache: bool) -> Filters {
    Filters::Others(Fragment { text, jwt_cache })
}

pub const EMPTY: Filters = fragment(include_str!("chains/empty.yaml"), false);
pub const EXT_AUTHZ: Filters = fragment(include_str!("chains/ext-authz.yaml"), false);
pub const NATIVE: Filters = fragment(include_str!("chains/native.yaml"), false);
pub const NATIVE_CACHED: Filters = fragment(include_str!("chains/native.yaml"), true);
pub const NATIVE_MINIMUM: Filters = fragment(include_str!("chains/native-minimum.yaml"), false);
pub const NATIVE_MINIMUM_CACHED: Filters = fragment(include_str!("chains/native-minimum.yaml"), true);
const LOG: &str = include_str!("chains/log.yaml");

/// More tokens than are known at any time, so that the cache never forgets one that it is asked for.
const JWT_CACHE: &str = "jwt_cache_config: { jwt_cache_size: 10000 }";

/// What fragments are filled with.
pub struct Values<'a> {
    pub upstream: u16,
    pub authz: u16,
    pub empty_wasm: &'a Path,
    pub log: &'a Path,
}

/// A bootstrap that is being changed.
pub struct Bootstrap(Value);

impl Bootstrap {
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).context("the bootstrap")?;
        Ok(Self(serde_saphyr::from_str(&text).context("the bootstrap")?))
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.0.to_string()).context("the bootstrap")
    }

    /// Makes it the chain's. `expects_success`: the answers that Envoy gives stand for an upstream's, which
    /// its rules for its own answers (`local_reply_config`) don't see.
    pub fn set_up(&mut self, setup: &Setup, values: &Values<'_>, expects_success: bool) -> Result<()> {
        let ours = matches!(setup.filters, Filters::Ours);
        if expects_success || !ours {
            self.manager()?.as_object_mut().context("no object")?.remove("local_reply_config");
        }
        match setup.filters {
            Filters::Ours => {}
            Filters::None => self.replace_filters(Vec::new())?,
            Filters::Others(fragment) => self.merge(&fragment.fill(values)?)?,
        }
        if !ours {
            self.count_no_connections();
        }
        match (setup.log, ours) {
            (true, true) => {}
            (true, false) => {
                let log: Value = parse(&values.fill(LOG))?;
                *self.member("access_log")? = log.get("access_log").cloned().unwrap_or_default();
            }
            (false, _) => *self.member("access_log")? = json!([]),
        }
        match setup.answer {
            Answer::Upstream => Ok(()),
            Answer::Direct(status) => self.answer_directly(status),
            Answer::DirectByOneRoute => self.answer_by_one_route(),
        }
    }

    fn merge(&mut self, fragment: &Value) -> Result<()> {
        let list = |name: &str| fragment.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        self.replace_filters(list("http_filters"))?;
        let clusters = self.0.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        clusters.context("the bootstrap has no clusters")?.extend(list("clusters"));
        if let Some(Value::Object(members)) = fragment.get("virtual_host") {
            let host = self.manager()?.pointer_mut("/route_config/virtual_hosts/0");
            let host = host.and_then(Value::as_object_mut).context("the bootstrap has no virtual host")?;
            host.extend(members.clone());
        }
        Ok(())
    }

    /// These before the router.
    fn replace_filters(&mut self, mut filters: Vec<Value>) -> Result<()> {
        let all = self.member("http_filters")?.as_array_mut().context("no list of filters")?;
        filters.extend(all.pop());
        *all = filters;
        Ok(())
    }

    /// The chains of others have nothing of ours before their connection manager.
    fn count_no_connections(&mut self) {
        let filters = self.0.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters");
        if let Some(filters) = filters.and_then(Value::as_array_mut) {
            filters.drain(..filters.len().saturating_sub(1));
        }
    }

    fn answer_directly(&mut self, status: u16) -> Result<()> {
        for route in self.routes()? {
            if let Some(route) = route.as_object_mut()
                && route.remove("route").is_some()
            {
                route.insert("direct_response".to_owned(), direct(status));
            }
        }
        Ok(())
    }

    fn answer_by_one_route(&mut self) -> Result<()> {
        *self.routes()? = vec![json!({"match": {"prefix": "/"}, "direct_response": direct(200)})];
        Ok(())
    }

    fn routes(&mut self) -> Result<&mut Vec<Value>> {
        let routes = self.manager()?.pointer_mut("/route_config/virtual_hosts/0/routes");
        routes.and_then(Value::as_array_mut).context("the bootstrap has no routes")
    }

    fn member(&mut self, name: &str) -> Result<&mut Value> {
        self.manager()?.get_mut(name).with_context(|| format!("the bootstrap has no {name}"))
    }

    /// The HTTP connection manager.
    fn manager(&mut self) -> Result<&mut Value> {
        let filters = self.0.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters");
        let last = filters.and_then(|filters| filters.as_array_mut()?.last_mut());
        last.and_then(|filter| filter.get_mut("typed_config"))
            .context("the bootstrap has no HTTP connection manager")
    }
}

fn direct(status: u16) -> Value {
    json!({"status": status, "body": {"inline_string": "{\"notes\":[\"one\",\"two\",\"three\"]}"}})
}

fn parse(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).context("a fragment of the chains")
}

impl Filters {
    /// Whether they demand a token and count its requests.
    pub fn judge(self) -> bool {
        self == Self::Ours || [NATIVE, NATIVE_CACHED, NATIVE_MINIMUM, NATIVE_MINIMUM_CACHED].contains(&self)
    }
}

impl Fragment {
    fn fill(&self, values: &Values<'_>) -> Result<Value> {
        let cache = if self.jwt_cache { JWT_CACHE } else { "" };
        parse(&values.fill(self.text).replace("{{jwt_cache}}", cache))
    }
}

impl Values<'_> {
    fn fill(&self, text: &str) -> String {
        let quoted = |path: &Path| json!(path).to_string();
        let values = [
            ("upstream", self.upstream.to_string()),
            ("authz", self.authz.to_string()),
            ("empty_wasm", quoted(self.empty_wasm)),
            ("log", quoted(self.log)),
        ];
        values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::{Bootstrap, Values, parse};
    use crate::bench::{
        catalogue::CHAINS,
        chain::{Answer, Filters, Setup},
    };

    fn values() -> Values<'static> {
        Values { upstream: 1, authz: 2, empty_wasm: Path::new("e.wasm"), log: Path::new("l.jsonl") }
    }

    fn rendered() -> Bootstrap {
        let manager = json!({
            "local_reply_config": {},
            "access_log": ["ours"],
            "http_filters": ["ours", "router"],
            "route_config": {"virtual_hosts": [{"routes": [
                {"name": "a", "route": {"cluster": "c"}},
                {"name": "none", "direct_response": {"status": 404}},
            ]}]},
        });
        Bootstrap(json!({"static_resources": {
            "listeners": [{"filter_chains": [{"filters": [{"typed_config": manager}]}]}],
            "clusters": [],
        }}))
    }

    fn set_up(setup: Setup) -> Value {
        let mut bootstrap = rendered();
        bootstrap.set_up(&setup, &values(), true).unwrap();
        bootstrap.manager().unwrap().clone()
    }

    #[test]
    fn every_chain_can_be_set_up_and_leaves_nothing_to_fill() {
        for chain in &CHAINS {
            let mut bootstrap = rendered();
            bootstrap.set_up(&chain.setup, &values(), true).unwrap();
            let text = bootstrap.0.to_string();
            assert!(!text.contains("{{"), "{}: {text}", chain.name);
        }
    }

    #[test]
    fn without_a_filter_the_router_stays_and_envoy_answers() {
        let [chain, ..] = &CHAINS;
        let manager = set_up(Setup { filters: Filters::None, answer: Answer::Direct(401), ..chain.setup });
        assert_eq!(manager["http_filters"], json!(["router"]));
        assert_eq!(manager["access_log"], json!([]));
        assert_eq!(manager.get("local_reply_config"), None);
        let routes = &manager["route_config"]["virtual_hosts"][0]["routes"];
        assert_eq!(routes[0]["direct_response"]["status"], 401);
        assert_eq!(routes[0].get("route"), None);
        assert_eq!(routes[1]["direct_response"]["status"], 404, "it had its answer already");
    }

    #[test]
    fn a_fragment_that_is_no_yaml_is_an_error() {
        assert!(parse("a: [").is_err());
    }
}
