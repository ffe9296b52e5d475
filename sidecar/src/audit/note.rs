//! Signed notes (C2SP signed-note) and the checkpoints in them (C2SP tlog-checkpoint). In: text, keys. Out: a
//! size and a root that somebody has signed, or why not.

use super::hash::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// Of signatures over the text itself.
const ED25519_NOTE: u8 = 0x01;
/// Of a witness's, which has a time in it (C2SP tlog-cosignature).
const ED25519_COSIGNATURE: u8 = 0x04;
/// Longest note that is read, in bytes: sixteen witnesses with keys of any kind.
pub const LONGEST: usize = 256 * 1024;
/// Most signatures of one.
const MOST_LINES: usize = 64;
/// Lines of one witness, and the longest of them: a signature by ML-DSA-44 has 3.3 KiB. Eight of them fit.
const LINES_OF_ONE: usize = 4;
const LONGEST_LINE: usize = 4 * 1024;

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    pub name: String,
    id: u32,
    kind: u8,
    key: [u8; 32],
}

impl Verifier {
    /// Reads `NAME+ID+KEY`.
    ///
    /// # Errors
    /// What isn't so.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("expected NAME+ID+KEY, as `gatewaystack audit key` prints it".to_owned());
        };
        if !is_name(name) {
            return Err("the key's name is empty or has a blank in it".to_owned());
        }
        let bytes = STANDARD.decode(key).map_err(|_| "the key isn't base64".to_owned())?;
        let Some((kind, Ok(key))) = bytes.split_first().map(|(kind, key)| (*kind, <[u8; 32]>::try_from(key)))
        else {
            return Err("expected an Ed25519 key".to_owned());
        };
        if kind != ED25519_NOTE && kind != ED25519_COSIGNATURE {
            return Err(format!("keys of type {kind:#04x} can't be checked: expected Ed25519, 0x01 or 0x04"));
        }
        let this = Self { name: name.to_owned(), id: id_of(name, kind, &key), kind, key };
        if id != format!("{:08x}", this.id) {
            return Err("the key's ID doesn't fit its name and key".to_owned());
        }
        Ok(this)
    }

    /// As [`Verifier::read`] takes it.
    pub fn text(&self) -> String {
        let bytes = [&[self.kind], self.key.as_slice()].concat();
        format!("{}+{:08x}+{}", self.name, self.id, STANDARD.encode(bytes))
    }

    /// Whether it signs for others' logs.
    pub fn is_witness(&self) -> bool {
        self.kind == ED25519_COSIGNATURE
    }

    fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        if !self.is_witness() {
            return key.verify(text.as_bytes(), signature).is_ok();
        }
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let message = format!("cosignature/v1\ntime {}\n{text}", u64::from_be_bytes(*time));
        key.verify(message.as_bytes(), signature).is_ok()
    }
}

fn id_of(name: &str, kind: u8, key: &[u8; 32]) -> u32 {
    let hash: Hash =
        Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key).finalize().into();
    hash.first_chunk().map_or(0, |first| u32::from_be_bytes(*first))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A private key with its name.
pub struct Signer {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
    verifier: Verifier,
}

impl Signer {
    /// Of a seed.
    ///
    /// # Errors
    /// A name that can't be one.
    pub fn of(name: &str, seed: [u8; 32]) -> Result<Self, String> {
        if !is_name(name) {
            return Err(format!("{name:?} can't be a key's name"));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|e| e.to_string())?;
        let key = <[u8; 32]>::try_from(pair.public_key().as_ref()).map_err(|e| e.to_string())?;
        let verifier =
            Verifier { name: name.to_owned(), id: id_of(name, ED25519_NOTE, &key), kind: ED25519_NOTE, key };
        Ok(Self { pair, seed, verifier })
    }

