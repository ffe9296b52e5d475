//! A Lua script for `wrk`. In: a load, its tokens, the status that every answer must have. Out: the script's text.
//!
//! Where all requests are the same, `wrk` sends them without running any Lua. Where they differ, all are made before the first one is sent.

use std::fmt::Write as _;

use serde_json::json;

use super::{chain::Load, tokens::Sent};

/// What the script says of answers whose status isn't the expected one.
pub const UNEXPECTED: &str = "unexpected statuses:";

pub fn script(load: &Load, sent: &Sent<'_>, status: u16) -> String {
    let mut script = format!("wrk.method = {}\n", quote(load.method));
    for (name, value) in load.headers {
        let _ = writeln!(script, "wrk.headers[{}] = {}", quote(name), quote(value));
    }
    if !load.body.is_empty() {
        let _ = writeln!(script, "wrk.body = {}", quote(load.body));
    }
    match sent {
        Sent::Nothing => {}
        Sent::One(token) => {
            let _ = writeln!(script, "wrk.headers['Authorization'] = {}", quote(&format!("Bearer {token}")));
        }
        Sent::InTurn(file) => {
            script.push_str(&TURNS.replace("FILE", &quote(&file.path.to_string_lossy())));
        }
    }
    if status >= 400 {
        script.push_str(
            &STATUSES.replace("STATUS", &status.to_string()).replace("UNEXPECTED", &quote(UNEXPECTED)),
        );
    }
    script
}

/// Lua's strings have JSON's escapes, as far as ours need any.
fn quote(text: &str) -> String {
    json!(text).to_string()
}

/// One token after the other.
const TURNS: &str = r#"
local requests, at = {}, 0
function init(arguments)
  for token in io.lines(FILE) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"#;

/// `wrk` itself only tells that an answer was a refusal, not which one.
const STATUSES: &str = r#"
local threads = {}
unexpected = 0
function setup(thread)
  threads[#threads + 1] = thread
end
function response(status)
  if status ~= STATUS then unexpected = unexpected + 1 end
end
function done()
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("unexpected") end
  print(UNEXPECTED .. " " .. sum)
end
"#;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
        assert_eq!(script(&LOAD, &Sent::One("t"), 200), expect);
        assert!(!script(&LOAD, &Sent::Nothing, 200).contains("Authorization"));
    }

    #[test]
    fn tokens_take_turns_and_refusals_are_told_apart() {
        let file = File { path: PathBuf::from("/t.txt"), first: "t".to_owned() };
        let text = script(&LOAD, &Sent::InTurn(&file), 429);
        assert!(text.contains("io.lines(\"/t.txt\")") && text.contains("status ~= 429"), "{text}");
        assert!(!text.contains("\"t\""), "the tokens stay in their file: {text}");
    }
}
