//! The groups of a caller: a set that is known or isn't. Whoever judges by groups has to say what holds where
//! nobody knows them: that is not the empty set.

use gatewaystack_text::sorted::places;

/// Groups at most; of more a token's are unknown.
pub const MAX_GROUPS: usize = 500;

/// What a token says of its holder's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// These, and no others.
    Known(Names),
    /// It can't be told.
    Unknown(Unknown),
}

/// Why groups aren't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The issuer left them out, because there are too many for a token, and says where they could be asked
    /// for (`_claim_names`, OpenID Connect Core §5.6.2; Entra's `hasgroups`).
    Elsewhere,
    /// A claim is neither a text nor a list of texts.
    Form,
    /// There are more than [`MAX_GROUPS`].
    TooMany,
}

impl Groups {
    /// Whether the caller is in a group; `None`: nobody knows.
    pub fn contain(&self, name: &str) -> Option<bool> {
        match self {
            Self::Known(names) => Some(names.has(name)),
            Self::Unknown(_) => None,
        }
    }
}

/// Names, each once and in their order, in one block of memory and one of numbers: verified tokens are
/// remembered by the thousand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Names {
    /// The names, sorted and without repetitions; `None`: more than `most`, or more text than a token has.
    pub fn of(names: Vec<&str>, most: usize) -> Option<Self> {
        let (mut text, mut ends, mut last) = (String::new(), Vec::new(), None);
        for (name, _) in places(names) {
            if last.replace(name) == Some(name) {
                continue;
            }
            text.push_str(name);
            ends.push(u32::try_from(text.len()).ok()?);
        }
        if ends.len() > most {
            return None;
        }
        Some(Self { text: text.into(), ends: ends.into() })
    }

    /// Whether `name` is among them.
    pub fn has(&self, name: &str) -> bool {
        let (mut from, mut to) = (0, self.ends.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        false
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.name(at))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn name(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok());
        let from = at.checked_sub(1).and_then(end).unwrap_or(0);
        self.text.get(from..end(at).unwrap_or(from)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_name_is_found_and_nothing_else() {
        for count in [0, 1, 2, 3, 8, 500] {
            let names: Vec<String> = (0..count).rev().map(|n| format!("g{n:x}é")).collect();
            let twice = names.iter().chain(&names).map(String::as_str).collect();
            let set = Names::of(twice, 500).unwrap();
            assert_eq!((set.len(), set.iter().count(), set.is_empty()), (count, count, count == 0));
            assert!(names.iter().all(|name| set.has(name)), "{count}");
            for other in ["", "g", "g0", "G0é", "g0é ", "gfffé", "é", "h"] {
                assert!(!set.has(other), "{count} {other}");
            }
        }
        assert_eq!(Names::of(vec!["a", "b", "a"], 1), None);
        assert!(Names::of(vec!["a", "a"], 1).is_some());
    }
}
