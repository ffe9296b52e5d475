//! The ledger: a durable memory of decision records, and of who is blocked (contract §13). What Envoy writes
//! comes in, once each; what operators and the filter ask for goes out.
//!
//! ```text
//! decisions.jsonl ─► follow (lines) ─► line (members) ─► writer (rows, once by vm and seq) ─► ledger.db
//!                                                      aggregate (sums) ─┤  retention ─┘         │
//! POST /internal/records ─► posted (batches) ─► line …
//!      gatewaystack records ◄─ search ◄─ condition ─────────────────────────────────────┤
//!      gatewaystack block ──────────────► block ──► feed ──► /internal/feed ◄───────────┘
//!      /ssf/events ─────────────────────► signal ───┘
//! ```

mod member;
mod time;
mod line;
mod stored;
pub(crate) mod leaves;
pub(crate) mod sealed;
mod sequence;
mod numbers;
mod names;
mod aggregate;
mod counted;
mod schema;
pub(crate) mod sql;
pub(crate) mod database;
mod follow;
mod retention;
mod writer;
pub(crate) mod shared;
mod turn;
pub(crate) mod erase;
pub(crate) mod tail;
mod posted;
mod block;
pub mod signal;
mod feed;
mod condition;
mod show;
mod search;
pub mod operate;

pub use database::Home;
pub(crate) use database::Use;
pub use follow::{end_torn_line, records_file};
pub use posted::Posted;
pub use retention::Limits;
pub use shared::{Audited, Ledger, Published, Standing};
pub use tail::Tail;
