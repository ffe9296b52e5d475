//! What others wrote, read strictly: bytes in; values, paths, hosts and scopes out that mean one thing to
//! every reader. And what policy and decision both need to compare texts: hashes, lists in order. Nothing
//! here knows a rule of the gateway.

#![warn(missing_docs)]

pub mod json;
pub mod path;
pub mod uri;
pub mod names;
pub mod host;
pub mod scopes;
pub mod fold;
pub mod glob;
pub mod hash;
pub mod sorted;
pub mod bytes;
