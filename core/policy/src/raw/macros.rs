//! `raw!` and `words!`: the members of an object, or the words of a member, in; the type, how it is read and
//! what is said about it out.

// A member is its sentence, its name, its type and what else is known of it (`crate::reference`).
macro_rules! raw {
    (
        $(#[$doc:meta])*
        $name:ident at $at:literal {
            $($(#[doc = $what:literal])+ $field:ident: $type:ty = $facts:expr),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            $($(#[doc = $what])+ pub $field: Option<$type>,)*
        }

        impl $name {
            /// The names of the members.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The members, and what is said about them.
            pub const SECTION: Section = Section {
                name: $at,
                members: &[$(Member {
                    name: stringify!($field),
                    what: concat!($($what),+),
                    shape: <$type as Described>::SHAPE,
                    facts: $facts,
                }),*],
            };
        }

        impl Described for $name {
            const SHAPE: Shape = Shape::Object(&Self::SECTION);
        }

        impl Members for $name {
            fn names(&self) -> &'static [&'static str] {
                Self::NAMES
            }
            fn read_member(&mut self, name: &str, value: &Value, reading: &mut Reading) -> bool {
                match name {
                    $(_ if name == stringify!($field) => self.$field = Form::read(value, reading),)*
                    _ => return false,
                }
                true
            }
        }

        impl Form for $name {
            fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
                let mut raw = Self::default();
                reading.object(value, &mut raw).then_some(raw)
            }
            fn stand_in() -> Option<Self> {
                Some(Self::default())
            }
        }
    };
}

// A word is its variant's name in lower case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the word of docs/policy.md")]
        pub enum $name { $($variant),* }

        impl Form for $name {
            fn read(value: &Value, reading: &mut Reading) -> Option<Self> {
                let at = reading.word(value, &[$(stringify!($variant)),*])?;
                [$(Self::$variant),*].get(at).copied()
            }
        }

        impl Described for $name {
            const SHAPE: Shape = Shape::Words(&[$(stringify!($variant)),*]);
        }
    };
}
