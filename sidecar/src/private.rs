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
    builder.create(folder)
}

/// Opens a file for writing, and makes it where absent. SQLite gives its side files the same mode.
///
/// # Errors
/// The system's.
pub fn file(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
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
