//! Helm: value files in, objects out.

use gatewaystack_tests::gateway::from_environment;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The namespace of all renderings.
pub const NAMESPACE: &str = "gatewaystack";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

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

/// The policy in a case's values.
pub fn policy(case: &str) -> Value {
    yaml(&std::fs::read_to_string(root().join(file(case))).unwrap()).remove(0)["policy"].take()
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

    /// The only one of its kind.
    pub fn one(&self, kind: &str) -> &Value {
        let mut all = self.0.iter().filter(|object| object["kind"] == kind);
        let found = all.next().unwrap_or_else(|| panic!("no {kind}"));
        assert!(all.next().is_none(), "several: {kind}");
        found
    }
}
