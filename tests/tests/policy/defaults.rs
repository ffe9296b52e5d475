//! Each stated default is what an absent member means: a policy without it, and one that says it, are the
//! same.

use super::{Example, Host, Place, examples, loaded, members, spots, yaml};
use gatewaystack_core::config::reference::{Absent, Member};
use serde_json::Value;

/// Their examples change nothing that is compiled: one is the only version, two are about what else is read.
const UNSEEN: [&str; 3] = ["version", "environment", "allow_insecure_jwks"];

/// What a policy means, where it loads.
fn meaning(policy: &Value, host: Host) -> Option<String> {
    let mut policy = loaded(policy, host).ok()?;
    policy.revision = "".into();
    Some(format!("{policy:?}"))
}

fn with(example: &Example, place: &Place, member: &Member, value: Option<Value>) -> Value {
    let mut policy = example.policy.clone();
    let object = place.object(&mut policy);
    match value {
        Some(value) => object.insert(member.name.to_owned(), value),
        None => object.remove(member.name),
    };
    policy
}

#[test]
fn a_policy_without_a_member_means_what_its_default_says() {
    let examples = examples();
    for (section, member) in members() {
        let path = section.path(member.name);
        let (gateway, mesh) = match member.facts.absent {
            Absent::Is(default) => (default, default),
            Absent::IsIn(gateway, mesh) => (gateway, mesh),
            _ => continue,
        };
        let (mut same, mut other) = (0, 0);
        for (example, place, _) in spots(&examples, section, member) {
            for (host, default) in [(Host::Gateway, gateway), (Host::Mesh, mesh)] {
                let [absent, said, example] = [None, Some(yaml(default)), Some(yaml(member.facts.example))]
                    .map(|value| meaning(&with(example, &place, member, value), host));
                // Where another member makes it an error to say one of them, they can't be compared.
                let Some(absent) = absent else { continue };
                if let Some(said) = said {
                    assert!(
                        absent == said,
                        "{path}: {default} isn't the default ({host:?})\n{absent}\n{said}"
                    );
                    same += 1;
                }
                other += usize::from(example.is_some_and(|example| example != absent));
            }
        }
        assert!(same > 0, "{path}: no example in which its default can be left out");
        assert!(other > 0 || UNSEEN.contains(&path.as_str()), "{path}: its example changes nothing");
    }
}
