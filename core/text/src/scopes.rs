//! The scopes of a token: looked up quickly, however many a token has, and shown in its order.

use crate::sorted::places;

/// Scopes, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    names: Vec<String>,
    /// Places in `names`, in the order of the names; empty where looking through all is as quick.
    sorted: Vec<usize>,
}

/// So many are looked through one by one.
const FEW: usize = 8;

impl Scopes {
    /// Scopes in a token's order; repetitions are left out.
    pub fn of(names: Vec<&str>) -> Self {
        let mut once: Vec<String> = Vec::with_capacity(names.len());
        if names.len() <= FEW {
            for name in names {
                if !once.iter().any(|other| other == name) {
                    once.push(name.to_owned());
                }
            }
            return Self::new(once);
        }
        // The signature isn't verified yet: anyone who forges a token may name thousands, and looking through
        // all for each would cost a hundred times what the signature does.
        let mut is_first = vec![true; names.len()];
        let places = places(names.clone());
        for ((name, _), (next, at)) in places.iter().zip(places.iter().skip(1)) {
            if name == next
                && let Some(is_first) = is_first.get_mut(*at)
            {
                *is_first = false;
            }
        }
        let firsts = names.iter().zip(&is_first).filter(|(_, is_first)| **is_first);
        once.extend(firsts.map(|(name, _)| (*name).to_owned()));
        Self::new(once)
    }

    fn new(names: Vec<String>) -> Self {
        let looked_up = if names.len() > FEW { names.as_slice() } else { &[] };
        let places = places(looked_up.iter().map(String::as_str).collect());
        let sorted = places.into_iter().map(|(_, at)| at).collect();
        Self { names, sorted }
    }

    /// Whether `scope` is among them. A list of a thousand tools asks this for each of them.
    pub fn has(&self, scope: &str) -> bool {
        if self.sorted.is_empty() {
            return self.names.iter().any(|name| name == scope);
        }
        let name = |at: &usize| self.names.get(*at).map(String::as_str);
        self.sorted.binary_search_by(|at| name(at).cmp(&Some(scope))).is_ok()
    }

    /// All of them.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, Scopes};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_is_found_and_nothing_else_among_few_and_many() {
        for count in [0, 1, FEW, FEW + 1, 300] {
            let names: Vec<String> = (0..count).rev().map(|n| format!("s{n:x}")).collect();
            // Each a second time, which changes nothing.
            let twice = names.iter().chain(names.iter().rev()).map(String::as_str);
            let scopes = Scopes::of(twice.collect());
            assert!(names.iter().all(|name| scopes.has(name)), "{count}");
            for other in ["", "s", "s0 ", "S0", "sfff", "t", "s12c"] {
                assert!(!scopes.has(other), "{count} {other}");
            }
            assert_eq!(scopes.names(), names);
        }
    }
}
