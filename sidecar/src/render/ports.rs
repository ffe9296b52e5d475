//! Port 0 in, a free port out: the parts have to know of each other before they start.

use gatewaystack_core::config::Environment;
use gatewaystack_core::config::error::ConfigError;
use serde_json::{Value, json};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::TcpListener;

/// Where the ports stand: section, member, and the address that is bound to.
fn places(bind: &str) -> [(&'static str, &'static str, &str); 3] {
    [("listen", "port", bind), ("sidecar", "port", "127.0.0.1"), ("listen", "admin_port", "127.0.0.1")]
}

fn slot<'a>(folded: &'a Value, (section, member): (&str, &str)) -> Option<&'a Value> {
    folded.get(section)?.get(member)
}

/// Refuses each port that is 0: a gateway that is reloaded keeps its ports.
pub fn require(folded: &Value) -> Result<(), Vec<ConfigError>> {
    let zero = places("")
        .into_iter()
        .filter(|(section, member, _)| slot(folded, (section, member)).is_some_and(|port| *port == json!(0)));
    let error = |(section, member, _): (&str, &str, &str)| {
        let path = format!("{section}.{member}");
        ConfigError::new(path, "0 is another port each time; a gateway that is reloaded needs one that stays")
    };
    let errors: Vec<_> = zero.map(error).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Replaces each port that is 0. All are held at once, so that they differ.
pub fn choose(folded: &mut Value) -> Result<(), ConfigError> {
    let bind = folded.pointer("/listen/bind").and_then(Value::as_str).unwrap_or("127.0.0.1").to_owned();
    let mut held = Vec::new();
    for (section, member, host) in places(&bind) {
        let Some(slot) = folded.get_mut(section).and_then(|s| s.get_mut(member)) else { continue };
        if *slot != json!(0) {
            continue;
        }
        let failed =
            |e: std::io::Error| ConfigError::new(format!("{section}.{member}"), format!("no free port: {e}"));
        let listener = free(host).map_err(failed)?;
        *slot = json!(listener.local_addr().map_err(failed)?.port());
        held.push(listener);
    }
    Ok(())
}

/// The variables that say the ports which were 0, now that they are chosen.
pub fn chosen(folded: &Value) -> Result<Environment, ConfigError> {
    let mut settled = folded.clone();
    choose(&mut settled)?;
    let variables = [
        ("PORT", "listen", "port"),
        ("SIDECAR_PORT", "sidecar", "port"),
        ("ADMIN_PORT", "listen", "admin_port"),
    ];
    let new = variables.into_iter().filter_map(|(variable, section, member)| {
        let port = slot(&settled, (section, member))?;
        (slot(folded, (section, member)) != Some(port)).then(|| (variable.to_owned(), port.to_string()))
    });
    Ok(new.collect())
}

/// A port of `host` that nobody has now. Below the range from which systems take the ports of outgoing
/// connections (32768 on Linux): one of those could have it by the time it is used.
pub fn free(host: &str) -> std::io::Result<TcpListener> {
    let random = RandomState::new().build_hasher().finish();
    let ports = (0..200u64).map(|n| 10_000 + random.wrapping_add(n * 7) % 22_000);
    let mut free = ports.filter_map(|port| TcpListener::bind((host, u16::try_from(port).ok()?)).ok());
    free.next().map_or_else(|| TcpListener::bind((host, 0)), Ok)
}
