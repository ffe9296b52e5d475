//! `gatewaystack merge`: a base policy and overrides in; the policy that they make together out, or every
//! error with the file that it comes from. What it probably doesn't mean to say is told on standard error.

mod locked;
mod origin;
mod rules;
mod weaker;

use crate::check::{self, Host};
use crate::settings::{Fault, Source};
use gatewaystack_core::config::error::ConfigError;
use gatewaystack_core::config::policy::Policy;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use locked::{Locked, MEMBERS, OF_ROUTES, default_names};
pub use rules::{Merged, merge};

/// The merged policy as JSON, which is YAML, too.
///
/// # Errors
/// Every error, of the merge or of the result.
pub fn run(
    base: &Path,
    overrides: &[PathBuf],
    locked: Option<&str>,
    env_file: Option<&Path>,
    host: Option<Host>,
) -> Result<String, Vec<Fault>> {
    let locked = match locked {
        Some(names) => {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            Locked::new(names).map_err(|e| vec![Fault::text(e)])?
        }
        None => Locked::by_default(),
    };
    let files: Vec<&Path> = [base].into_iter().chain(overrides.iter().map(PathBuf::as_path)).collect();
    let (documents, source) = read(&files, env_file)?;
    let found = judge(&documents, &locked, &source, host);
    let named = |(document, error): (Option<usize>, ConfigError)| {
        Fault::new(document.and_then(|at| files.get(at)).copied(), error)
    };
    let (merged, warnings) = found.map_err(|errors| errors.into_iter().map(named).collect::<Vec<_>>())?;
    let mut err = std::io::stderr().lock();
    for warning in warnings {
        let _ = writeln!(err, "warning: {}", named(warning));
    }
    serde_json::to_string_pretty(&merged).map_err(|e| vec![Fault::text(e.to_string())])
}

/// The documents, and the variables that count with them.
fn read(files: &[&Path], env_file: Option<&Path>) -> Result<(Vec<Value>, Source), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut keep = |result: Result<Source, Vec<Fault>>| result.map_err(|found| faults.extend(found)).ok();
    let variables = keep(Source::read(None, env_file, false));
    let documents: Vec<Value> = files
        .iter()
        .filter_map(|file| keep(Source::read(Some(file), None, false)))
        .filter_map(|source| source.policy)
        .collect();
    match variables {
        Some(source) if faults.is_empty() => Ok((documents, source)),
        _ => Err(faults),
    }
}

/// Errors or warnings, each with the document that it is about, by its place; `None`: all of them together,
/// or a variable.
type Findings = Vec<(Option<usize>, ConfigError)>;

/// Merges and checks: the policy and its warnings, or every error.
fn judge(
    documents: &[Value],
    locked: &Locked,
    source: &Source,
    host: Option<Host>,
) -> Result<(Value, Findings), Findings> {
    let Some((base, overrides)) = documents.split_first() else { return Err(Vec::new()) };
    let some = |(at, error): (usize, ConfigError)| (Some(at), error);
    let (merged, refused) = rules::attempt(base, overrides, locked);
    let refused: Findings = refused.into_iter().map(some).collect();
    let blame = |error: ConfigError| match error.path.as_str() {
        path if path.is_empty() || gatewaystack_core::config::is_variable(path) => (None, error),
        _ => some(origin::blame(documents, &merged, error)),
    };
    let blamed = |errors: Vec<ConfigError>| errors.into_iter().map(blame).collect::<Findings>();
    let whole = Source::of(Some(merged.value.clone()), source.env.clone());
    let loaded = check::load(&whole, host).map_err(blamed);
    if !refused.is_empty() {
        // What is wrong with a member that may not be said doesn't matter.
        let is_new = |(at, error): &(Option<usize>, ConfigError)| {
            !refused.iter().any(|(document, known)| document == at && known.path == error.path)
        };
        let further: Findings = loaded.err().into_iter().flatten().filter(is_new).collect();
        return Err(refused.into_iter().chain(further).collect());
    }
    let policy = loaded?;
    let mut found = check::warnings(&policy);
    if let Some(host) = host {
        found.extend(check::of_host(host, &merged.value, 0, &policy).map_err(|e| blamed(vec![e]))?);
    }
    let mut found = blamed(found);
    found.extend(weaker_routes(&policy, &merged));
    Ok((merged.value, found))
}

fn weaker_routes(policy: &Policy, merged: &Merged) -> Findings {
    let [routes, _] = &merged.elements;
    let document = |at: usize| routes.get(at).map_or(0, |(document, _)| *document);
    let found = weaker::weaker(policy, document).into_iter().map(|(at, hidden, less)| {
        let path = routes.get(at).map(|(_, path)| path.clone()).unwrap_or_default();
        let hidden_path = routes.get(hidden).map(|(_, path)| path.as_str()).unwrap_or_default();
        let whose = origin::whose(document(hidden));
        let message = format!("takes requests of {hidden_path} of {whose}, and asks less of them: {less}");
        (Some(document(at)), ConfigError::new(path, message))
    });
    found.collect()
}

#[cfg(test)]
mod tests;
