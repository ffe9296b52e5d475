//! The harness: a real Envoy with the real filter and sidecar, an issuer and an upstream that tests command,
//! each test with its own.
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
pub mod postgres;
pub mod redis;
pub mod root;
pub mod sidecar;
pub mod site;
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
pub use root::Root;
pub use scripted::Scripted;
pub use sidecar::Sidecar;
pub use token::{Key, ec_key, key_a, key_b, token};
pub use upstream::Upstream;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a client waits for what must come: nothing takes as long, on whatever machine. One that waits for
/// ever would hide a hang.
pub const PATIENCE: Duration = Duration::from_secs(120);

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

/// Ports that are free now, each another; nothing else asks the system for these very ones while a test runs.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| gatewaystack::render::ports::free("127.0.0.1").unwrap());
    held.each_ref().map(|port| port.local_addr().unwrap().port())
}

/// One of them.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Waits until `condition` answers something. It gives up after so many looks, not at a moment: who was
/// stopped in between, or has half of a processor, looks as often as anybody.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = condition().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain for {what}");
}

/// Half a minute, at least.
const LOOKS: usize = 1_500;

/// Plays a scene that goes on within a time of the product's, such as the five seconds that a request waits
/// for keys. One that has failed, and taken as long, may have seen what comes after that time: it is played
/// again.
pub async fn in_time<F: Future<Output = ()> + Send + 'static>(limit: Duration, scene: impl Fn() -> F) {
    for last in [false, false, false, true] {
        let start = Instant::now();
        match tokio::spawn(scene()).await {
            Ok(()) => return,
            Err(failed) if last || start.elapsed() < limit => std::panic::resume_unwind(failed.into_panic()),
            Err(_) => {}
        }
    }
}

/// How often something may have happened since `since` that happens at once and then once in each `pause`: a
/// slow machine has more of them.
pub fn paced(since: Instant, pause: Duration) -> usize {
    1 + usize::try_from(since.elapsed().as_millis() / pause.as_millis()).unwrap()
}
