//! Whatever is changed in a log is found, and named.

use super::super::log::{Log, folder, key};
use super::super::store::Store;
use super::super::tile::Tile;
use super::{Also, Found, verify};
use crate::ledger::Home;
use std::path::{Path, PathBuf};

fn grown(data: &Path, sizes: &[u64]) -> Log {
    let mut log = Log::open(&Home::from(data), "gateway.example.com/audit", 0).unwrap().unwrap();
    for size in sizes {
        let before = log.covered().unwrap_or(0);
        for n in log.size()..*size {
            let leaf = if n == 800 {
                r#"{"kind":"retention","minimum":512}"#.to_owned()
            } else {
                format!(r#"{{"kind":"record","seq":{n}}}"#)
            };
            log.push(leaf.as_bytes()).unwrap();
        }
        log.publish(|_, _, _| String::new()).unwrap();
        log.tidy(before).unwrap();
    }
    log
}

fn checked(data: &Path, since: Option<&str>) -> Result<Found, String> {
    let key = key(&Home::from(data)).unwrap().unwrap();
    let also = Also { since: since.map(str::to_owned), ..Also::default() };
    verify(&mut Store::folder(&folder(data)), key.verifier(), &also, &mut |_, _| ())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

/// Every byte of every file counts, whichever way it is changed.
#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let data = tempfile::tempdir().unwrap();
    drop(grown(data.path(), &[1, 40, 256, 300, 555, 700]));
    let found = checked(data.path(), None).unwrap();
    assert_eq!(
        (found.checkpoint.size, found.first, found.uncovered, found.kinds["record"]),
        (700, 0, 0, 700)
    );
    let mut random = 11u64;
    let mut next = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most
    };
    let all = files(&folder(data.path()));
    assert!(all.len() >= 9, "{all:?}");
    for round in 0..300 {
        let file = &all[if round < 20 { round % all.len() } else { next(all.len()) }];
        let whole = std::fs::read(file).unwrap();
        let at = next(whole.len());
        let mut changed = whole.clone();
        changed[at] ^= 1 << next(8);
        std::fs::write(file, &changed).unwrap();
        let misfit = checked(data.path(), None).unwrap_err();
        let name = file.strip_prefix(folder(data.path())).unwrap().display().to_string();
        assert!(misfit.starts_with(&name), "{name} at {at}: {misfit}");
        // A hash is compared byte by byte, of a leaf it is known which one.
        if let Some(Tile { level: Some(_), .. }) = Tile::at(&name) {
            assert!(misfit.starts_with(&format!("{name}: byte {at}: ")), "{name} at {at}: {misfit}");
        }
        std::fs::write(file, &whole).unwrap();
    }
    checked(data.path(), None).unwrap();
}

#[test]
fn bytes_more_and_less_and_files_more_and_less_are_found() {
    let data = tempfile::tempdir().unwrap();
    drop(grown(data.path(), &[300, 700]));
    let all = files(&folder(data.path()));
    for file in &all {
        let whole = std::fs::read(file).unwrap();
        for changed in [
            &whole[..whole.len() - 1],
            &[whole.as_slice(), b"x"].concat(),
            &[whole.as_slice(), &whole].concat(),
            b"",
        ] {
            std::fs::write(file, changed).unwrap();
            let misfit = checked(data.path(), None).unwrap_err();
            let name = file.strip_prefix(folder(data.path())).unwrap().display().to_string();
            assert!(misfit.contains(&name), "{name}: {misfit}");
        }
        std::fs::write(file, &whole).unwrap();
    }
    for name in ["notes.txt", "tile/0/readme", "tile/0/000.p/0"] {
        let file = folder(data.path()).join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "x").unwrap();
        assert!(checked(data.path(), None).unwrap_err().contains("no such file is in a log"), "{name}");
        std::fs::remove_file(&file).unwrap();
    }
    // What no checkpoint covers yet says nothing.
    std::fs::write(folder(data.path()).join("tile/entries/003"), "x").unwrap();
    assert_eq!(checked(data.path(), None).unwrap().uncovered, 1);
    for name in ["tile/entries/000", "tile/entries/001", "tile/0/000", "tile/1/000.p/2"] {
        let file = folder(data.path()).join(name);
        let whole = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(checked(data.path(), None).unwrap_err().contains("isn't there"), "{name}");
        std::fs::write(&file, whole).unwrap();
    }
}

