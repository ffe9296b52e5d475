//! `demo/README.md`, the demo's guide. In: the document. Out: for `cargo xtask demo` the commands of the
//! sections that it tells of; for `--check` each of its shell blocks run, and what it printed held against
//! the block below.

use std::process::Command;

use anyhow::{Result, ensure};

use super::walk::Walk;
use crate::{cli::Demo, run::output, test::tally::Suite, tools::debian};

const GUIDE: &str = include_str!("../../../demo/README.md");
/// Between the outputs of two blocks.
const MARK: &str = "----- end of block";

/// A shell block, and what it prints, where the guide says so.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    script: &'a str,
    prints: Option<&'a str>,
}

/// What to try first.
pub fn to_try(which: Demo) -> String {
    let sections: &[&str] = match which {
        Demo::Echo => &["Set-up", "An API by hand"],
        Demo::Mcp => &["Set-up", "MCP by hand", "Connect a client"],
        Demo::Apps => &["Set-up", "The connector by hand", "ChatGPT"],
    };
    let shown = sections.iter().filter_map(|heading| section(GUIDE, heading)).map(without_outputs);
    shown.collect::<Vec<_>>().join("\n\n")
}

/// Runs the whole guide in one shell, as a reader would.
pub fn check(walk: &Walk, suite: &mut Suite) -> Result<()> {
    let steps = steps(GUIDE);
    ensure!(!steps.is_empty(), "demo/README.md has no commands");
    debian::require("curl", "curl")?;
    let script: String = steps.iter().map(|step| format!("{}\necho '{MARK}'\n", step.script)).collect();
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("GATEWAY", format!("http://{}", walk.demo));
    shell.env("ISSUER", format!("http://{}", walk.issuer));
    let printed = output(&mut shell)?;
    let printed: Vec<&str> = printed.split(&format!("{MARK}\n")).collect();
    for (step, got) in steps.iter().zip(printed) {
        let got = without_ids(&walk.without_ports(got.trim_end()));
        let expected = step.prints.unwrap_or_default();
        let good = got == expected;
        println!("demo/README.md {}", step.script.lines().next().unwrap_or_default());
        println!("    expected  {expected}\n    got       {got}");
        println!("    {}", if good { "good" } else { "WRONG" });
        *(if good { &mut suite.passed } else { &mut suite.failed }) += 1;
    }
    Ok(())
}

fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some((script, after)) =
        rest.split_once("\n```bash\n").and_then(|(_, code)| code.split_once("\n```\n"))
    {
        let told = after.strip_prefix("\n```text\n").and_then(|code| code.split_once("\n```"));
        steps.push(Step { script, prints: told.map(|(prints, _)| prints) });
        rest = after;
    }
    steps
}

/// What stands below a heading of the second or third level.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let below = ["\n## ", "\n### "].iter().find_map(|level| text.split_once(&format!("{level}{heading}\n")));
    let (_, below) = below?;
    Some(below.split("\n## ").next().unwrap_or(below).trim())
}

/// As it's read in a terminal: no fences, and no outputs, which the reader is about to see.
fn without_outputs(section: &str) -> String {
    let mut shown = Vec::new();
    let mut output = false;
    for line in section.lines() {
        match line {
            "```text" => output = true,
            "```" if output => output = false,
            _ if output || line.starts_with("```") => {}
            line => shown.push(line),
        }
    }
    shown.join("\n").replace("\n\n\n", "\n\n")
}

/// A request's id is another one each time.
fn without_ids(text: &str) -> String {
    const NAME: &str = "\"request_id\":\"";
    let mut parts = text.split(NAME);
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |shown, part| shown + NAME + "…\"" + part.split_once('"').map_or("", |(_, after)| after))
}

/// For the tests of other modules: the guide's shell blocks are there.
#[cfg(test)]
mod tests {
    use super::{Demo, GUIDE, Step, section, steps, to_try, without_ids};

    const TEXT: &str = "# A\n\n## One\n\nWords.\n\n```bash\nsay 1\n```\n\n```text\n1\n```\n\n## Two\n\n```bash\nquiet\n```\n";

    #[test]
    fn a_block_promises_what_the_block_below_it_shows() {
        let expect = [Step { script: "say 1", prints: Some("1") }, Step { script: "quiet", prints: None }];
        assert_eq!(steps(TEXT), expect);
        assert_eq!(section(TEXT, "Two"), Some("```bash\nquiet\n```"));
    }

    #[test]
    fn ids_are_not_compared() {
        assert_eq!(without_ids(r#"{"request_id":"a-1","x":1}"#), r#"{"request_id":"…","x":1}"#);
    }

    #[test]
    fn every_demo_tells_of_sections_that_exist() {
        for which in [Demo::Echo, Demo::Mcp, Demo::Apps] {
            assert!(to_try(which).contains("curl"), "no commands");
        }
        for heading in [
            "Set-up",
            "An API by hand",
            "MCP by hand",
            "The connector by hand",
            "Connect a client",
            "ChatGPT",
        ] {
            assert!(section(GUIDE, heading).is_some(), "{heading}");
        }
    }
}
