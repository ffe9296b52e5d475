//! The proxy-wasm filter: Envoy's callbacks in, commands of `gatewaystack-driver` done.
//!
//! `proxy` makes events of callbacks and host calls of commands; `host` is the only file that calls the host.

pub mod allocator;
pub mod host;
mod proxy;
mod verify;

use log::{Level, LevelFilter, Metadata, Record};

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        host::log(level, &record.args().to_string());
    }
    fn flush(&self) {}
}

/// Called once by the module's entry point, before any context is made.
pub fn start() {
    // Envoy filters by its own level. A second call only finds the logger set.
    if log::set_logger(&Log).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
    // Natively, in tests, a panic is the test's.
    if cfg!(target_family = "wasm") {
        std::panic::set_hook(Box::new(|panic| host::log(5, &format!("gatewaystack: {panic}"))));
    }
}

#[cfg(target_os = "wasi")]
mod entry {
    #![allow(unsafe_code, reason = "WASI has a module's entry point by name")]

    unsafe extern "C" {
        fn __wasm_call_ctors();
    }

    #[unsafe(no_mangle)]
    extern "C" fn _initialize() {
        // SAFETY: the linker's own list of what is to be set up, and the host calls this once, before all
        // else.
        unsafe { __wasm_call_ctors() };
        crate::start();
    }

    #[global_allocator]
    static MEMORY: crate::allocator::Lists = crate::allocator::Lists::empty();
}
