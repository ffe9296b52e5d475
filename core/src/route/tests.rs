//! Hosts as routes are matched by them; the rest is in the exchange's tests.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What isn't a port stays, as in Envoy's routes: or the request would be judged by one route and forwarded by another.
#[test]
fn only_a_port_is_cut_off() {
    for (host, bare) in [
        ("Notes.Example.COM", "notes.example.com"),
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
