//! Lines in, columns and the rest out.

use super::{Cell, Line, vm};
use crate::ledger::member::{self, MEMBERS};
use std::borrow::Cow;

/// The columns that a line fills, and the rest.
fn read(line: &str) -> Option<(Vec<(&'static str, String)>, String)> {
    let line = Line::parse(line.as_bytes())?;
    let shown = |cell: &Cell<'_>| match cell {
        Cell::Absent => None,
        Cell::Null => Some("null".to_owned()),
        Cell::Text(text) => Some(text.to_string()),
        Cell::Number(number) => Some(number.to_string()),
    };
    let cells = MEMBERS.iter().zip(&line.cells).filter_map(|(m, cell)| Some((m.name, shown(cell)?)));
    Some((cells.collect(), line.more.unwrap_or_default()))
}

#[test]
fn each_member_is_in_its_column_or_in_the_rest() {
    for (line, cells, more) in [
        (r#"{"decision":"deny"}"#, &[("decision", "deny")][..], ""),
        (
            r#" { "status" : 403 , "decision" : "deny" , "sub" : null } "#,
            &[("status", "403"), ("sub", "null"), ("decision", "deny")],
            "",
        ),
        (
            r#"{"decision":"a\u00fc\"","machine":true,"vm":"00000000000000ff","seq":7}"#,
            &[("vm", "255"), ("seq", "7"), ("machine", "1"), ("decision", "aü\"")],
            "",
        ),
        (
            r#"{"decision":"deny","shadow":{"status":0},"needed":["a"],"x\u0079":1.50e3}"#,
            &[("decision", "deny")],
            r#"{"shadow":{"status":0},"needed":["a"],"x\u0079":1.50e3}"#,
        ),
        (
            r#"{"decision":"deny","status":"403","latency_us":-1,"seq":1.0,"sub":5,"vm":"FF","machine":"x"}"#,
            &[("decision", "deny")],
            r#"{"status":"403","latency_us":-1,"seq":1.0,"sub":5,"vm":"FF","machine":"x"}"#,
        ),
        (
            r#"{"decision":"deny","ts":"2026-11-29T22:58:01.123456Z"}"#,
            &[("ts", "1795993081123456"), ("decision", "deny")],
            "",
        ),
        (
            r#"{"decision":"deny","ts":"2026-11-29T22:58:01Z","sub":"\ud800"}"#,
            &[("decision", "deny")],
            r#"{"ts":"2026-11-29T22:58:01Z","sub":"\ud800"}"#,
        ),
    ] {
        let cells = cells.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(read(line), Some((cells, more.to_owned())), "{line}");
    }
}

#[test]
fn what_is_no_record_is_none() {
    for line in [
        "",
        "{}",
        "[]",
        "null",
        "{\"status\":200}",
        "{\"decision\":null}",
        "{\"decision\":1}",
        "{\"decision\":\"deny\"",
        "{\"decision\":\"deny\",}",
        "{\"decision\":\"deny\"}}",
        "{\"decision\":\"deny\"} {}",
        "{\"decision\":\"deny\" \"sub\":null}",
        "{\"decision\":\"deny\",\"sub\":nul}",
        "{\"decision\":\"deny\",\"sub\":nullx}",
        "{\"decision\":\"deny\",\"x\":[1,]}",
        "{\"decision\":\"deny\",\"x\":01}",
        "{\"decision\":\"deny\",\"x\":\"\\q\"}",
        "{\"decision\":\"deny\",\"x\":\"a\tb\"}",
        "{\"decision\":\"de",
        "{\"decision\":\"de\\",
        "{\"sta{\"status\":200,\"decision\":\"deny\"}",
    ] {
        assert_eq!(read(line), None, "{line}");
    }
    assert_eq!(Line::parse(b"{\"decision\":\"\xff\"}"), None);
}

#[test]
fn texts_without_escapes_stay_where_they_are() {
    let line = Line::parse(br#"{"decision":"deny","sub":"ann"}"#).unwrap();
    assert!(matches!(line.cells[member::find("sub").unwrap()], Cell::Text(Cow::Borrowed("ann"))));
    assert_eq!(
        (vm("0123456789abcdef"), vm("0123456789abcdeg"), vm("+123456789abcdef")),
        (Some(0x0123_4567_89ab_cdef), None, None)
    );
}
