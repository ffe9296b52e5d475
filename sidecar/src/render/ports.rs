//! Port 0 in, a free port out: the parts have to know of each other before they start.

use gatewaystack_core::config::error::ConfigError;
use serde_json::{Value, json};
use std::net::TcpListener;

/// Replaces each port that is 0. All are held at once, so that they differ.
pub fn choose(folded: &mut Value) -> Result<(), ConfigError> {
    let bind = folded.pointer("/listen/bind").and_then(Value::as_str).unwrap_or("127.0.0.1").to_owned();
    let mut held = Vec::new();
    for (section, member, host) in [
        ("listen", "port", bind.as_str()),
        ("sidecar", "port", "127.0.0.1"),
        ("listen", "admin_port", "127.0.0.1"),
    ] {
        let Some(slot) = folded.get_mut(section).and_then(|s| s.get_mut(member)) else { continue };
        if *slot != json!(0) {
            continue;
        }
        let failed =
            |e: std::io::Error| ConfigError::new(format!("{section}.{member}"), format!("no free port: {e}"));
        let listener = TcpListener::bind((host, 0)).map_err(failed)?;
        *slot = json!(listener.local_addr().map_err(failed)?.port());
        held.push(listener);
    }
    Ok(())
}
