//! Where a command finds the configuration. In: two files' names. Out: what is in them, or the policy that
//! they make with our variables.

use crate::settings::{Fault, Source};
use clap::Args;
use gatewaystack_core::config::{self, policy::Policy};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Configuration {
    /// The policy: YAML or JSON; without it the environment alone gives the routes
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Variables as a dotenv file; those of the process win
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

impl Configuration {
    pub fn read(&self) -> Result<Source, Vec<Fault>> {
        Source::read(self.policy.as_deref(), self.env_file.as_deref(), true)
    }

    /// The policy, compiled.
    pub fn policy(&self) -> Result<Policy, Vec<Fault>> {
        let source = self.read()?;
        let loaded = config::load_value(source.policy.clone(), &source.env);
        loaded.map(|(policy, _)| policy).map_err(|errors| source.name(errors))
    }
}
