//! The commands on the audit log: arguments in, an exit code out: 0 it is so, 1 it isn't or can't be done, 2
//! wrong use.

use super::configuration::Configuration;
use super::ledger::exit;
use crate::audit::note::Verifier;
use crate::audit::operate;
use crate::audit::store::Store;
use crate::ledger::operate::Trouble;
use crate::settings::Fault;
use clap::{Args, Subcommand};
use gatewaystack_core::config::policy::Policy;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the whole log, from its bytes to the signed root, and names the first byte that doesn't fit
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Prints the proof that the record of a request is in the log (C2SP tlog-proof)
    Prove {
        #[command(flatten)]
        configuration: Configuration,
        /// The record's `request_id`
        request_id: String,
        /// Also prints what the leaf commits to: the record itself, and the salt
        #[arg(long)]
        open: bool,
    },
    /// Checks a proof without the log
    CheckProof {
        #[command(flatten)]
        trust: Trust,
        /// The proof; `-` reads it from standard input
        file: PathBuf,
        /// One JSON object: { index, size, origin, leaf, value }
        #[arg(long)]
        json: bool,
    },
    /// Prints which records never came
    Gaps {
        #[command(flatten)]
        configuration: Configuration,
        /// One JSON array: [{ vm, from, to, at }]
        #[arg(long)]
        json: bool,
    },
    /// Erases the records of a person: what opens their leaves goes, every proof stays valid
    Erase {
        #[command(flatten)]
        configuration: Configuration,
        /// As in the record's `sub`
        #[arg(long, value_name = "SUB")]
        subject: String,
    },
    /// Copies the log as it is now for somebody who is to check it, and its key next to it
    Export {
        #[command(flatten)]
        configuration: Configuration,
        /// A folder that is empty, or isn't there
        folder: PathBuf,
        /// With what opens its leaves, which names people
        #[arg(long)]
        open: bool,
    },
    /// Prints the public key of the log
    Key {
        #[command(flatten)]
        configuration: Configuration,
    },
    /// Makes a key for sidecars that will share a log, and prints it: a secret
    #[command(after_help = NEW_KEY)]
    NewKey {
        /// What the log will be called: the public URL without its scheme, and `/audit`
        name: String,
    },
}

const VERIFY: &str = "\
Examples:
  gatewaystack audit verify --policy gateway.yaml
  gatewaystack audit verify ./audit --key 'gateway.example.com/audit+2f1c…'
  gatewaystack audit verify http://127.0.0.1:8081/audit --key audit.vkey --since checkpoint.yesterday";

const NEW_KEY: &str = "\
Example:
  (umask 077; gatewaystack audit new-key gateway.example.com/audit > audit.key)";

/// Whose signatures count.
#[derive(Debug, Args)]
pub struct Trust {
    #[command(flatten)]
    configuration: Configuration,
    /// The log's public key (NAME+ID+KEY), or a file with it; without it that of DATA_DIR
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The public key of a witness who has to have signed, too; may be repeated
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    trust: Trust,
    /// A folder with the log, or the URL under which it is served; without it that of DATA_DIR
    #[arg(value_name = "DIR|URL")]
    place: Option<String>,
    /// A checkpoint of before: the log has to be its continuation
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// One JSON object: { size, root, origin }
    #[arg(long)]
    json: bool,
}

type Done = Result<Result<(), Trouble>, Vec<Fault>>;

impl Trust {
    /// What `work` does with the keys; and with the policy, where that is needed or `asks`.
    fn with(
        &self,
        asks: bool,
        work: impl FnOnce(Option<&Policy>, Verifier, Vec<Verifier>) -> Result<(), Trouble>,
    ) -> Done {
        let policy = match asks || self.key.is_none() {
            true => Some(self.configuration.policy()?),
            false => None,
        };
        let keys = || {
            let key = match (&self.key, &policy) {
                (None, Some(policy)) => operate::own_key(policy),
                (key, _) => operate::read_key(key.as_deref().unwrap_or_default()),
            };
            let witnesses: Result<Vec<_>, _> =
                self.witness.iter().map(|key| operate::read_key(key)).collect();
            Ok((key?, witnesses?))
        };
        Ok(keys().and_then(|(key, witnesses)| work(policy.as_ref(), key, witnesses)))
    }
}

/// Runs a command.
pub fn run(command: Command) -> ExitCode {
    let with = |configuration: Configuration, work: &dyn Fn(&Policy) -> Result<(), Trouble>| {
        configuration.policy().map(|policy| work(&policy))
    };
    exit(match command {
        Command::Verify(Verify { trust, place, since, json }) => {
            trust.with(place.is_none(), |policy, key, witnesses| {
                let log = match (&place, policy) {
                    (None, Some(policy)) => operate::own_log(policy)?,
                    (place, _) => Store::at(place.as_deref().unwrap_or_default()).map_err(Trouble::Other)?,
                };
                operate::verify(operate::Wanted { log, key, witnesses, since, json })
            })
        }
        Command::Prove { configuration, request_id, open } => {
            with(configuration, &|policy| operate::prove(policy, &request_id, open))
        }
        Command::CheckProof { trust, file, json } => {
            trust.with(false, |_, key, witnesses| operate::check_proof(&file, &key, &witnesses, json))
        }
        Command::Gaps { configuration, json } => with(configuration, &|policy| operate::gaps(policy, json)),
        Command::Erase { configuration, subject } => {
            with(configuration, &|policy| operate::erase(policy, &subject))
        }
        Command::Export { configuration, folder, open } => {
            with(configuration, &|policy| operate::export(policy, &folder, open))
        }
        Command::Key { configuration } => with(configuration, &operate::key),
        Command::NewKey { name } => Ok(operate::new_key(&name)),
    })
}
