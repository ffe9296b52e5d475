//! Hosts: what a client or a policy names in, what is compared out.

/// A host without its port. Case doesn't tell hosts apart.
pub fn bare_host(host: &str) -> &str {
    // Envoy's routes take the same for a port, or they would choose another route than was judged. (The
    // colons of an IPv6 address stand inside brackets.)
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::bare_host;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What isn't a port stays, as in Envoy's routes: or the request would be judged by one route and
    /// forwarded by another.
    #[test]
    fn only_a_port_is_cut_off() {
        for (host, bare) in [
            ("Notes.Example.COM:443", "Notes.Example.COM"),
            ("notes.example.com:8443", "notes.example.com"),
            ("notes.example.com:", "notes.example.com"),
            ("notes.example.com:https", "notes.example.com:https"),
            ("notes.example.com:80x", "notes.example.com:80x"),
            ("notes.example.com:+80", "notes.example.com:+80"),
            ("notes.example.com::80", "notes.example.com:"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(bare_host(host), bare, "{host}");
        }
    }
}
