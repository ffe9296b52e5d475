//! Helm: value files in, objects out.

use gatewaystack::merge::{Locked, merge};
use gatewaystack_tests::gateway::from_environment;
use serde_json::Value;
use std::process::{Command, Output};

/// The namespace of all renderings.
pub const NAMESPACE: &str = "gatewaystack";

pub use gatewaystack_tests::root;

/// The names of the value files of `deploy/helm/ci`, without their ending.
pub fn cases() -> Vec<String> {
    let files = std::fs::read_dir(root().join("deploy/helm/ci")).unwrap();
    let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.map(|n| n.trim_end_matches(".yaml").to_owned()).collect();
    names.sort();
    assert!(names.len() > 6, "{names:?}");
    names
}

/// `helm template` as the documents have it.
pub fn helm(values: &str, more: &[&str]) -> Output {
    let mut command = Command::new(from_environment("GATEWAYSTACK_HELM"));
    command.current_dir(root()).args(["template", "gatewaystack", "deploy/helm", "--namespace", NAMESPACE]);
    command.args(["--values", values]).args(more).output().unwrap()
}

/// The value file of a case, as documents name it.
pub fn file(case: &str) -> String {
    format!("deploy/helm/ci/{case}.yaml")
}

/// A case's values.
pub fn values(case: &str) -> Value {
    yaml(&std::fs::read_to_string(root().join(file(case))).unwrap()).remove(0)
}

/// The policy in a case's values.
pub fn policy(case: &str) -> Value {
    values(case)["policy"].take()
}

/// What each target of a case has to get, by the name of its object: the policy, and what `gatewaystack
/// merge` makes of it and an override.
pub fn policies(case: &str) -> Vec<(String, Value)> {
    let values = values(case);
    let base = &values["policy"];
    let locked = Locked::by_default();
    let overrides = values["overrides"].as_array().into_iter().flatten();
    let merged = |policies: &[Value]| merge(base, policies, &locked).unwrap().value;
    if values["mode"] == "gateway" {
        let all: Vec<Value> = overrides.map(|one| one["policy"].clone()).collect();
        return vec![("gatewaystack".to_owned(), merged(&all))];
    }
    let named = |one: &Value| {
        (format!("gatewaystack-{}", one["name"].as_str().unwrap()), merged(&[one["policy"].clone()]))
    };
    [("gatewaystack".to_owned(), base.clone())].into_iter().chain(overrides.map(named)).collect()
}

/// What is rendered, as text.
pub fn text(values: &str, more: &[&str]) -> String {
    let output = helm(values, more);
    assert!(output.status.success(), "{values}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn yaml(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// The objects of a rendering.
pub struct Objects(pub Vec<Value>);

impl Objects {
    pub fn of(case: &str) -> Self {
        Self(yaml(&text(&file(case), &[])))
    }

    pub fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The one of its kind and name.
    pub fn named(&self, kind: &str, name: &str) -> &Value {
        let found = self.find(kind, name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    pub fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    /// The only one of its kind.
    pub fn one(&self, kind: &str) -> &Value {
        let mut all = self.0.iter().filter(|object| object["kind"] == kind);
        let found = all.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(all.next().is_none(), "several: {kind}");
        found
    }
}
