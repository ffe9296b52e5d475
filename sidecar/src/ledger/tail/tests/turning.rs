//! The file of records doesn't grow for ever, and no record is lost for that.

use super::*;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SMALL: Limits = Limits { max_bytes: 1 << 20, ..LIMITS };
/// Over the least size of a file that is turned.
const MANY: u64 = 2_500;

/// Records of one VM, by their numbers.
fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|seq| record(7, seq)).collect()
}

/// An Envoy that opens its file again: whoever appends by the path writes to the new one.
fn envoy(folder: &Path, told: &Arc<AtomicUsize>) -> Reopen {
    let (path, told) = (folder.join("decisions.jsonl"), Arc::clone(told));
    Box::new(move || {
        told.fetch_add(1, Ordering::Relaxed);
        OpenOptions::new().create(true).append(true).open(&path).map(drop).map_err(|e| e.to_string())
    })
}

fn small(folder: &Path, reopen: Reopen) -> Reading {
    Reading::new(Ledger::open(folder, SMALL).unwrap(), reopen)
}

/// Looks as often as it takes to see that nothing is left, a tenth of a second each.
fn look(reading: &mut Reading, now_ms: i64) -> u64 {
    (0..4).map(|at| take(reading, now_ms + at * 100).records).last().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("decisions")).collect();
    names.sort();
    names
}

#[test]
fn a_file_that_has_been_read_makes_room_for_the_next_one() {
    let (folder, told) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
    let mut reading = small(folder.path(), envoy(folder.path(), &told));
    let mut from = 1;
    for round in 1..=4 {
        append(folder.path(), &lines(from..from + MANY));
        from += MANY;
        let now = NOW + round * 20_000;
        take(&mut reading, now);
        assert_eq!(told.load(Ordering::Relaxed), usize::try_from(round).unwrap());
        assert_eq!(files(folder.path()), ["decisions.jsonl", "decisions.jsonl.read"]);
        // A line that comes late is in the old file, and one that is torn there ends there.
        let old = OpenOptions::new().append(true).open(folder.path().join("decisions.jsonl.read"));
        old.unwrap().write_all(lines(from..from + 1).as_bytes()).unwrap();
        append(folder.path(), &lines(from + 1..from + 2));
        from += 2;
        assert_eq!(look(&mut reading, now + 100), from - 1);
        assert_eq!(files(folder.path()), ["decisions.jsonl"], "all of it is in the ledger");
    }
    assert_eq!(rows(folder.path(), "SELECT count(*), 0, 0 FROM gap"), [(0, 0, 0)]);
    assert_eq!(missing(folder.path()), []);
}

#[test]
fn where_envoy_cannot_be_told_the_disk_gets_back_what_has_been_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut reading = small(folder.path(), nobody());
    // As Envoy holds it.
    let path = folder.path().join("decisions.jsonl");
    let mut open = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut from = 1;
    for round in 1..=3 {
        open.write_all(lines(from..from + MANY).as_bytes()).unwrap();
        from += MANY;
        assert_eq!(take(&mut reading, NOW + round * 20_000).records, from - 1);
        take(&mut reading, NOW + round * 20_000 + 10_000);
        assert_eq!(files(folder.path()), ["decisions.jsonl"]);
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt as _;
            let there = fs::metadata(&path).unwrap();
            assert!(
                there.len() > 256 * 1024 && there.blocks() * 512 < 64 * 1024,
                "{} blocks",
                there.blocks()
            );
        }
    }
    // Another process goes on where this one was.
    drop(reading);
    open.write_all(lines(from..from + 3).as_bytes()).unwrap();
    let mut reading = small(folder.path(), nobody());
    assert_eq!(take(&mut reading, NOW + 90_000).records, from + 2);
}

/// The process ends after the file has its other name, and before Envoy was told.
#[test]
fn an_end_in_the_middle_of_a_turn_loses_nothing() {
    for is_told in [true, false] {
        let (folder, told) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
        append(folder.path(), &lines(1..MANY));
        let mut reading = small(folder.path(), nobody());
        take(&mut reading, NOW);
        drop(reading);
        let path = folder.path().join("decisions.jsonl");
        let old = folder.path().join("decisions.jsonl.read");
        let mut open = OpenOptions::new().append(true).open(&path).unwrap();
        fs::rename(&path, &old).unwrap();
        open.write_all(lines(MANY..MANY + 5).as_bytes()).unwrap();
        if is_told {
            append(folder.path(), &lines(MANY + 5..MANY + 6));
        }
        let mut reading = small(folder.path(), envoy(folder.path(), &told));
        take(&mut reading, NOW + 60_000);
        if !is_told {
            assert_eq!(told.load(Ordering::Relaxed), 1, "it is told now");
            append(folder.path(), &lines(MANY + 5..MANY + 6));
        }
        assert_eq!(look(&mut reading, NOW + 60_100), MANY + 5);
        assert_eq!(files(folder.path()), ["decisions.jsonl"]);
    }
}

/// The answer was lost on its way.
#[test]
fn an_envoy_that_was_told_after_all_keeps_its_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let late = path.clone();
    let reopen: Reopen = Box::new(move || {
        fs::write(&late, lines(MANY..MANY + 2)).unwrap();
        Err("no answer in time".to_owned())
    });
    append(folder.path(), &lines(1..MANY));
    let mut reading = small(folder.path(), reopen);
    take(&mut reading, NOW);
    assert_eq!(look(&mut reading, NOW + 100), MANY + 1);
    assert_eq!(files(folder.path()), ["decisions.jsonl"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(MANY..MANY + 2));
}

/// The process ended while the file had both names.
#[test]
fn a_file_with_both_names_has_one_again() {
    let (folder, told) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
    append(folder.path(), &lines(1..9));
    fs::hard_link(folder.path().join("decisions.jsonl"), folder.path().join("decisions.jsonl.read")).unwrap();
    let mut reading = small(folder.path(), envoy(folder.path(), &told));
    assert_eq!(look(&mut reading, NOW), 8);
    assert_eq!((files(folder.path()), told.load(Ordering::Relaxed)), (vec!["decisions.jsonl".to_owned()], 0));
}

/// What isn't on the disk yet is still in the file, when the machine stops.
#[test]
fn nothing_is_deleted_before_what_was_read_is_on_the_disk() {
    use crate::ledger::follow::{Place, identity_of};
    use crate::ledger::turn::Turn;
    for is_told in [true, false] {
        let (folder, told) = (tempfile::tempdir().unwrap(), Arc::new(AtomicUsize::new(0)));
        append(folder.path(), &lines(1..MANY));
        let path = folder.path().join("decisions.jsonl");
        let (device, inode) = identity_of(&path).unwrap().unwrap();
        let place = Place { device, inode, offset: 300 * 1024, head: Vec::new() };
        let mut turn = Turn::new(path.clone(), if is_told { envoy(folder.path(), &told) } else { nobody() });
        let mut step = |place: &Place, now_ms: i64| {
            let disk_is_full = &mut || Err(std::io::Error::other("the disk is full"));
            turn.step(place, SMALL.max_bytes, now_ms, disk_is_full)
        };
        if is_told {
            step(&place, NOW).unwrap();
            let (device, inode) = identity_of(&path).unwrap().unwrap();
            assert!(step(&Place { device, inode, offset: 5, head: Vec::new() }, NOW).is_err());
            assert_eq!(files(folder.path()), ["decisions.jsonl", "decisions.jsonl.read"]);
        } else {
            assert!(step(&place, NOW).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), lines(1..MANY));
        }
    }
}
