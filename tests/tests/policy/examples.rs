//! Each member of a policy stands in an example; each example names the schema, and each value in the
//! reference is one.

use super::{Example, Host, examples, loaded, members, spots, yaml};
use gatewaystack_core::config::reference::Absent;
use gatewaystack_tests::root;

#[test]
fn every_member_stands_in_an_example() {
    let examples = examples();
    let stands = |(section, member): (_, _)| spots(&examples, section, member).iter().any(|spot| spot.2);
    let missing = members().filter(|named| !stands(*named));
    let missing: Vec<String> = missing.map(|(section, member)| section.path(member.name)).collect();
    assert!(
        missing.is_empty(),
        "no example has {missing:?}: write each into a policy of envoy/examples, with a comment on what it is for"
    );
}

#[test]
fn every_example_loads() {
    for Example { file, policy } in examples() {
        let host =
            if file.starts_with("deploy/helm/ci/istio") || file.starts_with("deploy/helm/ci/envoy-gateway") {
                Host::Mesh
            } else {
                Host::Gateway
            };
        let policy = loaded(&policy, host);
        assert!(policy.is_ok(), "{file}: {:?}", policy.err());
    }
}

#[test]
fn every_example_of_a_policy_names_its_schema() {
    for file in std::fs::read_dir(root().join("envoy/examples")).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let path = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=");
        let path = path.unwrap_or_else(|| {
            panic!(
                "{}: the first line isn't `# yaml-language-server: $schema=../gateway.schema.json`",
                file.display()
            )
        });
        assert!(file.parent().unwrap().join(path).is_file(), "{}: no {path}", file.display());
    }
}

#[test]
fn what_the_reference_shows_is_a_value_and_a_version() {
    for (section, member) in members() {
        let path = section.path(member.name);
        yaml(member.facts.example);
        if let Absent::Is(default) = member.facts.absent {
            yaml(default);
        }
        let sentence = member.what.trim();
        assert!(sentence.ends_with('.') && sentence.len() < 400, "{path}: {sentence}");
        let numbers =
            |version: &str| -> Vec<u64> { version.split('.').map(|n| n.parse().unwrap()).collect() };
        let since = numbers(member.facts.since);
        assert!(
            since.len() == 3 && since <= numbers(env!("CARGO_PKG_VERSION")),
            "{path}: {}",
            member.facts.since
        );
    }
}
