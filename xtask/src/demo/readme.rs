//! The README's walk, as it is. In: the README and where the demo runs. Out: each command that ends
//! in a comment, with the line that it promises there and the line that it printed.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::walk::Walk;
use crate::{run::output, test::tally::Suite, tools::debian};

/// One promise: a command, and what its comment says that it prints.
#[derive(Debug, PartialEq, Eq)]
struct Promise<'a> {
    command: &'a str,
    expected: &'a str,
}

/// Runs the walk by the shell that a reader has.
pub fn check(root: &Path, walk: &Walk, suite: &mut Suite) -> Result<()> {
    let file = root.join("README.md");
    let readme = fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
    let script = block(&readme, "## The walk").context("README.md has no walk")?;
    let promises = promises(script);
    ensure!(!promises.is_empty(), "README.md's walk promises nothing");
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).env("GATEWAY", format!("http://{}", walk.demo));
    shell.env("ISSUER", format!("http://{}", walk.issuer));
    debian::require("curl", "curl")?;
    let printed = output(&mut shell)?;
    let lines: Vec<&str> = printed.lines().collect();
    ensure!(
        lines.len() == promises.len(),
        "README.md's walk printed {} lines instead of {}:\n{printed}",
        lines.len(),
        promises.len()
    );
    for (promise, got) in promises.iter().zip(lines) {
        let good = promise.expected == got;
        println!("README.md {}", promise.command);
        println!("    expected  {}", promise.expected);
        println!("    got       {got}");
        println!("    {}", if good { "good" } else { "WRONG" });
        *(if good { &mut suite.passed } else { &mut suite.failed }) += 1;
    }
    Ok(())
}

/// The first block of shell commands below a heading.
fn block<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let (_, below) = text.split_once(&format!("\n{heading}\n"))?;
    let (_, code) = below.split_once("\n```bash\n")?;
    Some(code.split_once("\n```")?.0)
}

/// A command promises what stands behind its last `  # `.
fn promises(script: &str) -> Vec<Promise<'_>> {
    let lines = script.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once("  # "))
        .map(|(command, expected)| Promise { command: command.trim(), expected: expected.trim() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Promise, block, promises};

    const TEXT: &str =
        "# A\n\n## The walk\n\nWords.\n\n```bash\n# Health.\nA=1\nsay $A      # 1\n```\n\n```bash\nno\n```\n";

    #[test]
    fn the_walk_is_the_first_block_below_its_heading() {
        assert_eq!(block(TEXT, "## The walk"), Some("# Health.\nA=1\nsay $A      # 1"));
        assert_eq!(block(TEXT, "## Another"), None);
    }

    #[test]
    fn a_command_promises_what_its_comment_says() {
        let script = block(TEXT, "## The walk").unwrap_or_default();
        assert_eq!(promises(script), [Promise { command: "say $A", expected: "1" }]);
    }
}
