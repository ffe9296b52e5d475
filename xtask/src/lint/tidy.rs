//! Rules that no other tool checks. In: the sources. Out: every file that breaks one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::shown;

/// Where every Rust file opens with what goes in and what comes out.
const SOURCES: [&str; 8] = ["core", "filter", "sidecar", "xtask", "demo", "bench", "tests/src", "tests/fuzz"];

/// A line of a comment has at most so many characters.
const COLUMNS: usize = 110;

pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for folder in SOURCES {
        for path in files(&root.join(folder), "rs")? {
            let text = fs::read_to_string(&path).with_context(|| shown(root, &path))?;
            if !text.starts_with("//!") {
                complaints.push(format!(
                    "{}:1: a file opens with //! what goes in and what comes out",
                    shown(root, &path)
                ));
            }
        }
    }
    for folder in SOURCES.iter().chain(&["tests/tests"]) {
        for path in files(&root.join(folder), "rs")? {
            let text = fs::read_to_string(&path).with_context(|| shown(root, &path))?;
            for (at, line) in text.lines().enumerate() {
                let comment =
                    line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']));
                // A row of a table is one line.
                let is_text = comment.is_some_and(|text| !text.trim_start().starts_with('|'));
                if is_text && line.chars().count() > COLUMNS {
                    complaints.push(format!(
                        "{}:{}: a comment has at most {COLUMNS} columns",
                        shown(root, &path),
                        at + 1
                    ));
                }
            }
            // Split, so that this file isn't one of those.
            if text.contains(concat!("env!(\"CARGO_", "MANIFEST_DIR\")")) {
                complaints.push(format!(
                    "{}: has its folder built in: clones that share a target folder would read each other's files; ask at run time",
                    shown(root, &path)
                ));
            }
        }
    }
    for path in files(&root.join("tests"), "json")? {
        let is_lock = path.file_name().is_some_and(|name| name == "package-lock.json");
        if is_lock
            && fs::read_to_string(&path).with_context(|| shown(root, &path))?.contains("\"resolved\": \"http")
        {
            complaints.push(format!(
                "{}: names a registry's host: make it with omit-lockfile-registry-resolved",
                shown(root, &path)
            ));
        }
    }
    Ok(complaints)
}

/// The files below a folder with this extension, sorted; none where the folder isn't there.
pub fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "node_modules" && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
