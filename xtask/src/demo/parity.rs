//! `docs/parity.md` and the badge `docs/parity.json`. In: the cases, and how many the gateway answered as
//! they say. Out: both; the same findings give the same bytes.

use std::path::Path;

use anyhow::Result;

use super::cases::Case;
use crate::badge::{self, Badge};

const HEAD: &str = "# Parity with the original

Each example of the original's README (\"Demos\", §7–§10 and \"MCP Quick Connect\"), what it says, what this gateway answers, and why,
where that differs. Written by `cargo xtask demo --check`, which asks a running gateway every one of them and fails on any
other answer; not to be edited by hand. The gateway listens on `localhost:8080`, the issuer on `127.0.0.1:5051`;
`$READER` has the scope `tool:read`, `$WRITER` has `tool:write`, too.

| § | example | the original says | we answer | why it differs |
|---|---|---|---|---|
";

/// Writes both; the names of those that had to change.
pub fn write(root: &Path, cases: &[Case], good: usize) -> Result<Vec<&'static str>> {
    let mut changed = Vec::new();
    for (name, text) in [("parity.md", document(cases)), ("parity.json", badge(cases, good))] {
        if badge::write(root, name, &text)? {
            changed.push(name);
        }
    }
    Ok(changed)
}

/// An example that deviates for a reason is shown as such, good or not.
fn badge(cases: &[Case], good: usize) -> String {
    let deviate = cases.iter().filter(|case| case.reason.is_some()).count();
    let of = format!("examples, {deviate} otherwise for a reason");
    Badge { label: "parity with the original", good: good as u64, all: cases.len() as u64, of: &of }.text()
}

fn document(cases: &[Case]) -> String {
    let rows = cases.iter().map(|case| {
        let reason = case.reason.unwrap_or("–");
        format!(
            "| {} | {} | {} | {} | {} |\n",
            case.section,
            code(case.example),
            cell(case.original),
            code(case.expected),
            cell(reason)
        )
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::cases::CASES, badge, document};
    use crate::workspace::Workspace;

    /// What CI finds is what is committed, so that both say one thing.
    #[test]
    fn what_is_committed_is_what_a_good_walk_gives() {
        let docs = Workspace::find().unwrap().root.join("docs");
        let committed = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
        assert_eq!(committed("parity.md"), document(CASES));
        assert_eq!(committed("parity.json"), badge(CASES, CASES.len()));
    }

    #[test]
    fn an_example_that_went_wrong_is_seen_in_the_badge() {
        let text = badge(CASES, CASES.len() - 1);
        assert!(
            text.contains("\"red\"") && text.contains(&format!("{}/{} ", CASES.len() - 1, CASES.len())),
            "{text}"
        );
    }

    #[test]
    fn every_case_is_one_row_of_five_cells() {
        let document = document(CASES);
        let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(rows.len(), CASES.len());
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
    }
}
