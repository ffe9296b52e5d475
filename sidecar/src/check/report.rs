//! What `check` has found: lines for people, or JSON for programs, and an exit code.

use super::options::Options;
use crate::settings::Fault;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

/// Findings, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Report {
    warnings: Vec<Fault>,
    errors: Vec<Fault>,
    good: Vec<String>,
}

impl Report {
    /// What is probably not meant.
    pub fn warnings(&mut self, faults: Vec<Fault>) {
        self.warnings.extend(faults);
    }

    /// What no gateway begins with.
    pub fn errors(&mut self, faults: Vec<Fault>) {
        self.errors.extend(faults);
    }

    /// A line about what is as it should be.
    pub fn good(&mut self, line: String) {
        self.good.push(line);
    }

    /// Prints it. Errors go to standard error, as everywhere, and the JSON to standard output as a whole.
    pub fn tell(mut self, options: Options) -> ExitCode {
        if options.strict {
            let warnings = std::mem::take(&mut self.warnings);
            self.errors.splice(0..0, warnings);
        }
        let code = if self.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        let mut out = std::io::stdout().lock();
        if options.json {
            let _ = writeln!(out, "{}", self.json());
            return code;
        }
        for warning in &self.warnings {
            let _ = writeln!(out, "warning: {warning}");
        }
        for line in self.good.iter().filter(|_| self.errors.is_empty() || !options.strict) {
            let _ = writeln!(out, "{line}");
        }
        let mut err = std::io::stderr().lock();
        for error in &self.errors {
            let _ = writeln!(err, "{error}");
        }
        code
    }

    fn json(&self) -> Value {
        let entry = |level: &str, fault: &Fault| json!({ "path": fault.place(), "level": level, "message": fault.message() });
        let errors = self.errors.iter().map(|fault| entry("error", fault));
        errors.chain(self.warnings.iter().map(|fault| entry("warning", fault))).collect()
    }
}