    /// Reads `PRIVATE+KEY+NAME+ID+SEED`.
    ///
    /// # Errors
    /// What isn't so; nothing of the key is in it.
    pub fn read(text: &str) -> Result<Self, String> {
        let broken = || "expected PRIVATE+KEY+NAME+ID+SEED".to_owned();
        let mut parts = text.trim().strip_prefix("PRIVATE+KEY+").ok_or_else(broken)?.splitn(3, '+');
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(broken());
        };
        let bytes = STANDARD.decode(seed).map_err(|_| broken())?;
        let Some((&ED25519_NOTE, Ok(seed))) =
            bytes.split_first().map(|(kind, seed)| (kind, <[u8; 32]>::try_from(seed)))
        else {
            return Err(broken());
        };
        let this = Self::of(name, seed)?;
        if id == format!("{:08x}", this.verifier.id) { Ok(this) } else { Err(broken()) }
    }

    /// As [`Signer::read`] takes it: a secret.
    pub fn secret(&self) -> String {
        let bytes = [&[ED25519_NOTE], self.seed.as_slice()].concat();
        format!("PRIVATE+KEY+{}+{:08x}+{}", self.verifier.name, self.verifier.id, STANDARD.encode(bytes))
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A checkpoint of this tree, signed.
    pub fn checkpoint(&self, size: u64, root: &Hash) -> String {
        let text = format!("{}\n{size}\n{}\n", self.verifier.name, STANDARD.encode(root));
        let signature = [&self.verifier.id.to_be_bytes(), self.pair.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.verifier.name, STANDARD.encode(signature))
    }
}

/// A tree at one time, as a log has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// Reads one that this key has signed, and of the log that the key is named for; and that all of
    /// `witnesses` have signed.
    ///
    /// # Errors
    /// What isn't so.
    pub fn read(note: &str, key: &Verifier, witnesses: &[Verifier]) -> Result<Self, String> {
        let (text, signatures) = split(note)?;
        for wanted in std::iter::once(key).chain(witnesses) {
            let mut its = signatures.iter().filter(|s| s.name == wanted.name && s.id == wanted.id).peekable();
            if its.peek().is_none() {
                return Err(format!("no signature of {} (key {:08x}) is there", wanted.name, wanted.id));
            }
            // Anybody can write a line under a witness's name; under ours nobody may.
            let holds = |signature: &Signature<'_>| wanted.has_signed(text, &signature.bytes);
            let is_good = if wanted.is_witness() { its.any(holds) } else { its.all(holds) };
            if !is_good {
                return Err(format!("the signature of {} doesn't hold", wanted.name));
            }
        }
        let this = Self::of(text)?;
        if this.origin == key.name {
            Ok(this)
        } else {
            Err(format!("it is of the log {}, and the key of {}", this.origin, key.name))
        }
    }

    fn of(text: &str) -> Result<Self, String> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty()).ok_or("it has less than three lines");
        let (origin, size, root) = (next()?, next()?, next()?);
        // A line more would be signed, and mean nothing to anybody.
        if lines.next() != Some("") || lines.next().is_some() {
            return Err("it has more than three lines".to_owned());
        }
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let root = STANDARD.decode(root).ok().and_then(|root| Hash::try_from(root).ok());
        match (number, root) {
            (Some(size), Some(root)) => Ok(Self { origin: origin.to_owned(), size, root }),
            (None, _) => Err("its second line is no size".to_owned()),
            (_, None) => Err("its third line is no hash".to_owned()),
        }
    }
}

struct Signature<'a> {
    name: &'a str,
    id: u32,
    bytes: Vec<u8>,
}

/// The text that is signed, and the signatures.
fn split(note: &str) -> Result<(&str, Vec<Signature<'_>>), String> {
    if note.len() > LONGEST || note.chars().any(|c| c < ' ' && c != '\n') {
        return Err("it is no signed note".to_owned());
    }
    let at = note.rfind("\n\n").ok_or("no blank line is before the signatures")?;
    let (text, lines) = (&note[..=at], &note[at + 2..]);
    let lines = lines.strip_suffix('\n').ok_or("its last line has no end")?;
    let signatures: Vec<_> =
        lines.split('\n').map(signature).collect::<Option<_>>().ok_or("a signature line is broken")?;
    if signatures.len() > MOST_LINES {
        return Err(format!("it has more than {MOST_LINES} signatures"));
    }
    Ok((text, signatures))
}

fn signature(line: &str) -> Option<Signature<'_>> {
    let (name, rest) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(rest).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    is_name(name).then(|| Signature { name, id: u32::from_be_bytes(*id), bytes: signature.to_vec() })
}

