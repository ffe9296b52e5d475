//! A Lua script for `wrk`. In: a load, its tokens, the status that every answer must have. Out: the script's
//! text.
//!
//! Where all requests are the same, `wrk` sends them without running any Lua. Where they differ, all are made
//! before the first one is sent.

use std::{fmt::Write as _, path::Path};

use serde_json::json;

use super::{chain::Load, tokens::Sent};

/// What the script says of answers whose status isn't the expected one.
pub const UNEXPECTED: &str = "unexpected statuses:";

/// `place` is a file in which the script keeps where its tokens' turn has come to.
pub fn script(load: &Load, sent: &Sent<'_>, status: u16, place: &Path) -> String {
    let place = quote(&place.to_string_lossy());
    let mut script = format!("wrk.method = {}\n", quote(load.method));
    for (name, value) in load.headers {
        let _ = writeln!(script, "wrk.headers[{}] = {}", quote(name), quote(value));
    }
    if !load.body.is_empty() {
        let _ = writeln!(script, "wrk.body = {}", quote(load.body));
    }
    let mut at_the_end = Vec::new();
    match sent {
        Sent::Nothing => {}
        Sent::One(token) => {
            let _ = writeln!(script, "wrk.headers['Authorization'] = {}", quote(&format!("Bearer {token}")));
        }
        Sent::InTurn(file) => {
            let tokens = quote(&file.path.to_string_lossy());
            script.push_str(&TURNS.replace("TOKENS", &tokens).replace("PLACE", &place));
            at_the_end.push(KEEP_PLACE.replace("PLACE", &place));
        }
    }
    if status >= 400 {
        script.push_str(&STATUSES.replace("STATUS", &status.to_string()));
        at_the_end.push(TELL.replace("UNEXPECTED", &quote(UNEXPECTED)));
    }
    if !at_the_end.is_empty() {
        script.push_str(&END.replace("WORK", &at_the_end.concat()));
    }
    script
}

/// Lua's strings have JSON's escapes, as far as ours need any.
fn quote(text: &str) -> String {
    json!(text).to_string()
}

/// One token after the other, going on where the round before has ended: from the first one again, the filter
/// would still know them.
const TURNS: &str = r#"
local requests = {}
at = 0
function init(arguments)
  for token in io.lines(TOKENS) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
  local place = io.open(PLACE)
  if place then
    at = place:read("*n") or 0
    place:close()
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"#;
const KEEP_PLACE: &str = r#"  local place = io.open(PLACE, "w")
  place:write(threads[1]:get("at"))
  place:close()
"#;

/// `wrk` itself only tells that an answer was a refusal, not which one.
const STATUSES: &str = r#"
unexpected = 0
function response(status)
  if status ~= STATUS then unexpected = unexpected + 1 end
end
"#;
const TELL: &str = r#"  print(UNEXPECTED .. " " .. threads[1]:get("unexpected"))
"#;

/// There is one thread.
const END: &str = r#"
local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end
function done()
WORKend
"#;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::script;
    use crate::bench::{
        chain::{Bearer, Load, Protocol},
        tokens::{File, Sent},
    };

    const LOAD: Load = Load {
        protocol: Protocol::Http1,
        connections: 1,
        method: "POST",
        path: "/",
        headers: &[("Mcp-Name", "a\"b")],
        body: "{\"a\":1}",
        bearer: Bearer::Known,
    };

    #[test]
    fn requests_that_are_the_same_need_no_function() {
        let expect = "wrk.method = \"POST\"\nwrk.headers[\"Mcp-Name\"] = \"a\\\"b\"\nwrk.body = \"{\\\"a\\\":1}\"\nwrk.headers['Authorization'] = \"Bearer t\"\n";
        assert_eq!(script(&LOAD, &Sent::One("t"), 200, Path::new("/p")), expect);
        assert!(!script(&LOAD, &Sent::Nothing, 200, Path::new("/p")).contains("Authorization"));
    }

    #[test]
    fn tokens_take_turns_and_refusals_are_told_apart() {
        let file = File { path: PathBuf::from("/t.txt"), first: "t".to_owned() };
        let text = script(&LOAD, &Sent::InTurn(&file), 429, Path::new("/p"));
        assert!(text.contains("io.open(\"/p\", \"w\")"), "{text}");
        assert!(text.contains("io.lines(\"/t.txt\")") && text.contains("status ~= 429"), "{text}");
        assert!(!text.contains("\"t\""), "the tokens stay in their file: {text}");
    }
}
