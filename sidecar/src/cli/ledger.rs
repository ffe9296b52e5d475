//! The commands on the ledger: arguments in, an exit code out: 0 done, 1 what was asked isn't so or can't be
//! done, 2 wrong use.

use super::configuration::Configuration;
use crate::audit::backup;
use crate::ledger::operate::{self, Trouble, Wanted};
use crate::settings::Fault;
use clap::{Args, Subcommand, ValueEnum};
use gatewaystack_core::config::policy::Policy;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints decision records, the oldest first, or counts them
    #[command(after_help = EXAMPLES)]
    Records(Records),
    /// Prints decision records as they come, until it is ended
    Tail(Tail),
    /// Refuses a caller from now on, whatever its token says
    Block {
        #[command(flatten)]
        whom: Whom,
        /// For so long, as 30s, 15m, 1h or 7d; for ever without it
        #[arg(long = "for", value_name = "TIME", value_parser = block_ms)]
        span: Option<i64>,
        /// Why, for those who look at it later
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
    /// Lets a caller in again
    Unblock {
        #[command(flatten)]
        whom: Lifted,
    },
    /// Copies the ledger and its audit log while they are written, or puts a copy back
    #[command(subcommand)]
    Ledger(Copying),
    /// Prints who is blocked
    Blocks {
        #[command(flatten)]
        configuration: Configuration,
        /// Prints whose tokens are revoked instead, and until when those were issued
        #[arg(long)]
        revoked: bool,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Copying {
    /// Copies the ledger, its audit log and the log's key
    Backup {
        #[command(flatten)]
        configuration: Configuration,
        /// A folder that is empty, or isn't there
        folder: PathBuf,
    },
    /// Puts a copy into DATA_DIR, where there is neither a ledger nor a sidecar that runs
    Restore {
        #[command(flatten)]
        configuration: Configuration,
        /// What `backup` wrote
        folder: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  gatewaystack records --since 5m --where '{decision: {is: deny}}'
  gatewaystack records --since 1h --where '{tool: {is: purge}, status: {min: 400}}' --json
  gatewaystack records --since 7d --where '{decision: {in: [deny, limited]}}' --by tool,reason";

#[derive(Debug, Args)]
pub struct Records {
    #[command(flatten)]
    configuration: Configuration,
    /// Not older than this: 30s, 5m, 1h or 7d
    #[arg(long, value_name = "TIME", value_parser = span_ms)]
    since: Option<i64>,
    /// Those for which this is true: '{decision: {is: deny}, tool: {is: purge}}'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Counts by these members instead, with commas: tool,reason
    #[arg(long, value_name = "MEMBERS", value_delimiter = ',')]
    by: Vec<String>,
    /// The first so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON array, of records as they were written
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Tail {
    #[command(flatten)]
    configuration: Configuration,
    /// Begins with those that are not older than this: 30s, 5m, 1h or 7d; else with the next one
    #[arg(long, value_name = "TIME", value_parser = span_ms)]
    since: Option<i64>,
    /// Those for which this is true: '{decision: {is: deny}}'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Ends after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// A line of JSON for each, as it was written
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Whom {
    #[command(flatten)]
    configuration: Configuration,
    /// What it is
    kind: Kind,
    /// As records and identity headers have it; a token itself or its `jti`; `-` reads it from standard
    /// input, so that no shell remembers it
    value: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    User,
    Tenant,
    Agent,
    Client,
    Token,
    Session,
}

#[derive(Debug, Args)]
pub struct Lifted {
    #[command(flatten)]
    configuration: Configuration,
    /// What it is
    kind: Held,
    /// As `gatewaystack blocks` shows it; a token itself or its `jti`; `-` reads it from standard input
    value: String,
}

/// What can be lifted.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Held {
    User,
    Tenant,
    Agent,
    Client,
    Token,
    Session,
    /// Revoked tokens of a user
    Revoked,
    /// Revoked tokens of an issuer
    Issuer,
}

impl Held {
    fn name(self) -> &'static str {
        match self {
            Self::User => Kind::User.name(),
            Self::Tenant => Kind::Tenant.name(),
            Self::Agent => Kind::Agent.name(),
            Self::Client => Kind::Client.name(),
            Self::Token => Kind::Token.name(),
            Self::Session => Kind::Session.name(),
            Self::Revoked => "revoked",
            Self::Issuer => "issuer",
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Agent => "agent",
            Self::Client => "client",
            Self::Token => "token",
            Self::Session => "session",
        }
    }
}

/// Runs a command.
pub fn run(command: Command) -> ExitCode {
    match command {
        Command::Records(Records { configuration, since, condition, by, limit, json }) => {
            let wanted = Wanted { since_ms: since, condition, by, limit, json, follows: false };
            done(&configuration, |policy| operate::records(policy, &wanted))
        }
        Command::Tail(Tail { configuration, since, condition, limit, json }) => {
            let wanted =
                Wanted { since_ms: since, condition, limit, json, follows: true, ..Wanted::default() };
            done(&configuration, |policy| operate::tail(policy, &wanted))
        }
        Command::Block { whom: Whom { configuration, kind, value }, span, why } => {
            done(&configuration, |policy| operate::block(policy, kind.name(), &value, span, why.as_deref()))
        }
        Command::Unblock { whom: Lifted { configuration, kind, value } } => {
            done(&configuration, |policy| operate::unblock(policy, kind.name(), &value))
        }
        Command::Ledger(Copying::Backup { configuration, folder }) => {
            done(&configuration, |policy| backup::backup(policy, &folder))
        }
        Command::Ledger(Copying::Restore { configuration, folder }) => {
            done(&configuration, |policy| backup::restore(policy, &folder))
        }
        Command::Blocks { configuration, revoked, json } => {
            done(&configuration, |policy| operate::blocks(policy, revoked, json))
        }
    }
}

fn done(configuration: &Configuration, work: impl FnOnce(&Policy) -> Result<(), Trouble>) -> ExitCode {
    exit(configuration.policy().map(|policy| work(&policy)))
}

/// Says what is wrong, and with which code the process ends.
pub fn exit(done: Result<Result<(), Trouble>, Vec<Fault>>) -> ExitCode {
    let (code, faults) = match done {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(Trouble::Use(message))) => (2, vec![Fault::text(message)]),
        Ok(Err(Trouble::Other(message))) => (1, vec![Fault::text(message)]),
        Err(faults) => (1, faults),
    };
    let mut err = std::io::stderr().lock();
    for fault in faults {
        let _ = writeln!(err, "{fault}");
    }
    ExitCode::from(code)
}

/// Ten years: whoever wants more wants a block for ever.
const LONGEST_BLOCK_MS: i64 = 3_660 * 86_400_000;

/// A time for which a block may hold.
fn block_ms(text: &str) -> Result<i64, String> {
    let longest = || "expected at most 3660d; without --for it holds until it is lifted".to_owned();
    span_ms(text).and_then(|ms| if ms <= LONGEST_BLOCK_MS { Ok(ms) } else { Err(longest()) })
}

/// A number and `s`, `m`, `h` or `d`, in milliseconds.
fn span_ms(text: &str) -> Result<i64, String> {
    let unit = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let number =
        digits.and_then(|digits| digits.parse::<i64>().ok()).filter(|n| (1..=100_000_000).contains(n));
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|ms| *ms > 0)
        .ok_or_else(|| "expected a time such as 30s, 5m, 1h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{block_ms, span_ms};

    #[test]
    fn a_block_holds_for_ten_years_at_most() {
        assert_eq!(block_ms("3660d"), Ok(316_224_000_000));
        assert!(block_ms("3661d").is_err() && block_ms("87841h").is_err() && block_ms("36500d").is_err());
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, expect) in [("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)] {
            assert_eq!(span_ms(text), Ok(expect), "{text}");
        }
        for text in ["", "s", "5", "0m", "-5m", "5 m", "5min", "1.5h", "99999999999999999999s", "5ü"] {
            assert!(span_ms(text).is_err(), "{text}");
        }
    }
}
