//! `cargo xtask release`. In: the sources as they are committed. Out: a folder with all that a release
//! consists of, and its checksums; the same bytes from the same commit.
//!
//! | file | what |
//! |---|---|
//! | `gatewaystack-VERSION.wasm` | the filter |
//! | `gatewaystack-VERSION-TARGET.tar.gz` | the program without libraries, the filter, the schema, the units of systemd |
//! | `gatewaystack-VERSION.tgz` | the Helm chart, under the name that Helm gives it |
//! | `gatewaystack-VERSION.schema.json` | the JSON Schema of `gateway.yaml`, for editors; the archive has it, too |
//! | `….cdx.json` | what the filter, and what the program is made of, as CycloneDX |
//! | `SHA256SUMS` | for `sha256sum --check` |

mod archive;
mod bill;
mod checkout;
mod source;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use self::{archive::Archive, bill::Subject, checkout::Checkout, source::Source};
use crate::{
    cli::ReleaseArguments,
    progress::Step,
    run::output,
    tools::{
        helm, musl,
        remap::Remapped,
        wasm::{self, WASI},
    },
    workspace::Workspace,
};

const SUMS: &str = "SHA256SUMS";
/// What goes next to the program and the filter.
const WITH_THEM: [&str; 5] = ["LICENSE", "CHANGELOG.md", ".env.example", SCHEMA, "deploy/systemd"];
/// Of a policy.
const SCHEMA: &str = "envoy/gateway.schema.json";

pub fn run(arguments: &ReleaseArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let source = Source::read(&workspace)?;
    if let Some(tag) = &arguments.tag {
        source.require_tag(tag)?;
    }
    if !arguments.allow_dirty {
        source.require_committed()?;
    }
    let folder = folder(&workspace, arguments.out.as_deref())?;
    let release = Release { workspace: &workspace, source: &source, folder };
    let names = release.make()?;
    if arguments.verify {
        release.verify()?;
    }
    println!("{}", release.folder.display());
    for name in names {
        let size = fs::metadata(release.folder.join(&name))?.len();
        println!("  {name} ({} KiB)", size.div_ceil(1024));
    }
    Ok(ExitCode::SUCCESS)
}

/// For the tests: all of it, whatever isn't committed, and the filter twice.
pub fn check(workspace: &Workspace) -> Result<()> {
    let source = Source::read(workspace)?;
    let release = Release { workspace, source: &source, folder: folder(workspace, None)? };
    release.make()?;
    output(Command::new("sha256sum").args(["--check", "--strict", SUMS]).current_dir(&release.folder))?;
    release.verify()
}

/// An empty folder.
fn folder(workspace: &Workspace, named: Option<&Path>) -> Result<PathBuf> {
    let folder = match named {
        Some(named) => std::path::absolute(named)?,
        None => {
            let ours = workspace.target.join("release-artifacts");
            remove(&ours)?;
            ours
        }
    };
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    if fs::read_dir(&folder)?.next().is_some() {
        bail!("{} isn't empty: checksums would not be those of all that is there", folder.display());
    }
    Ok(folder)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

struct Release<'a> {
    workspace: &'a Workspace,
    source: &'a Source,
    folder: PathBuf,
}

