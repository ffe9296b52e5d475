//! What the system says of the database while it is open.

use super::{Use, file, open};
use std::os::unix::fs::MetadataExt as _;

/// Whoever closes the last connection of a process that holds no lock takes the journal away from all.
#[test]
fn a_process_keeps_its_lock_whatever_it_opens_and_closes() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), Use::Ingest).unwrap();
    drop(open(folder.path(), Use::Desk).unwrap());
    let _second = open(folder.path(), Use::Search).unwrap();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let (process, inode) = (std::process::id(), file(folder.path()).metadata().unwrap().ino());
    let is_ours =
        |line: &&str| line.contains(&format!(" {process} ")) && line.contains(&format!(":{inode} "));
    assert!(locks.lines().any(|line| is_ours(&line)), "{locks}");
    drop(first);
}
