//! Records as they come (`gatewaystack tail`).

use super::*;
use crate::ledger::condition;

/// What is told, while `more` brings something each time that there is nothing.
fn followed(folder: &Path, search: &Search, form: Form, mut more: Vec<String>) -> String {
    let db = Home::from(folder).open(Use::Search).unwrap();
    condition::prepare(&db).unwrap();
    let mut reading = Reading::new(Ledger::open(folder, LIMITS).unwrap(), nobody());
    let mut out = Vec::new();
    more.reverse();
    search::follow(&db, search, form, &mut out, &mut || {
        let Some(text) = more.pop() else { return false };
        append(folder, &text);
        take(&mut reading, NOW);
        true
    })
    .unwrap();
    String::from_utf8(out).unwrap()
}

fn before(folder: &Path, text: &str) {
    append(folder, text);
    let mut reading = reading(folder);
    take(&mut reading, NOW);
}

fn told(text: &str) -> Vec<u64> {
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn what_comes_is_told_once_and_what_was_there_only_where_it_is_asked_for() {
    for (since_us, expect) in [(None, vec![3, 4, 5, 6]), (Some(0), vec![1, 2, 3, 4, 5, 6])] {
        let folder = tempfile::tempdir().unwrap();
        before(folder.path(), &(record(1, 1) + &record(1, 2)));
        let search = Search { since_us, ..Search::default() };
        let more = vec![record(1, 3) + &record(1, 4), String::new(), record(1, 5), record(1, 6)];
        assert_eq!(told(&followed(folder.path(), &search, Form::Json, more)), expect);
    }
    let folder = tempfile::tempdir().unwrap();
    before(folder.path(), &record(1, 1));
    let lines = followed(folder.path(), &Search::default(), Form::People, vec![record(1, 2), record(1, 3)]);
    assert_eq!(lines.lines().count(), 3, "a head, and a line for each: {lines}");
}

#[test]
fn only_what_matches_is_told_and_only_so_many() {
    let folder = tempfile::tempdir().unwrap();
    before(folder.path(), &record(1, 1));
    let condition = Some(condition::read("{seq: {min: 3}}").unwrap());
    let search = Search { condition, limit: Some(2), ..Search::default() };
    let more = (2..9).map(|seq| record(1, seq)).collect();
    assert_eq!(told(&followed(folder.path(), &search, Form::Json, more)), [3, 4]);
}

/// All records were too old: no id is given twice.
#[test]
fn a_ledger_that_was_emptied_is_followed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    before(folder.path(), &(1..6).map(|seq| record(1, seq)).collect::<String>());
    let db = Home::from(folder.path()).open(Use::Desk).unwrap();
    let mut reading = Reading::new(Ledger::open(folder.path(), LIMITS).unwrap(), nobody());
    let mut out = Vec::new();
    let mut step = 0;
    search::follow(&db, &Search::default(), Form::Json, &mut out, &mut || {
        step += 1;
        let other = Home::from(folder.path()).open(Use::Desk).unwrap();
        other.execute("DELETE FROM record", &[]).unwrap();
        append(folder.path(), &record(1, 5 + step));
        take(&mut reading, NOW);
        step < 3
    })
    .unwrap();
    assert_eq!(told(std::str::from_utf8(&out).unwrap()), [6, 7]);
}
