//! How the module is linked. In: target and profile. Out: an argument for its linker.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // Else each address and each function's number takes five bytes, so that a linker could write another in
    // its place: 60 KB of padding. It can't be together with debug information, which no module that is
    // shipped has.
    if is("CARGO_CFG_TARGET_ARCH", "wasm32") && is("DEBUG", "false") {
        println!("cargo::rustc-cdylib-link-arg=--compress-relocations");
    }
}