/// Those lines of `answer` that are signatures of others than `own`, for the end of a note.
pub fn cosignatures(answer: &str, own: &Verifier) -> String {
    let theirs =
        |line: &&str| line.len() <= LONGEST_LINE && signature(line).is_some_and(|s| s.name != own.name);
    answer.lines().filter(theirs).take(LINES_OF_ONE).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::hash::of_nothing;
    use super::{Checkpoint, Signer, Verifier, cosignatures, split};
    use base64::Engine as _;

    const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    /// The example of the specification.
    #[test]
    fn the_specifications_own_note_holds() {
        let key =
            Verifier::read("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
        let (text, signatures) = split(NOTE).unwrap();
        assert_eq!((text, signatures[0].id), ("This is an example message.\n", 0x530d_903a));
        assert!(key.has_signed(text, &signatures[0].bytes));
        assert!(!key.has_signed("This is another message.\n", &signatures[0].bytes));
        assert_eq!(key.text(), "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
        for wrong in [
            "",
            "a+b",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "a+00000000+AA==",
        ] {
            assert!(Verifier::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_checkpoint_is_read_by_its_key_alone() {
        let ours = Signer::of("gateway.example.com/audit", [7; 32]).unwrap();
        let other = Signer::of("gateway.example.com/audit", [8; 32]).unwrap();
        let note = ours.checkpoint(5, &of_nothing());
        let read = |note: &str, key: &Signer| Checkpoint::read(note, key.verifier(), &[]);
        let checkpoint = read(&note, &ours).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size, checkpoint.root),
            ("gateway.example.com/audit", 5, of_nothing())
        );
        assert!(read(&note, &other).unwrap_err().contains("no signature of"));
        // Whatever byte is another.
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(String::from_utf8(bytes).is_ok_and(|note| read(&note, &ours).is_err()) || at > 0, "{at}");
            let mut bytes = note.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes);
            assert!(changed.is_err() || read(&changed.unwrap(), &ours).is_err(), "byte {at}");
        }
        let again = Signer::read(&ours.secret()).unwrap();
        assert_eq!(again.verifier(), ours.verifier());
        for wrong in ["", "PRIVATE+KEY+a+b", "PRIVATE+KEY+a+00000000+AA=="] {
            assert!(Signer::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_signed_note_that_is_no_checkpoint_isnt_one() {
        let ours = Signer::of("a/audit", [7; 32]).unwrap();
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for text in [
            "",
            "a/audit\n",
            "a/audit\n1\n",
            "a/audit\n01\nROOT\n",
            "a/audit\n-1\nROOT\n",
            "a/audit\n1\nAAAA\n",
            "b/audit\n1\nROOT\n",
            "a/audit\n1\nROOT\nmore\n",
            "a/audit\n1\nROOT\n\n",
        ] {
            let text = text.replace("ROOT", root);
            let signature =
                [&ours.verifier.id.to_be_bytes(), ours.pair.sign(text.as_bytes()).as_ref()].concat();
            let note = format!("{text}\n\u{2014} a/audit {}\n", super::STANDARD.encode(signature));
            assert!(Checkpoint::read(&note, ours.verifier(), &[]).is_err(), "{text:?}");
        }
    }

    /// Made with a key of the test's own by the words of C2SP tlog-cosignature.
    #[test]
    fn a_witness_signs_a_time_too() {
        use ring::signature::{Ed25519KeyPair, KeyPair as _};
        let ours = Signer::of("a/audit", [7; 32]).unwrap();
        let note = ours.checkpoint(0, &of_nothing());
        let (text, _) = split(&note).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let key = <[u8; 32]>::try_from(pair.public_key().as_ref()).unwrap();
        let id = super::id_of("w.example", 4, &key);
        let bytes = [&[4u8], key.as_slice()].concat();
        let witness =
            Verifier::read(&format!("w.example+{id:08x}+{}", super::STANDARD.encode(bytes))).unwrap();
        let signed = pair.sign(format!("cosignature/v1\ntime 1700000000\n{text}").as_bytes());
        let bytes = [id.to_be_bytes().as_slice(), &1_700_000_000u64.to_be_bytes(), signed.as_ref()].concat();
        let line = format!("\u{2014} w.example {}\n", super::STANDARD.encode(bytes));
        let both = format!("{note}{line}");
        assert!(Checkpoint::read(&both, ours.verifier(), std::slice::from_ref(&witness)).is_ok());
        let missing = Checkpoint::read(&note, ours.verifier(), std::slice::from_ref(&witness));
        assert!(missing.unwrap_err().contains("no signature of w.example"));
        assert_eq!(
            cosignatures(&format!("{line}nonsense\n\u{2014} a/audit AAAAAAAA\n"), ours.verifier()),
            line
        );
    }
}
