//! `cargo xtask fuzz [TARGET] [--seconds N | --reproduce FILE]`. In: the sources, and the seeds in
//! `tests/fuzz/seeds`. Out: progress, then what each target found; exit 1 where a promise was broken, with
//! the input that breaks it and how to run it again.
//!
//! libFuzzer drives the targets: its C++ is built by `libfuzzer-sys`, and the pinned, stable compiler counts
//! what is covered (LLVM's `sancov-module` pass). No sanitizer is needed: what is fuzzed has no unsafe code.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    cli::FuzzArguments,
    progress::Step,
    run::{output, run as build, shown},
    test::tally::Suite,
    tools::debian,
    workspace::Workspace,
};

/// What is fuzzed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// What a client sees of an upstream's answer
    Answers,
    /// What becomes of a request
    Requests,
}

/// What libFuzzer needs the compiler to write. (`cargo fuzz` has the same, and a nightly compiler for its
/// sanitizers.)
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];

/// The longest input: more is written by fragments.
const LONGEST: u32 = 2_048;
/// An input that takes so many seconds is a find, too.
const SLOWEST: u32 = 10;
/// Mebibytes.
const LARGEST: u32 = 2_048;
/// Between two lines of progress.
const PACE: Duration = Duration::from_secs(10);

impl Target {
    const ALL: [Self; 2] = [Self::Answers, Self::Requests];

    fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Requests => "requests",
        }
    }
}

pub fn run(arguments: &FuzzArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let fuzzers = Fuzzers::build(&workspace)?;
    let chosen = arguments.target.map_or_else(|| Target::ALL.to_vec(), |target| vec![target]);
    if let Some(file) = &arguments.reproduce {
        let [target] = chosen.as_slice() else { bail!("--reproduce needs the target whose input it is") };
        return fuzzers.reproduce(*target, file);
    }
    let mut all_good = true;
    for target in chosen {
        all_good &= fuzzers.fuzz(target, arguments.seconds)?;
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All targets for so many seconds each, as suites with their names.
pub fn suites(workspace: &Workspace, seconds: u64) -> Result<Vec<(String, Suite)>> {
    let fuzzers = Fuzzers::build(workspace)?;
    let suite = |target: Target| {
        let passed = u64::from(fuzzers.fuzz(target, seconds)?);
        Ok((format!("fuzz {}", target.name()), Suite { passed, failed: 1 - passed, skipped: 0 }))
    };
    Target::ALL.into_iter().map(suite).collect()
}

/// The targets' programs, and where they keep what they find.
struct Fuzzers {
    root: PathBuf,
    programs: PathBuf,
    kept: PathBuf,
}

impl Fuzzers {
    fn build(workspace: &Workspace) -> Result<Self> {
        debian::require("g++", "g++")?;
        let folder = workspace.target.join("fuzz");
        let host = host(workspace)?;
        let step = Step::begin("fuzz targets", "building");
        let mut command = workspace.cargo();
        // With its target named, only what is fuzzed has these flags, and no build script.
        command.args(["build", "--package=gatewaystack-fuzz", "--profile=fuzz", "--target", &host]);
        command.arg("--target-dir").arg(&folder).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
        build(&mut command)?;
        step.done("built");
        Ok(Self {
            root: workspace.root.clone(),
            programs: folder.join(host).join("fuzz"),
            kept: folder.join("kept"),
        })
    }

    fn command(&self, target: Target) -> Command {
        let mut command = Command::new(self.programs.join(format!("fuzz-{}", target.name())));
        command.current_dir(&self.root).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Whether all promises were kept for so long.
    fn fuzz(&self, target: Target, seconds: u64) -> Result<bool> {
        let name = target.name();
        let corpus = self.kept.join(name);
        fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
        let found = self.kept.join(format!("{name}-"));
        let mut command = self.command(target);
        command.args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={LONGEST}"),
            format!("-timeout={SLOWEST}"),
            format!("-rss_limit_mb={LARGEST}"),
            format!("-artifact_prefix={}", found.display()),
        ]);
        command.arg(&corpus).arg(self.root.join("tests/fuzz/seeds").join(name));
        let step = Step::begin(format!("fuzz {name}"), &format!("for {seconds} s"));
        let mut child = command
            .stderr(Stdio::piped())
            .env("RUST_BACKTRACE", "0")
            .spawn()
            .with_context(|| format!("can't start {}", shown(&command)))?;
        let said = child.stderr.take().map(|said| follow(name, BufReader::new(said))).unwrap_or_default();
        let status = child.wait().with_context(|| format!("can't wait for {}", shown(&command)))?;
        if status.success() {
            step.done(&said.state);
            return Ok(true);
        }
        step.done("a promise is broken");
        print!("{}", said.text);
        match said.input() {
            Some(input) => self.explain(target, Path::new(input))?,
            None => println!("fuzz {name}: ended ({status}), and left no input"),
        }
        Ok(false)
    }

    /// What an input stands for, and how to run it again.
    fn explain(&self, target: Target, input: &Path) -> Result<()> {
        let name = target.name();
        let bytes = fs::read(input).with_context(|| input.display().to_string())?;
        println!("\n{}", short(&self.described(target, input)?));
        println!("\nits bytes, for printf: {}", bytes.escape_ascii().to_string().replace('%', "%%"));
        println!("again: cargo xtask fuzz {name} --reproduce {}", input.display());
        println!(
            "once it is understood: a test that says it in words, and the file among tests/fuzz/seeds/{name}, where each test run reads it"
        );
        Ok(())
    }

    fn described(&self, target: Target, input: &Path) -> Result<String> {
        let mut command = self.command(target);
        let said = command
            .arg(input)
            .env("GATEWAYSTACK_FUZZ_TELLS", "1")
            .env("RUST_BACKTRACE", "0")
            .stderr(Stdio::piped())
            .output()
            .with_context(|| format!("can't start {}", shown(&command)))?;
        Ok(plain(&String::from_utf8_lossy(&said.stderr)))
    }

    /// Runs one input, and says what it stands for.
    fn reproduce(&self, target: Target, file: &Path) -> Result<ExitCode> {
        let input = fs::canonicalize(file).with_context(|| file.display().to_string())?;
        println!("{}", self.described(target, &input)?);
        let status = self.command(target).arg(&input).stderr(Stdio::null()).status()?;
        println!("{}", if status.success() { "all promises are kept" } else { "a promise is broken" });
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What a reader has the patience for.
fn short(text: &str) -> String {
    const MOST: usize = 4_000;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} …", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The triple of this machine.
fn host(workspace: &Workspace) -> Result<String> {
    let said = output(Command::new("rustc").arg("-vV").current_dir(&workspace.root))?;
    let host =
        said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}

/// What a fuzzer said.
#[derive(Default)]
struct Said {
    /// Its last words about coverage.
    state: String,
    /// All else, except for what is always there.
    text: String,
}

impl Said {
    /// The file with the input that broke a promise.
    fn input(&self) -> Option<&str> {
        self.text
            .lines()
            .find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path.trim()))
    }
}

/// Shows a line now and then while a fuzzer speaks.
fn follow(name: &str, lines: impl BufRead) -> Said {
    let mut said = Said::default();
    let mut shown = Instant::now();
    for line in lines.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        match state(&line) {
            Some(state) => {
                said.state = state;
                if shown.elapsed() >= PACE {
                    shown = Instant::now();
                    eprintln!("fuzz {name}: {}", said.state);
                }
            }
            None if line.starts_with("INFO: Seed") => eprintln!("fuzz {name}: {line}"),
            None => said.text += &plain(&line),
        }
    }
    said
}

