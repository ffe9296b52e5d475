//! Where the configuration is in, a configuration that all parts can begin with out, or every error.

use crate::app::Settings;
use crate::check;
use crate::ledger::records_file;
use crate::render::{Reloadable, RenderInput, ports, render_reloadable, write_reloadable};
use crate::settings::{self, Fault, Source};
use gatewaystack_core::config::policy::Policy;
use gatewaystack_core::config::{self, Environment};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the configuration is.
pub struct Origin {
    pub policy: Option<PathBuf>,
    pub env_file: Option<PathBuf>,
    pub wasm: PathBuf,
    /// The folder with the bootstrap.
    pub state: PathBuf,
    /// Variables of the ports that were chosen at the start, and Envoy's version: they stay.
    pub ports: Environment,
}

/// What is read, checked and ready to be written.
pub struct Configured {
    pub policy: Arc<Policy>,
    pub settings: Settings,
    reloadable: Reloadable,
}

impl Origin {
    /// The files and our variables.
    pub fn read(&self) -> Result<Source, Vec<Fault>> {
        let mut source = Source::read(self.policy.as_deref(), self.env_file.as_deref(), true)?;
        source.env.extend(self.ports.clone());
        Ok(source)
    }

    /// Chooses each port that is 0, once for all.
    pub fn settle(&mut self, source: &Source) -> Result<(), Vec<Fault>> {
        let folded = config::load_value(source.policy.clone(), &source.env);
        let (_, folded) = folded.map_err(|errors| source.name(errors))?;
        self.ports = ports::chosen(&folded).map_err(|error| source.name(vec![error]))?;
        Ok(())
    }

    /// The folder that Envoy watches.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Reads and renders; nothing is written.
    pub fn configured(&self) -> Result<Configured, Vec<Fault>> {
        let source = self.read()?;
        check::loaded(&source, None)?;
        let input = RenderInput {
            policy: source.policy.clone(),
            env: source.env.clone(),
            wasm: self.wasm.clone(),
            state_dir: self.state.clone(),
            secret: None,
        };
        let reloadable = render_reloadable(&input).map_err(|errors| source.name(errors))?;
        let folded = reloadable.rendered.policy_json.clone();
        let (policy, folded) =
            config::load_value(Some(folded), &Environment::new()).map_err(|e| source.name(e))?;
        let secret = reloadable.rendered.secret.as_str().into();
        let settings =
            settings::of(&policy, &source.env, secret).map_err(|error| source.name(vec![error]))?;
        let settings = Settings { policy_digest: settings::digest(&folded), ..settings };
        Ok(Configured { policy: Arc::new(policy), settings, reloadable })
    }
}

impl Configured {
    /// Gives it to Envoy, which may run.
    pub fn write(&self) -> Result<(), String> {
        if write_reloadable(&self.reloadable)? {
            tracing::warn!("the bootstrap has changed: what is in it holds from the next start on");
        }
        Ok(())
    }

    /// A clear word before Envoy's unclear one: another gateway may have the port.
    pub fn require_free(&self) -> Result<(), String> {
        let rendered = &self.reloadable.rendered;
        for (variable, address) in
            [("PORT", &rendered.listen), ("SIDECAR_PORT", &rendered.sidecar), ("ADMIN_PORT", &rendered.admin)]
        {
            // SIDECAR_HOST may be a name that isn't known here yet: who listens there says so itself.
            let listening = std::net::TcpListener::bind(address);
            if let Err(error) = listening.map(drop)
                && error.kind() == std::io::ErrorKind::AddrInUse
            {
                return Err(format!(
                    "{variable}: somebody else listens on {address} already, another gateway?"
                ));
            }
        }
        Ok(())
    }

    /// What stays while this process runs.
    pub fn can_follow(&self, current: &Self) -> Result<(), String> {
        let (new, old) = (&self.reloadable.rendered, &current.reloadable.rendered);
        for (variable, new, old) in
            [("SIDECAR_PORT", &new.sidecar, &old.sidecar), ("ADMIN_PORT", &new.admin, &old.admin)]
        {
            if new != old {
                return Err(format!("{variable}: {old} stays until the gateway is started again"));
            }
        }
        // The lines of refusals are read from there.
        if new.data_dir != old.data_dir {
            return Err("DATA_DIR: it stays until the gateway is started again".to_owned());
        }
        Ok(())
    }

    /// How much Envoy says.
    pub fn log_level(&self) -> &'static str {
        self.reloadable.rendered.log_level
    }

    /// Where the decision records are.
    pub fn records_file(&self) -> PathBuf {
        records_file(&self.reloadable.rendered.data_dir)
    }

    /// Whether refusals are told in lines for people: not among the records themselves.
    pub fn prints_refusals(&self) -> bool {
        !self.reloadable.rendered.records.stdout
    }

    pub fn revision(&self) -> &str {
        &self.reloadable.rendered.revision
    }

    /// Envoy's admin interface.
    pub fn admin(&self) -> &str {
        &self.reloadable.rendered.admin
    }

    /// One line for anyone who started us.
    pub fn summary(&self) -> Value {
        self.reloadable.rendered.summary()
    }
}
