//! The companion of the filter: it writes Envoy's bootstrap from a policy and an environment (`render`),
//! checks policies (`check`), merges them (`merge`), compares two gateways (`compare`), answers what a filter
//! can't (`serve`), starts both and Envoy (`run`), and promotes new clients at Auth0 (`webhook`).

pub mod settings;
pub mod render;
pub mod app;
pub mod cli;
pub mod check;
pub mod merge;
pub mod health;
pub mod webhook;
pub mod ledger;
pub mod audit;
mod signals;
pub mod auth0;
pub mod jwks;
pub mod metrics;
pub mod secret;
mod clock;
pub mod doctor;
pub mod smoke;
pub mod compare;
mod client;
mod connect;
mod fetch;
mod launch;
pub mod limits;
mod refusals;
mod summary;
mod log;
mod plain;
mod private;
mod probe;
mod whole;
