//! `docs/parity.md`. In: the cases. Out: the document; the same cases give the same bytes.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::cases::Case;

const HEAD: &str = "# Parity with the original

Each example of the original's README (\"Demos\", §7–§10 and \"MCP Quick Connect\"), what it says, what this gateway answers, and why,
where that differs. Written by `cargo xtask demo --check`, which asks a running gateway every one of them and fails on any
other answer; not to be edited by hand. The gateway listens on `localhost:8080`, the issuer on `127.0.0.1:5051`;
`$READER` has the scope `tool:read`, `$WRITER` has `tool:write`, too.

| § | example | the original says | we answer | why it differs |
|---|---|---|---|---|
";

/// Whether the document had to change.
pub fn write(root: &Path, cases: &[Case]) -> Result<bool> {
    let path = root.join("docs/parity.md");
    let text = document(cases);
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    Ok(true)
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
    use super::{super::cases::CASES, document};

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
