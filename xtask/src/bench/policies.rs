//! Policies of our chains, from `chains/`. In: which one, and the upstream's port. Out: the text of a
//! `gateway.yaml`.

use serde_json::{Map, Value, json};

use super::chain::Policy;

/// As many as the longest list has.
const TOOLS: usize = 1024;
/// The rules of `Policy::Counters`: each request counts under all of them.
pub const COUNTERS: usize = 64;

impl Policy {
    pub fn text(self, upstream: u16) -> String {
        let text = match self {
            Self::Full => FULL.to_owned(),
            Self::Minimum => include_str!("chains/minimum.yaml").to_owned(),
            Self::Failures => format!("{FULL}  - {{ by: address, max: 10, window: 24h, on: failures }}\n"),
            Self::Mcp => include_str!("chains/mcp.yaml")
                .replace("{{few_tools}}", &tools(10))
                .replace("{{tools}}", &tools(TOOLS)),
            Self::Routes(count) => include_str!("chains/routes.yaml").replace("{{routes}}", &routes(count)),
            Self::Issuers(count) => {
                include_str!("chains/issuers.yaml").replace("{{issuers}}", &issuers(count))
            }
            Self::Counters => {
                let further =
                    (1..COUNTERS).map(|n| format!("  - {{ by: user, max: {n}000, window: 30d }}\n"));
                format!("{FULL}{}", further.collect::<String>())
            }
        };
        text.replace("{{upstream}}", &upstream.to_string())
    }
}

const FULL: &str = include_str!("chains/policy.yaml");

/// Every other one is for somebody else.
fn tools(count: usize) -> String {
    let scope = |number: usize| if number.is_multiple_of(2) { "tool:read" } else { "tool:admin" };
    let tools: Map<String, Value> = (0..count).map(|n| (format!("tool_{n}"), json!([scope(n)]))).collect();
    Value::from(tools).to_string()
}

fn routes(count: usize) -> String {
    let routes = (1..=count).map(|number| json!({"path": format!("/r/{number}/*"), "scopes": ["tool:read"]}));
    routes.collect::<Value>().to_string()
}

/// All have the same keys. The last one is the upstream itself, which signs what is sent.
fn issuers(count: usize) -> String {
    let issuer = |number: usize| {
        let path = if number == count { String::new() } else { format!("/other/{number}") };
        let mut issuer = Map::new();
        let mut set = |name: &str, value: Value| issuer.insert(name.to_owned(), value);
        set("issuer", format!("http://127.0.0.1:{{{{upstream}}}}{path}").into());
        set("audiences", json!(["https://gateway.example.com/api"]));
        set("jwks_uri", "http://127.0.0.1:{{upstream}}/.well-known/jwks.json".into());
        // Only the first one's users go without.
        if number > 1 {
            set("user_prefix", format!("i{number}:").into());
        }
        Value::from(issuer)
    };
    (1..=count).map(issuer).collect::<Value>().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{COUNTERS, Policy, TOOLS};

    fn policy(policy: Policy) -> Value {
        let text = policy.text(3333);
        assert!(!text.contains("{{"), "{text}");
        serde_saphyr::from_str(&text).unwrap()
    }

    #[test]
    fn every_policy_is_whole() {
        for one in [Policy::Full, Policy::Minimum] {
            assert_eq!(policy(one)["upstreams"]["default"], "http://127.0.0.1:3333");
        }
        assert_eq!(policy(Policy::Failures)["rate_limits"][1]["on"], "failures");
        assert_eq!(policy(Policy::Counters)["rate_limits"].as_array().unwrap().len(), COUNTERS);
        assert_eq!(policy(Policy::Routes(1000))["routes"][999]["path"], "/r/1000/*");
        assert_eq!(policy(Policy::Issuers(100))["issuers"][99]["issuer"], "http://127.0.0.1:3333");
        let mcp = policy(Policy::Mcp);
        let tools = mcp["routes"][2]["mcp"]["tools"].as_object().unwrap();
        assert_eq!(tools.len(), TOOLS);
        assert_eq!(tools.values().filter(|scopes| scopes[0] == "tool:read").count(), TOOLS / 2);
    }
}
