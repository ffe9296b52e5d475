//! Two answers in; where they differ, and what each has there, out.

use super::headers::UNREADABLE;
use super::reply::{Body, Reply};
use super::shape;

/// Where two answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One side didn't answer. Nothing allows that.
    Reply,
    Status,
    /// The header's name, in lower case.
    Header(String),
    /// The path in the body; empty for what the body is.
    Body(String),
}

/// A difference.
#[derive(Debug)]
pub struct Difference {
    pub place: Place,
    /// What A has; nothing where it has none.
    pub a: Option<String>,
    pub b: Option<String>,
    /// Why that is meant.
    pub allowed: Option<String>,
}

impl Difference {
    pub fn new(place: Place, a: Option<String>, b: Option<String>) -> Self {
        Self { place, a, b, allowed: None }
    }
}

/// All differences of two answers.
pub fn between(a: &Reply, b: &Reply) -> Vec<Difference> {
    let mut found = Vec::new();
    if a.status != b.status {
        found.push(Difference::new(Place::Status, Some(a.status.to_string()), Some(b.status.to_string())));
    }
    let names = a.headers.keys().chain(b.headers.keys().filter(|name| !a.headers.contains_key(*name)));
    for name in names {
        let (on_a, on_b) = (a.headers.get(name), b.headers.get(name));
        if on_a != on_b || on_a.is_some_and(|value| value == UNREADABLE) {
            found.push(Difference::new(Place::Header(name.clone()), on_a.cloned(), on_b.cloned()));
        }
    }
    found.extend(bodies(&a.body, &b.body));
    found
}

fn bodies(a: &Body, b: &Body) -> Vec<Difference> {
    let (kind_a, kind_b) = (a.kind(), b.kind());
    let unreadable = matches!(a, Body::Unreadable(_)) || matches!(b, Body::Unreadable(_));
    if kind_a != kind_b || unreadable {
        return vec![Difference::new(Place::Body(String::new()), Some(kind_a), Some(kind_b))];
    }
    let (Some(a), Some(b)) = (a.shape(), b.shape()) else { return Vec::new() };
    let difference = |(path, a, b)| Difference::new(Place::Body(path), a, b);
    shape::differences(a, b).into_iter().map(difference).collect()
}