#[test]
fn two_leaves_that_change_places_are_found() {
    let data = tempfile::tempdir().unwrap();
    drop(grown(data.path(), &[20]));
    let file = folder(data.path()).join("tile/entries/000.p/20");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("\"seq\":11}", "\"seq\":XX}")
            .replace("\"seq\":12}", "\"seq\":11}")
            .replace("\"seq\":XX}", "\"seq\":12}"),
    )
    .unwrap();
    let misfit = checked(data.path(), None).unwrap_err();
    assert!(misfit.contains("leaf 11"), "{misfit}");
}

#[test]
fn a_log_is_the_continuation_of_its_earlier_checkpoints_and_of_no_other() {
    let data = tempfile::tempdir().unwrap();
    let checkpoint = || std::fs::read_to_string(folder(data.path()).join("checkpoint")).unwrap();
    drop(grown(data.path(), &[255]));
    let old = checkpoint();
    drop(grown_on(data.path(), 255, 600));
    checked(data.path(), Some(&old)).unwrap();
    let newest = checkpoint();
    checked(data.path(), Some(&newest)).unwrap();
    // Another history under the same key.
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(data.path().join("audit.key"), other.path().join("audit.key")).unwrap();
    let mut log = Log::open(&Home::from(other.path()), "x", 0).unwrap().unwrap();
    (0..700).for_each(|n| log.push(format!("{n}").as_bytes()).unwrap());
    log.publish(|_, _, _| String::new()).unwrap();
    let theirs = std::fs::read_to_string(folder(other.path()).join("checkpoint")).unwrap();
    assert!(checked(other.path(), Some(&old)).unwrap_err().contains("another one"));
    assert!(
        checked(data.path(), Some(&theirs)).unwrap_err().contains("600 leaves"),
        "a log that became shorter"
    );
    assert!(checked(data.path(), Some("x")).unwrap_err().starts_with("--since"));
}

fn grown_on(data: &Path, from: u64, to: u64) -> Log {
    let mut log = Log::open(&Home::from(data), "", from).unwrap().unwrap();
    (from..to).for_each(|n| log.push(format!(r#"{{"kind":"record","seq":{n}}}"#).as_bytes()).unwrap());
    log.publish(|_, _, _| String::new()).unwrap();
    log
}

/// A beginning may be gone where a leaf says so, and no further.
#[test]
fn what_isnt_kept_has_to_be_said_by_a_leaf() {
    let data = tempfile::tempdir().unwrap();
    let mut log = grown(data.path(), &[300, 900]);
    log.prune(512).unwrap();
    let found = checked(data.path(), None).unwrap();
    assert_eq!((found.first, found.kinds["record"]), (512, 387));
    for file in files(&folder(data.path())) {
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        changed[0] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        assert!(checked(data.path(), None).is_err(), "{}", file.display());
        std::fs::write(&file, &whole).unwrap();
    }
    std::fs::remove_file(folder(data.path()).join("tile/entries/002")).unwrap();
    std::fs::remove_file(folder(data.path()).join("tile/0/002")).unwrap();
    let misfit = checked(data.path(), None).unwrap_err();
    assert!(misfit.starts_with("tile/entries/002: it isn't there"), "{misfit}");
    let other = tempfile::tempdir().unwrap();
    let mut log = grown(other.path(), &[500]);
    log.prune(256).unwrap();
    let misfit = checked(other.path(), None).unwrap_err();
    assert!(misfit.starts_with("tile/entries/000: it isn't there"), "{misfit}");
}
