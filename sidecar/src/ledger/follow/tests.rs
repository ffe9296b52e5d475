//! The file of records: torn, replaced, truncated, and lines without end.

use super::{Follower, LONGEST, Place, end_torn_line};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    (folder, path)
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn following(path: &Path, place: Option<Place>) -> Follower {
    Follower::new(path.to_owned(), place, 1024 * 1024).unwrap()
}

/// All lines that there are now, how many were ignored, and where to go on.
fn all(follower: &mut Follower) -> (Vec<String>, u64, Place) {
    let (mut lines, mut ignored) = (Vec::new(), 0);
    loop {
        let more = follower.fill().unwrap();
        let taken = follower.piece().unwrap().map(|piece| {
            lines.extend(piece.lines.iter().map(|(_, line)| String::from_utf8_lossy(line).into_owned()));
            ignored += piece.ignored;
            (piece.place, piece.length)
        });
        match taken {
            Some((place, length)) => follower.taken(place, length),
            None if more || follower.moves_on().unwrap() => {}
            None => return (lines, ignored, follower.place.clone()),
        }
    }
}

fn lines(follower: &mut Follower) -> Vec<String> {
    all(follower).0
}

#[test]
fn a_torn_line_waits_for_its_rest_at_every_byte() {
    let (_folder, path) = folder();
    let mut follower = following(&path, None);
    assert!(lines(&mut follower).is_empty(), "there is no file yet");
    let text = "{\"a\":\"ü\"}\n\n{\"b\":1}\n";
    let mut seen = Vec::new();
    for byte in text.as_bytes() {
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(&[*byte]).unwrap();
        seen.extend(lines(&mut follower));
    }
    assert_eq!(seen, ["{\"a\":\"ü\"}", "{\"b\":1}"]);
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let (_folder, path) = folder();
    append(&path, "one\ntwo\nthr");
    let (seen, _, place) = all(&mut following(&path, None));
    assert_eq!((seen, place.offset), (vec!["one".to_owned(), "two".to_owned()], 8));
    append(&path, "ee\n");
    assert_eq!(lines(&mut following(&path, Some(place))), ["three"]);
}

#[test]
fn a_file_that_was_moved_is_read_to_its_end_and_then_the_new_one() {
    let (folder, path) = folder();
    append(&path, "one\n");
    let mut follower = following(&path, None);
    let (_, _, place) = all(&mut follower);
    let moved = folder.path().join("decisions.jsonl.1");
    std::fs::rename(&path, &moved).unwrap();
    append(&moved, "two\n");
    assert_eq!(lines(&mut follower), ["two"]);
    append(&path, "");
    append(&moved, "three\ntor");
    assert_eq!(lines(&mut follower), ["three"], "nobody has written to the new one");
    append(&moved, "n\n");
    append(&path, "four\n");
    assert_eq!(lines(&mut follower), ["torn", "four"]);
    // Who wasn't there meanwhile finds the old one, too.
    assert_eq!(lines(&mut following(&path, Some(place.clone()))), ["two", "three", "torn", "four"]);
    std::fs::remove_file(moved).unwrap();
    assert_eq!(lines(&mut following(&path, Some(place))), ["four"]);
}

#[test]
fn a_line_whose_end_never_came_is_counted() {
    let (folder, path) = folder();
    append(&path, "one\ntor");
    let mut follower = following(&path, None);
    assert_eq!(all(&mut follower).1, 0);
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    append(&path, "two\n");
    let (seen, ignored, _) = all(&mut follower);
    assert_eq!((seen, ignored), (vec!["two".to_owned()], 1));
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let (_folder, path) = folder();
    append(&path, "one\ntwo\n");
    let mut follower = following(&path, None);
    let (_, _, place) = all(&mut follower);
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    append(&path, "1\n");
    assert_eq!(lines(&mut follower), ["1"]);
    // Shorter or longer, another beginning is another file.
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    append(&path, "three\nfour\nfive\n");
    assert_eq!(lines(&mut follower), ["three", "four", "five"]);
    assert_eq!(lines(&mut following(&path, Some(place))), ["three", "four", "five"]);
}

#[test]
fn a_line_without_end_is_skipped_and_counted_once() {
    let (_folder, path) = folder();
    append(&path, "one\n");
    let mut follower = following(&path, None);
    assert_eq!(lines(&mut follower), ["one"]);
    for _ in 0..5 {
        append(&path, &"x".repeat(LONGEST));
        let (seen, ignored, place) = all(&mut follower);
        assert_eq!((seen.len(), ignored, place.offset), (0, 0, 4));
        assert!(follower.buffer.capacity() < 8 * LONGEST, "{}", follower.buffer.capacity());
    }
    append(&path, "\ntwo\n");
    let (seen, ignored, place) = all(&mut follower);
    assert_eq!((seen, ignored), (vec!["two".to_owned()], 1));
    assert_eq!(place.offset, std::fs::metadata(&path).unwrap().len());
    append(&path, &format!("{}\nthree\n", "y".repeat(LONGEST + 1)));
    let (seen, ignored, _) = all(&mut follower);
    assert_eq!((seen, ignored), (vec!["three".to_owned()], 1));
}

#[test]
fn many_short_lines_fill_no_memory() {
    let (_folder, path) = folder();
    append(&path, &"x\n".repeat(3_000_000));
    let mut follower = following(&path, None);
    assert_eq!(lines(&mut follower).len(), 3_000_000);
    assert!(follower.buffer.capacity() <= 4 * 1024 * 1024, "{}", follower.buffer.capacity());
}

#[test]
fn whoever_starts_the_writer_again_ends_its_last_line() {
    let (_folder, path) = folder();
    end_torn_line(&path).unwrap();
    assert!(!path.exists());
    for (before, after) in [("", ""), ("a\n", "a\n"), ("a\nb", "a\nb\n")] {
        std::fs::write(&path, before).unwrap();
        end_torn_line(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
    }
}
