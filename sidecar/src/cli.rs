//! The command line: arguments in, an exit code out; errors one a line on standard error.

mod audit;
mod configuration;
mod ledger;

use crate::connect::ConnectTo;
use crate::doctor::Call;
use crate::refusals::Refusals;
use crate::render::{RenderInput, copy_filter, kept_secret, render_reloadable, write, write_reloadable};
use crate::settings::{self, Fault, Source};
use crate::webhook::command::{self as promotions, Action};
use crate::{app, check, compare, doctor, fetch, launch, limits, log, merge, smoke, whole};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use configuration::Configuration;
use gatewaystack_core::config;
use std::ffi::OsString;
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
    /// Writes Envoy's bootstrap, the folded policy and the sidecar's secret into a folder, and says the ports
    /// as JSON
    Render {
        #[command(flatten)]
        configuration: Configuration,
        /// The filter: gatewaystack.wasm
        #[arg(long, value_name = "FILE")]
        wasm: PathBuf,
        /// The folder to write into
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// For containers that share the folder alone: also puts the filter there, and keeps the secret that
        /// is there (as --reloadable does)
        #[arg(long)]
        shared: bool,
        /// Listener and clusters in files that Envoy watches: the same command once more gives a running
        /// Envoy the new policy
        #[arg(long, conflicts_with = "shared")]
        reloadable: bool,
    },
    /// Answers the built-in routes that Envoy sends to the sidecar
    Serve {
        #[command(flatten)]
        configuration: Configuration,
        /// The folder that `render` wrote into
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
        /// Prints a line for each refusal on standard output, from the decision records in DATA_DIR; not
        /// where `audit.to` has the records there
        #[arg(long)]
        refusals: bool,
    },
    /// The whole gateway, where one container or one service is all there is: renders, starts Envoy, and
    /// answers what `serve` does. SIGHUP: reads the configuration anew and goes over to it; a bad one changes
    /// nothing. When a part ends, all do: what started it starts it again
    Run {
        #[command(flatten)]
        configuration: Configuration,
        /// The filter: gatewaystack.wasm
        #[arg(long, value_name = "FILE")]
        wasm: PathBuf,
        /// The folder for Envoy's bootstrap, which holds a secret
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
        /// Envoy's program
        #[arg(long, value_name = "FILE", default_value = "envoy")]
        envoy: PathBuf,
        /// More arguments for Envoy: -- --concurrency 2
        #[arg(last = true, value_name = "ARGUMENT")]
        more: Vec<OsString>,
    },
    /// Becomes a program that ends when we do; for `run` alone
    #[command(hide = true)]
    Launch {
        /// Who started it
        #[arg(long, value_name = "ID")]
        parent: u32,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        words: Vec<OsString>,
    },
    /// Tells every error of a policy at once, with the variables that a start would see, and what it probably
    /// doesn't mean to say
    Check {
        /// The policy: YAML or JSON
        file: PathBuf,
        /// Variables to fold in, as a dotenv file; those of the process win (except for a mesh, where nobody
        /// has them)
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        /// Where the filter runs: also says what that place can't take
        #[arg(long)]
        host: Option<check::Host>,
        /// Also fetches each issuer's keys, and compares how it spells its name
        #[arg(long)]
        online: bool,
        /// What it probably doesn't mean to say is an error, too
        #[arg(long)]
        strict: bool,
        /// Prints a JSON array of { path, level, message } instead
        #[arg(long)]
        json: bool,
    },
    /// Prints the policy that a base and overrides make together (JSON, which is YAML, too), or tells every
    /// error and whose it is
    #[command(after_help = MERGE_RULES)]
    Merge {
        /// The base policy: YAML or JSON
        base: PathBuf,
        /// What differs, one after the other
        #[arg(required = true, value_name = "OVERRIDE")]
        overrides: Vec<PathBuf>,
        #[arg(long, value_name = "MEMBERS", help = locked_help())]
        locked: Option<String>,
        /// Variables to fold in for the check, as a dotenv file; they aren't printed
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        /// Where the filter runs: also says what that place can't take
        #[arg(long)]
        host: Option<check::Host>,
    },
    /// Shows the promotions that wait for somebody, and has them tried again
    Webhook {
        #[command(subcommand)]
        action: WebhookAction,
    },
    /// Says which rule decides about a token, what the token lacks and what to change; exit 0 where it would
    /// be allowed
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor {
        #[command(flatten)]
        configuration: Configuration,
        /// The request's method: GET by default
        #[arg(long, conflicts_with = "CallArguments")]
        method: Option<String>,
        /// The request's path; without it a call is on the only MCP route, and without both the token is
        /// judged alone, and for each route
        #[arg(long)]
        path: Option<String>,
        #[command(flatten)]
        call: CallArguments,
        /// The request's host; that of `public_url` by default
        #[arg(long)]
        host: Option<String>,
        /// Fetches no keys: the signature stays unverified, and nothing is allowed
        #[arg(long)]
        offline: bool,
        /// The access token; `-` reads it from standard input, so that no shell remembers it
        token: String,
    },
    /// Prints what a rate limit service has to be told of the policy's limits over machines (`scope: global`)
    Limits {
        #[command(flatten)]
        configuration: Configuration,
        /// Which service
        #[arg(long = "for", value_name = "SERVICE")]
        service: limits::Service,
    },
    /// Exit 0 where each URL answers a GET with 200, as a health check of containers
    Probe {
        /// The URLs: http://127.0.0.1:8081/ready
        #[arg(required = true)]
        urls: Vec<String>,
    },
    /// Tries a running gateway as a client does, and shows what it answered as a table; exit 0 where each row
    /// is as it should be
    Smoke(smoke::Arguments),
    /// Sends the same requests to two gateways, and shows where status, headers or the shape of JSON differ;
    /// exit 0 where nothing does but what is allowed
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Arguments),
    #[command(flatten)]
    Ledger(ledger::Command),
    /// Checks and proves what the gateway has done: the audit log
    #[command(subcommand)]
    Audit(audit::Command),
}

