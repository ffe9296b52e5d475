//! Mutants that may survive. In: `docs/mutants.md`, and mutants as cargo-mutants names them. Out: which of
//! them are listed there, and what of the list isn't true.
//!
//! An entry is one line: ``- `FILE`: `WHAT` at `SOURCE`: WHY``, where SOURCE is the line that is changed,
//! with [`HERE`] at the place: numbers of lines would be wrong after each change of the file.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

/// Marks a place in a line.
const HERE: char = '▸';

/// A small change of the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutant {
    file: String,
    what: String,
    /// The line, with a mark where it is changed.
    place: String,
}

impl Mutant {
    /// Of `FILE:LINE:COLUMN: WHAT`; `text` reads a file.
    pub fn read(line: &str, text: impl Fn(&str) -> Result<String>) -> Result<Self> {
        let parse = || {
            let (place, what) = line.split_once(": ")?;
            let (place, column) = place.rsplit_once(':')?;
            let (file, row) = place.rsplit_once(':')?;
            Some((file, row.parse::<usize>().ok()?, column.parse::<usize>().ok()?, what))
        };
        let (file, row, column, what) = parse().with_context(|| format!("no mutant: {line}"))?;
        let source = text(file)?;
        let line = source.lines().nth(row.saturating_sub(1));
        let line = line.with_context(|| format!("{file} has no line {row}"))?;
        // Both count from one, and columns are characters.
        let before = line.chars().take(column.saturating_sub(1));
        let after = line.chars().skip(column.saturating_sub(1));
        let place: String = before.chain([HERE]).chain(after).collect();
        Ok(Self { file: file.to_owned(), what: what.to_owned(), place: place.trim().to_owned() })
    }

    /// The entry that lists it, except for the reason.
    pub fn line(&self) -> String {
        format!("- `{}`: `{}` at `{}`: WHY", self.file, self.what, self.place)
    }

    fn shown(&self) -> String {
        format!("{}: {}, at {}", self.file, self.what, self.place)
    }
}

/// The mutants that the document lists.
#[derive(Debug)]
pub struct Known(BTreeMap<Mutant, String>);

impl Known {
    /// Every line that begins as a list's item is an entry.
    pub fn read(document: &str) -> Result<Self> {
        let mut known = BTreeMap::new();
        for (at, line) in document.lines().enumerate().filter(|(_, line)| line.starts_with("- ")) {
            let number = at + 1;
            let (mutant, why) =
                entry(line).with_context(|| format!("line {number}: not `FILE`: `WHAT` at `SOURCE`: WHY"))?;
            if ["", "WHY"].contains(&why) {
                bail!("line {number}: no reason");
            }
            if known.insert(mutant, why.to_owned()).is_some() {
                bail!("line {number}: listed before");
            }
        }
        Ok(Self(known))
    }

    pub fn has(&self, mutant: &Mutant) -> bool {
        self.0.contains_key(mutant)
    }

    /// Entries of which there is no mutant.
    pub fn without_mutant(&self, all: &BTreeSet<Mutant>) -> Vec<String> {
        let gone = self.0.keys().filter(|mutant| !all.contains(mutant));
        gone.map(|mutant| format!("listed, but there is no such place any more: {}", mutant.shown()))
            .collect()
    }

    /// Entries of mutants that a test notices.
    pub fn noticed(&self, noticed: &BTreeSet<Mutant>, missed: &BTreeSet<Mutant>) -> Vec<String> {
        let stale = self.0.keys().filter(|mutant| noticed.contains(mutant) && !missed.contains(mutant));
        stale.map(|mutant| format!("listed, but a test notices it: {}", mutant.shown())).collect()
    }
}

fn entry(line: &str) -> Option<(Mutant, &str)> {
    let (file, rest) = line.strip_prefix("- `")?.split_once("`: `")?;
    let (what, rest) = rest.split_once("` at `")?;
    let (place, why) = rest.split_once("`: ").or_else(|| Some((rest.strip_suffix("`:")?, "")))?;
    Some((Mutant { file: file.to_owned(), what: what.to_owned(), place: place.to_owned() }, why.trim()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use anyhow::Result;

    use super::{Known, Mutant};

    const SOURCE: &str = "fn is(a: u8) -> bool {\n    a > 1 && a < 9\n}\n";

    #[allow(clippy::unnecessary_wraps)]
    fn source(_: &str) -> Result<String> {
        Ok(SOURCE.to_owned())
    }

    fn mutant(line: &str) -> Mutant {
        Mutant::read(line, source).unwrap()
    }

    #[test]
    fn a_mutant_is_known_by_what_stands_at_its_place() {
        let found = mutant("core/src/a.rs:2:7: replace > with >= in is");
        let line = "- `core/src/a.rs`: `replace > with >= in is` at `a ▸> 1 && a < 9`: WHY";
        assert_eq!(found.line(), line);
        let other = mutant("core/src/a.rs:2:11: replace && with || in is");
        let known =
            Known::read(&format!("# Title\n\nWords.\n\n{}\n", line.replace("WHY", "because"))).unwrap();
        assert!(known.has(&found) && !known.has(&other));
        for bad in ["core/src/a.rs:2: replace", "core/src/a.rs:x:1: replace", "core/src/a.rs:9:1: replace"] {
            assert!(Mutant::read(bad, source).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_entry_needs_its_form_and_a_reason_and_stands_once() {
        let good = "- `a.rs`: `replace == with != in f` at `== b`: it is `x` all the same";
        Known::read(good).unwrap();
        for (bad, expect) in [
            ("- `a.rs`: `w` at `p`: WHY".to_owned(), "line 1: no reason"),
            ("- `a.rs`: `w` at `p`:".to_owned(), "line 1: no reason"),
            ("- a.rs: something".to_owned(), "line 1: not `FILE`: `WHAT` at `SOURCE`: WHY"),
            (format!("{good}\n{good}"), "line 2: listed before"),
        ] {
            assert_eq!(Known::read(&bad).unwrap_err().to_string(), expect);
        }
    }

    #[test]
    fn what_is_gone_or_noticed_is_stale() {
        let [one, two] = ["2:7: replace > with >= in is", "2:16: replace < with <= in is"]
            .map(|mutant| self::mutant(&format!("core/src/a.rs:{mutant}")));
        let known = Known::read(&one.line().replace("WHY", "because")).unwrap();
        let set =
            |mutants: &[&Mutant]| mutants.iter().map(|mutant| (*mutant).clone()).collect::<BTreeSet<_>>();
        let shown = "core/src/a.rs: replace > with >= in is, at a ▸> 1 && a < 9";
        assert_eq!(
            known.without_mutant(&set(&[&two])),
            [format!("listed, but there is no such place any more: {shown}")]
        );
        assert!(known.without_mutant(&set(&[&one, &two])).is_empty());
        assert_eq!(
            known.noticed(&set(&[&one, &two]), &set(&[])),
            [format!("listed, but a test notices it: {shown}")]
        );
        // Of two in lines that read alike, one is enough.
        assert!(known.noticed(&set(&[&one]), &set(&[&one])).is_empty());
        // What wasn't tested says nothing.
        assert!(known.noticed(&set(&[&two]), &set(&[])).is_empty());
    }
}
