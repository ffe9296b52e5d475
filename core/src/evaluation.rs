//! Whether something may be done, as far as is known by now: allowed, denied with a reason, or dependent on
//! what isn't known yet. A permit takes the first alone; a list shows what depends on who signs in, and each
//! other use says in its own match what becomes of the third.

/// What a rule comes to: what outweighs the rest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evaluation {
    /// It may not be done, whatever else becomes known.
    Deny(Reason),
    /// Nobody knows yet.
    Depends(Unknown),
    /// It may be done.
    Allow,
}

/// Why something is denied: what no scope would help with first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No rule allows it.
    Unlisted,
    /// The caller lacks scopes.
    Scopes,
}

/// What isn't known yet. A condition on a call's arguments has its place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// Who calls: nobody has signed in.
    Caller,
}

impl Evaluation {
    /// What both come to: the first reason against it that no scope would help with, then any other, then
    /// what isn't known.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_against_it_outweighs_what_is_unknown_and_that_what_is_for_it() {
        use Evaluation::{Allow, Deny, Depends};
        let falling = [Deny(Reason::Unlisted), Deny(Reason::Scopes), Depends(Unknown::Caller), Allow];
        for (at, one) in falling.into_iter().enumerate() {
            for other in falling.into_iter().skip(at) {
                assert_eq!(one.and(other), one, "{one:?} {other:?}");
                assert_eq!(other.and(one), one, "{other:?} {one:?}");
            }
        }
    }
}
