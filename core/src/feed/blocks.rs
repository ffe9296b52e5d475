//! Who is blocked, and whose tokens are revoked: keyed hashes of their names in a bounded table. A name
//! itself isn't kept.

use crate::hash::{self, Secret};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Blocks and revocations at most; the sidecar keeps no more.
pub const MAX_BLOCKS: usize = 100_000;

macro_rules! kinds {
    ($($kind:ident $name:literal),*) => {
        /// What a block names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words of `gatewaystack block`, and those of signals")]
        pub enum Kind {
            $($kind),*
        }

        impl Kind {
            /// Each of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// Its word.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),*
                }
            }
        }
    };
}

// The last three are what issuers have signalled: an account that is disabled, by the subject of its tokens;
// tokens that count no more, by their subject, or all of an issuer's, by its name.
kinds!(
    User "user", Tenant "tenant", Agent "agent", Client "client", Token "token", Session "session",
    Disabled "disabled", Revoked "revoked", Issuer "issuer"
);

impl Kind {
    /// Whether it says until when tokens were issued that count no more.
    pub fn revokes(self) -> bool {
        matches!(self, Self::Revoked | Self::Issuer)
    }

    /// By its word.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A blocked name: its hash, which nobody outside can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u64);

/// The key of a name.
pub fn key(secret: Secret, kind: Kind, value: &[u8]) -> Key {
    Key(hash::keyed(secret, &[b"block", &[kind as u8], value]))
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub kind: Kind,
    /// Which.
    pub key: Key,
    /// Until when it is blocked, in Unix seconds, 0 for ever; of revoked tokens, until when they were issued;
    /// `None`: it isn't any longer.
    pub until_s: Option<u32>,
}

/// Passes on a key, which is a hash already.
#[derive(Debug, Default)]
pub struct Through(u64);

impl Hasher for Through {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Something for each name.
pub type ByKey<T> = HashMap<Key, T, BuildHasherDefault<Through>>;

#[derive(Debug, Clone, Copy)]
struct Block {
    kind: Kind,
    until_s: u32,
}

/// All blocks.
#[derive(Debug, Default)]
pub struct Blocks {
    all: ByKey<Block>,
    /// How many there are of each kind.
    of_kind: [usize; Kind::ALL.len()],
}

impl Blocks {
    /// Makes a change; what is blocked beyond [`MAX_BLOCKS`] isn't taken, and that is the answer.
    pub fn apply(&mut self, change: Change) -> bool {
        let before = match change.until_s {
            Some(_) if self.all.len() >= MAX_BLOCKS && !self.all.contains_key(&change.key) => return false,
            Some(until_s) => self.all.insert(change.key, Block { kind: change.kind, until_s }),
            None => self.all.remove(&change.key),
        };
        if let Some(block) = before {
            self.count(block.kind, usize::wrapping_sub);
        }
        if change.until_s.is_some() {
            self.count(change.kind, usize::wrapping_add);
        }
        true
    }

    fn count(&mut self, kind: Kind, change: fn(usize, usize) -> usize) {
        if let Some(count) = self.of_kind.get_mut(kind as usize) {
            *count = change(*count, 1);
        }
    }

    /// Whether a key is blocked at this time.
    pub fn has(&self, key: Key, now_ms: u64) -> bool {
        let lasts = |block: &Block| block.until_s == 0 || now_ms / 1_000 < u64::from(block.until_s);
        self.all.get(&key).is_some_and(lasts)
    }

    /// Until when tokens were issued that are revoked, in Unix seconds.
    pub fn revoked_until(&self, key: Key) -> Option<u32> {
        self.all.get(&key).filter(|block| block.kind.revokes()).map(|block| block.until_s)
    }

    /// Whether there are blocks of a kind.
    pub fn has_any(&self, kind: Kind) -> bool {
        self.of_kind.get(kind as usize).is_some_and(|count| *count > 0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each block, as the change that makes it.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let change = |(key, block): (&Key, &Block)| Change {
            kind: block.kind,
            key: *key,
            until_s: Some(block.until_s),
        };
        self.all.iter().map(change)
    }
}
