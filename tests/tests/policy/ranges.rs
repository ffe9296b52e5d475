//! Each stated range is the gateway's, and the schema's: the bounds are taken, and one beyond is refused.

use super::schema::Schema;
use super::{Example, Host, Place, examples, loaded, members, spots};
use gatewaystack_core::config::reference::{Member, Section, Shape, Text};
use serde_json::{Value, json};

/// One value of a member, and whether it is a good one.
struct Case {
    value: Value,
    is_good: bool,
    /// Where an error would be, below the member.
    below: String,
    /// Whether the schema can tell, too.
    in_schema: bool,
}

/// Bounds that depend on another member, which is set first.
const WITH: [(&str, &str, &str); 1] = [("issuers[].max_stale", "refresh", "30s")];

/// Texts of a form that have to fit to something else besides.
const FITTED: [&str; 1] = ["rate_limits[].route"];

#[test]
fn numbers_and_durations_are_taken_up_to_their_bounds() {
    check(|member| {
        let Some(span) = member.facts.span else { return Vec::new() };
        let values = [
            (Some(span.least), true),
            (Some(span.most), true),
            (span.least.checked_sub(1), false),
            (span.most.checked_add(1), false),
        ];
        let is_number = matches!(member.shape, Shape::Number | Shape::Size);
        let case = |(value, is_good): (Option<u64>, bool)| {
            let value = if is_number { json!(value?) } else { json!(format!("{}ms", value?)) };
            // No pattern says how long a duration is.
            Some(Case { value, is_good, below: String::new(), in_schema: is_good || is_number })
        };
        values.into_iter().filter_map(case).collect()
    });
}

#[test]
fn lists_and_maps_have_as_many_members_as_they_may() {
    check(|member| {
        let Some(count) = member.facts.count else { return Vec::new() };
        let counts = [
            (Some(count.least), true),
            (Some(count.most), true),
            (count.least.checked_sub(1), false),
            (count.most.checked_add(1), false),
        ];
        let counts = counts.into_iter().filter_map(|(count, is_good)| Some((count?, is_good)));
        let cases = counts.filter(|(count, _)| *count < usize::MAX).map(|(count, is_good)| Case {
            value: several(member, count),
            is_good,
            below: String::new(),
            in_schema: true,
        });
        cases.collect()
    });
}

/// A list or a map of so many values, made of the example's.
fn several(member: &Member, count: usize) -> Value {
    let example = super::yaml(member.facts.example);
    match &example {
        Value::Array(list) => Value::Array(list.iter().cycle().take(count).cloned().collect()),
        Value::Object(map) => {
            let rule = map.values().next().unwrap();
            Value::Object((0..count).map(|at| (format!("urn:n{at}"), rule.clone())).collect())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn texts_and_names_are_as_long_as_they_may_be() {
    check(|member| {
        let mut cases = Vec::new();
        let single = |text: String| match member.shape {
            Shape::List(_) => (json!([text]), "[0]".to_owned()),
            _ => (json!(text), String::new()),
        };
        for (text, is_good) in member.facts.text.into_iter().flat_map(longest) {
            let (value, below) = single(text);
            cases.push(Case { value, is_good, below, in_schema: true });
        }
        let example = super::yaml(member.facts.example);
        for (name, is_good) in member.facts.keys.into_iter().flat_map(longest) {
            let value = example.as_object().unwrap().values().next().unwrap();
            cases.push(Case {
                value: json!({ (&name): value }),
                is_good,
                below: format!(".{name}"),
                in_schema: true,
            });
        }
        cases
    });
}

/// The longest good text, and one that is longer.
fn longest(text: Text) -> Vec<(String, bool)> {
    let of = |length: usize| format!("{}{}", text.start, "a".repeat(length - text.start.len()));
    if text.most == usize::MAX { Vec::new() } else { vec![(of(text.most), true), (of(text.most + 1), false)] }
}

/// Sets each value where an example has the member. A good one is taken at one of these places, a bad one at
/// none.
fn check(cases: impl Fn(&Member) -> Vec<Case>) {
    let (examples, schema, mut seen) = (examples(), Schema::of_policies(), 0);
    for (section, member) in members() {
        if FITTED.contains(&section.path(member.name).as_str()) {
            continue;
        }
        for case in cases(member) {
            seen += 1;
            one(section, member, &case, &examples, &schema);
        }
    }
    assert!(seen > 30, "{seen}");
}

fn one(section: &Section, member: &Member, case: &Case, examples: &[Example], schema: &Schema) {
    let path = section.path(member.name);
    let told: String = case.value.to_string().chars().take(80).collect();
    let mut taken = false;
    // Where policies are long one place is enough.
    for (example, place, _) in spots(examples, section, member).into_iter().filter(|spot| spot.2).take(4) {
        let policy = with(&path, example, &place, member, case);
        let error = refused(&policy, &format!("{}{}", place.path_of(member.name), case.below));
        taken |= error.is_none();
        if case.is_good {
            assert!(schema.takes(&policy), "{path}: {told}: {}", schema.told(&policy));
        } else if case.in_schema {
            assert!(!schema.takes(&policy), "{path}: {told}: the schema takes it");
        }
    }
    assert_eq!(taken, case.is_good, "{path}: {told}");
}

fn with(path: &str, example: &Example, place: &Place, member: &Member, case: &Case) -> Value {
    let mut policy = example.policy.clone();
    let object = place.object(&mut policy);
    for (_, name, value) in WITH.iter().filter(|(of, _, _)| *of == path) {
        object.insert((*name).to_owned(), json!(value));
    }
    object.insert(member.name.to_owned(), case.value.clone());
    policy
}

/// What is wrong at this place.
fn refused(policy: &Value, path: &str) -> Option<String> {
    let errors = loaded(policy, Host::Gateway).err().unwrap_or_default();
    errors.into_iter().find(|error| error.path == path).map(|error| error.to_string())
}
