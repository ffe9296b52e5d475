//! The tokens of a run. In: the program that signs them, the issuer's port. Out: one that is known, more than
//! the filter remembers, and as many that nobody signed; the lists also in files, for `wrk`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::chain::Bearer;
use crate::run::output;

/// A filter remembers at most 2 × 4,096 tokens (`core/src/token_cache.rs`): asked in turn, each of these has
/// been forgotten when it comes again, though 64 connections may swap some.
const NEW: usize = 8_500;

pub struct Tokens {
    known: String,
    new: File,
    forged: File,
}

/// Tokens, one a line, in a file.
pub struct File {
    pub path: PathBuf,
    pub first: String,
}

/// What a load's requests carry.
pub enum Sent<'a> {
    Nothing,
    One(&'a str),
    InTurn(&'a File),
}

/// Signs tokens of as many users.
pub fn sign(program: &Path, issuer: u16, count: usize, users: usize) -> Result<Vec<String>> {
    Ok(output(&mut signer(program, issuer, count, users))?.lines().map(str::to_owned).collect())
}

fn signer(program: &Path, issuer: u16, count: usize, users: usize) -> Command {
    let mut command = Command::new(program);
    command.args(["tokens", &format!("http://127.0.0.1:{issuer}"), "https://gateway.example.com/api"]);
    command.args(["tool:read tool:write", &count.to_string(), &users.to_string()]);
    command
}

impl Tokens {
    pub fn make(program: &Path, issuer: u16, folder: &Path) -> Result<Self> {
        let mut new = sign(program, issuer, NEW + 1, 1)?;
        let known = new.pop().context("no tokens")?;
        let forged = new.iter().map(|token| forge(token)).collect::<Option<Vec<_>>>().context("no tokens")?;
        let new = File::write(folder.join("new-tokens.txt"), &new)?;
        Ok(Self { known, new, forged: File::write(folder.join("forged-tokens.txt"), &forged)? })
    }

    pub fn of(&self, bearer: Bearer) -> Sent<'_> {
        match bearer {
            Bearer::None => Sent::Nothing,
            Bearer::Known => Sent::One(&self.known),
            Bearer::New => Sent::InTurn(&self.new),
            Bearer::Forged => Sent::InTurn(&self.forged),
        }
    }

    /// One such token.
    pub fn one(&self, bearer: Bearer) -> Option<&str> {
        match self.of(bearer) {
            Sent::Nothing => None,
            Sent::One(token) => Some(token),
            Sent::InTurn(file) => Some(&file.first),
        }
    }
}

impl File {
    /// Signs tokens of as many users into a file.
    pub fn sign(path: PathBuf, program: &Path, issuer: u16, count: usize) -> Result<Self> {
        let shown = || format!("can't write {}", path.display());
        let file = fs::File::create(&path).with_context(shown)?;
        let status = signer(program, issuer, count, count).stdout(file).status().context("signing")?;
        ensure!(status.success(), "signing failed ({status})");
        let mut first = String::new();
        BufReader::new(fs::File::open(&path).with_context(shown)?).read_line(&mut first)?;
        Ok(Self { path, first: first.trim_end().to_owned() })
    }

    pub fn write(path: PathBuf, tokens: &[String]) -> Result<Self> {
        fs::write(&path, tokens.join("\n") + "\n")
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self { path, first: tokens.first().context("no tokens")?.clone() })
    }
}

/// The same claims with another signature: one character in its middle differs.
fn forge(token: &str) -> Option<String> {
    let start = token.rfind('.')? + 1;
    let (before, rest) = token.split_at_checked(start + (token.len() - start) / 2)?;
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    Some(format!("{before}{other}{}", rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::forge;

    #[test]
    fn a_forged_token_has_the_same_claims_and_another_signature() {
        assert_eq!(forge("h.c.xxxx").as_deref(), Some("h.c.xxAx"));
        assert_eq!(forge("h.c.xxAx").as_deref(), Some("h.c.xxBx"));
        assert_eq!(forge("h"), None);
    }
}
