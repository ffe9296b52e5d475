//! Conditions as operators write them, on rows as they are.

use super::{prepare, read};
use crate::ledger::database::{Home, Use};
use crate::ledger::follow::Place;
use crate::ledger::line::Line;
use crate::ledger::member;
use crate::ledger::names::Names;
use crate::ledger::search::{Form, Search, counts, records};
use crate::ledger::sql::Db;
use crate::ledger::stored::Stored;
use crate::ledger::writer::{Batch, Taken, Writer};
use tempfile::TempDir;

const LINES: [&str; 4] = [
    r#"{"ts":"2026-11-29T22:58:01.000000Z","request_id":"1","status":403,"needed":["w","ü"],"have":[],"tool":"purge","sub":"ann","decision":"deny","reason":"blocked","machine":false,"vm":"00000000000000ff","seq":1,"address":"10.1.2.3","path":"/mcp"}"#,
    r#"{"ts":"2026-11-29T22:58:02.500000Z","request_id":"2","status":200,"tool":null,"sub":"bob","decision":"allow","reason":"authorized","machine":true,"shadow":{"decision":"deny","reason":"scope","status":403},"vm":null,"address":"2001:db8::1","path":"/v1/a/b"}"#,
    r#"{"request_id":"3","status":502,"tool":"read","have":["a",1],"needed":["a","b","c"],"shadow":{"decision":1,"status":"403"},"decision":"error","reason":"upstream","path":"/v1/a"}"#,
    r#"{"ts":"2026-11-29T22:58:03.000000Z","request_id":"4","status":"?","tool":"purge_all","sub":"ü%_","decision":"deny","reason":"x'); DROP TABLE record; --","path":""}"#,
];

fn ledger() -> (TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer =
        Writer::new(Home::from(folder.path()).open(Use::Ingest).unwrap(), "decisions.jsonl".to_owned());
    let lines: Vec<_> = LINES.iter().map(|line| Line::parse(line.as_bytes()).unwrap()).collect();
    let taken = |line| Taken { record: Stored::of(line, 0), place: None, sealed: None };
    let records: Vec<_> = lines.iter().map(taken).collect();
    let (names, place) = (Names::default(), Place::default());
    let batch = Batch { records: &records, ignored: 0, place: Some(&place), names: &names, most_series: 1 };
    writer.take(&batch, 1_795_993_081_000).unwrap();
    let db = Home::from(folder.path()).open(Use::Search).unwrap();
    prepare(&db).unwrap();
    (folder, db)
}

/// The ids of those that match.
fn matches(db: &Db, condition: &str) -> String {
    let search = Search { condition: Some(read(condition).unwrap()), ..Search::default() };
    let mut out = Vec::new();
    records(db, &search, Form::Json, &mut out).unwrap();
    let found: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
    found.iter().map(|record| record["request_id"].as_str().unwrap()).collect()
}

