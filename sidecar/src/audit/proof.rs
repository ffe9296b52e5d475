//! A proof of one leaf as a file (C2SP tlog-proof): its bytes, its place, the hashes from it to a root, and
//! the checkpoint with that root. Whoever has the key checks it without the log; with the opening in it, also
//! what the leaf commits to.

use super::hash::{Hash, hex, includes, of_leaf};
use super::leaf::{Salt, commitment};
use super::note::{Checkpoint, Verifier};
use super::store::Store;
use super::tile;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// Longest file that is read, in bytes.
pub const LONGEST: usize = 4 * 1024 * 1024;
/// Hashes of a proof at most.
const MOST: usize = 64;

/// Writes the proof of a leaf in the tree of a checkpoint, whose note is `note`.
///
/// # Errors
/// A tile that isn't there, or doesn't fit.
pub fn write(store: &mut Store, index: u64, note: &str, checkpoint: &Checkpoint) -> Result<String, String> {
    let leaf = store.leaf(index, checkpoint.size)?;
    let hashes = tile::inclusion(store, index, checkpoint.size)?;
    if !includes(index, checkpoint.size, &of_leaf(&leaf), &hashes, &checkpoint.root) {
        return Err("the log doesn't fit its checkpoint: `gatewaystack audit verify` says where".to_owned());
    }
    let mut text = format!("{HEAD}\nextra {}\nindex {index}\n", STANDARD.encode(leaf));
    hashes.iter().for_each(|hash| text.push_str(&format!("{}\n", STANDARD.encode(hash))));
    Ok(format!("{text}\n{note}"))
}

/// The line with what opens a commitment.
pub fn opening(salt: &Salt, text: &str) -> String {
    json!({ "salt": hex(salt), "value": super::leaf::value(text) }).to_string()
}

/// What a proof shows.
#[derive(Debug)]
pub struct Shown {
    pub index: u64,
    pub checkpoint: Checkpoint,
    /// The leaf.
    pub leaf: Value,
    /// What it commits to, where the file has that.
    pub value: Option<Value>,
}

/// Checks a file.
///
/// # Errors
/// What doesn't hold.
pub fn check(file: &str, key: &Verifier, witnesses: &[Verifier]) -> Result<Shown, String> {
    let (proof, opened) = apart(file);
    let (head, note) = proof.split_once("\n\n").ok_or("expected a proof, an empty line and a checkpoint")?;
    let mut lines = head.split('\n');
    if lines.next() != Some(HEAD) {
        return Err(format!("expected {HEAD} in the first line"));
    }
    let leaf =
        lines.next().and_then(|line| line.strip_prefix("extra ")).and_then(|text| STANDARD.decode(text).ok());
    let leaf = leaf.ok_or("expected `extra` and the leaf in the second line")?;
    let index = lines.next().and_then(|line| line.strip_prefix("index "));
    let index = index.and_then(|text| text.parse::<u64>().ok().filter(|index| index.to_string() == text));
    let index = index.ok_or("expected `index` and a number in the third line")?;
    let hash = |line: &str| STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    let hashes: Vec<Hash> =
        lines.map(hash).take(MOST + 1).collect::<Option<_>>().ok_or("expected hashes in base64")?;
    let checkpoint = Checkpoint::read(note, key, witnesses).map_err(|e| format!("the checkpoint: {e}"))?;
    if !includes(index, checkpoint.size, &of_leaf(&leaf), &hashes, &checkpoint.root) {
        return Err(
            "this leaf isn't at this place of the log: the hashes don't lead to the signed root".to_owned()
        );
    }
    let leaf: Value = serde_json::from_slice(&leaf).map_err(|_| "the leaf is no JSON object".to_owned())?;
    let value = opened.map(|opened| is_opened(&leaf, opened)).transpose()?;
    Ok(Shown { index, checkpoint, leaf, value })
}

/// The proof, and the line behind it that opens the leaf.
fn apart(file: &str) -> (&str, Option<&str>) {
    let Some(at) = file.rfind("\n{\"salt\":") else { return (file, None) };
    (&file[..=at], Some(file[at + 1..].trim_end()))
}

fn is_opened(leaf: &Value, opened: &str) -> Result<Value, String> {
    let broken = || "expected {\"salt\": 64 hex digits, \"value\": …} in the last line".to_owned();
    let mut opened: Value = serde_json::from_str(opened).map_err(|_| broken())?;
    let salt = opened.get("salt").and_then(Value::as_str).and_then(unhex).ok_or_else(broken)?;
    let value = opened.get_mut("value").map(Value::take).ok_or_else(broken)?;
    // A text that was none of JSON is committed to as a string.
    let bound = hex(&commitment(&salt, &value.to_string()));
    match leaf.get("commitment").and_then(Value::as_str) == Some(&bound) {
        true => Ok(value),
        false => Err("the leaf doesn't commit to this value with this salt".to_owned()),
    }
}

/// The bytes that 64 hex digits are.
pub fn unhex(text: &str) -> Option<Salt> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Origin, commitment, record};
    use super::super::log::{Log, newest};
    use super::{check, opening, unhex, write};
    use crate::ledger::Home;

    #[test]
    fn a_proof_is_checked_without_the_log_and_whatever_is_changed_is_found() {
        let data = tempfile::tempdir().unwrap();
        let mut log = Log::open(&Home::from(data.path()), "gateway.example.com/audit", 0).unwrap().unwrap();
        let (salt, value) = ([3; 32], r#"{"sub":"ann","decision":"deny"}"#);
        for n in 0..300u64 {
            let origin = Origin { source: "decisions.jsonl:1", offset: n };
            let leaf = record(0, origin, Some((1, n + 1)), Some("id"), &commitment(&salt, value));
            log.push(leaf.as_bytes()).unwrap();
        }
        log.publish(|_, _, _| String::new()).unwrap();
        let (signer, mut store, note, checkpoint) = newest(&Home::from(data.path())).unwrap();
        for index in [0, 255, 256, 299] {
            let proof = write(&mut store, index, &note, &checkpoint).unwrap();
            let shown = check(&proof, signer.verifier(), &[]).unwrap();
            assert_eq!((shown.index, &shown.leaf["seq"], shown.value), (index, &(index + 1).into(), None));
            assert!(!proof.contains("ann"));
            let opened = format!("{proof}{}\n", opening(&salt, value));
            let shown = check(&opened, signer.verifier(), &[]).unwrap();
            assert_eq!(shown.value.unwrap()["sub"], "ann");
            for (from, to) in [
                ("ann", "bob"),
                ("deny", "allow"),
                ("0303", "0304"),
                ("index ", "index 1"),
                ("extra ", "extra AAAA"),
                ("tlog-proof@v1", "tlog-proof@v2"),
            ] {
                let changed = opened.replacen(from, to, 1);
                assert!(check(&changed, signer.verifier(), &[]).is_err(), "{to}");
            }
            for at in 0..proof.len() {
                let mut bytes = proof.clone().into_bytes();
                bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
                assert!(
                    String::from_utf8(bytes)
                        .map_or(true, |text| check(&text, signer.verifier(), &[]).is_err()),
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn a_salt_is_64_hex_digits() {
        assert_eq!(unhex(&"0aF0".repeat(16)).unwrap()[..2], [0x0a, 0xf0]);
        for text in ["", "0a", &"0".repeat(63), &"0".repeat(65), &"+1".repeat(32), &"ü".repeat(32)] {
            assert_eq!(unhex(text), None);
        }
    }
}