impl Release<'_> {
    /// The names of what was made.
    fn make(&self) -> Result<Vec<String>> {
        let version = &self.source.version;
        let filter = wasm::filter(self.workspace)?;
        let program = musl::programs(self.workspace)?.join("gatewaystack");
        let remapped = Remapped::of(self.workspace)?;
        for built in [&filter, &program] {
            nameless(&remapped, built)?;
        }
        copy(&filter, &self.folder.join(format!("gatewaystack-{version}.wasm")))?;
        let schema = self.folder.join(format!("gatewaystack-{version}.schema.json"));
        copy(&self.workspace.root.join(SCHEMA), &schema)?;
        self.programs(&filter, &program)?;
        self.chart()?;
        self.bills(&hash(&filter)?, &hash(&program)?)?;
        self.sums()
    }

    fn programs(&self, filter: &Path, program: &Path) -> Result<()> {
        let name = format!("gatewaystack-{}-{}", self.source.version, musl::target());
        let archive = Archive::begin(&self.folder, &name)?;
        archive.add(program, "gatewaystack")?;
        archive.add(filter, "gatewaystack.wasm")?;
        for path in WITH_THEM {
            let from = self.workspace.root.join(path);
            let name = Path::new(path).file_name().context("no name")?;
            archive.add(&from, &name.to_string_lossy())?;
        }
        archive.close(&format!("{name}.tar.gz"), self.source.epoch)
    }

    /// As Helm packs it, but without the time at which it did.
    fn chart(&self) -> Result<()> {
        let helm = helm::helm()?;
        let step = Step::begin("chart", "packing");
        let version = &self.source.version;
        let packed = tempfile(&self.workspace.target, "chart")?;
        let mut command = Command::new(helm);
        command.args(["package", "--version", version, "--app-version", version, "--destination"]);
        output(command.arg(&packed).arg(self.workspace.root.join("deploy/helm")))?;
        let name = format!("gatewaystack-{version}.tgz");
        output(Command::new("tar").arg("-xzf").arg(packed.join(&name)).arg("-C").arg(&packed))?;
        let archive = Archive::begin(&self.folder, "gatewaystack")?;
        archive.fill(&packed.join("gatewaystack"))?;
        archive.close(&name, self.source.epoch)?;
        remove(&packed)?;
        step.done(&name);
        Ok(())
    }

    /// Of the filter and of the program, which have these hashes.
    fn bills(&self, filter: &str, program: &str) -> Result<()> {
        let tool = bill::tool()?;
        let step = Step::begin("bills of materials", "writing");
        // The tool writes next to the manifests: not into the reader's tree.
        let checkout = Checkout::make(self.workspace)?;
        let target = musl::target();
        let filter = Subject { package: "filter", target: WASI, hash: filter };
        let program = Subject { package: "sidecar", target: &target, hash: program };
        for (subject, name) in [(filter, "wasm"), (program, target.as_str())] {
            let bill = bill::of(&tool, &checkout, self.source, &subject)?;
            fs::write(
                self.folder.join(format!("gatewaystack-{}-{name}.cdx.json", self.source.version)),
                bill,
            )?;
        }
        step.done("written");
        Ok(())
    }

    /// Of all that is there, by name.
    fn sums(&self) -> Result<Vec<String>> {
        let entries =
            fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = entries.collect::<Result<Vec<_>>>()?;
        names.sort();
        let sums = output(Command::new("sha256sum").args(&names).current_dir(&self.folder))?;
        fs::write(self.folder.join(SUMS), sums)?;
        names.push(SUMS.to_owned());
        Ok(names)
    }

    /// Two builds, the same filter: once more from nothing, from a copy of the sources in another folder.
    fn verify(&self) -> Result<()> {
        let step = Step::begin("filter", "building once more, from nothing in another folder");
        let checkout = Checkout::make(self.workspace)?;
        let again = wasm::build(&checkout.workspace())?;
        let first = self.folder.join(format!("gatewaystack-{}.wasm", self.source.version));
        let [first, again] = [hash(&first)?, hash(&again)?];
        if first != again {
            bail!("two builds, two filters: {first} and, from another folder, {again}");
        }
        step.done(&format!("the same: {first}"));
        Ok(())
    }
}

/// What is built must not depend on where.
fn nameless(remapped: &Remapped, built: &Path) -> Result<()> {
    let file = fs::read(built).with_context(|| format!("no {}", built.display()))?;
    let named = remapped.named_in(&file);
    match named.first() {
        None => Ok(()),
        Some(folder) => bail!("{} names a folder of this machine: {}", built.display(), folder.display()),
    }
}

fn hash(file: &Path) -> Result<String> {
    let line = output(Command::new("sha256sum").arg(file))?;
    Ok(line.split_whitespace().next().context("sha256sum said nothing")?.to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("can't copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// A new folder below `target`, for this process.
fn tempfile(target: &Path, name: &str) -> Result<PathBuf> {
    let folder = target.join("run").join(format!("{}-{name}", std::process::id()));
    remove(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    Ok(folder)
}
