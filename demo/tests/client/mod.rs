//! A client that follows no redirect.

use reqwest::{Client, redirect};

pub fn client() -> Client {
    // Built together with the sidecar, this crate's client has TLS without a provider of its cryptography,
    // and won't start without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(redirect::Policy::none()).build().unwrap()
}
