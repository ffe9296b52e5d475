//! The tools that the commands need. Each is found where the machine has it, else installed once into the
//! user's cache folder, pinned.

pub mod cache;
pub mod cargo_tool;
pub mod chromium;
pub mod debian;
pub mod docker;
pub mod envoy;
pub mod helm;
pub mod musl;
pub mod nextest;
pub mod node;
pub mod postgres;
pub mod python;
pub mod remap;
pub mod wasm;
pub mod wasm_bindgen;
