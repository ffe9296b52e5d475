//! Policy and environment in, Envoy's bootstrap out: `envoy/bootstrap.yaml.j2` filled from the compiled
//! policy.
//!
//! The filter gets the policy with the environment folded in, so Envoy's own environment matters to nobody.

mod bootstrap;
mod clusters;
mod files;
mod memory;
mod model;
pub mod ports;
mod reload;
mod rendered;
mod routes;
mod spans;

pub use bootstrap::render;
pub use files::{copy_filter, kept_secret, write};
pub use reload::{Reloadable, render_reloadable, write_reloadable};
pub use rendered::{RenderInput, Rendered};

#[cfg(test)]
mod tests;
