//! Leaves of the audit log: what happened in, one JSON object out. Nothing in it names a person: what could
//! is committed to, by a hash over a random salt and its canonical JSON (RFC 8785).

use super::hash::{Hash, hex};
use crate::clock::rfc3339;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What a salt is.
pub type Salt = [u8; 32];

/// Longest identifier of a request in a leaf, in bytes: an entry has 65,535 in all.
const LONGEST_ID: usize = 1_024;

/// What a leaf is about. Records have a form of their own: [`record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Records that never came.
    Gap,
    /// A policy that is served from now on.
    Policy,
    /// Somebody is refused from now on.
    Block,
    /// And no longer.
    Unblock,
    /// An issuer has told of a user.
    Signal,
    /// A copy of the log was made.
    Export,
    /// An operator has read records.
    Look,
    /// A person's records were erased.
    Erasure,
    /// What is older isn't kept any more.
    Retention,
    /// A process has begun to write the log.
    Start,
}

impl Kind {
    /// Its name in a leaf.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Policy => "policy",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Signal => "signal",
            Self::Export => "export",
            Self::Look => "look",
            Self::Erasure => "erasure",
            Self::Retention => "retention",
            Self::Start => "start",
        }
    }
}

/// The hash that a salt and a value's JSON text are bound by.
pub fn commitment(salt: &Salt, text: &str) -> Hash {
    Sha256::new().chain_update(salt).chain_update(canonical(text)).finalize().into()
}

/// The canonical JSON of a text; of one that is no I-JSON (RFC 7493), that of the text as a string.
pub fn canonical(text: &str) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&value(text)).unwrap_or_default()
}

/// What a text is a commitment to.
pub fn value(text: &str) -> Value {
    let read: Option<Value> = serde_json::from_str(text).ok();
    read.filter(is_exact).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether all whole numbers are ones that canonical JSON tells apart.
fn is_exact(value: &Value) -> bool {
    const MOST: u64 = 1 << 53;
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(|n| n.abs() < MOST as f64),
        Value::Number(number) => number.as_i64().is_some_and(|n| n.unsigned_abs() < MOST),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}

/// Where a record stands: the file that it came from, and where its line begins there.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub source: &'a str,
    pub offset: u64,
}

/// A record's leaf.
pub fn record(
    at_ms: i64,
    origin: Origin<'_>,
    place: Option<(i64, u64)>,
    request_id: Option<&str>,
    commitment: &Hash,
) -> String {
    let Origin { source, offset } = origin;
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let (vm, seq) = match place {
        Some((vm, seq)) => (format!("\"{:016x}\"", vm.cast_unsigned()), seq.to_string()),
        None => ("null".to_owned(), "null".to_owned()),
    };
    let id = request_id.map_or("null".to_owned(), |id| text(&id[..id.floor_char_boundary(LONGEST_ID)]));
    format!(
        "{{\"kind\":\"record\",\"at\":\"{}\",\"source\":{},\"offset\":{offset},\"vm\":{vm},\"seq\":{seq},\"request_id\":{id},\"commitment\":\"{}\"}}",
        rfc3339(at_ms),
        text(source),
        hex(commitment)
    )
}

/// Any other leaf. `offset` is its number at its source; `more` are the members of its kind.
pub fn of(kind: Kind, at_ms: i64, offset: i64, more: Value) -> String {
    let mut leaf = json!({ "kind": kind.name(), "at": rfc3339(at_ms), "source": "ledger", "offset": offset });
    if let (Value::Object(leaf), Value::Object(more)) = (&mut leaf, more) {
        leaf.extend(more);
    }
    leaf.to_string()
}

/// Adds an entry to a bundle: its length in two bytes, and itself. What is too long is none.
pub fn add_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> bool {
    let Ok(length) = u16::try_from(leaf.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
    true
}

/// The entries of a bundle, each with the byte at which it begins.
pub struct Entries<'a> {
    bundle: &'a [u8],
    at: usize,
}

/// All of a bundle's.
pub fn entries(bundle: &[u8]) -> Entries<'_> {
    Entries { bundle, at: 0 }
}

