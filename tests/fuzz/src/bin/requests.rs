//! The fuzz target of the request side. In: libFuzzer's arguments, and the bytes that it makes. Out: nothing,
//! or the end of the process at a broken promise.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    gatewaystack_fuzz::tell(bytes, gatewaystack_fuzz::requests::describe);
    gatewaystack_fuzz::requests::check(bytes);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("cargo xtask fuzz requests");
}
