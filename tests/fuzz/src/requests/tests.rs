//! What the checks must find where the core lets it pass.

use super::{Case, expect, forwarded, read};
use gatewaystack_core::decision::Edits;
use std::panic;

fn case(text: &str) -> Case {
    read(text.as_bytes()).unwrap()
}

/// Whether it breaks a promise to forward this as it is.
fn breaks(text: &str) -> bool {
    let case = case(text);
    let remove = vec![b"authorization".as_slice().into()];
    let (set, path) = match case.caller.scopes() {
        Some(_) if !text.contains("/open") => {
            let target = String::from_utf8(case.wire.target.clone()).unwrap();
            let mark = if target.contains('?') { '&' } else { '?' };
            let user = vec![("x-user-id".to_owned(), "auth0|ann&b=c".to_owned())];
            (user, Some(format!("{target}{mark}userId=auth0%7Cann%26b%3Dc")))
        }
        _ => (Vec::new(), None),
    };
    let edits = Edits { path, remove, set, ..Edits::default() };
    panic::catch_unwind(|| forwarded::check(&case, &edits)).is_err()
}

/// Somebody who may read, on a host that holds headers; `AsWritten`, or in the first version.
const WRITTEN: &str = "CBB\n";
const FIRST: &str = "CBC\n";

#[test]
fn what_some_server_reads_as_another_request_is_found() {
    for line in [
        "get /notes/a",
        "TRACE /notes/a",
        "GET /notes/%61",
        "GET /notes/a/../admin/b",
        "GET /open/..%2Fnotes",
        "GET /open/x%5C..%5C..%5Cnotes",
        "GET /notes/ADMIN/a",
        "GET /notes/admin/a",
        "GET /notes/admin./a",
        "GET /notes/a?userid=evil",
        "GET /notes/a?user%49d=evil",
        "GET /notes/a?%u0075serId[]=evil",
        "GET /notes/a\nx_user-id: evil",
        "GET /none",
    ] {
        assert!(breaks(&format!("{WRITTEN}{line}\n\n")), "{line}");
    }
    assert!(!breaks(&format!("{WRITTEN}GET /notes/a?b=c\nx-other: 1\n\n")));
}

#[test]
fn what_some_server_reads_as_another_call_is_found() {
    let call = |inner: &str| format!("{FIRST}POST /mcp\n\n{{{inner}}}");
    for inner in [
        r#""method":"tools/call","params":{"name":"purge"}"#,
        r#""method":"tools/call","params":{"name":"notes","Name":"purge"}"#,
        r#""method":"tools/list","method":"tools/list""#,
        r#""method":"Tools_Call","params":{"name":"notes"}"#,
        r#""method":"prompts/get","params":{"name":"Secret "}"#,
        r#""method":"resources/read","params":{"uri":"notes://team/x/../admin/a"}"#,
        r#""method":"resources/read","params":{"uri":"notes://team/%61dmin/a"}"#,
        r#""method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"secret"}}"#,
        r#""method":"tools/call","params":{"name":"notes"},"x":01"#,
    ] {
        assert!(breaks(&call(inner)), "{inner}");
    }
    let fine = call(r#""method":"tools/call","params":{"name":"notes"}"#);
    assert!(!breaks(&fine));
    assert_eq!(expect::of(&case(&fine)), Some(true));
    assert_eq!(expect::of(&case(&fine.replace("notes\"}", "purge\"}"))), Some(false));
    assert_eq!(expect::of(&case(&fine.replace("notes\"}", "not\\u0065s\",\"Name\":1}"))), None);
}