impl<'a> Iterator for Entries<'a> {
    /// `Err`: it is broken from this byte on.
    type Item = Result<(usize, &'a [u8]), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bundle.get(self.at..).filter(|rest| !rest.is_empty())?;
        let from = self.at;
        let entry = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))));
        self.at = entry.map_or(self.bundle.len(), |entry| from + 2 + entry.len());
        Some(entry.map(|entry| (from, entry)).ok_or(from))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Origin, add_entry, canonical, commitment, entries, of, record};
    use serde_json::{Value, json};

    #[test]
    fn a_records_leaf_has_what_is_promised_and_nothing_else() {
        let origin = Origin { source: "decisions.jsonl:7", offset: 12 };
        let leaf = record(0, origin, Some((-1, 3)), Some("a\"b"), &[0xab; 32]);
        let expect = json!({
            "kind": "record", "at": "1970-01-01T00:00:00.000Z", "source": "decisions.jsonl:7", "offset": 12,
            "vm": "ffffffffffffffff", "seq": 3, "request_id": "a\"b", "commitment": "ab".repeat(32)
        });
        assert_eq!(serde_json::from_str::<Value>(&leaf).unwrap(), expect);
        let leaf: Value = serde_json::from_str(&record(0, origin, None, None, &[0; 32])).unwrap();
        assert_eq!([&leaf["vm"], &leaf["seq"], &leaf["request_id"]], [&Value::Null; 3]);
        let long = "ü".repeat(2_000);
        assert!(record(0, origin, None, Some(&long), &[0; 32]).len() < 1_500);
    }

    #[test]
    fn other_leaves_have_the_members_of_their_kind() {
        let leaf: Value =
            serde_json::from_str(&of(Kind::Gap, 1, 5, json!({"vm": "00", "from": 1, "to": 2}))).unwrap();
        let expect = json!({"kind": "gap", "at": "1970-01-01T00:00:00.001Z", "source": "ledger", "offset": 5, "vm": "00", "from": 1, "to": 2});
        assert_eq!(leaf, expect);
    }

    /// The hash was computed with another program (Python's json and hashlib).
    #[test]
    fn a_commitment_is_over_the_salt_and_canonical_json() {
        let text = "{ \"sub\": \"a\u{fc}\", \"seq\": 10, \"b\": [1, true, null], \"a\": \"\\u0041/\\n\" }";
        assert_eq!(
            String::from_utf8(canonical(text)).unwrap(),
            "{\"a\":\"A/\\n\",\"b\":[1,true,null],\"seq\":10,\"sub\":\"a\u{fc}\"}"
        );
        let hash = super::hex(&commitment(&[1; 32], text));
        assert_eq!(hash, "570087482801213d3e40e9f9586ee38c7f5a61c2d88bcd50aab6d2e4fdf087a9");
        // Two numbers that a double doesn't tell apart are bound as they are written.
        let [one, other] =
            ["9007199254740993", "9007199254740992"].map(|number| format!("{{\"a\":{number}}}"));
        assert_ne!(canonical(&one), canonical(&other));
        // Half of a pair is no text: what can be bound is how it was written.
        assert_eq!(canonical("{\"a\":\"\\ud800\"}"), br#""{\"a\":\"\\ud800\"}""#);
    }

    #[test]
    fn entries_are_read_as_they_were_added_and_no_further_than_they_are_whole() {
        let mut bundle = Vec::new();
        assert!(
            add_entry(&mut bundle, b"one") && add_entry(&mut bundle, b"") && add_entry(&mut bundle, b"two")
        );
        assert!(!add_entry(&mut bundle, &vec![0; 65_536]));
        let read: Vec<_> = entries(&bundle).collect();
        assert_eq!(read, [Ok((0, b"one".as_slice())), Ok((5, b"")), Ok((7, b"two"))]);
        bundle.pop();
        assert_eq!(entries(&bundle).last(), Some(Err(7)));
        assert_eq!(entries(&bundle[..6]).last(), Some(Err(5)));
    }
}