#[test]
fn only_what_is_true_matches_and_what_is_missing_is_unknown() {
    let (_folder, db) = ledger();
    for (condition, expect) in [
        ("{decision: {is: deny}}", "14"),
        ("{decision: {is: deny}, tool: {is: purge}}", "1"),
        ("{\"decision\":{\"in\":[\"deny\",\"error\"]}}", "134"),
        ("{tool: {is: purge}}", "1"),
        ("{not: {tool: {is: purge}}}", "34"),
        ("{not: {not: {tool: {is: purge}}}}", "1"),
        ("{tool: {exists: true}}", "134"),
        ("{tool: {exists: false}}", "2"),
        ("{not: {tool: {exists: true}}}", "2"),
        ("{any: [{tool: {is: purge}}, {decision: {is: allow}}]}", "12"),
        ("{any: [{tool: {is: nothing}}, {sub: {is: ann}}], status: {is: 403}}", "1"),
        ("{not: {any: [{tool: {is: nothing}}, {sub: {is: ann}}]}}", "4"),
        ("{not: {tool: {is: purge}, decision: {is: allow}}}", "134"),
        ("{not: {tool: {is: purge}, decision: {is: deny}}}", "234"),
        ("{tool: {prefix: purge}}", "14"),
        ("{tool: {prefix: purge, suffix: all}}", "4"),
        ("{sub: {suffix: '%_'}}", "4"),
        ("{sub: {prefix: ü}}", "4"),
        ("{path: {glob: '/v1/*'}}", "23"),
        ("{path: {glob: '/v1/*/b'}}", "2"),
        ("{not: {path: {glob: '/v1/*'}}}", "14"),
        ("{path: {is: ''}}", "4"),
        ("{status: {min: 400}}", "13"),
        ("{status: {max: 403, min: 200}}", "12"),
        ("{status: {between: [403, 502]}}", "13"),
        ("{status: {in: [200, 502.0]}}", "23"),
        ("{not: {status: {min: 400}}}", "2"),
        ("{status: {exists: false}}", "4"),
        ("{machine: {is: true}}", "2"),
        ("{not: {machine: {is: true}}}", "1"),
        ("{ts: {is: 2026-11-29T23:58:01+01:00}}", "1"),
        ("{ts: {min: 2026-11-29T22:58:02Z}}", "24"),
        ("{ts: {max: 2026-11-29T22:58:02.5Z}}", "12"),
        ("{ts: {between: [2026-11-29T22:58:01Z, 2026-11-29T22:58:02.5Z]}}", "12"),
        ("{ts: {exists: false}}", "3"),
        ("{vm: {is: 00000000000000ff}}", "1"),
        ("{vm: {suffix: ff}}", "1"),
        ("{not: {vm: {suffix: fe}}}", "1"),
        ("{vm: {exists: false}}", "234"),
        ("{address: {cidr: [10.0.0.0/8, 192.0.2.1]}}", "1"),
        ("{not: {address: {cidr: ['2001:db8::/32']}}}", "1"),
        ("{reason: {is: \"x'); DROP TABLE record; --\"}}", "4"),
        ("{needed: {contains: w}}", "1"),
        ("{needed: {contains: [w, ü]}}", "1"),
        ("{needed: {contains: [w, x]}}", ""),
        ("{not: {needed: {contains: w}}}", "3"),
        ("{needed: {subset_of: [a, b, c, d]}}", "3"),
        ("{not: {needed: {subset_of: [a, b]}}}", "13"),
        ("{needed: {exists: false}}", "24"),
        ("{have: {exists: true}}", "1"),
        ("{have: {subset_of: [a]}}", "1"),
        ("{not: {have: {contains: a}}}", "1"),
        ("{shadow.decision: {is: deny}}", "2"),
        ("{shadow.decision: {exists: false}}", "134"),
        ("{not: {shadow.reason: {prefix: x}}}", "2"),
        ("{shadow.status: {between: [400, 499]}}", "2"),
        ("{shadow.status: {in: [403.0, 1]}}", "2"),
        ("{not: {shadow.status: {is: 200}}}", "2"),
        ("{rule: {is: x}}", ""),
        ("{not: {rule: {is: x}}}", ""),
    ] {
        assert_eq!(matches(&db, condition), expect, "{condition}");
    }
}

