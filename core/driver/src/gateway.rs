//! What all workers of a gateway share: nothing of it changes, except for the cells of the table, which are
//! safe to change at once.

use gatewaystack_core::config;
use gatewaystack_core::config::policy::{self, Policy};
use gatewaystack_core::hash::{self, Secret};
use gatewaystack_core::jwt::signature::{self, Portable, SignatureVerifier};
use gatewaystack_core::shared::{SharedTable, TableFault, swap};
use std::fmt::Write as _;

/// Cells that workers share.
pub type Table = Box<dyn SharedTable + Send + Sync>;
/// Who verifies signatures.
pub type Verifier = Box<dyn SignatureVerifier + Send + Sync>;

/// The variable of the VM with what the sidecar is shown.
pub const SIDECAR_SECRET: &str = "GATEWAYSTACK_SIDECAR_SECRET";

/// A gateway.
pub struct Gateway {
    /// The policy.
    pub policy: Policy,
    /// What hashed keys are made with.
    pub secret: Secret,
    /// Cells that all workers share.
    pub table: Table,
    /// Who verifies signatures.
    pub verifier: Verifier,
    /// Whether that is the host.
    pub is_native: bool,
    /// The largest body that the policy reads, in bytes.
    pub largest_body: usize,
    /// What sessions are hashed with in records: the same after a start, where the sidecar's secret is.
    pub session_secret: Secret,
    /// What the sidecar is shown when it is asked.
    pub sidecar_secret: String,
}

impl Gateway {
    /// A gateway with this policy, as JSON, and these variables. `native`: the host's verifier; `fresh`:
    /// random bytes, for a secret that no worker has made yet.
    ///
    /// # Errors
    /// Why the policy can't be used.
    pub fn load(
        json: &[u8],
        variables: Vec<(String, String)>,
        table: Table,
        native: Verifier,
        fresh: [u8; 16],
    ) -> Result<Self, String> {
        let environment = config::environment_of(variables);
        let sidecar_secret = environment.get(SIDECAR_SECRET).cloned().unwrap_or_default();
        let policy = config::load_filter(Some(json), Some(&environment)).map_err(|errors| {
            let (mut all, mut separator) = (String::new(), "");
            for error in &errors {
                // A string takes all that is written to it.
                let _ = write!(all, "{separator}{error}");
                separator = "; ";
            }
            all
        })?;
        let is_native = chooses_native(&policy, &*native)?;
        let secret = secret(&*table, fresh).map_err(|_| "shared data can't be used".to_owned())?;
        let session_secret = if sidecar_secret.is_empty() { secret } else { derived(&sidecar_secret) };
        let caps = policy.routes.iter().filter_map(|route| route.reads.request);
        let largest_body = caps.max().unwrap_or(0);
        let verifier = if is_native { native } else { Box::new(Portable) };
        Ok(Self { policy, secret, table, verifier, is_native, largest_body, session_secret, sidecar_secret })
    }

    /// What the operator is told of it.
    pub fn summary(&self) -> String {
        format!(
            "policy {} with {} routes, signatures verified by {}",
            self.policy.revision,
            self.policy.routes.len(),
            if self.is_native { "the host" } else { "the filter" }
        )
    }
}

/// Whether to use the host's verifier, by a known answer.
fn chooses_native(policy: &Policy, native: &dyn SignatureVerifier) -> Result<bool, String> {
    let asked = |verifier: &dyn SignatureVerifier| {
        policy.issuers.iter().all(|issuer| signature::passes_known_answer(verifier, &issuer.algorithms))
    };
    let passes = || asked(native);
    match policy.verifier {
        policy::Verifier::Native if !passes() => {
            Err("verifier: this host has no verify_signature that passes the known-answer test; use auto or portable".into())
        }
        policy::Verifier::Native => Ok(true),
        policy::Verifier::Auto if passes() => Ok(true),
        policy::Verifier::Auto | policy::Verifier::Portable if asked(&Portable) => Ok(false),
        policy::Verifier::Auto | policy::Verifier::Portable => Err("verifier: no verifier passes the known-answer test (ES256 needs a host with verify_signature)".into()),
    }
}

/// A secret of another use.
fn derived(from: &str) -> Secret {
    let half = |name: &[u8]| hash::keyed(Secret(0, 0), &[name, from.as_bytes()]);
    Secret(half(b"session 0"), half(b"session 1"))
}

/// The secret that hashed keys are made with; the first worker makes it.
fn secret(table: &dyn SharedTable, fresh: [u8; 16]) -> Result<Secret, TableFault> {
    let bytes = swap(table, "gatewaystack.secret", |found| match found {
        Some(bytes) if bytes.len() == 16 => (None, bytes.to_vec()),
        // Absent, or something that isn't ours.
        _ => (Some(fresh.to_vec()), fresh.to_vec()),
    })?;
    let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    Ok(Secret(half(0).ok_or(TableFault)?, half(8).ok_or(TableFault)?))
}
