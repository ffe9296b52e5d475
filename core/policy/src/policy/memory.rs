//! What the sidecar remembers, proves, and tells the filter.

/// The sidecar's memory of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Where it is.
    pub store: Store,
    /// How long a record is kept, in milliseconds.
    pub keep_ms: u64,
    /// What it may take on the disk.
    pub max_bytes: u64,
    /// The sidecar's port for records by OTLP.
    pub otlp_port: Option<u16>,
}

/// Where a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In the sidecar's folder.
    Sqlite,
    /// In a database whose URL is in this file.
    Postgres {
        /// Its path.
        url_file: String,
    },
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The file with its key; `None`: in the sidecar's folder.
    pub key_file: Option<String>,
    /// From one checkpoint to the next, in milliseconds.
    pub checkpoint_ms: u64,
    /// How long a leaf is kept, in milliseconds.
    pub keep_ms: u64,
    /// Those who sign each checkpoint, too: URLs without a trailing slash.
    pub witnesses: Vec<String>,
}

/// What the sidecar tells the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The sidecar's cluster.
    pub cluster: String,
    /// From one question to the next, in milliseconds.
    pub interval_ms: u64,
    /// How long an answer is enough, in milliseconds.
    pub max_stale_ms: u64,
    /// What holds after that.
    pub on_stale: OnStale,
}

/// What holds where a feed is too old, or never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// What is known.
    Keep,
    /// Nothing passes that needs to know.
    Deny,
}
