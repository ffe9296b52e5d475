//! The command line. In: arguments. Out: the command that they name, run.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::{bench, demo, docs, fuzz, lint, mutants, process::become_program, release, test, up};

/// The project's commands. Each one fetches or builds what it needs and keeps it in the user's cache folder.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start issuer, MCP server, Apps connector, echo server and the gateway, and print what to try; Ctrl-C
    /// stops all
    Demo(DemoArguments),
    /// Run the gateway and its sidecar with a real configuration; SIGINT or SIGTERM stops both
    Up(UpArguments),
    /// Run the core and gateway suites with all that they need
    Test(TestArguments),
    /// Measure what the gateway costs, side by side with bare Envoy, Envoy's own filters and an ext_authz
    /// service
    Bench(BenchArguments),
    /// Fuzz what is decided about requests, and what clients see of answers, against second implementations
    Fuzz(FuzzArguments),
    /// Change what decides in the core, one small thing at a time, and list the changes that none of its
    /// tests notices; hours for all
    Mutants(MutantsArguments),
    /// Write what is made of the policy's members: tables of docs/policy.md, JSON Schemas, the chart's list
    /// of locks
    Docs(DocsArguments),
    /// Format, clippy, dependencies, generated documents, links, tidiness, workflows
    Lint,
    /// Build what a release consists of, the same bytes each time: filter, programs, chart, bills of
    /// materials, checksums
    Release(ReleaseArguments),
    /// Become a program that ends when we do; for the other commands alone
    #[command(hide = true)]
    Launch {
        #[arg(long)]
        parent: u32,
        #[arg(long)]
        ask: bool,
        #[arg(last = true, required = true)]
        words: Vec<OsString>,
    },
}

#[derive(clap::Args)]
pub struct DemoArguments {
    /// Which demo
    #[arg(default_value = "mcp")]
    pub which: Demo,
    /// Instead walk through every example of the original's README, write docs/parity.md, and exit
    #[arg(long)]
    pub check: bool,
    /// Instead walk through the demo's guide and the README, against what runs on the demo's ports (docker
    /// compose up), and exit
    #[arg(long, conflicts_with = "check")]
    pub walk: bool,
}

/// The demos. `mcp` and `apps` start the same servers and tell of another one first; `echo` is the gateway by
/// the environment alone, with the original's routes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Demo {
    Echo,
    Mcp,
    Apps,
}

#[derive(clap::Args)]
pub struct UpArguments {
    /// The dotenv file with the configuration; variables of the environment win over it
    #[arg(long)]
    pub env_file: Option<PathBuf>,
    /// The policy file, `gateway.yaml`
    #[arg(long)]
    pub policy: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct TestArguments {
    /// Run only the native tests whose names contain this
    pub filter: Option<String>,
    /// Also the foreign clients, the browser, other Envoys, the documentation tests, and the walks through
    /// the original's README and ours
    #[arg(long)]
    pub all: bool,
    /// Instead run the core of the end-to-end suite against every supported Envoy
    #[arg(long, conflicts_with_all = ["filter", "all"])]
    pub envoy_matrix: bool,
}

#[derive(clap::Args)]
pub struct BenchArguments {
    /// The essential chains, for two rounds of a second: done within a minute, and rougher
    #[arg(long)]
    pub quick: bool,
    /// Rounds of two seconds for each chain
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Only these chains, separated by commas; ratios are told where both chains are among them
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Instead show how time and memory grow with these, or with all: half an hour, most of it for signing a
    /// million users' tokens
    #[arg(long, value_name = "WHAT", value_delimiter = ',', num_args = 0.., conflicts_with_all = ["quick", "rounds", "only"])]
    pub scale: Option<Vec<Growing>>,
    /// Instead count, by valgrind, what instructions a request costs the whole Envoy, in those of the
    /// essential chains (or of --only) that are one Envoy with one worker over HTTP/1.1: the same to within a
    /// few percent, however busy the machine. Five minutes
    #[arg(long, conflicts_with_all = ["quick", "rounds", "scale", "instructions"])]
    pub counted: bool,
    /// Instead count the instructions of the core's hot functions, and hold them to bench/instructions.json
    #[arg(long, conflicts_with_all = ["quick", "rounds", "only", "scale"])]
    pub instructions: bool,
    /// Make what is counted now what later runs are held to
    #[arg(long, requires = "instructions")]
    pub accept: bool,
}

#[derive(clap::Args)]
pub struct FuzzArguments {
    /// Which target; both without it
    pub target: Option<fuzz::Target>,
    /// For so long, each
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Instead run one input, and show what it stands for
    #[arg(long, value_name = "FILE", conflicts_with = "seconds", requires = "target")]
    pub reproduce: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct MutantsArguments {
    /// Only changes whose names match this regular expression, as cargo-mutants has them: `replace .* in
    /// is_met`
    pub name: Option<String>,
    /// Only in this file or folder, such as core/src/jwt; may be given several times
    #[arg(long, value_name = "PATH")]
    pub file: Vec<PathBuf>,
    /// Only one of so many parts: 0/4 to 3/4
    #[arg(long, value_name = "K/N")]
    pub shard: Option<String>,
    /// So many at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: u32,
}

#[derive(clap::Args)]
pub struct DocsArguments {
    /// Write nothing; name the files that aren't what the sources say, and fail where there is one
    #[arg(long)]
    pub check: bool,
}

/// What `bench --scale` lets grow.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Growing {
    Routes,
    Issuers,
    Users,
}

#[derive(clap::Args)]
pub struct ReleaseArguments {
    /// The folder to write into, which must be empty; target/release-artifacts by default, which is emptied
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// The tag of this release: refuse where it isn't that of the version
    #[arg(long)]
    pub tag: Option<String>,
    /// Build the filter once more, in another folder from nothing, and compare
    #[arg(long)]
    pub verify: bool,
    /// Also from sources that aren't committed
    #[arg(long)]
    pub allow_dirty: bool,
}

impl Cli {
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Up(arguments) => up::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
            Command::Fuzz(arguments) => fuzz::run(&arguments),
            Command::Mutants(arguments) => mutants::run(&arguments),
            Command::Docs(arguments) => docs::run(&arguments),
            Command::Lint => lint::run(),
            Command::Release(arguments) => release::run(&arguments),
            Command::Launch { parent, ask, words } => {
                become_program(parent, ask, &words).map(|never| match never {})
            }
        }
    }
}
