//! `cargo xtask mutants [NAME] [--file PATH] [--shard K/N] [--jobs N]`. In: what decides in the core, and
//! `docs/mutants.md`. Out: cargo-mutants' own progress, then each change that no test noticed and the
//! document doesn't list, and each of its entries that isn't true any more; exit 1 where there is one.
//!
//! cargo-mutants changes a copy of the tree, one small thing at a time, and runs the core's own tests on it.
//! A change that they don't notice is one that a hand may make, too. It takes hours, so that CI doesn't run
//! it.

mod known;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use self::known::{Known, Mutant};
use crate::{
    cli::MutantsArguments,
    progress::Step,
    run::{output, shown, tee},
    tools::{
        cargo_tool::CargoTool,
        nextest::{self, Runner},
    },
    workspace::Workspace,
};

const TOOL: CargoTool<'static> =
    CargoTool { name: "cargo-mutants", version: "27.1.0", locked: true, minutes: "3" };

/// What decides, below `core/src`: files, and folders with all that is in them. cargo-mutants leaves tests
/// alone.
const DECIDING: [&str; 20] = [
    "response",
    "authenticate.rs",
    "authorize.rs",
    "credential.rs",
    "evaluation.rs",
    "cors.rs",
    "feed.rs",
    "feed",
    "exchange.rs",
    "exchange",
    "identity.rs",
    "jwks",
    "jwt",
    "mcp.rs",
    "mcp",
    "query.rs",
    "rate_limit",
    "route.rs",
    "shadow.rs",
    "token_cache.rs",
];

/// What survives and may.
const DOCUMENT: &str = "docs/mutants.md";

/// Seconds that the tests may take with a mutant: several times what they take on a busy machine. One that
/// takes longer hangs, which is noticed.
const TIMEOUT: u32 = 180;

/// A test that takes most of the time and tells nothing of a small change: a million users.
const SKIPPED: &str = "a_million_users";

