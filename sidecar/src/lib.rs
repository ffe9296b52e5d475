//! The companion of the filter: it writes Envoy's bootstrap from a policy and an environment (`render`), checks policies
//! (`check`), and answers what a filter can't (`serve`).

pub mod settings;
pub mod render;
pub mod app;
pub mod cli;
pub mod check;
pub mod doctor;
pub mod smoke;
mod fetch;