fn locked_help() -> String {
    let names = merge::default_names().join(", ");
    format!("What overrides can't touch, with commas; an empty text locks nothing. Without it: {names}")
}

const MERGE_RULES: &str = "\
Rules:
  objects are merged member by member, anything else replaces, null takes out (RFC 7396);
  routes come before the base's, rate_limits after them; { replace: [ … ] } takes the place of such a list;
  what is locked stays: it can't be named, and a locked list can only be added to, after the base's;
  mode: enforce passes every lock.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  gatewaystack doctor --policy gateway.yaml - < token.txt
  gatewaystack doctor --policy gateway.yaml --method POST --path /v1/tools/list - < token.txt
  gatewaystack doctor --policy gateway.yaml --tool add_note - < token.txt
  gatewaystack doctor --policy gateway.yaml --path /mcp --rpc tools/list - < token.txt";

/// What is called on an MCP route: one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct CallArguments {
    /// Judges a call of this tool on an MCP route, e.g. --tool add_note
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    tool: Option<String>,
    /// Judges a request for this prompt, e.g. --prompt summary
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    prompt: Option<String>,
    /// Judges a request for this resource, e.g. --resource note://1
    #[arg(long, value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    resource: Option<String>,
    /// Judges another JSON-RPC method, e.g. --rpc tools/list
    #[arg(long, value_name = "METHOD", value_parser = NonEmptyStringValueParser::new())]
    rpc: Option<String>,
}

impl CallArguments {
    fn call(self) -> Option<Call> {
        let tool = self.tool.map(Call::Tool).or(self.prompt.map(Call::Prompt));
        tool.or(self.resource.map(Call::Resource)).or(self.rpc.map(Call::Method))
    }
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

/// Runs a command.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Render { configuration, wasm, out, shared, reloadable } => {
            let rendering = if reloadable {
                Rendering::Reloadable
            } else if shared {
                Rendering::Shared
            } else {
                Rendering::Plain
            };
            render(&configuration, wasm, out, rendering)
        }
        Command::Serve { configuration, state, refusals } => serve(&configuration, &state, refusals),
        Command::Run { configuration, wasm, state, envoy, more } => {
            whole(configuration, wasm, state, &whole::Envoy { program: envoy, more })
        }
        Command::Launch { parent, words } => launch::become_program(parent, &words)
            .map(|never| match never {})
            .map_err(|e| vec![Fault::text(e)]),
        Command::Check { file, env_file, host, online, strict, json } => {
            return check::run(&file, env_file.as_deref(), check::Options { host, online, strict, json });
        }
        Command::Merge { base, overrides, locked, env_file, host } => {
            merge::run(&base, &overrides, locked.as_deref(), env_file.as_deref(), host).and_then(say)
        }
        Command::Webhook { action: WebhookAction::List { configuration, json } } => {
            webhook(&configuration, Action::List { json })
        }
        Command::Webhook { action: WebhookAction::Retry { configuration, id } } => {
            webhook(&configuration, Action::Retry(id))
        }
        Command::Doctor { configuration, method, path, call, host, offline, token } => {
            let call = call.call();
            let question = doctor::Question { token, method, path, call, host, offline, auth0: false };
            configuration.read().and_then(|source| doctor::run(&source, question))
        }
        Command::Limits { configuration, service } => limits(&configuration, service),
        Command::Probe { urls } => probe(&urls),
        Command::Smoke(arguments) => smoke::run(&arguments),
        Command::Compare(arguments) => return compare::run(&arguments),
        Command::Audit(command) => return audit::run(command),
        Command::Ledger(command) => return ledger::run(command),
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