pub fn run(arguments: &MutantsArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let files = files(&workspace.root, &arguments.file)?;
    let document = fs::read_to_string(workspace.root.join(DOCUMENT)).context(DOCUMENT)?;
    let known = Known::read(&document).context(DOCUMENT)?;
    let mutants = Mutants::install(&workspace)?;

    // What isn't there any more is found without running anything.
    let all = mutants.list(&self::files(&workspace.root, &[])?)?;
    let mut complaints = known.without_mutant(&all.values().cloned().collect());
    if complaints.is_empty() {
        let Some(outcome) = mutants.test(&all, &files, arguments)? else { return Ok(ExitCode::FAILURE) };
        println!(
            "mutants: {} noticed, {} not ({} of them listed)",
            outcome.noticed.len(),
            outcome.missed.len(),
            outcome.missed.iter().filter(|mutant| known.has(mutant)).count()
        );
        complaints = known.noticed(&outcome.noticed, &outcome.missed);
        complaints.extend(outcome.missed.iter().filter(|mutant| !known.has(mutant)).map(|mutant| {
            format!(
                "no test notices it; a test, or a line of {DOCUMENT} that says why not:\n{}",
                mutant.line()
            )
        }));
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What cargo-mutants is to look at, as its globs: all that decides, or what was asked for of it.
fn files(root: &Path, asked: &[PathBuf]) -> Result<Vec<String>> {
    let deciding = DECIDING.map(|name| Path::new("core/src").join(name));
    let glob = |path: &Path| {
        let named = path.to_str().with_context(|| format!("{} isn't UTF-8", path.display()))?;
        match root.join(path) {
            there if there.is_dir() => Ok(format!("{named}/**")),
            there if there.is_file() => Ok(named.to_owned()),
            _ => bail!("there is no {named}"),
        }
    };
    if asked.is_empty() {
        return deciding.iter().map(|path| glob(path)).collect();
    }
    let within = |path: &PathBuf| {
        let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        if !deciding.iter().any(|deciding| plain.starts_with(deciding)) {
            bail!("{} isn't among what decides in core/src: {}", path.display(), DECIDING.join(", "));
        }
        glob(&plain)
    };
    asked.iter().map(within).collect()
}

/// cargo-mutants, and where it works.
struct Mutants<'a> {
    workspace: &'a Workspace,
    tool: PathBuf,
}

/// What became of mutants.
struct Outcome {
    noticed: BTreeSet<Mutant>,
    missed: BTreeSet<Mutant>,
}

impl<'a> Mutants<'a> {
    fn install(workspace: &'a Workspace) -> Result<Self> {
        Ok(Self { workspace, tool: TOOL.install()? })
    }

    fn command(&self, files: &[String]) -> Command {
        let mut command = self.workspace.cargo();
        nextest::prepend_path(&mut command, &self.tool);
        command.args(["mutants", "--no-config", "--colors=never", "--package=gatewaystack-core"]);
        command.args(files.iter().map(|file| format!("--file={file}")));
        command
    }

    /// All mutants of these files, by cargo-mutants' names.
    fn list(&self, files: &[String]) -> Result<BTreeMap<String, Mutant>> {
        let root = &self.workspace.root;
        let text = |file: &str| fs::read_to_string(root.join(file)).with_context(|| file.to_owned());
        let names = output(self.command(files).arg("--list"))?;
        names.lines().map(|name| Ok((name.to_owned(), Mutant::read(name, text)?))).collect()
    }

    /// `None`: there was nothing to be said of them, for the tests fail without any, or cargo-mutants did.
    fn test(
        &self,
        all: &BTreeMap<String, Mutant>,
        files: &[String],
        arguments: &MutantsArguments,
    ) -> Result<Option<Outcome>> {
        let folder = self.workspace.target.join("mutants");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut command = self.command(files);
        // A test that fails is enough: nextest stops at the first.
        match nextest::runner() {
            Runner::Nextest(tool) => {
                command.arg("--test-tool=nextest");
                tool.iter().for_each(|tool| nextest::prepend_path(&mut command, tool));
            }
            Runner::CargoTest => {
                command.arg("--test-tool=cargo");
            }
        }
        command.arg("--output").arg(&folder);
        command.args([format!("--timeout={TIMEOUT}"), format!("--jobs={}", arguments.jobs)]);
        if arguments.jobs == 1 {
            // What the copies of all runs have in common is built once; where several build at once, each
            // would wait for the others, and the wait is the tests' time.
            let build = folder.join("build");
            let incremental = build.join("debug/incremental");
            if incremental.is_dir() {
                fs::remove_dir_all(&incremental).with_context(|| incremental.display().to_string())?;
            }
            command.env("CARGO_TARGET_DIR", &build);
        } else {
            command.env_remove("CARGO_TARGET_DIR");
        }
        command.args(arguments.shard.iter().map(|shard| format!("--shard={shard}")));
        command.args(arguments.name.iter().map(|name| format!("--re={name}")));
        command.args(["--", "--lib", "--", "--skip", SKIPPED]);
        let step = Step::begin("mutants", "testing");
        let (status, _) = tee(&mut command)?;
        // 2: some were missed; 3: some hang. (cargo-mutants' book, "Exit codes".)
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            step.done("failed");
            eprintln!("error: {} failed ({status})", shown(&command));
            return Ok(None);
        }
        step.done("tested");
        let said = |name: &str| -> Result<BTreeSet<Mutant>> {
            let path = folder.join("mutants.out").join(name);
            let names = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let known =
                |name: &str| all.get(name).cloned().with_context(|| format!("not listed before: {name}"));
            names.lines().map(known).collect()
        };
        let noticed = &said("caught.txt")? | &said("timeout.txt")?;
        let missed = said("missed.txt")?;
        if noticed.is_empty() && missed.is_empty() && said("unviable.txt")?.is_empty() {
            bail!("there is nothing of that name to change");
        }
        Ok(Some(Outcome { noticed, missed }))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::{DECIDING, files};

    #[test]
    fn what_decides_is_looked_at_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in DECIDING {
            let path = root.join("core/src").join(name);
            if name.ends_with(".rs") {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            } else {
                fs::create_dir_all(&path).unwrap();
                fs::write(path.join("x.rs"), "").unwrap();
            }
        }
        let of = |asked: &[&str]| {
            let asked: Vec<PathBuf> = asked.iter().map(PathBuf::from).collect();
            files(root, &asked).map_err(|error| error.to_string())
        };
        let all = of(&[]).unwrap();
        assert_eq!(all.len(), DECIDING.len());
        assert!(all.contains(&"core/src/jwt/**".to_owned()) && all.contains(&"core/src/cors.rs".to_owned()));
        assert_eq!(
            of(&["./core/src/jwt/x.rs", "core/src/mcp"]).unwrap(),
            ["core/src/jwt/x.rs", "core/src/mcp/**"]
        );
        assert_eq!(of(&["core/src/jwt/y.rs"]).unwrap_err(), "there is no core/src/jwt/y.rs");
        assert!(of(&["core/src/reply.rs"]).unwrap_err().contains("isn't among what decides"));
        // What was renamed isn't passed over.
        fs::remove_file(root.join("core/src/cors.rs")).unwrap();
        assert_eq!(of(&[]).unwrap_err(), "there is no core/src/cors.rs");
    }
}
