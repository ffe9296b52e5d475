//! The scopes of a token: looked up quickly, however many a token has, and shown in its order.

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
    /// Scopes in a token's order.
    pub fn new(names: Vec<String>) -> Self {
        let mut sorted: Vec<usize> = if names.len() > FEW { (0..names.len()).collect() } else { Vec::new() };
        sorted.sort_by(|a, b| names.get(*a).cmp(&names.get(*b)));
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
            let scopes = Scopes::new(names.clone());
            assert!(names.iter().all(|name| scopes.has(name)), "{count}");
            for other in ["", "s", "s0 ", "S0", "sfff", "t", "s12c"] {
                assert!(!scopes.has(other), "{count} {other}");
            }
            assert_eq!(scopes.names(), names);
        }
    }
}
