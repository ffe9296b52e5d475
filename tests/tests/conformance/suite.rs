//! Runs the suite's `server` command. In: a URL and an era. Out: what each check of each scenario found.

use gatewaystack_tests::node;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// All scenarios of an era, together.
const TIME: Duration = Duration::from_secs(100);

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Success,
    Skipped,
    Warning,
    Failure,
}

/// The worst that a check found, where it ran several times, and its words.
#[derive(Debug)]
pub struct Seen {
    pub verdict: Verdict,
    pub said: String,
    times: u32,
    successes: u32,
}

/// By scenario and check.
pub type Checks = BTreeMap<(String, String), Seen>;

pub fn command() -> Command {
    let mut command = Command::new(node::newer());
    command.arg(node::modules().join("@modelcontextprotocol/conformance/dist/index.js")).kill_on_drop(true);
    command
}

pub async fn run(url: &str, era: &str) -> Checks {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command();
    command.args(["server", "--url", url, "--suite", "all", "--spec-version", era, "-o"]).arg(folder.path());
    let output = tokio::time::timeout(TIME, command.output()).await.expect("the suite ends in time").unwrap();
    let checks = read(folder.path());
    // Its exit status only repeats what the files say; without files it has failed itself.
    assert!(!checks.is_empty(), "{era}: {}", String::from_utf8_lossy(&output.stderr));
    checks
}

/// A folder for each scenario, `server-{scenario}-{time}`, with its checks.
pub fn read(folder: &Path) -> Checks {
    let mut checks = Checks::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let (name, _time) = name.split_at(name.len() - "-2026-01-01T00-00-00-000Z".len());
        let scenario = name.split_once("server-").unwrap().1;
        let text = std::fs::read_to_string(entry.path().join("checks.json")).unwrap();
        for check in serde_json::from_str::<Vec<Value>>(&text).unwrap() {
            add(&mut checks, scenario, &check);
        }
    }
    checks
}

fn add(checks: &mut Checks, scenario: &str, check: &Value) {
    let verdict = match check["status"].as_str().unwrap() {
        "SUCCESS" => Verdict::Success,
        "SKIPPED" => Verdict::Skipped,
        "WARNING" => Verdict::Warning,
        "FAILURE" => Verdict::Failure,
        // What happened on the way.
        "INFO" => return,
        other => panic!("a verdict that we don't know: {other}"),
    };
    let name = (scenario.to_owned(), check["id"].as_str().unwrap().to_owned());
    let seen = Seen { verdict, said: String::new(), times: 0, successes: 0 };
    let seen = checks.entry(name).or_insert(seen);
    seen.times += 1;
    seen.successes += u32::from(verdict == Verdict::Success);
    if verdict >= seen.verdict {
        seen.verdict = verdict;
        seen.said = format!("{verdict:?} {} {}", check["errorMessage"], check["details"]);
    }
}

/// Successes and all checks of each scenario.
pub fn counts(checks: &Checks) -> Value {
    let mut counts: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    for ((scenario, _), seen) in checks {
        let count = counts.entry(scenario).or_default();
        count[0] += seen.successes;
        count[1] += seen.times;
    }
    json!(counts)
}
