//! The command line (POLICY.md, "The commands"): arguments in, an exit code out; errors one a line on standard error.

use crate::render::{RenderInput, write};
use crate::settings::{self, Fault, Source};
use crate::webhook::command::{self as promotions, Action};
use crate::{app, check, log};
use clap::{Args, Parser, Subcommand};
use gatewaystack_core::config;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The companion of the GatewayStack filter for Envoy.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes Envoy's bootstrap, the folded policy and the sidecar's secret into a folder, and says the ports as JSON
    Render {
        #[command(flatten)]
        configuration: Configuration,
        /// The filter: gatewaystack.wasm
        #[arg(long, value_name = "FILE")]
        wasm: PathBuf,
        /// The folder to write into
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Answers the built-in routes that Envoy sends to the sidecar
    Serve {
        #[command(flatten)]
        configuration: Configuration,
        /// The folder that `render` wrote into
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
    },
    /// Tells every error of a policy at once, and what it probably doesn't mean to say
    Check {
        /// The policy: YAML or JSON
        file: PathBuf,
        /// Variables to fold in, as a dotenv file
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        /// Also fetches each issuer's keys
        #[arg(long)]
        online: bool,
    },
    /// Shows the promotions that wait for somebody, and has them tried again
    Webhook {
        #[command(subcommand)]
        action: WebhookAction,
    },
}

#[derive(Debug, Subcommand)]
enum WebhookAction {
    /// Lists the parked promotions with their reasons, the newest first
    List {
        #[command(flatten)]
        configuration: Configuration,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Queues parked promotions again: one, or all
    Retry {
        #[command(flatten)]
        configuration: Configuration,
        /// The log's id, as `list` shows it; all without it
        id: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Configuration {
    /// The policy: YAML or JSON; without it the environment alone gives the routes
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Variables as a dotenv file; those of the process win
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Runs a command.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Render { configuration, wasm, out } => render(&configuration, wasm, out),
        Command::Serve { configuration, state } => serve(&configuration, &state),
        Command::Check { file, env_file, online } => check::run(&file, env_file.as_deref(), online),
        Command::Webhook { action: WebhookAction::List { configuration, json } } => {
            webhook(&configuration, Action::List { json })
        }
        Command::Webhook { action: WebhookAction::Retry { configuration, id } } => {
            webhook(&configuration, Action::Retry(id))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(faults) => {
            let mut err = std::io::stderr().lock();
            for fault in faults {
                let _ = writeln!(err, "{fault}");
            }
            ExitCode::FAILURE
        }
    }
}

fn render(configuration: &Configuration, wasm: PathBuf, out: PathBuf) -> Result<(), Vec<Fault>> {
    let source = Source::read(configuration.policy.as_deref(), configuration.env_file.as_deref(), true)?;
    let input = RenderInput { policy: source.policy.clone(), env: source.env.clone(), wasm, state_dir: out };
    let rendered = crate::render::render(&input).map_err(|errors| source.name(errors))?;
    write(&rendered, &input.state_dir).map_err(|e| vec![Fault::text(e)])?;
    let mut stdout = std::io::stdout().lock();
    let line = rendered.summary();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|e| vec![Fault::text(e.to_string())])
}

fn serve(configuration: &Configuration, state: &std::path::Path) -> Result<(), Vec<Fault>> {
    let source = Source::read(configuration.policy.as_deref(), configuration.env_file.as_deref(), true)?;
    let (policy, settings) = settings::for_serving(&source, state)?;
    log::install(&settings.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
    runtime.block_on(app::run(policy, settings)).map_err(|e| vec![Fault::text(e)])
}

fn webhook(configuration: &Configuration, action: Action) -> Result<(), Vec<Fault>> {
    let source = Source::read(configuration.policy.as_deref(), configuration.env_file.as_deref(), true)?;
    let (policy, _) = config::load_value(source.policy.clone(), &source.env).map_err(|e| source.name(e))?;
    promotions::run(&policy, action)
}
