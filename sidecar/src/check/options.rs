//! What `check` is told besides the file.

use super::host::Host;

/// How to check, and how to tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Where the filter runs.
    pub host: Option<Host>,
    /// Also asks the issuers.
    pub online: bool,
    /// What is probably not meant is an error.
    pub strict: bool,
    /// As JSON.
    pub json: bool,
}
