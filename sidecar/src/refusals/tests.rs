//! Lines of records, and files that grow, end in the middle, and are moved away.

use super::{LONGEST, Tail, line};
use crate::plain::CUT;
use serde_json::json;
use std::io::Write as _;

#[test]
fn a_record_that_refused_is_one_plain_line() {
    let record = json!({
        "status": 403, "ts": "2026-11-29T22:58:01.123456Z", "request_id": "r-1", "sub": "ann", "tenant": "acme", "issuer": "https://idp.example",
        "machine": false, "method": "POST", "path": "/mcp", "route": "/mcp", "tool": "purge", "operation": "tools/call", "decision": "deny",
        "reason": "insufficient_scope", "latency_us": 12, "policy": "00",
    });
    let of = |member: &str, value: serde_json::Value| {
        let mut record = record.clone();
        record[member] = value;
        line(record.to_string().as_bytes())
    };
    assert_eq!(
        of("status", json!(403)).unwrap(),
        "2026-11-29T22:58:01.123456Z 403 deny insufficient_scope POST /mcp route=/mcp tool=purge sub=ann tenant=acme request_id=r-1"
    );
    for (member, value, part) in [
        ("decision", json!("limited"), Some(" limited ")),
        ("decision", json!("error"), Some(" error ")),
        ("decision", json!("allow"), None),
        ("decision", json!("unknown"), None),
        ("decision", json!(null), None),
        ("sub", json!(null), Some("tool=purge tenant=")),
        (
            "path",
            json!("/a\n\u{1b}[31m b\u{202e}é\\"),
            Some(r"/a\u{a}\u{1b}[31m\u{20}b\u{202e}\u{e9}\\ route="),
        ),
        ("path", json!(""), Some(" POST - route=")),
        ("status", json!(null), Some("Z 0 deny")),
    ] {
        let line = of(member, value.clone());
        assert_eq!(line.is_some(), part.is_some(), "{member} {value}");
        let line = line.unwrap_or_default();
        assert!(
            line.contains(part.unwrap_or_default()) && line.bytes().all(|b| (0x20..0x7f).contains(&b)),
            "{line}"
        );
    }
    let long = of("path", json!("é".repeat(100_000))).unwrap();
    assert!(long.len() < 8 * CUT + 200, "{}", long.len());
    for no_record in ["", "{", "[]", "1", "{\"decision\":1}"] {
        assert_eq!(line(no_record.as_bytes()), None);
    }
}

#[test]
fn lines_are_told_once_each_whatever_becomes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("records"), folder.path().join("records.1"));
    let append = |text: &str| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append("old\n");
    let mut tail = Tail::at_the_end(path.clone());
    let mut read = || {
        let mut seen = Vec::new();
        let mut tell = |line: &[u8]| {
            seen.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        };
        tail.read(&mut tell).unwrap();
        seen.concat()
    };
    assert_eq!(read(), "");
    append("a\nb");
    assert_eq!(read(), "a\n");
    append("c\n");
    assert_eq!(read(), "bc\n");
    append(&format!("{}\nd\n", "x".repeat(LONGEST + 1)));
    assert_eq!(read(), "d\n");
    append("e\n");
    std::fs::rename(&path, &moved).unwrap();
    append("f\n");
    assert_eq!(read(), "e\nf\n");
    std::fs::write(&path, "").unwrap();
    assert_eq!(read(), "");
    append("g\n");
    assert_eq!(read(), "g\n");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(), "");
    append("h\n");
    assert_eq!(read(), "h\n");
}

#[test]
fn what_is_no_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    std::os::unix::fs::symlink("/dev/stdout", &path).unwrap();
    let mut tail = Tail::at_the_end(path);
    tail.read(&mut |_| panic!("read")).unwrap();
}
