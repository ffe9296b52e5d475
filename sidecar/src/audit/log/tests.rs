//! A log on the disk: what it is made of, and that it goes on from where it was signed last.

use super::super::hash::of_leaf;
use super::super::hash::{includes, is_consistent};
use super::super::tile::{self, Tile};
use super::{Log, folder, key, new_key, newest, put_key};
use crate::ledger::Home;
use std::path::Path;

const ORIGIN: &str = "gateway.example.com/audit";

fn leaf(n: u64) -> Vec<u8> {
    format!("leaf {n} {}", "x".repeat((n % 50) as usize)).into_bytes()
}

fn grow(log: &mut Log, to: u64) {
    let before = log.covered().unwrap_or(0);
    for n in log.size()..to {
        log.push(&leaf(n)).unwrap();
    }
    log.publish(|_, _, _| String::new()).unwrap();
    log.tidy(before).unwrap();
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in next.read_dir().unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_key_that_was_made_for_several_gives_a_log_its_name() {
    let data = tempfile::tempdir().unwrap();
    let made = new_key("gateway.example.com/ours").unwrap();
    put_key(&Home::from(data.path()), &made).unwrap();
    let log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    assert_eq!(log.verifier(), made.verifier());
    assert_ne!(new_key(ORIGIN).unwrap().secret(), new_key(ORIGIN).unwrap().secret());
    for name in ["", "two words", "a+b"] {
        assert!(new_key(name).is_err_and(|why| why.contains("can't be a key's name")), "{name}");
    }
}

#[test]
fn a_log_grows_and_has_the_files_of_the_specification_alone() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    for size in [1, 3, 256, 300] {
        grow(&mut log, size);
    }
    // Partial tiles of 1 and 3 leaves have gone with the full one.
    let expect = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ];
    assert_eq!(files(&folder(data.path())), expect);
    let (signer, mut store, _, checkpoint) = newest(&Home::from(data.path())).unwrap();
    assert_eq!(
        (signer.verifier().name.as_str(), checkpoint.size, checkpoint.root),
        (ORIGIN, 300, log.root())
    );
    let proof = tile::inclusion(&mut store, 270, 300).unwrap();
    assert!(includes(270, 300, &of_leaf(&leaf(270)), &proof, &checkpoint.root));
    assert_eq!(store.leaf(270, 300).unwrap(), leaf(270));
    assert_eq!(store.leaf(0, 300).unwrap(), leaf(0));
    drop(log);
    // Nobody else may read them.
    #[cfg(unix)]
    for (path, mode) in
        [("audit", 0o700), ("audit/checkpoint", 0o600), ("audit/tile/0/000", 0o600), ("audit.key", 0o600)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(data.path().join(path).metadata().unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    assert_eq!(
        Log::open(&Home::from(data.path()), "another/audit", 0).unwrap().unwrap().verifier().name,
        ORIGIN,
        "the key has the name"
    );
}

/// Wherever a process ends, the log goes on from its checkpoint, and each one is a beginning of later ones.
#[test]
fn what_no_checkpoint_covers_is_cut_and_comes_again() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    let mut before = Vec::new();
    let mut rest = 7u64;
    while log.size() < 1_500 {
        rest = rest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        grow(&mut log, (before.last().map_or(0, |(size, _)| *size)) + 1 + rest % 211);
        before.push((log.size(), log.root()));
        // It goes on, writes tiles, and ends before its checkpoint.
        for n in 0..rest % 700 {
            log.push(format!("never covered {n}").as_bytes()).unwrap();
        }
        if rest.is_multiple_of(3) {
            for written in log.edge.partial() {
                log.write(&written).unwrap();
            }
        }
        let covered = log.covered().unwrap();
        drop(log);
        log = Log::open(&Home::from(data.path()), ORIGIN, covered).unwrap().unwrap();
        assert_eq!((log.size(), log.root()), *before.last().unwrap());
    }
    let mut store = log.store().clone_for_reading().unwrap();
    let (size, root) = *before.last().unwrap();
    for (old, old_root) in &before {
        let proof = tile::consistency(&mut store, *old, size).unwrap();
        assert!(is_consistent(*old, old_root, size, &root, &proof), "{old}");
    }
    for path in files(&folder(data.path())).iter().filter(|path| *path != "checkpoint") {
        let tile = Tile::at(path).unwrap_or_else(|| panic!("{path}"));
        let end = tile.index * tile::span(tile.level.unwrap_or(0)) * 256
            + tile.width * tile::span(tile.level.unwrap_or(0));
        assert!(end <= size, "{path} is behind {size}");
    }
}

