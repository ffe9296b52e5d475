//! Env files: text in, variables out, read as dotenv files are: `export`, quotes, comment lines, ` # …` after
//! a value. The last of two lines with one name wins.

use super::fault::Fault;
use gatewaystack_core::config::Environment;
use std::path::Path;

const MAX_FILE: u64 = 1024 * 1024;

/// Reads a file.
pub fn read(file: &Path) -> Result<Environment, Vec<Fault>> {
    let fault = |message: String| vec![Fault::in_file(file, message)];
    let size = std::fs::metadata(file).map_err(|e| fault(format!("can't read it: {e}")))?.len();
    if size > MAX_FILE {
        return Err(fault(format!("expected a file of at most {MAX_FILE} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| fault(format!("can't read it: {e}")))?;
    parse(&text).map_err(|errors| errors.into_iter().map(|m| Fault::in_file(file, m)).collect())
}

/// Reads the text; errors name the line, never a value.
pub fn parse(text: &str) -> Result<Environment, Vec<String>> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut env, mut errors, mut line) = (Environment::new(), Vec::new(), 1usize);
    while !rest.is_empty() {
        let (entry, used) = one(rest);
        let (taken, left) = rest.split_at_checked(used).unwrap_or((rest, ""));
        match entry {
            Ok(Some((name, value))) => {
                env.insert(name, value);
            }
            Ok(None) => {}
            Err(message) => errors.push(format!("line {line}: {message}")),
        }
        line += taken.matches('\n').count();
        rest = left;
    }
    if errors.is_empty() { Ok(env) } else { Err(errors) }
}

type Entry = Result<Option<(String, String)>, &'static str>;

/// The first entry of `text`, and how much of it that took.
fn one(text: &str) -> (Entry, usize) {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text.get(..end).unwrap_or(text);
    let bare = line.trim();
    if bare.is_empty() || bare.starts_with('#') {
        return (Ok(None), end);
    }
    let Some(equals) = line.find('=') else { return (Err("expected NAME=value"), end) };
    let (name, _) = line.split_at_checked(equals).unwrap_or((line, ""));
    let name = name.trim();
    let name = name.strip_prefix("export").filter(|n| n.starts_with([' ', '\t'])).unwrap_or(name).trim();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return (Err("expected NAME=value, the name of letters, digits and _"), end);
    }
    let after = text.get(equals + 1..).unwrap_or_default();
    let value = after.trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    match value.chars().next() {
        Some(quote @ ('"' | '\'' | '`')) => {
            let Some((inner, length)) = quoted(value, quote) else {
                return (Err("expected a closing quote"), end);
            };
            let tail_start = start + length;
            let tail = text.get(tail_start..).unwrap_or_default();
            let tail_end = tail.find('\n').map_or(tail.len(), |at| at + 1);
            let tail_line = tail.get(..tail_end).unwrap_or_default().trim();
            if !tail_line.is_empty() && !tail_line.starts_with('#') {
                return (Err("expected nothing after the closing quote"), tail_start + tail_end);
            }
            (Ok(Some((name.to_owned(), inner))), tail_start + tail_end)
        }
        _ => {
            let plain = line.get(equals + 1..).unwrap_or_default();
            (Ok(Some((name.to_owned(), uncommented(plain).trim().to_owned()))), end)
        }
    }
}

/// A `#` begins a comment only after white space: URLs and secrets may hold one.
fn uncommented(value: &str) -> &str {
    let before = |at: usize| value.get(..at).is_some_and(|b| b.ends_with([' ', '\t']));
    let comment = value.match_indices('#').map(|(at, _)| at).find(|at| before(*at));
    comment.and_then(|at| value.get(..at)).unwrap_or(value)
}

/// A quoted value, which may run over lines, and its length with the quotes. Escapes count in double quotes
/// alone.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((out, at + c.len_utf8())),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                c @ ('"' | '\\' | '$') => out.push(c),
                c => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
    None
}