#[test]
fn what_is_no_condition_is_told_with_its_place() {
    for (condition, expect) in [
        ("{", "where: "),
        ("deny", "where: expected a condition"),
        ("{}", "where: expected a condition"),
        ("[]", "where: expected a condition"),
        ("{colour: {is: red}}", "where.colour: \"colour\" is no member of a record"),
        ("{any: {tool: {is: x}}}", "where.any: expected a list"),
        ("{any: []}", "where.any: expected a list"),
        ("{any: [{tool: {is: x}}, {}]}", "where.any[1]: expected a condition"),
        ("{not: [{tool: {is: x}}]}", "where.not: expected a condition"),
        ("{tool: purge}", "where.tool: expected an object of operators: is, in, prefix"),
        ("{tool: {}}", "where.tool: expected an object of operators"),
        ("{tool: {min: 1}}", "where.tool.min: this member has no such operator: expected one of is, in"),
        ("{tool: {is: 1}}", "where.tool.is: expected a string"),
        ("{tool: {is: null}}", "where.tool.is: expected a string"),
        ("{tool: {in: purge}}", "where.tool.in: expected a list"),
        ("{tool: {in: [purge, 1]}}", "where.tool.in: expected a string"),
        ("{tool: {prefix: ''}}", "where.tool.prefix: expected a string"),
        ("{tool: {exists: 1}}", "where.tool.exists: expected true or false"),
        ("{status: {is: '403'}}", "where.status.is: expected a number"),
        ("{status: {between: [1]}}", "where.status.between: expected [low, high]"),
        ("{status: {prefix: 4}}", "where.status.prefix: this member has no such operator"),
        ("{machine: {is: 1}}", "where.machine.is: expected true or false"),
        ("{ts: {min: yesterday}}", "where.ts.min: expected a time such as"),
        ("{ts: {in: [2026-11-29T22:58:01Z]}}", "where.ts.in: this member has no such operator"),
        ("{vm: {is: ff}}", "where.vm.is: expected 16 hex digits"),
        ("{tool: {cidr: [10.0.0.0/8]}}", "where.tool.cidr: this member has no such operator"),
        ("{address: {cidr: [10.0.0.0/33]}}", "where.address.cidr: expected networks"),
        ("{not: {any: [{status: {min: x}}]}}", "where.not.any[0].status.min: expected a number"),
        ("{shadow: {exists: true}}", "where.shadow: \"shadow\" is no member"),
        ("{needed: {is: a}}", "where.needed.is: this member has no such operator: expected one of contains"),
        ("{needed: {subset_of: a}}", "where.needed.subset_of: expected a list"),
        ("{needed: {contains: 1}}", "where.needed.contains: expected a list"),
        ("{needed: {contains: [a, 1]}}", "where.needed.contains: expected strings"),
        ("{shadow.status: {is: x}}", "where.shadow.status.is: expected a number"),
    ] {
        let error = read(condition).unwrap_err();
        assert!(error.starts_with(expect), "{condition}: {error}");
    }
    assert!(read(&format!("{{tool: {{in: [{}]}}}}", "x, ".repeat(101))).unwrap_err().contains("1 to 100"));
}

#[test]
fn records_are_counted_by_members_the_most_frequent_first() {
    let (_folder, db) = ledger();
    let count = |condition: Option<&str>, by: &[&str], limit, form| {
        let search = Search { condition: condition.map(|text| read(text).unwrap()), limit, since_us: None };
        let by: Vec<usize> = by.iter().map(|name| member::find(name).unwrap()).collect();
        let mut out = Vec::new();
        counts(&db, &search, &by, form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        count(None, &["decision"], None, Form::Json),
        "[{\"decision\":\"deny\",\"count\":2},\n{\"decision\":\"allow\",\"count\":1},\n{\"decision\":\"error\",\"count\":1}]\n"
    );
    assert_eq!(
        count(None, &["machine", "vm"], Some(1), Form::Json),
        "[{\"machine\":null,\"vm\":null,\"count\":2}]\n"
    );
    assert_eq!(count(Some("{sub: {is: x}}"), &["sub"], None, Form::Json), "[]\n");
    assert_eq!(
        count(Some("{status: {is: 403}}"), &["vm", "status"], None, Form::People),
        "        1  \"00000000000000ff\"  403\n"
    );
}

#[test]
fn the_first_so_many_are_shown_and_the_recent_ones() {
    let (_folder, db) = ledger();
    let shown = |since_us, limit| {
        let search = Search { since_us, limit, condition: None };
        let mut out = Vec::new();
        records(&db, &search, Form::People, &mut out).unwrap();
        String::from_utf8(out)
            .unwrap()
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(None, None), ["deny", "allow", "error", "deny"]);
    assert_eq!(shown(None, Some(2)), ["deny", "allow"]);
    assert_eq!(shown(None, Some(0)), Vec::<String>::new());
    assert_eq!(shown(Some(1_795_993_082_000_000), None), ["allow", "deny"], "what has no time came before");
    assert_eq!(shown(Some(1_795_993_084_000_000), None), Vec::<String>::new());
}