#[test]
fn a_log_that_doesnt_fit_is_not_gone_on_with() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    grow(&mut log, 300);
    drop(log);
    let open = || Log::open(&Home::from(data.path()), ORIGIN, 300).map(|log| log.unwrap().size());
    assert_eq!(open(), Ok(300));
    let audit = folder(data.path());
    for path in ["checkpoint", "tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        let file = audit.join(path);
        let whole = std::fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            assert!(open().is_err(), "{path} at {at}");
        }
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(open().is_err(), "{path} cut");
        std::fs::remove_file(&file).unwrap();
        assert!(open().is_err(), "{path} gone");
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(open(), Ok(300));
    let secret = std::fs::read(data.path().join("audit.key")).unwrap();
    std::fs::remove_file(data.path().join("audit.key")).unwrap();
    assert!(open().unwrap_err().contains("put it back"));
    assert!(key(&Home::from(data.path())).unwrap().is_none(), "no new key is made");
    std::fs::write(data.path().join("audit.key"), secret).unwrap();
    std::fs::remove_dir_all(&audit).unwrap();
    assert!(open().unwrap_err().contains("put back"));
    assert_eq!(Log::open(&Home::from(data.path()), ORIGIN, 0).map(|log| log.unwrap().size()), Ok(0));
}

/// What is taken away of the beginning leaves proofs of all that stays.
#[test]
fn a_log_without_its_beginning_still_proves_the_rest() {
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    grow(&mut log, 70_000);
    log.prune(66_048).unwrap();
    let there = files(&folder(data.path()));
    assert!(
        !there.iter().any(|path| path == "tile/entries/257" || path == "tile/0/255" || path == "tile/1/000")
    );
    assert!(
        there.iter().any(|path| path == "tile/entries/258")
            && there.iter().any(|path| path == "tile/2/000.p/1")
    );
    drop(log);
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 70_000).unwrap().unwrap();
    assert_eq!(log.first(), 66_048);
    let mut store = log.store().clone_for_reading().unwrap();
    for index in [66_048, 69_999] {
        let proof = tile::inclusion(&mut store, index, 70_000).unwrap();
        assert!(includes(index, 70_000, &of_leaf(&leaf(index)), &proof, &log.root()));
    }
    let old = tile::root(&mut tile::Smaller { tiles: &mut store, size: 70_000 }, 66_100).unwrap();
    let proof = tile::consistency(&mut store, 66_100, 70_000).unwrap();
    assert!(is_consistent(66_100, &old, 70_000, &log.root(), &proof));
    grow(&mut log, 70_300);
}

/// What is on the disk for the checkpoint that holds isn't touched while the next one is made.
#[test]
#[cfg(unix)]
fn what_a_checkpoint_covers_is_not_written_again() {
    use std::os::unix::fs::MetadataExt as _;
    let data = tempfile::tempdir().unwrap();
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 0).unwrap().unwrap();
    grow(&mut log, 66_000);
    let audit = folder(data.path());
    let stamp = |path: &str| {
        let there = audit.join(path).metadata().unwrap();
        (there.ino(), there.mtime(), there.mtime_nsec(), there.ctime_nsec())
    };
    let all: Vec<String> = files(&audit).into_iter().filter(|path| path != "checkpoint").collect();
    let before: Vec<_> = all.iter().map(|path| stamp(path)).collect();
    drop(log);
    let mut log = Log::open(&Home::from(data.path()), ORIGIN, 66_000).unwrap().unwrap();
    for n in 66_000..66_010 {
        log.push(&leaf(n)).unwrap();
        log.publish(|_, _, _| String::new()).unwrap();
    }
    assert_eq!(all.iter().map(|path| stamp(path)).collect::<Vec<_>>(), before);
}