/// What it is rendered for: a start of all, parts that share a folder and keep its secret, or an Envoy that
/// goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rendering {
    Plain,
    Shared,
    Reloadable,
}

fn render(
    configuration: &Configuration,
    wasm: PathBuf,
    out: PathBuf,
    rendering: Rendering,
) -> Result<(), Vec<Fault>> {
    let source = configuration.read()?;
    check::loaded(&source, None)?;
    let failed = |e: String| vec![Fault::text(e)];
    let (policy, env) = (source.policy.clone(), source.env.clone());
    let mut input = RenderInput { policy, env, wasm, state_dir: out, secret: None };
    if rendering == Rendering::Shared {
        // What is refused must leave the filter that is there.
        crate::render::render(&input).map_err(|errors| source.name(errors))?;
        input.secret = kept_secret(&input.state_dir);
        input.wasm = copy_filter(&input.wasm, &input.state_dir).map_err(failed)?;
    }
    let line = if rendering == Rendering::Reloadable {
        let reloadable = render_reloadable(&input).map_err(|errors| source.name(errors))?;
        if write_reloadable(&reloadable).map_err(failed)? {
            let mut err = std::io::stderr().lock();
            let _ = writeln!(
                err,
                "the bootstrap has changed: an Envoy that runs follows it when it is started again"
            );
        }
        reloadable.rendered.summary()
    } else {
        let rendered = crate::render::render(&input).map_err(|errors| source.name(errors))?;
        write(&rendered, &input.state_dir).map_err(failed)?;
        rendered.summary()
    };
    say(&line)
}

fn serve(configuration: &Configuration, state: &std::path::Path, refusals: bool) -> Result<(), Vec<Fault>> {
    let source = configuration.read()?;
    let (policy, settings) = settings::for_serving(&source, state)?;
    let runtime = prepared(&source, &settings)?;
    if refusals {
        let records = crate::ledger::records_file(std::path::Path::new(&policy.own.data_dir));
        Refusals::print(records, !policy.own.records.stdout);
    }
    runtime.block_on(app::run(policy, settings, app::told_to_stop())).map_err(|e| vec![Fault::text(e)])
}

fn whole(
    configuration: Configuration,
    wasm: PathBuf,
    state: PathBuf,
    envoy: &whole::Envoy,
) -> Result<(), Vec<Fault>> {
    let Configuration { policy, env_file } = configuration;
    let origin = whole::Origin { policy, env_file, wasm, state, ports: config::Environment::new() };
    whole::run(origin, envoy, &|ports| say(ports))
}

/// What serves as the settings say.
fn prepared(source: &Source, settings: &app::Settings) -> Result<tokio::runtime::Runtime, Vec<Fault>> {
    fetch::connect_to(ConnectTo::read(&source.env).map_err(|e| source.name(vec![e]))?);
    fetch::trust(&source.env).map_err(|e| source.name(vec![e]))?;
    log::install(&settings.log_level);
    let runtime = app::runtime();
    runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])
}

/// A line, or lines, on standard output.
fn say(line: impl std::fmt::Display) -> Result<(), Vec<Fault>> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|e| vec![Fault::text(e.to_string())])
}

fn limits(configuration: &Configuration, service: limits::Service) -> Result<(), Vec<Fault>> {
    let policy = configuration.policy()?;
    let text = limits::configuration(&policy, service).map_err(|why| vec![Fault::text(why)])?;
    say(text.trim_end())
}

fn probe(urls: &[String]) -> Result<(), Vec<Fault>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
    let answers = urls.iter().map(|url| runtime.block_on(fetch::get(url, 1024 * 1024)));
    let faults: Vec<Fault> = answers.filter_map(Result::err).map(Fault::text).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn webhook(configuration: &Configuration, action: Action) -> Result<(), Vec<Fault>> {
    promotions::run(&configuration.policy()?, action)
}
