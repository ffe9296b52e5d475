//! A filter that lets every request and answer pass untouched. In and out: nothing. What it costs is Envoy's
//! way into WebAssembly and back, which every filter has to pay.

use proxy_wasm::traits::{Context, HttpContext};

struct Empty;

impl Context for Empty {}
impl HttpContext for Empty {}

/// Called once by the module's entry point.
pub fn start() {
    proxy_wasm::set_http_context(|_, _| Box::new(Empty));
}

#[cfg(target_os = "wasi")]
mod entry {
    #![allow(unsafe_code, missing_docs, reason = "the SDK's macro exports the module's entry point")]
    proxy_wasm::main! {{ crate::start(); }}
}
