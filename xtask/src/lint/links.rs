//! Links of the documents. In: the Markdown files of the root and of `docs/`. Out: every relative link, and
//! every path in backticks, that leads to nothing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{shown, tidy::files};

/// Made by commands, so a document may name what isn't there yet.
const NOT_SOURCES: [&str; 4] = ["target", "data", "node_modules", ".git"];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut documents: Vec<PathBuf> = files(&root.join("docs"), "md")?;
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    documents.sort();
    let top = top_level(root)?;
    let mut complaints = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).with_context(|| shown(root, &document))?;
        let folder = document.parent().unwrap_or(root);
        for (line, reference) in references(&text, &top) {
            let (base, path) = match &reference {
                Reference::Link(path) => (folder, path),
                Reference::Path(path) => (root, path),
            };
            if !base.join(path).exists() {
                complaints.push(format!("{}:{line}: {path} isn't there", shown(root, &document)));
            }
        }
    }
    Ok(complaints)
}

#[derive(Debug, PartialEq, Eq)]
enum Reference {
    /// Relative to the document.
    Link(String),
    /// Relative to the root.
    Path(String),
}

fn top_level(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root)? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !NOT_SOURCES.contains(&name.as_str()));
    Ok(names)
}

/// With their line numbers. Blocks of code hold commands and examples: nothing is looked for in them.
fn references(text: &str, top: &BTreeSet<String>) -> Vec<(usize, Reference)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block {
            continue;
        }
        let mut parts = line.split('`');
        let mut prose = parts.next().unwrap_or_default().to_owned();
        // Between backticks is every second part; what a link's text has in backticks is cut out of the
        // prose.
        while let Some(code) = parts.next() {
            found.extend(repository_path(code, top).map(|path| (index + 1, Reference::Path(path))));
            prose += parts.next().unwrap_or_default();
        }
        found.extend(links(&prose).map(|path| (index + 1, Reference::Link(path))));
    }
    found
}

/// The targets of `[text](target)` that are paths.
fn links(prose: &str) -> impl Iterator<Item = String> {
    prose.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ']).next()?;
        let path = target.split('#').next()?;
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        (!elsewhere && !path.is_empty()).then(|| path.to_owned())
    })
}

/// A path of the repository: it has a slash, begins with something of the root, and has no placeholder.
fn repository_path(code: &str, top: &BTreeSet<String>) -> Option<String> {
    let path = code.split(':').next()?.trim_end_matches('/');
    let first = path.split('/').next()?;
    let placeholder = |character: char| character.is_whitespace() || "*<>{}…$()[]|&;=".contains(character);
    let is_path = code.contains('/') && top.contains(first) && !path.contains(placeholder);
    is_path.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Reference, references};

    fn check(text: &str, expect: &[&str]) {
        let top: BTreeSet<String> = ["core", "docs", ".ci", "README.md"].map(str::to_owned).into();
        let found: Vec<String> = references(text, &top)
            .into_iter()
            .map(|(line, reference)| match reference {
                Reference::Link(path) => format!("{line} link {path}"),
                Reference::Path(path) => format!("{line} path {path}"),
            })
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn relative_links_are_found_without_their_fragment() {
        check(
            "see [a](docs/a.md#there) and\n[b](../b.md \"title\")",
            &["1 link docs/a.md", "2 link ../b.md"],
        );
        check("![flow](docs/flow.svg)", &["1 link docs/flow.svg"]);
        check("[`core/`](core/src/lib.rs)", &["1 path core", "1 link core/src/lib.rs"]);
    }

    #[test]
    fn links_to_elsewhere_and_within_are_not_ours() {
        check("[a](https://example.com/x) [b](#here) [c](mailto:a@example.com)", &[]);
    }

    #[test]
    fn paths_in_backticks_are_found_when_they_begin_in_the_root() {
        check(
            "`core/src/lib.rs:12`, `.ci/run`, `docs/`",
            &["1 path core/src/lib.rs", "1 path .ci/run", "1 path docs"],
        );
        check("`/proxy/echo`, `apps/gateway`, `core`, `core/src/*.rs`, `docs/{a,b}.md`, `core/x y`", &[]);
    }

    #[test]
    fn blocks_of_code_are_passed_over() {
        check("```\n`core/none.rs`\n```\n`core/some.rs`", &["4 path core/some.rs"]);
    }
}
