//! The harness: a real Envoy with the real filter and sidecar, an issuer and an upstream that tests command, each test with its own.
//!
//! ```ignore
//! let issuer = TestIssuer::start().await;
//! let gateway = gateway().policy(json!({"routes": [{"path": "/x"}]})).issuer(&issuer).start().await;
//! assert_eq!(gateway.get("/x").bearer(&token().mint(&issuer)).send().await.status, 200);
//! ```

pub mod auth0;
pub mod client;
pub mod gateway;
pub mod hop;
pub mod issuer;
pub mod limit_service;
pub mod load;
pub mod node;
pub mod person;
pub mod raw_http2;
pub mod redis;
pub mod sidecar;
pub mod scripted;
pub mod support;
pub mod token;
pub mod upstream;
pub mod wire;

pub use auth0::{Auth0, Fault};
pub use client::Response;
pub use gateway::{Gateway, gateway};
pub use hop::Hop;
pub use issuer::TestIssuer;
pub use limit_service::{LimitService, Manner};
pub use load::Load;
pub use redis::Redis;
pub use scripted::Scripted;
pub use sidecar::Sidecar;
pub use token::{Key, key_a, key_b, token};
pub use upstream::Upstream;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The audience of the tests' tokens.
pub const AUDIENCE: &str = "https://gateway.local/api";

/// The folder of these tests' package, as it is now: what was built for another clone may run here.
pub fn sources() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo or nextest").into()
}

/// The repository's root.
pub fn root() -> PathBuf {
    sources().parent().expect("the package isn't the root").to_owned()
}

/// Waits until `condition` answers something, for at most 20 seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
