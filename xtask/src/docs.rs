//! `cargo xtask docs`: what is made of the policy's members. In: what `core/policy/src/raw.rs` says of each.
//! Out: the tables of `docs/policy.md`, the schemas of `gateway.yaml` and of the chart's values, and the list
//! of locks.

mod chart;
mod json;
mod locks;
mod page;
mod schema;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};

use crate::{cli::DocsArguments, workspace::Workspace};

/// What is written, each by what makes it out of what is there.
const DOCUMENTS: [(&str, Make); 5] = [
    ("docs/policy.md", page::written),
    ("docs/kubernetes.md", locks::in_guide),
    ("envoy/gateway.schema.json", |_| schema::document()),
    ("deploy/helm/values.schema.json", chart::written),
    ("deploy/helm/values.yaml", locks::in_values),
];

type Make = fn(&str) -> Result<String>;

pub fn run(arguments: &DocsArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    if arguments.check {
        check(&workspace.root)?;
        println!("docs: all as the sources say");
        return Ok(ExitCode::SUCCESS);
    }
    for (path, text) in stale(&workspace.root)? {
        fs::write(workspace.root.join(path), text).with_context(|| format!("can't write {path}"))?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// For CI: an error that names what isn't as the sources say.
pub fn check(root: &Path) -> Result<()> {
    let stale: Vec<&str> = stale(root)?.into_iter().map(|(path, _)| path).collect();
    if !stale.is_empty() {
        bail!(
            "not what core/policy/src/raw.rs says: {}; `cargo xtask docs` writes them anew",
            stale.join(", ")
        );
    }
    Ok(())
}

/// What has to change, and how it has to be.
fn stale(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let mut stale = Vec::new();
    for (path, make) in DOCUMENTS {
        // One that isn't there is made.
        let before = fs::read_to_string(root.join(path)).unwrap_or_default();
        let text = make(&before).with_context(|| path)?;
        if text != before {
            stale.push((path, text));
        }
    }
    Ok(stale)
}

/// `text` with `new` between what first begins with `begin` and the next `end`.
fn between(text: &str, begin: &str, end: &str, new: &str) -> Result<String> {
    let place = || {
        let (before, rest) = text.split_once(begin)?;
        let (_, after) = rest.split_once(end)?;
        Some(format!("{before}{begin}{new}{end}{after}"))
    };
    place().with_context(|| format!("no place for what is written: `{begin}` … `{end}`"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{DOCUMENTS, between, check, stale};
    use crate::workspace::Workspace;

    #[test]
    fn what_is_committed_is_what_the_sources_say() {
        check(&Workspace::find().unwrap().root).unwrap();
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_named_with_the_command_that_mends_it() {
        let root = Workspace::find().unwrap().root;
        let folder = tempfile::tempdir().unwrap();
        for (path, _) in DOCUMENTS {
            let copy = folder.path().join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            let text = fs::read_to_string(root.join(path)).unwrap();
            fs::write(copy, text.replace("allow_insecure_jwks", "allow_secure_jwks")).unwrap();
        }
        let told = check(folder.path()).unwrap_err().to_string();
        for (path, _) in DOCUMENTS {
            assert!(told.contains(path) && told.contains("`cargo xtask docs`"), "{path}: {told}");
        }
        for (path, text) in stale(folder.path()).unwrap() {
            fs::write(folder.path().join(path), text).unwrap();
        }
        check(folder.path()).unwrap();
    }

    #[test]
    fn what_is_written_stands_between_what_is_not() {
        assert_eq!(between("a <b> c </b> d", "<b>", "</b>", "x").unwrap(), "a <b>x</b> d");
        assert!(between("a <b> c", "<b>", "</b>", "x").is_err());
    }
}