/// What is said on the way: `#2048 pulse cov: 6955 ft: 19658 corp: 459/63Kb lim: 322 exec/s: 1024 rss: 67Mb`.
fn state(line: &str) -> Option<String> {
    let words: Vec<&str> = line.strip_prefix('#')?.split_whitespace().collect();
    let after = |label: &str| {
        let at = words.iter().position(|word| *word == label)?;
        words.get(at + 1).copied()
    };
    let runs = words.first()?;
    let inputs = after("corp:")?.split('/').next()?;
    Some(format!(
        "{runs} runs, {} places reached, {inputs} inputs kept, {} runs a second",
        after("cov:")?,
        after("exec/s:")?
    ))
}

/// Without what libFuzzer says of itself.
fn plain(text: &str) -> String {
    const NOISE: [&str; 6] =
        ["WARNING: Failed to find function", "INFO:", "NOTE:", "      Combine", "***", "note: run with"];
    let kept =
        text.lines().filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)));
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{follow, state};

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let pulse = "#2048\tpulse  cov: 6955 ft: 19658 corp: 459/63Kb lim: 322 exec/s: 1024 rss: 67Mb";
        let expected = "2048 runs, 6955 places reached, 459 inputs kept, 1024 runs a second";
        assert_eq!(state(pulse).as_deref(), Some(expected));
        assert_eq!(state("INFO: Seed: 1"), None);
        let text = format!(
            "INFO: Loaded\n{pulse}\npanicked at x\nNOTE: y\nartifact_prefix='./'; Test unit written to ./crash-1\n"
        );
        let said = follow("x", text.as_bytes());
        assert_eq!(said.state, expected);
        assert_eq!(said.input(), Some("./crash-1"));
        assert!(said.text.starts_with("panicked"), "{}", said.text);
    }
}
