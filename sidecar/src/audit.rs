//! The audit log: one append-only Merkle tree (RFC 6962) of all that happened, which a stranger can check
//! (contract §13.5). What the ledger takes in becomes a leaf; a second later a signed checkpoint covers it.
//!
//! ```text
//! ledger: record, block, … ─► leaf (a commitment, no personal value) ─► publisher ─► log: tiles, checkpoint
//!            │ salt                                                                        │
//!            └────────────────────────► prove ◄── tile: proofs ◄── store ◄─────────────────┴─► verify
//! ```

pub mod hash;
pub mod tile;
pub mod leaf;
pub mod note;
pub mod store;
pub mod shelf;
pub mod edge;
pub mod log;
pub mod verify;
pub mod proof;
pub mod witness;
pub mod publisher;
pub mod operate;
pub mod backup;
