//! What a condition comes to, as far as is known by now: false, unknown or true; or, before all is known,
//! what of these it may still come to.

/// At least one of false, unknown and true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth(u8);

impl Truth {
    /// It doesn't hold.
    pub const FALSE: Self = Self(1);
    /// Nobody can tell: what it asks for is missing, or of another type.
    pub const UNKNOWN: Self = Self(2);
    /// It holds.
    pub const TRUE: Self = Self(4);
    /// What it asks for isn't known yet.
    pub const OPEN: Self = Self(7);
    /// The same, where it can be told once it is known.
    pub const FALSE_OR_TRUE: Self = Self(5);

    /// True or false.
    pub fn of(holds: bool) -> Self {
        if holds { Self::TRUE } else { Self::FALSE }
    }

    /// True, false or unknown.
    pub fn maybe(holds: Option<bool>) -> Self {
        holds.map_or(Self::UNKNOWN, Self::of)
    }

    /// The lower of both: false, unknown, true.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let falses = (self.0 | other.0) & 1;
        let unknowns = (self.0 & 2 & (other.0 | other.0 >> 1)) | (other.0 & 2 & (self.0 | self.0 >> 1));
        let trues = self.0 & other.0 & 4;
        Self(falses | unknowns | trues)
    }

    /// The higher of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        !(!self).and(!other)
    }

    /// Whether it is surely true.
    pub fn holds(self) -> bool {
        self == Self::TRUE
    }

    /// Whether it may be true.
    pub fn may_hold(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether it is surely true or unknown.
    pub fn cannot_fail(self) -> bool {
        self.0 & 1 == 0
    }

    /// Whether it is surely false.
    pub fn fails(self) -> bool {
        self == Self::FALSE
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        Self((self.0 & 1) << 2 | self.0 & 2 | self.0 >> 2)
    }
}

#[cfg(test)]
mod tests {
    use super::Truth;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// All sets, and what each pair of their members comes to.
    #[test]
    fn a_set_comes_to_what_its_members_come_to() {
        let members = |set: u8| (0..3u8).filter(move |bit| set & 1 << bit != 0);
        let set = |values: &mut dyn Iterator<Item = u8>| Truth(values.fold(0, |all, value| all | 1 << value));
        for a in 1..8u8 {
            assert_eq!(!Truth(a), set(&mut members(a).map(|value| 2 - value)), "not {a}");
            for b in 1..8u8 {
                let pairs = || members(a).flat_map(move |x| members(b).map(move |y| (x, y)));
                assert_eq!(Truth(a).and(Truth(b)), set(&mut pairs().map(|(x, y)| x.min(y))), "{a} and {b}");
                assert_eq!(Truth(a).or(Truth(b)), set(&mut pairs().map(|(x, y)| x.max(y))), "{a} or {b}");
            }
            assert_eq!(Truth(a).holds(), a == 4);
            assert_eq!(Truth(a).may_hold(), members(a).any(|value| value == 2));
            assert_eq!(Truth(a).cannot_fail(), members(a).all(|value| value > 0));
            assert_eq!(Truth(a).fails(), a == 1);
        }
    }
}
