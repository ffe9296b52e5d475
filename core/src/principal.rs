//! Who calls: the attributes of a token whose signature was verified. Everything that decides about a caller
//! reads this, and not the token's claims: a new attribute (groups, client, actor, confirmation) is a field
//! of [`Attributes`], read in `jwt/claims.rs`.

use crate::config::policy::IssuerId;
use crate::jwt::signature::Proof;
use gatewaystack_text::scopes::Scopes;

/// What a token says of its holder, in the policy's terms. By itself it proves nothing.
#[derive(Debug)]
pub struct Attributes {
    /// Who issued the token.
    pub issuer: IssuerId,
    /// The user, with the issuer's prefix.
    pub user: String,
    /// The tenant, with the issuer's prefix.
    pub tenant: Option<String>,
    /// Members of `aud`.
    pub audiences: Vec<String>,
    /// Scopes that the issuer granted and may grant.
    pub scopes: Scopes,
    /// What was consented to, where that is less than all that the user may.
    pub consented: Option<Scopes>,
    /// Whether it is a machine.
    pub is_machine: bool,
    /// First second at which the token is refused, leeway included.
    pub ends: f64,
}

/// A caller behind a verified signature.
#[derive(Debug)]
pub struct Principal(Attributes);

impl Principal {
    /// The only way to have one: a [`Proof`] comes out of a signature's verification alone.
    pub fn proven(attributes: Attributes, _proof: Proof) -> Self {
        Self(attributes)
    }

    /// The issuer.
    pub fn issuer(&self) -> IssuerId {
        self.0.issuer
    }

    /// The user, with the issuer's prefix.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// The tenant, with the issuer's prefix.
    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// Members of `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    /// Scopes that the issuer granted and may grant.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// Scopes that count on MCP routes: `permissions` lists all that the user may, not what was consented to,
    /// and counts there only where no other claim is present.
    pub fn consented_scopes(&self) -> &Scopes {
        self.0.consented.as_ref().unwrap_or(&self.0.scopes)
    }

    /// Whether it is a machine.
    pub fn is_machine(&self) -> bool {
        self.0.is_machine
    }

    /// Whether the token is still good at `now_ms` (Unix time in milliseconds).
    pub fn is_current(&self, now_ms: u64) -> bool {
        seconds(now_ms) < self.0.ends
    }
}

/// Milliseconds to seconds; exact far beyond any date of interest.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
