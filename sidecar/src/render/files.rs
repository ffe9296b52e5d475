//! A bootstrap in, files in a folder out. What holds a secret is for its owner alone.

use super::rendered::Rendered;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Envoy's bootstrap.
pub const BOOTSTRAP: &str = "envoy.yaml";
/// The sidecar's secret.
pub const SECRET: &str = "sidecar-secret";

/// Writes `envoy.yaml`, `policy.json` and `sidecar-secret` into `folder`, and makes the folder of the
/// decision records.
///
/// # Errors
/// What can't be written.
pub fn write(rendered: &Rendered, folder: &Path) -> Result<(), String> {
    make(folder)?;
    make(&rendered.data_dir)?;
    let policy = serde_json::to_string_pretty(&rendered.policy_json).map_err(|e| e.to_string())?;
    for (name, content) in
        [(BOOTSTRAP, &rendered.envoy_yaml), ("policy.json", &policy), (SECRET, &rendered.secret)]
    {
        private(&folder.join(name), content.as_bytes())?;
    }
    Ok(())
}

/// Puts a copy of the filter into `folder`, for an Envoy that sees that folder alone, and gives its path.
///
/// # Errors
/// What can't be read or written.
pub fn copy_filter(wasm: &Path, folder: &Path) -> Result<PathBuf, String> {
    make(folder)?;
    let filter = std::fs::read(wasm).map_err(|e| format!("can't read {}: {e}", wasm.display()))?;
    let copy = folder.join("gatewaystack.wasm");
    private(&copy, &filter)?;
    Ok(copy)
}

/// The secret that an earlier [`write`] left in `folder`: parts that run already hold it.
pub fn kept_secret(folder: &Path) -> Option<String> {
    let secret = std::fs::read_to_string(folder.join(SECRET)).ok()?;
    (secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit())).then_some(secret)
}

/// A folder for its owner alone.
pub fn make(folder: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| format!("can't make {}: {e}", folder.display()))
}

/// Written next to it and moved into place: a reader never sees half a file, and the file's mode is ours from
/// its beginning.
pub fn private(file: &Path, content: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("can't write {}: {e}", file.display());
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&beside).map_err(failed)?;
    out.write_all(content).and_then(|()| out.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}

/// The path from the root, whether or not it leads to something.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
