//! Folders and files that their owner alone can read, from the moment that they are made.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

/// Makes a folder, and those around it, where absent.
///
/// # Errors
/// The system's.
pub fn folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let new: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    builder.create(folder)?;
    // The outermost first.
    new.into_iter().rev().for_each(adopt);
    Ok(())
}

/// Gives what root has made to the owner of the folder around it: an operator's command as root must not take
/// from the sidecar what is the sidecar's. A root that may not give anything away keeps it.
#[cfg(target_os = "linux")]
fn adopt(path: &Path) {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let Some(around) = path.parent().filter(|_| rustix::process::geteuid().is_root()) else { return };
    let around = if around.as_os_str().is_empty() { Path::new(".") } else { around };
    if let Ok(owner) = std::fs::metadata(around) {
        drop(chown(path, Some(owner.uid()), Some(owner.gid())));
    }
}

#[cfg(not(target_os = "linux"))]
fn adopt(_: &Path) {}

/// Opens a file for writing, and makes it where absent. SQLite gives its side files the same mode.
///
/// # Errors
/// The system's.
pub fn file(file: &Path) -> std::io::Result<File> {
    let is_new = !file.exists();
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    if is_new {
        adopt(file);
    }
    Ok(opened)
}

/// Makes a file of a database where it is absent. One that is there isn't touched: a process that closes a
/// file gives up all locks that it has on it (POSIX), and others would take the database for one that nobody
/// has open.
///
/// # Errors
/// The system's.
pub fn database(path: &Path) -> std::io::Result<()> {
    if path.exists() { Ok(()) } else { file(path).map(drop) }
}
