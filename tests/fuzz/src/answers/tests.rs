//! What the checks must find where the core lets it pass.

use super::drive::{End, Seen};
use super::{Case, found, framing, read};
use std::panic;

/// Whether what a client would see breaks a promise, where this was sent.
fn breaks(settings: &str, sent: &str, body: &str, check: fn(&Case<'_>, &Seen)) -> bool {
    let bytes = [settings, "\n", sent].concat();
    let (settings, text) = read(bytes.as_bytes()).unwrap();
    let case = Case { settings, answer: settings.answer(&text), room: 1_048_576 };
    let steps = vec![(sent.len(), body.len())];
    let seen = Seen { body: body.as_bytes().to_vec(), end: End::Whole, longest: 0, steps };
    panic::catch_unwind(|| check(&case, &seen)).is_err()
}

/// A call of a tool by somebody who may read, answered in JSON; the same as a stream.
const CALL: &str = "KCBGHB";
const STREAM: &str = "MCBIHB";

#[test]
fn a_denied_name_is_found_in_every_dress() {
    for body in [
        r#"{"result":{"tools":[{"name":"open"},{"name":"purge"}]}}"#,
        r#"[[{"result":{"tools":[{"name":"purge"}]}}]]"#,
        r#"{"Result":{"TOOL\u017f":[{"Name":"purge"}]}}"#,
        r#"{"result":{"content":[]},"result":{"tools":[{"name":"purge"}]}}"#,
        r#"{"result":{"tools":[{"name":"open","na\u006de":"purge"}]}}"#,
        r#"{"result":{"x":"\ud800","n":1e999,"tools":[{"name":"purge"}]}}"#,
        r#"{"result":{"tools":[{"name":"purge"}"#,
        r#"{result:{tools:[{name:purge,}]}}"#,
        r#"{"result":{"tools":["purge"]}}"#,
        r#"{"result":{"tools":{"purge":1}}}"#,
        r#"{"result":{"resources":[{"uri":"notes://team/%61dmin/x"}]}}"#,
        r#"{"result":{"prompts":[{"name":"Secret "}]}}"#,
    ] {
        assert!(breaks(CALL, body, body, found::check), "{body}");
        let stream = format!("\u{feff}id: 1\r\rDA\0TA:{body}\r\n\r\n");
        assert!(breaks(STREAM, &stream, &stream, found::check), "{stream}");
    }
    for body in [
        r#"{"result":{"tools":[{"name":"open"},{"name":"notes"}]}}"#,
        r#"{"result":{"content":[{"text":"purge"}],"tools":[{"name":"purge"}]}}"#,
        r#"{"error":{"tools":[{"name":"purge"}]}}"#,
        r#"{"params":{"result":{"tools":[{"name":"purge"}]}}}"#,
    ] {
        assert!(!breaks(CALL, body, body, found::check), "{body}");
    }
}

#[test]
fn a_stream_that_became_another_is_found() {
    let check = |case: &Case<'_>, seen: &Seen| {
        framing::check(case, seen);
    };
    let sent = ": a\n\nid: 1\ndata: {\"params\":{}}\n\n";
    for shown in [
        ": a\n\nid: 1\ndata: {\"params\": {}}\n\n",
        ": a\n\ndata: {\"params\":{}}\n\n",
        "\n: a\n\nid: 1\ndata: {\"params\":{}}\n\n",
        ": a\n\n",
        ": a\r\n\r\nid: 1\ndata: {\"params\":{}}\n\n",
    ] {
        assert!(breaks(STREAM, sent, shown, check), "{shown}");
    }
    assert!(!breaks(STREAM, sent, sent, check));
    // A comment that waits.
    assert!(breaks(STREAM, "data: 1\n\n: a\n", "data: 1\n\n", check));
}
