//! Who calls: the attributes of a token whose signature was verified. Everything that decides about a caller
//! reads this, and not the token's claims: a new attribute (groups, client, actor, confirmation) is a field
//! of [`Attributes`], read in `jwt/claims.rs`.

use crate::config::policy::IssuerId;
use crate::config::policy::condition::Number;
use crate::feed::blocks::{Key, Kind};
use crate::groups::{Groups, Names};
use crate::jwks;
use crate::jwt::signature::Proof;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_text::scopes::Scopes;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};

/// What a token says of its holder, in the policy's terms. By itself it proves nothing.
#[derive(Debug)]
pub struct Attributes {
    /// Who issued the token.
    pub issuer: IssuerId,
    /// Its identifier, as the policy has it.
    pub issuer_name: Arc<str>,
    /// The user, with the issuer's prefix.
    pub user: String,
    /// Whether other issuers name the same user so, too: whose limits and sessions are theirs, too.
    pub is_shared: bool,
    /// What the issuer itself calls the user (`sub`), with the prefix.
    pub subject: Subject,
    /// The tenant, with the issuer's prefix.
    pub tenant: Option<String>,
    /// Members of `aud`.
    pub audiences: Vec<String>,
    /// Scopes that the issuer granted and may grant.
    pub scopes: Scopes,
    /// What was consented to, where that is less than all that the user may.
    pub consented: Option<Scopes>,
    /// Groups that the user is in.
    pub groups: Groups,
    /// Whether it is a machine.
    pub is_machine: bool,
    /// The client that the token was issued to.
    pub client: Option<String>,
    /// The agent that the client is, by its name in the policy.
    pub agent: Option<Arc<str>>,
    /// Who acts for the user: `sub` of the outermost `act` (RFC 8693 §4.1).
    pub actor: Option<String>,
    /// How the user signed in (`acr`, OpenID Connect Core §2).
    pub acr: Option<String>,
    /// When the user signed in (`auth_time`), in Unix seconds.
    pub signed_in: Option<f64>,
    /// Claims that conditions ask for, by their places there; empty: none is asked for.
    pub claims: Box<[ClaimValue]>,
    /// The token's own id (`jti`, RFC 7519 §4.1.7).
    pub token_id: Option<String>,
    /// When the token was issued (`iat`), in Unix seconds; 0: it doesn't say.
    pub issued: f64,
    /// First second at which the token is refused, leeway included.
    pub ends: f64,
}

impl Attributes {
    /// Scopes that count on MCP routes: `permissions` lists all that the user may, not what was consented to,
    /// and counts there only where no other claim is present.
    pub fn consented_scopes(&self) -> &Scopes {
        self.consented.as_ref().unwrap_or(&self.scopes)
    }

    /// A claim that conditions ask for, by its place there; `None`: there is none.
    pub fn claim(&self, at: usize) -> Option<&ClaimValue> {
        self.claims.get(at).filter(|value| **value != ClaimValue::Missing)
    }
}

/// What a claim says that conditions ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimValue {
    /// There is none.
    Missing,
    /// A text.
    Text(Box<str>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Flag(bool),
    /// A list of texts, as a set.
    Texts(Names),
    /// Something else, or too much of it.
    Other,
}

/// What the issuer itself calls the user.
#[derive(Debug, PartialEq, Eq)]
pub enum Subject {
    /// As the policy does.
    User,
    /// Otherwise: by this, where the token says it.
    Other(Option<String>),
}

/// A caller behind a verified signature.
#[derive(Debug)]
pub struct Principal {
    attributes: Attributes,
    /// What a block of the token itself names, once somebody has asked: more than one, where the token
    /// has more than one spelling.
    token_digests: OnceLock<Vec<String>>,
    /// What it may be blocked by, once somebody has asked.
    names: OnceLock<Box<[(Kind, Key)]>>,
}

impl Principal {
    /// The only way to have one: a [`Proof`] comes out of a signature's verification alone.
    pub fn proven(attributes: Attributes, _proof: Proof) -> Self {
        Self { attributes, token_digests: OnceLock::new(), names: OnceLock::new() }
    }

    /// What it may be blocked by, as `make` says when it is first asked for.
    pub fn names(&self, make: impl FnOnce() -> Box<[(Kind, Key)]>) -> &[(Kind, Key)] {
        self.names.get_or_init(make)
    }

