//! What a report may show of an answer: text in; text without tokens and control characters, of a bounded
//! length, out.

const MAX_SHOWN: usize = 200;
const HIDDEN: &str = "[token]";

/// The tokens that no report has.
#[derive(Debug, Default)]
pub struct Mask {
    tokens: Vec<String>,
}

impl Mask {
    /// A mask of these tokens, the longest first: one may begin another.
    pub fn of<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut tokens: Vec<String> =
            tokens.filter(|token| !token.is_empty()).map(str::to_ascii_lowercase).collect();
        tokens.sort_by_key(|token| std::cmp::Reverse(token.len()));
        Self { tokens }
    }

    /// The text without tokens, however their letters were folded: names of headers are in lower case.
    pub fn hide(&self, text: &str) -> String {
        self.tokens.iter().fold(text.to_owned(), |text, token| without(&text, token))
    }

    /// The text as a report shows it.
    pub fn shown(&self, text: &str) -> String {
        let hidden = self.hide(text);
        let plain = |c: char| if c.is_control() || is_direction(c) { '\u{fffd}' } else { c };
        let mut shown: String = hidden.chars().take(MAX_SHOWN).map(plain).collect();
        if hidden.chars().nth(MAX_SHOWN).is_some() {
            // What is cut off still makes a difference.
            shown.push_str(&format!("… ({} bytes, {:08x})", hidden.len(), fingerprint(&hidden)));
        }
        shown
    }
}

/// Folding ASCII keeps every byte's place.
fn without(text: &str, token: &str) -> String {
    let (folded, mut out, mut from) = (text.to_ascii_lowercase(), String::new(), 0);
    for (at, _) in folded.match_indices(token) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(HIDDEN);
        from = at + token.len();
    }
    out + text.get(from..).unwrap_or_default()
}

/// What turns the text that follows around.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// FNV-1a: tells texts apart that begin alike, and is no secret's hash.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
