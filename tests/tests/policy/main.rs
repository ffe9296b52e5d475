//! What is said about the policy's members (`core/policy/src/raw.rs`), against what loads a policy and
//! against the examples: no member without an example, no default or range that is another in the code, no
//! schema that refuses what the gateway takes.

mod defaults;
mod examples;
mod probes;
mod ranges;
mod schema;

use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::config::raw::RawPolicy;
use gatewaystack_core::config::reference::{Member, Section, Shape};
use gatewaystack_core::config::{load, load_filter};
use gatewaystack_tests::root;
use serde_json::Value;

/// A policy that a test loads.
pub struct Example {
    pub file: String,
    pub policy: Value,
}

/// As the chart completes a policy: where it puts what a ledger in PostgreSQL needs.
fn placed(policy: &mut Value) {
    if policy["ledger"]["store"] == "postgres" {
        policy["ledger"]["url_file"] = "/ledger/url".into();
        if policy["audit"]["log"] == true {
            policy["audit"]["key_file"] = "/ledger/audit.key".into();
        }
    }
}

/// Those of `envoy/examples`, of the places in `deploy`, and of the chart's values.
pub fn examples() -> Vec<Example> {
    let mut all = Vec::new();
    for folder in [
        "envoy/examples",
        "deploy/helm/ci",
        "deploy/cloud-run",
        "deploy/fly",
        "deploy/render",
        "deploy/systemd",
    ] {
        let files = std::fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().file_name());
        let mut files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        files.sort();
        let is_policy =
            |name: &&String| !folder.contains("deploy/") || folder.ends_with("ci") || *name == "gateway.yaml";
        for name in files.iter().filter(is_policy) {
            let file = format!("{folder}/{name}");
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            let mut policy: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
            if folder.ends_with("ci") {
                policy = policy["policy"].take();
                placed(&mut policy);
            }
            all.push(Example { file, policy });
        }
    }
    assert!(all.len() > 20, "{} examples", all.len());
    all
}

/// An object of a policy that is a section.
#[derive(Clone)]
pub struct Place {
    pub section: &'static Section,
    /// Where it is, as a JSON pointer and as errors name it.
    pub pointer: String,
    pub path: String,
}

impl Place {
    /// A member's pointer.
    pub fn pointer_of(&self, member: &str) -> String {
        format!("{}/{}", self.pointer, member.replace('~', "~0").replace('/', "~1"))
    }

    /// A member's path in errors.
    pub fn path_of(&self, member: &str) -> String {
        if self.path.is_empty() { member.to_owned() } else { format!("{}.{member}", self.path) }
    }

    pub fn object<'p>(&self, policy: &'p mut Value) -> &'p mut serde_json::Map<String, Value> {
        policy.pointer_mut(&self.pointer).unwrap().as_object_mut().unwrap()
    }
}

/// All sections of a policy.
pub fn places(policy: &Value) -> Vec<Place> {
    let whole = Place { section: &RawPolicy::SECTION, pointer: String::new(), path: String::new() };
    let mut found = Vec::new();
    inside(&whole, policy, &mut found);
    found
}

fn inside(place: &Place, value: &Value, found: &mut Vec<Place>) {
    let Some(object) = value.as_object() else { return };
    found.push(place.clone());
    for member in place.section.members {
        let Some(value) = object.get(member.name) else { continue };
        let (pointer, path) = (place.pointer_of(member.name), place.path_of(member.name));
        match member.shape {
            Shape::Object(section) => inside(&Place { section, pointer, path }, value, found),
            Shape::List(Shape::Object(section)) => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    let (pointer, path) = (format!("{pointer}/{at}"), format!("{path}[{at}]"));
                    inside(&Place { section, pointer, path }, item, found);
                }
            }
            Shape::Map(Shape::Rule(section)) => {
                let map = Place { section, pointer, path };
                for (name, rule) in value.as_object().into_iter().flatten() {
                    let (pointer, path) = (map.pointer_of(name), map.path_of(name));
                    inside(&Place { section, pointer, path }, rule, found);
                }
            }
            _ => {}
        }
    }
}

/// Each member with its section.
pub fn members() -> impl Iterator<Item = (&'static Section, &'static Member)> {
    let sections = RawPolicy::SECTION.all().into_iter();
    sections.flat_map(|section| section.members.iter().map(move |member| (section, member)))
}

/// Where a member may stand in one of the examples, and whether it does.
pub fn spots<'e>(
    examples: &'e [Example],
    section: &Section,
    member: &Member,
) -> Vec<(&'e Example, Place, bool)> {
    let all = examples
        .iter()
        .flat_map(|example| places(&example.policy).into_iter().map(move |place| (example, place)));
    let here = all.filter(|(_, place)| place.section.name == section.name);
    here.map(|(example, place)| {
        let is_there = example.policy.pointer(&place.pointer_of(member.name)).is_some();
        (example, place, is_there)
    })
    .collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host {
    Gateway,
    Mesh,
}

/// Loads a policy as an own gateway, or as a mesh's filter does.
pub fn loaded(policy: &Value, host: Host) -> Result<Policy, Vec<ConfigError>> {
    let text = policy.to_string();
    match host {
        Host::Gateway => load(Some(text.as_bytes()), None),
        Host::Mesh => load_filter(Some(text.as_bytes()), None),
    }
}

pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}
