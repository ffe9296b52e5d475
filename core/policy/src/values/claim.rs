//! Claims and JSON pointers: how a policy names them in, the way to the value out.

use super::name;

/// Longest name of a claim, and longest pointer to one, in bytes.
const MAX_CLAIM: usize = 256;

/// Where a claim is: its name (`sub`), or a JSON pointer to it (`/realm_access/roles`, RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    text: String,
    /// At least one member.
    path: Vec<String>,
}

impl Claim {
    /// A claim at the top, by its name, whatever characters that has.
    pub fn named(name: &str) -> Self {
        Self { text: name.to_owned(), path: vec![name.to_owned()] }
    }

    /// What begins with `/` is a pointer, and all else a name.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        name::check_text(text, MAX_CLAIM)?;
        let Some(rest) = text.strip_prefix('/') else { return Ok(Self::named(text)) };
        let path = tokens(rest).ok_or_else(|| {
            "expected a claim's name, or a JSON pointer such as /realm_access/roles, where ~ is ~0 and / is ~1".to_owned()
        })?;
        Ok(Self { text: text.to_owned(), path })
    }

    /// As the policy has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names and places on the way to it, unescaped.
    #[inline]
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Whether it is the claim of this name at the top, however it is written.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        matches!(self.path.as_slice(), [only] if only == name)
    }
}

/// RFC 6901 §3: the tokens of a pointer, unescaped; the empty one is the whole document.
///
/// # Errors
/// It is none; `expected` is the message.
pub fn pointer(text: &str, expected: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text.strip_prefix('/').filter(|_| text.len() <= 1_024);
    rest.and_then(tokens).ok_or_else(|| expected.to_owned())
}

fn tokens(rest: &str) -> Option<Vec<String>> {
    rest.split('/').map(unescaped).collect()
}

fn unescaped(token: &str) -> Option<String> {
    let mut rest = token.chars();
    let mut out = String::with_capacity(token.len());
    while let Some(c) = rest.next() {
        out.push(match (c, if c == '~' { rest.next()? } else { c }) {
            ('~', '0') => '~',
            ('~', '1') => '/',
            ('~', _) => return None,
            (c, _) => c,
        });
    }
    Some(out)
}