    /// The issuer.
    pub fn issuer(&self) -> IssuerId {
        self.attributes.issuer
    }

    /// The user, with the issuer's prefix.
    pub fn user(&self) -> &str {
        &self.attributes.user
    }

    /// The issuer's identifier, as the policy has it.
    pub fn issuer_name(&self) -> &str {
        &self.attributes.issuer_name
    }

    /// The issuer whose user it is; `None`: several name the same one.
    pub fn user_issuer(&self) -> Option<IssuerId> {
        (!self.attributes.is_shared).then_some(self.attributes.issuer)
    }

    /// What the issuer itself calls the user, with its prefix; `None`: the token doesn't say.
    pub fn subject(&self) -> Option<&str> {
        match &self.attributes.subject {
            Subject::User => Some(&self.attributes.user),
            Subject::Other(name) => name.as_deref(),
        }
    }

    /// The tenant, with the issuer's prefix.
    pub fn tenant(&self) -> Option<&str> {
        self.attributes.tenant.as_deref()
    }

    /// Members of `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.attributes.audiences
    }

    /// Scopes that the issuer granted and may grant.
    pub fn scopes(&self) -> &Scopes {
        &self.attributes.scopes
    }

    /// Scopes that count on MCP routes.
    pub fn consented_scopes(&self) -> &Scopes {
        self.attributes.consented_scopes()
    }

    /// All that its token says.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Groups that the user is in.
    pub fn groups(&self) -> &Groups {
        &self.attributes.groups
    }

    /// How the user signed in; `None`: the token doesn't say.
    pub fn acr(&self) -> Option<&str> {
        self.attributes.acr.as_deref()
    }

    /// When the user signed in, in Unix seconds; `None`: the token doesn't say.
    pub fn signed_in(&self) -> Option<f64> {
        self.attributes.signed_in
    }

    /// Whether it is a machine.
    pub fn is_machine(&self) -> bool {
        self.attributes.is_machine
    }

    /// The client that the token was issued to.
    pub fn client(&self) -> Option<&str> {
        self.attributes.client.as_deref()
    }

    /// The agent that the client is, by its name in the policy.
    pub fn agent(&self) -> Option<&str> {
        self.attributes.agent.as_deref()
    }

    /// Who acts for the user.
    pub fn actor(&self) -> Option<&str> {
        self.attributes.actor.as_deref()
    }

    /// The token's own id.
    pub fn token_id(&self) -> Option<&str> {
        self.attributes.token_id.as_deref()
    }

    /// When the token was issued, in Unix seconds; 0: it doesn't say.
    pub fn issued(&self) -> f64 {
        self.attributes.issued
    }

    /// What a block of the token itself names (`sha256:` and its digest), where [`Self::digest`] was asked.
    pub fn token_digests(&self) -> impl Iterator<Item = &str> {
        self.token_digests.get().into_iter().flatten().map(String::as_str)
    }

    /// Finds out what a block of the token itself would name: once. Whoever holds a token of ES256 can make
    /// another signature of it that verifies as well, so that a block of either names both.
    pub fn digest(&self, token: &[u8]) {
        let _ = self.token_digests.get_or_init(|| {
            let twin = other_spelling(token);
            [Some(token), twin.as_deref()].into_iter().flatten().map(digest).collect()
        });
    }

    /// Whether the token is still good at `now_ms` (Unix time in milliseconds).
    pub fn is_current(&self, now_ms: u64) -> bool {
        seconds(now_ms) < self.attributes.ends
    }
}

/// Milliseconds to seconds; exact far beyond any date of interest.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn digest(token: &[u8]) -> String {
    let digest = Sha256::digest(token);
    let mut name = String::with_capacity(7 + 2 * digest.len());
    name.push_str("sha256:");
    for byte in digest {
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
        name.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    name
}

/// The token with its signature's twin; `None`: it has one spelling. No RSA signature is as short.
fn other_spelling(token: &[u8]) -> Option<Vec<u8>> {
    let dot = token.iter().rposition(|byte| *byte == b'.')?;
    let (signed, signature) = token.split_at_checked(dot + 1)?;
    // 64 bytes in base64url.
    let signature = URL_SAFE_NO_PAD.decode(Some(signature).filter(|text| text.len() == 86)?).ok()?;
    let twin = URL_SAFE_NO_PAD.encode(jwks::twin_signature(&signature)?);
    Some([signed, twin.as_bytes()].concat())
}
